"""`helixer-ft whole`."""

from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.hybridmodel import TRAINING_NOTE, refuse_fixed_body
from helixer_ft.cli.training_options import training_options

if TYPE_CHECKING:
    from helixer_ft.training.request import FineTuneRequest


@click.command("whole", cls=Command, epilog=TRAINING_NOTE)
@training_options
@kinds.flag(
    "--freeze-batchnorm",
    "Keep the trained batch-norm statistics (with few batches, new ones lag behind).",
)
def command(**options: Any) -> None:
    """Fine-tune every layer of a trained model.

    \b
    Example:
      helixer-ft whole -l land_plant.h5 -d data/ -t test_data.h5 -s tuned.h5
    """
    from helixer_ft.cli.fine_tuning import run_command

    run_command(request_from(options), options)


def request_from(options: dict[str, Any]) -> "FineTuneRequest":
    """The run that the options ask for."""
    refuse_fixed_body(options)

    from helixer_ft.cli.fine_tuning import fine_tune_request
    from helixer_ft.network.strategies import Whole

    return fine_tune_request(Whole, options)
