"""`helixer-ft inspect`."""

from typing import Any

import click

from helixer_ft.cli.base import Command
from helixer_ft.cli.shared_options import output_options
from helixer_ft.cli.types import ModelPath


@click.command("inspect", cls=Command)
@click.argument("file", type=ModelPath(), metavar="FILE")
@output_options(outcome="everything", quiet=False)
def command(**options: Any) -> None:
    """Show what a model, a data file or a predictions file contains.

    FILE may be a lineage (fungi, invertebrate, land_plant, vertebrate): the newest of its models
    that Helixer has downloaded.

    \b
    Examples:
      helixer-ft inspect tuned.h5
      helixer-ft inspect data/training_data.h5
    """
    from helixer_ft.cli.inspection_output import show
    from helixer_ft.cli.output import Printer
    from helixer_ft.inspection.inspect import inspect

    printer = Printer(quiet=False, as_json=options["as_json"])
    show(inspect(options["file"], printer), printer)
