"""`helixer-ft demo`."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from helixer_ft.cli.base import Command
from helixer_ft.cli.command_line import runs_as
from helixer_ft.cli.shared_options import backend_option, output_options
from helixer_ft.demo.request import DemoRequest
from helixer_ft.runtime.backend import select_backend


@click.command("demo", cls=Command)
@click.option(
    "--out-dir",
    type=click.Path(path_type=Path),
    default=DemoRequest.out_dir,
    show_default=True,
    metavar="DIR",
    help="Folder for everything that is written.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=DemoRequest.seed,
    show_default=True,
    metavar="N",
    help="Of the species: its genome, its genes and their expression.",
)
@backend_option
@output_options(force="Replace the files of an earlier demo in the folder.")
def command(**options: Any) -> None:
    """The whole story on a small simulated species, offline, in a few minutes.

    Simulates two species and takes the small model that comes with helixer-ft and was trained on
    one of them. Tunes it to the other in four ways, each by a command that is shown first, and ends
    with a table: errors on held-out sequences before and after.

    \b
    Example:
      helixer-ft demo
    """
    names = ("out_dir", "seed", "backend", "force")
    request = DemoRequest(**{name: options[name] for name in names})
    backend = select_backend(request.backend)

    from helixer_ft.cli.demo_output import DemoPrinter, show
    from helixer_ft.demo.demo import demo

    printer = DemoPrinter(quiet=options["quiet"], as_json=options["as_json"])
    printer.say(f"Keras backend: {backend.name} ({backend.reason})")
    with printer:
        outcome = demo(request, _parse, printer)
    show(outcome, printer)


def _parse(words: Sequence[str]) -> Any:
    """What a command asks of the library; the demonstration has checked what it replaces."""
    name, *arguments = words
    module = importlib.import_module(f"helixer_ft.cli.{name.replace('-', '_')}")
    context = module.command.make_context(name, [*arguments, "--force"])
    runs_as(context, words)
    with context:
        return module.request_from(context.params)
