"""`helixer-ft demo`."""

from pathlib import Path
from typing import Any

import click

from helixer_ft.cli.base import Command
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

    from helixer_ft.cli.demo_output import DemoPrinter
    from helixer_ft.demo.demo import demo

    printer = DemoPrinter(quiet=options["quiet"], as_json=options["as_json"])
    printer.say(f"Keras backend: {backend.name} ({backend.reason})")
    if backend.warning:
        printer.warning(backend.warning)
    with printer:
        outcome = demo(request, printer)
    printer.demo(outcome)
