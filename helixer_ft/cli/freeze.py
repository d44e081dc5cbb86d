"""`helixer-ft freeze`."""

from typing import Any

import click

from helixer_ft.cli.base import Command
from helixer_ft.cli.training_options import HYBRIDMODEL_NOTE, training_options
from helixer_ft.cli.shared_options import coverage_norm_option, coverage_prefix_option
from helixer_ft.formats.coverage_names import DEFAULT_NORMALIZATION, DEFAULT_PREFIX
from helixer_ft.settings import CACHE_PRECISIONS, CacheSettings


@click.command("freeze", cls=Command, epilog=HYBRIDMODEL_NOTE)
@training_options
@click.option(
    "--post-coverage-hidden-layer",
    is_flag=True,
    help="A hidden layer (ReLU) before the new output layer, with or without coverage.",
)
@click.option(
    "--hidden-units",
    type=click.IntRange(min=1, max=65536),
    metavar="N",
    help="Width of the hidden layer.  [default: half the width that feeds it]",
)
@click.option(
    "--keep-head", is_flag=True, help="Train the existing head further instead of a new one."
)
@click.option(
    "--input-coverage",
    is_flag=True,
    help="The head takes coverage (helixer-ft add-coverage) beside the body's output; a head "
    "without is trained too, to compare with.",
)
@coverage_prefix_option(f".  [default: {DEFAULT_PREFIX}, or the model's own]")
@coverage_norm_option(
    f"ln(x + 1.1), x / 100 or x.  [default: {DEFAULT_NORMALIZATION}, or the model's own]"
)
@click.option(
    "--ablate-coverage",
    is_flag=True,
    help="Also score the tuned model with its tracks silenced (coverage 0 everywhere).",
)
@click.option(
    "--cache-features/--no-cache-features",
    default=CacheSettings.features,
    show_default=True,
    help="Evaluate the frozen body once and train on its output; changes nothing but the time.",
)
@click.option(
    "--cache-precision",
    type=click.Choice(CACHE_PRECISIONS),
    default=CacheSettings.precision,
    show_default=True,
    help="Of the body's output as it is kept; float16 takes half the room and rounds it.",
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

    run_command("freeze", options)
