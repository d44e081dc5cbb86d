"""`helixer-ft freeze`."""

from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.hybridmodel import TRAINING_NOTE
from helixer_ft.cli.shared_options import coverage_norm_option, coverage_prefix_option
from helixer_ft.cli.training_options import training_options
from helixer_ft.formats.coverage_names import DEFAULT_NORMALIZATION, DEFAULT_PREFIX
from helixer_ft.settings import CACHE_PRECISIONS, CacheSettings

if TYPE_CHECKING:
    from helixer_ft.training.request import FineTuneRequest


@click.command("freeze", cls=Command, epilog=TRAINING_NOTE)
@training_options
@kinds.flag(
    "--post-coverage-hidden-layer",
    "A hidden layer (ReLU) before the new output layer, with or without coverage.",
)
@kinds.option(
    "--hidden-units",
    "Width of the hidden layer.  [default: half the width that feeds it]",
    type=click.IntRange(min=1, max=65536),
    metavar="N",
)
@kinds.flag("--keep-head", "Train the existing head further instead of a new one.")
@kinds.flag(
    "--input-coverage",
    "Feed the head coverage (helixer-ft add-coverage) in addition to the body's output; a "
    "head without it is trained too, for comparison.",
)
@coverage_prefix_option(f".  [default: {DEFAULT_PREFIX}, or the model's own]")
@coverage_norm_option(
    f"ln(x + 1.1), x / 100 or x.  [default: {DEFAULT_NORMALIZATION}, or the model's own]"
)
@kinds.flag(
    "--ablate-coverage",
    "Also score the tuned model with its tracks silenced (coverage 0 everywhere).",
)
@kinds.option(
    "--cache-features/--no-cache-features",
    "Evaluate the frozen body once and train on its output; affects only the running time.",
    default=CacheSettings.features,
)
@kinds.choice(
    "--cache-precision",
    "Precision of the cached body output; float16 takes half the space and rounds it.",
    CACHE_PRECISIONS,
    default=CacheSettings.precision,
)
def command(**options: Any) -> None:
    """Keep the trained body fixed, train new final layer(s).

    \b
    Examples:
      helixer-ft freeze -l land_plant.h5 -d data/ -t test_data.h5 -s tuned.h5
      helixer-ft freeze --post-coverage-hidden-layer -l land_plant.h5 -d data/
      helixer-ft freeze --input-coverage -l land_plant.h5 -d data/ -t test_data.h5
    """
    from helixer_ft.cli.fine_tuning import run_command

    run_command(request_from(options), options)


def request_from(options: dict[str, Any]) -> "FineTuneRequest":
    """The run that the options ask for."""
    from helixer_ft.cli.fine_tuning import fine_tune_request
    from helixer_ft.network.strategies import Freeze

    keep_head = options["keep_head"] or options["fine_tune_resume"]
    return fine_tune_request(Freeze, options | {"keep_head": keep_head})
