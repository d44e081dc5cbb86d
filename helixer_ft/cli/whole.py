"""`helixer-ft whole`."""

from typing import Any

import click

from helixer_ft.cli.base import Command
from helixer_ft.cli.training_options import HYBRIDMODEL_NOTE, training_options


@click.command("whole", cls=Command, epilog=HYBRIDMODEL_NOTE)
@training_options
@click.option(
    "--freeze-batchnorm",
    is_flag=True,
    help="Keep the trained batch-norm statistics (with few batches the new ones lag behind).",
)
def command(**options: Any) -> None:
    """Fine-tune every layer of a trained model.

    \b
    Example:
      helixer-ft whole -l land_plant.h5 -d data/ -t test_data.h5 -s tuned.h5
    """
    from helixer_ft.cli.fine_tuning import run_command

    run_command("whole", options)
