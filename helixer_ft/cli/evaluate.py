"""`helixer-ft evaluate`."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.base import Command
from helixer_ft.cli.hybridmodel import SCORING_NOTE, scoring_notices, scoring_words
from helixer_ft.evaluation.request import EvaluateRequest

if TYPE_CHECKING:
    from helixer_ft.cli.output import Printer
    from helixer_ft.runtime.backend import Backend
    from helixer_ft.runtime.processes import Processes


@click.command("evaluate", cls=Command, epilog=f"HybridModel.py's --eval, {SCORING_NOTE}")
@shared.load_model_option(
    ", tuned or not", " Repeatable: the others are compared with the first.", multiple=True
)
@kinds.path(
    "-t --test-data",
    "Labelled data (repeatable), all with the same subsequence length; all rows are scored.",
    required=True,
    multiple=True,
)
@shared.overlap_options(
    EvaluateRequest.overlap,
    "Predict in overlapping windows, and score the averages: about twice the time.",
    condition="With --overlap: ",
)
@shared.windows_at_once
@shared.precision_option(EvaluateRequest.precision)
@shared.computing_options
@shared.processes_options
@kinds.integer(
    "--seed", "Seed of the bootstrap behind the intervals.", default=EvaluateRequest.seed, least=0
)
@kinds.path("--csv", "Also write every number to this file, one per line.")
@shared.options_file
@shared.output_options(
    verbose="Calibration of each class, and distances and calibration of each species too.",
    force="Overwrite the table of --csv.",
)
@click.option("--eval", "hybridmodels_eval", is_flag=True, hidden=True)
@scoring_words
def command(**options: Any) -> None:
    """Score trained models on labelled data, base by base and side by side.

    Precision, recall and F1 of each class, as Helixer computes them, with the difference from the
    first model and its 95 % interval; accuracy near splice sites, starts and stops; and how well
    predicted probabilities are calibrated.

    \b
    Examples:
      helixer-ft evaluate -l land_plant.h5 -l tuned.h5 -t test_data.h5
      helixer-ft evaluate -l tuned.h5 -t a.h5 -t b.h5 --overlap --csv scores.csv
    """
    request = request_from(options)

    from helixer_ft.cli.processes import run_in_processes

    run_in_processes(
        options,
        request.load_model_paths,
        scoring_notices(options),
        None,
        partial(_work, request, options),
    )


def _work(
    request: EvaluateRequest,
    options: dict[str, Any],
    printer: "Printer",
    backend: "Backend",
    processes: "Processes",
) -> None:
    """The evaluation, in one of its processes; the first one prints."""
    from helixer_ft.cli.evaluation_output import show
    from helixer_ft.cli.processes import start_scoring
    from helixer_ft.evaluation.evaluate import evaluate
    from helixer_ft.evaluation.table import write_csv

    progress = start_scoring(options, printer, backend, processes)
    evaluation = evaluate(request, progress, processes=processes)
    if not processes.is_first:
        return
    try:
        show(evaluation, printer, verbose=options["verbose"])
    finally:  # where either fails, the other has the result
        if request.csv is not None:
            write_csv(evaluation, request.csv, force=request.force)
            printer.notice(f"written: {request.csv}")


def request_from(options: dict[str, Any]) -> EvaluateRequest:
    """The evaluation that the options ask for."""
    return kinds.from_options(EvaluateRequest, options, load_model_paths=options["load_model_path"])
