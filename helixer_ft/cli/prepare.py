"""`helixer-ft prepare`."""

from typing import Any

import click

from helixer_ft.cli.base import Command
from helixer_ft.cli.options import command_line
from helixer_ft.cli.shared_options import options_file, output_options, threads_option
from helixer_ft.cli.types import FILE, name_list
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DEFAULT_LENGTH, POOL_SIZE, species_of
from helixer_ft.preparation.request import (
    DEFAULT_TEST_FRACTION,
    DEFAULT_UTR_FLANK,
    DEFAULT_VALIDATION_FRACTION,
    PrepareRequest,
)
from helixer_ft.preparation.samples import Sample, read_sheet


@click.command("prepare", cls=Command)
@click.option("--fasta", type=FILE, metavar="FILE", help="Genome: FASTA, plain, gzip or bgzip.")
@click.option(
    "--gff3",
    type=FILE,
    metavar="FILE",
    help="Its genes: GFF3 or GTF, plain or gzip. Without it there are no labels: bases only, to "
    "predict on.",
)
@click.option(
    "--species", metavar="NAME", help="Name in the data files.  [default: from the FASTA's name]"
)
@click.option(
    "--samples",
    type=FILE,
    metavar="FILE",
    help="Several genomes instead: a table with tabs and the columns species, fasta, gff3, role "
    "(train, validation, test, split).",
)
@click.option(
    "--out-dir",
    type=FILE,
    required=True,
    metavar="DIR",
    help="Folder to write to: training_data.h5, validation_data.h5, test_data.h5 and tables.",
)
@click.option(
    "--subsequence-length",
    type=int,
    default=DEFAULT_LENGTH,
    show_default=True,
    metavar="N",
    help=f"Window length in bp; a multiple of {POOL_SIZE}, because Helixer's networks pool "
    f"{POOL_SIZE} bases into one step.",
)
@click.option(
    "--no-split", is_flag=True, help="One labelled file per species, SPECIES.h5, and no sets."
)
@click.option(
    "--validation-fraction",
    type=float,
    metavar="X",
    help="Share of the bases for validation, by whole sequences.  "
    f"[default: {DEFAULT_VALIDATION_FRACTION}]",
)
@click.option(
    "--test-fraction",
    type=float,
    metavar="X",
    help=f"Share of the bases for the test; 0: none.  [default: {DEFAULT_TEST_FRACTION}]",
)
@click.option(
    "--validation-seqids",
    multiple=True,
    callback=name_list,
    metavar="NAMES",
    help="These sequences for validation (separated by commas, repeatable).",
)
@click.option(
    "--test-seqids",
    multiple=True,
    callback=name_list,
    metavar="NAMES",
    help="These sequences for the test.",
)
@click.option(
    "--exclude",
    multiple=True,
    callback=name_list,
    metavar="NAMES",
    help="Leave these sequences out: organelles, contaminations.",
)
@click.option(
    "--genes",
    type=FILE,
    metavar="FILE",
    help="Trust only the genes whose IDs are in this list, one a line; the others are masked.",
)
@click.option(
    "--missing-utr",
    type=click.Choice(["mask", "keep"]),
    default="mask",
    show_default=True,
    help="Where a gene has no UTR: mask up to halfway to the next gene, as Helixer, or keep all "
    "but a flank (for annotations without UTRs).",
)
@click.option(
    "--utr-flank",
    type=int,
    metavar="N",
    help=f"With --missing-utr keep: bp beside the CDS to mask.  [default: {DEFAULT_UTR_FLANK}]",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse an annotation with odd lines or genes, rather than mask these genes.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the split.")
@threads_option()
@click.option("--dry-run", is_flag=True, help="Check and report everything, write nothing.")
@options_file
@output_options(force="Overwrite the files of an earlier run.")
def command(**options: Any) -> None:
    """Make training, validation and test data from FASTA and GFF3 or GTF.

    \b
    Examples:
      helixer-ft prepare --fasta genome.fa.gz --gff3 genes.gff3.gz --out-dir data
      helixer-ft prepare --samples sheet.tsv --out-dir data
      helixer-ft prepare --fasta a.fa --gff3 a.gff3 --no-split --out-dir data
      helixer-ft prepare --fasta a.fa --out-dir data
    """  # fmt: skip
    request = PrepareRequest(
        samples=_samples(options),
        out_dir=options["out_dir"],
        sheet=options["samples"],
        split=not options["no_split"],
        command_line=command_line(),
        **{
            name: options[name]
            for name in (
                "subsequence_length", "validation_fraction", "test_fraction", "validation_seqids",
                "test_seqids", "exclude", "genes", "missing_utr", "utr_flank", "strict", "threads",
                "seed", "dry_run", "force",
            )
        },
    )  # fmt: skip

    from helixer_ft.cli.output import Printer
    from helixer_ft.cli.preparation_output import show
    from helixer_ft.preparation.prepare import prepare

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    show(prepare(request, printer), printer)


def _samples(options: dict[str, Any]) -> tuple[Sample, ...]:
    """The genomes asked for.

    Raises
    ------
    InputError
        Neither --fasta nor --samples, or both.
    """
    own = [f"--{name}" for name in ("fasta", "gff3", "species") if options[name] is not None]
    if options["samples"] is not None:
        if own:
            raise InputError(
                f"--samples and {', '.join(own)} contradict each other: the sheet has these. "
                "Leave one of the two out."
            )
        return read_sheet(options["samples"])
    if options["fasta"] is None:
        raise InputError(
            "no genome is given, expected --fasta (and --gff3), or --samples with a sheet."
        )
    species = options["species"]
    if species is None:
        species = species_of(options["fasta"])
    return (Sample(species, options["fasta"], options["gff3"]),)
