"""`helixer-ft demo`."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.command_line import WORDS
from helixer_ft.cli.shared_options import backend_option, output_options
from helixer_ft.demo.request import DemoRequest, DemoSize
from helixer_ft.runtime.backend import select_backend


@click.command("demo", cls=Command)
@kinds.path(
    "--out-dir", "Folder for everything that is written.", "DIR", default=DemoRequest.out_dir
)
@kinds.integer(
    "--seed",
    "Seed of the species: its genome, its genes and their expression.",
    default=DemoRequest.seed,
    least=0,
)
@backend_option
@output_options(force="Replace the files of an earlier demo in the folder.")
def command(**options: Any) -> None:
    """Run the whole workflow on a small simulated species, offline, in a few minutes.

    Simulates a species, takes the small model shipped with helixer-ft, which was trained on another
    one, and tunes it in five ways. Each command is shown before it runs; a table at the end
    compares the models on held-out sequences, and recommends one.

    \b
    Example:
      helixer-ft demo
    """
    request = kinds.from_options(DemoRequest, options, size=DemoSize())
    backend = select_backend(request.backend)

    from helixer_ft.cli.demo_output import DemoPrinter, show
    from helixer_ft.demo.demo import demo

    printer = DemoPrinter(quiet=options["quiet"], as_json=options["as_json"])
    printer.say(f"Keras backend: {backend.name} ({backend.reason})")
    if backend.warning:
        printer.warning(backend.warning)
    with printer:
        outcome = demo(request, _parse, printer)
    show(outcome, printer)


def _parse(words: Sequence[str]) -> Any:
    """The request that a command makes; the demo has checked which files it replaces."""
    from helixer_ft.cli import main

    name, *arguments = words
    asked = main.get_command(click.Context(main), name)
    assert asked is not None, "the demonstration names commands of this program"
    arguments.append("--force")
    context = asked.make_context(name, arguments, **main.context_settings)
    context.meta[WORDS] = words
    with context:
        return sys.modules[asked.callback.__module__].request_from(context.params)
