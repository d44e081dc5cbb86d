"""`helixer-ft completion`."""

import click
from click.shell_completion import get_completion_class

from helixer_ft.cli.base import Command

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "helixer-ft"
VARIABLE = "_HELIXER_FT_COMPLETE"
"""Set by the shell when it asks for completions."""


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options, lineages and paths.

    \b
    Examples:
      helixer-ft completion bash >> ~/.bashrc
      helixer-ft completion zsh >> ~/.zshrc
      helixer-ft completion fish > ~/.config/fish/completions/helixer-ft.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click completes these shells"
    program = ctx.find_root().command
    click.echo(kind(program, {}, PROGRAM, VARIABLE).source())
