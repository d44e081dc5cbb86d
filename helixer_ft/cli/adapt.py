"""`helixer-ft adapt`."""

from pathlib import Path
from typing import Any

import click

from helixer_ft.adaptation.request import DEFAULT_OUTPUT, AdaptRequest
from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.base import Command
from helixer_ft.cli.command_line import command_line
from helixer_ft.cli.computing import scoring_printer
from helixer_ft.errors import InputError


@click.command("adapt", cls=Command)
@shared.load_model_option()
@kinds.path("--fasta", "Genome to take the statistics of: FASTA, plain, gzip or bgzip.")
@kinds.path(
    "-d --data-dir",
    "Folder of data instead: every training_data*h5 and validation_data*h5 in it.",
    "DIR",
)
@kinds.path("-t --test-data", "Data file instead, with labels or without.")
@kinds.path("-s --save-model-path", "The adapted model (.h5).", default=DEFAULT_OUTPUT)
@shared.batchnorm_mix_option("auto: by how far the statistics shift.")
@kinds.setting(
    AdaptRequest,
    "max_bp",
    "Measure at most so much of the genome, in bp of one strand, in windows spread evenly over it. "
    "0: the whole genome.",
)
@kinds.flag("--dry-run", "Measure and report, write nothing.")
@shared.computing_options
@shared.options_file
@shared.output_options(force="Overwrite the output of an earlier run.")
def command(**options: Any) -> None:
    """Put the batch-norm statistics of a genome into a trained model: no labels needed.

    A network normalises what its convolutions compute by means and variances of the genomes it was
    trained on. They are measured anew on the genome, both strands: exactly, or, of a large genome,
    on windows spread evenly over it. Nothing else in the model changes. It helps where the genome
    is unlike those that the model was trained on; where it is like them it can harm, and the mix is
    then small.

    \b
    Examples:
      helixer-ft adapt -l fungi --fasta genome.fa.gz -s adapted.h5
      helixer-ft adapt -l fungi --fasta genome.fa.gz --dry-run
      helixer-ft adapt -l fungi -d data/ --batchnorm-mix 0.5 -s adapted.h5
    """
    request = kinds.from_options(
        AdaptRequest, options, source=_source(options), command_line=command_line()
    )
    computing = options | {"gpu_id": None, "precision": "float32"}
    with scoring_printer(computing, request.load_model_path) as printer:
        from helixer_ft.adaptation.adapt import adapt
        from helixer_ft.cli.adaptation_output import show

        show(adapt(request, printer), request, printer)


def _source(options: dict[str, Any]) -> Path:
    """The one of three options that is given."""
    given = [options[name] for name in ("fasta", "data_dir", "test_data") if options[name]]
    if len(given) != 1:
        raise InputError(
            f"{len(given) or 'none'} of --fasta, --data-dir and --test-data is given, expected "
            "one: a genome (--fasta), a folder of data files (-d) or a data file (-t)."
        )
    return given[0]
