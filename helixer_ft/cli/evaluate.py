"""`helixer-ft evaluate`."""

from pathlib import Path
from typing import Any

import click

from helixer_ft.backend import select_backend
from helixer_ft.cli.base import Command
from helixer_ft.cli.options import BatchSize
from helixer_ft.cli.types import LINEAGE_HELP, ModelPath
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.training.settings import PRECISIONS

_FILE = click.Path(path_type=Path)


@click.command(
    "evaluate",
    cls=Command,
    epilog="HybridModel.py's --eval, --predict-phase, --gpu-id and --workers are accepted too.",
)
@click.option(
    "-l",
    "--load-model-path",
    type=ModelPath(),
    required=True,
    multiple=True,
    metavar="FILE",
    help=f"Trained Helixer model (.h5), tuned or not, {LINEAGE_HELP}. Repeatable: the others are "
    "compared with the first.",
)
@click.option(
    "-t",
    "--test-data",
    type=_FILE,
    required=True,
    multiple=True,
    metavar="FILE",
    help="Labelled data (repeatable), all of one subsequence length; all rows are scored.",
)
@click.option(
    "--overlap/--no-overlap",
    default=EvaluateRequest.overlap,
    show_default=True,
    help="Predict in overlapping windows, and score the averages: about twice the time.",
)
@click.option(
    "--overlap-offset",
    type=int,
    metavar="N",
    help="With --overlap: bases from one window to the next; a divisor of the subsequence "
    "length.  [default: half the subsequence length]",
)
@click.option(
    "--core-length",
    type=int,
    metavar="N",
    help="With --overlap: bases in the middle of a window that count.  [default: 3/4 of the "
    "subsequence length]",
)
@click.option(
    "--val-test-batch-size",
    type=BatchSize(),
    default="auto",
    show_default=True,
    help="Windows at once; never changes a result. auto: as many as fit into the memory that this "
    "job may use.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=EvaluateRequest.precision,
    show_default=True,
    help="Of the computation. The mixed ones are for GPUs.",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "tensorflow", "jax"]),
    default="auto",
    show_default=True,
    help="Keras backend. auto: KERAS_BACKEND if set, else the one that sees an accelerator, else "
    "JAX where installed, else TensorFlow.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=EvaluateRequest.seed,
    show_default=True,
    metavar="N",
    help="Of the bootstrap that the intervals come from.",
)
@click.option(
    "--csv", type=_FILE, metavar="FILE", help="Write every number to this file too, one a line."
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Results and errors only.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Calibration of each class, and distances and calibration of each species too.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--force", is_flag=True, help="Overwrite the table of --csv.")
# HybridModel.py's own words, so that its commands can be pasted over
@click.option("--eval", "hybridmodels_eval", is_flag=True, hidden=True)
@click.option("--predict-phase", is_flag=True, hidden=True)
@click.option("--gpu-id", type=click.IntRange(min=0), hidden=True)
@click.option("--workers", type=int, hidden=True)
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
    batch_size = options["val_test_batch_size"]
    request = EvaluateRequest(
        load_model_paths=options["load_model_path"],
        val_test_batch_size=None if batch_size == "auto" else batch_size,
        **{
            name: options[name]
            for name in (
                "test_data", "overlap", "overlap_offset", "core_length", "precision",
                "predict_phase", "csv", "force", "seed",
            )
        },
    )  # fmt: skip
    backend = select_backend(options["backend"], options["gpu_id"])

    from helixer_ft.cli.evaluation_output import EvaluationPrinter
    from helixer_ft.evaluation.evaluate import evaluate
    from helixer_ft.evaluation.table import write_csv

    printer = EvaluationPrinter(quiet=options["quiet"], as_json=options["as_json"])
    if options["workers"] is not None:
        printer.notice("--workers has no meaning here: data are read ahead in one thread")
    for path in request.load_model_paths:
        printer.model(path)
    printer.notice(f"Keras backend: {backend.name} ({backend.reason})")
    evaluation = evaluate(request, printer)
    printer.evaluation(evaluation, verbose=options["verbose"])
    if request.csv is not None:  # last: where that fails, the result is on the screen
        write_csv(evaluation, request.csv, force=request.force)
        printer.notice(f"written: {request.csv}")
