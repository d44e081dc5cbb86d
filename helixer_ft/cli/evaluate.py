"""`helixer-ft evaluate`."""

from typing import Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.computing import backend_for, check_device
from helixer_ft.cli.hybridmodel import SCORING_NOTE, scoring_notices, scoring_words
from helixer_ft.cli.shared_options import (
    computing_options,
    load_model_option,
    options_file,
    output_options,
    overlap_options,
    precision_option,
    windows_at_once,
)
from helixer_ft.evaluation.request import EvaluateRequest


@click.command(
    "evaluate",
    cls=Command,
    epilog=f"HybridModel.py's --eval, {SCORING_NOTE}",
)
@load_model_option(
    ", tuned or not",
    " Repeatable: the others are compared with the first.",
    multiple=True,
)
@kinds.path(
    "-t --test-data",
    "Labelled data (repeatable), all of one subsequence length; all rows are scored.",
    required=True,
    multiple=True,
)
@overlap_options(
    EvaluateRequest.overlap,
    "Predict in overlapping windows, and score the averages: about twice the time.",
    condition="With --overlap: ",
)
@windows_at_once
@precision_option(EvaluateRequest.precision)
@computing_options
@kinds.integer(
    "--seed",
    "Of the bootstrap that the intervals come from.",
    default=EvaluateRequest.seed,
    least=0,
)
@kinds.path("--csv", "Write every number to this file too, one a line.")
@options_file
@output_options(
    verbose="Calibration of each class, and distances and calibration of each species too.",
    force="Overwrite the table of --csv.",
)
@click.option("--eval", "hybridmodels_eval", is_flag=True, hidden=True)
@scoring_words
def command(**options: Any) -> None:
    """Score trained models on labelled data, base by base and side by side.

    Precision, recall and F1 of each class, as Helixer has them, with the difference to the first
    model and its 95 % interval; accuracy near splice sites, starts and stops; and whether predicted
    probabilities are what they say.

    \b
    Examples:
      helixer-ft evaluate -l land_plant.h5 -l tuned.h5 -t test_data.h5
      helixer-ft evaluate -l tuned.h5 -t a.h5 -t b.h5 --overlap --csv scores.csv
    """
    request = request_from(options)
    backend = backend_for(options)

    from helixer_ft.cli.evaluation_output import show
    from helixer_ft.cli.output import Printer
    from helixer_ft.evaluation.evaluate import evaluate
    from helixer_ft.evaluation.table import write_csv

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    for text in scoring_notices(options):
        printer.notice(text)
    for path in request.load_model_paths:
        printer.model(path)
    printer.backend(backend)
    check_device(options, printer)
    evaluation = evaluate(request, printer)
    show(evaluation, printer, verbose=options["verbose"])
    if request.csv is not None:  # last: where that fails, the result is on the screen
        write_csv(evaluation, request.csv, force=request.force)
        printer.notice(f"written: {request.csv}")


def request_from(options: dict[str, Any]) -> EvaluateRequest:
    """The evaluation that the options ask for."""
    batch_size = options["val_test_batch_size"]
    return kinds.from_options(
        EvaluateRequest,
        options,
        load_model_paths=options["load_model_path"],
        val_test_batch_size=None if batch_size == "auto" else batch_size,
    )
