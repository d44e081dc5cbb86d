"""`helixer-ft evaluate-genes`."""

from typing import Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.shared_options import options_file, output_options


@click.command("evaluate-genes", cls=Command)
@kinds.path("--predicted", "Predicted genes: GFF3 or GTF, plain or gzip.", required=True)
@kinds.path("--reference", "Reference genes: GFF3 or GTF, plain or gzip.", required=True)
@kinds.path("--fasta", "The genome of both: FASTA, plain, gzip or bgzip.", required=True)
@kinds.name_lists(
    "--seqids",
    "Compare on these sequences only (separated by commas, repeatable).  [default: those on "
    "which the reference has coding genes]",
)
@options_file
@output_options(outcome="the scores")
def command(**options: Any) -> None:
    """Score predicted genes against a reference, gene by gene.

    \b
    Examples:
      helixer-ft evaluate-genes --predicted p.gff3 --reference r.gff3 --fasta g.fa
      helixer-ft evaluate-genes --predicted p.gff3 --reference r.gff3.gz \\
        --fasta genome.fa.gz --seqids chr4,chr5
    """
    from helixer_ft.cli.gene_scores_output import show
    from helixer_ft.cli.output import Printer
    from helixer_ft.genes.evaluate import evaluate_genes

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    evaluation = evaluate_genes(
        options["predicted"],
        options["reference"],
        options["fasta"],
        seqids=options["seqids"],
        progress=printer,
    )
    show(evaluation, printer)
