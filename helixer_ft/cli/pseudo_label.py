"""`helixer-ft pseudo-label`."""

from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.base import Command
from helixer_ft.cli.command_line import command_line
from helixer_ft.coverage.request import AUTO, STRANDEDNESS
from helixer_ft.formats.data_names import POOL_SIZE
from helixer_ft.pseudo_labels.request import CONFIDENCE, Genes, PseudoLabelRequest

if TYPE_CHECKING:
    from helixer_ft.cli.output import Printer
    from helixer_ft.runtime.backend import Backend
    from helixer_ft.runtime.processes import Processes


_COUNTED = "; with --genes all they are labelled, but do not count as passing"


def _default(name: str) -> str:
    return f"[default with --genes passing: {CONFIDENCE[name]}]"


def _setting(name: str, text: str, **kwargs: Any) -> kinds.Decorator:
    return kinds.setting(PseudoLabelRequest, name, text, **kwargs)


@click.command("pseudo-label", cls=Command)
@shared.load_model_option(
    "", " Repeatable: the predictions of several are averaged.", multiple=True
)
@kinds.path("--fasta", "The genome: FASTA, plain, gzip or bgzip.", required=True)
@kinds.path(
    "--bam",
    "Spliced RNA-seq reads of it, BAM or CRAM, sorted (repeatable, taken together). Genes that "
    "they contradict are never labelled; with --genes passing, genes whose introns they all "
    "support are, whatever their confidence.",
    multiple=True,
)
@kinds.choice(
    "--strandedness",
    "With --bam: strandedness of the reads. reverse: read 2 is sense (dUTP); forward: read 1 is; "
    "auto: what their GT-AG introns show, for each file.",
    [AUTO, *STRANDEDNESS],
    default=AUTO,
)
@kinds.path(
    "--out-dir",
    "Folder to write to: training_data.h5, validation_data.h5, kept.gff3 and tables.",
    "DIR",
    required=True,
)
@kinds.option(
    "--species", "Name in the data files.  [default: from the FASTA's name]", metavar="NAME"
)
@_setting(
    "subsequence_length",
    f"Window length in bp, of predictions and data; a multiple of {POOL_SIZE}, longer than most "
    "genes.",
)
@kinds.name_lists("--exclude", "Leave these sequences out: organelles, contaminants.")
@kinds.choice(
    "--genes",
    "Which genes of HelixerPost are labelled. all: all of them, except those that reads (--bam) "
    "contradict; passing: those that pass the rules of structure, chosen by confidence and reads, "
    "and all else is masked.  [default: all; passing with one of the next three]",
    get_args(Genes),
)
@kinds.number(
    "--keep",
    "Share of the genes that pass which is kept: the most confident ones of those with 1, of "
    f"those with 2 to 3 and of those with more exons.  {_default('keep')}",
)
@kinds.number(
    "--min-confidence",
    "Least mean probability of each intron, and of the coding part of each exon, of a gene that is "
    f"kept.  {_default('min_confidence')}",
)
@kinds.number(
    "--intergenic-confidence",
    "Probability from which on bases outside of genes are intergenic.  "
    f"{_default('intergenic_confidence')}",
)
@_setting("min_cds", f"Genes with fewer bp of coding sequence fail (fungi: 120){_COUNTED}.")
@_setting(
    "max_copies",
    f"Families of more near-identical genes than this fail{_COUNTED}. Transposons are confident, "
    "intact and many.",
)
@_setting("min_junction_reads", "With --bam: spliced reads that support an intron, in all files.")
@kinds.path(
    "--previous",
    "Folder of the round before, whose student is the model (-l) now: says how far the genes "
    "changed, and when to stop.",
    "DIR",
)
@_setting(
    "seed",
    "Seed of the split, which a further round (--previous) keeps, and, with --genes passing, of "
    "which intergenic bases are left out.",
)
@shared.windows_at_once
@shared.precision_option(PseudoLabelRequest.precision)
@shared.threads_option("Threads that label and compress")
@shared.computing_options
@shared.processes_options
@kinds.flag(
    "--dry-run",
    "Check everything that can be before predicting, and say what it would take on this machine: "
    "time, memory, disk.",
)
@shared.resume_option
@shared.checkpoint_option
@shared.options_file
@shared.output_options(force="Overwrite the files of an earlier run.")
def command(**options: Any) -> None:
    """Make training data of a genome without annotation, from a model's own predictions.

    The model predicts the genome, HelixerPost makes genes of it, and those become labels: all that
    RNA-seq reads do not contradict or, with --genes passing, those that pass rules of structure and
    that the model is sure of, or reads support. Such labels can teach, but never judge. Where the
    model is poor it stops.

    \b
    Examples:
      helixer-ft pseudo-label -l fungi --fasta g.fa --min-cds 120 --out-dir data
      helixer-ft pseudo-label -l fungi --fasta g.fa --bam reads.bam --out-dir data
      helixer-ft pseudo-label -l student.h5 --fasta g.fa --previous data \\
        --out-dir data2
    """
    request = request_from(options)

    from helixer_ft.cli.processes import run_in_processes

    run_in_processes(
        options | {"gpu_id": None},
        request.load_model_paths,
        (),
        request.state.exists,
        partial(_work, request, options),
    )


def _work(
    request: PseudoLabelRequest,
    options: dict[str, Any],
    printer: "Printer",
    backend: "Backend",
    processes: "Processes",
) -> None:
    """The labels, in one of the processes; the first one prints."""
    from helixer_ft.cli.processes import start_scoring
    from helixer_ft.cli.pseudo_label_output import show
    from helixer_ft.pseudo_labels.pseudo_label import pseudo_label

    progress = start_scoring(options, printer, backend, processes)
    outcome = pseudo_label(request, progress, processes=processes)
    if outcome is not None:
        show(outcome, printer)


def request_from(options: dict[str, Any]) -> PseudoLabelRequest:
    """The labels that the options ask for."""
    return kinds.from_options(
        PseudoLabelRequest,
        options | {"load_model_paths": options["load_model_path"], "bams": options["bam"]},
        min_genes=PseudoLabelRequest.min_genes,
        command_line=command_line(),
    )
