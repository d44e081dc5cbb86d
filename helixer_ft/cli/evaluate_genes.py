"""`helixer-ft evaluate-genes`."""

from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.shared_options import options_file, output_options
from helixer_ft.coverage.request import AUTO, STRANDEDNESS
from helixer_ft.errors import InputError
from helixer_ft.genes.label_free_request import LabelFreeRequest

if TYPE_CHECKING:
    from helixer_ft.cli.output import Printer

_OF_READS = ("split", "bam", "strandedness", "min_reads", "min_overhang")
"""Options that only matter without a reference."""


@click.command("evaluate-genes", cls=Command)
@kinds.path(
    "--predicted",
    "Predicted genes: GFF3 or GTF, plain or gzip. Repeatable without --reference: the first is "
    "what the others are compared with.",
    required=True,
    multiple=True,
)
@kinds.path(
    "--reference",
    "Reference genes: GFF3 or GTF, plain or gzip.  [default: none; scores that need none]",
)
@kinds.path("--fasta", "The genome of all: FASTA, plain, gzip or bgzip.", required=True)
@kinds.name_lists(
    "--seqids",
    "Compare on these sequences only (separated by commas, repeatable).  [default: those on "
    "which the reference has coding genes; without reference all]",
)
@kinds.path(
    "--split",
    "Without --reference: the split.tsv of pseudo-label; score on its check stretches only.",
)
@kinds.path(
    "--bam",
    "Spliced RNA-seq reads, BAM or CRAM, sorted (repeatable, taken together): scores introns "
    "without a reference.",
    multiple=True,
)
@kinds.choice(
    "--strandedness",
    "Strandedness of the reads. reverse: read 2 is sense (dUTP); forward: read 1 is; auto: what "
    "their GT-AG introns show, for each --bam.",
    [AUTO, *STRANDEDNESS],
    default=AUTO,
)
@kinds.setting(
    LabelFreeRequest, "min_reads", "Reads that support an intron, of all --bam together."
)
@kinds.setting(
    LabelFreeRequest,
    "min_overhang",
    "Aligned bases that such a read must have on either side of the intron.",
)
@options_file
@output_options(outcome="the scores")
def command(**options: Any) -> None:
    """Score predicted genes: against a reference gene by gene, or without one by what shows.

    \b
    Examples:
      helixer-ft evaluate-genes --predicted p.gff3 --reference r.gff3 --fasta g.fa
      helixer-ft evaluate-genes --predicted p.gff3 --reference r.gff3.gz \\
        --fasta genome.fa.gz --seqids chr4,chr5
      helixer-ft evaluate-genes --predicted before.gff3 --predicted after.gff3 \\
        --fasta genome.fa --bam leaf.bam --bam root.bam
    """
    from helixer_ft.cli.output import Printer

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    if options["reference"] is None:
        _without_reference(options, printer)
    else:
        _against_reference(options, printer)


def _against_reference(options: dict[str, Any], printer: "Printer") -> None:
    from helixer_ft.cli.gene_scores_output import show
    from helixer_ft.genes.evaluate import evaluate_genes

    for name in _OF_READS:
        if options[name] != getattr(LabelFreeRequest, name, ()):
            raise InputError(
                f"--{name.replace('_', '-')} is for scores without a reference, "
                "but --reference is given. Leave one of the two out."
            )
    *others, predicted = options["predicted"]
    if others:
        printer.warning(
            f"--reference is compared with one file: {predicted}. Other --predicted are left out"
        )
    evaluation = evaluate_genes(
        predicted,
        options["reference"],
        options["fasta"],
        seqids=options["seqids"],
        progress=printer,
    )
    show(evaluation, printer)


def _without_reference(options: dict[str, Any], printer: "Printer") -> None:
    from helixer_ft.cli.label_free_output import show
    from helixer_ft.genes.label_free import score_without_reference

    request = kinds.from_options(LabelFreeRequest, options | {"bams": options["bam"]})
    show(score_without_reference(request, printer), printer)
