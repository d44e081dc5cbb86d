"""`helixer-ft prepare`."""

from typing import Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli.base import Command
from helixer_ft.cli.command_line import command_line
from helixer_ft.cli.shared_options import options_file, output_options, threads_option
from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import DEFAULT_LENGTH, POOL_SIZE, species_of
from helixer_ft.preparation.request import (
    DEFAULT_TEST_FRACTION,
    DEFAULT_UTR_FLANK,
    DEFAULT_VALIDATION_FRACTION,
    PrepareRequest,
)
from helixer_ft.preparation.samples import Sample, read_sheet


@click.command("prepare", cls=Command)
@kinds.path("--fasta", "Genome: FASTA, plain, gzip or bgzip.")
@kinds.path(
    "--gff3",
    "Its genes: GFF3 or GTF, plain or gzip. Without it there are no labels: bases only, to predict "
    "on.",
)
@kinds.option(
    "--species", "Name in the data files.  [default: from the FASTA's name]", metavar="NAME"
)
@kinds.path(
    "--samples",
    "Several genomes instead: a tab-separated table with the columns species, fasta, gff3, role "
    "(train, validation, test, split).",
)
@kinds.path(
    "--out-dir",
    "Folder to write to: training_data.h5, validation_data.h5, test_data.h5 and tables.",
    "DIR",
    required=True,
)
@kinds.integer(
    "--subsequence-length",
    f"Window length in bp; a multiple of {POOL_SIZE}, because Helixer's networks pool "
    f"{POOL_SIZE} bases into one step.",
    default=DEFAULT_LENGTH,
)
@kinds.flag(
    "--no-split", "One labelled file per species, SPECIES.h5, without splitting it into sets."
)
@kinds.number(
    "--validation-fraction",
    "Share of the bases for validation, by whole sequences.  "
    f"[default: {DEFAULT_VALIDATION_FRACTION}]",
)
@kinds.number(
    "--test-fraction",
    f"Share of the bases for the test; 0: none.  [default: {DEFAULT_TEST_FRACTION}; of labels "
    "that are predictions 0]",
)
@kinds.name_lists(
    "--validation-seqids", "These sequences for validation (separated by commas, repeatable)."
)
@kinds.name_lists("--test-seqids", "These sequences for the test.")
@kinds.name_lists("--exclude", "Leave these sequences out: organelles, contaminants.")
@kinds.path(
    "--genes",
    "Trust only the genes whose IDs are in this list, one per line; the others are masked.",
)
@kinds.choice(
    "--missing-utr",
    "Where a gene has no UTR: mask up to halfway to the next gene, as Helixer does, or keep "
    "all but a flank (for annotations without UTRs).",
    ["mask", "keep"],
    default="mask",
)
@kinds.integer(
    "--utr-flank",
    f"With --missing-utr keep: bp next to the CDS to mask.  [default: {DEFAULT_UTR_FLANK}]",
)
@kinds.flag(
    "--labels-are-predictions",
    "The genes are predictions, as HelixerPost writes them: the data say so, training does not "
    "choose by them, and there are no test data.",
)
@kinds.flag(
    "--strict", "Refuse an annotation with odd lines or genes, rather than mask those genes."
)
@kinds.integer("--seed", "Seed of the split.", default=0)
@threads_option()
@kinds.flag("--dry-run", "Check and report everything, write nothing.")
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
    from helixer_ft.cli.output import Printer
    from helixer_ft.cli.preparation_output import show
    from helixer_ft.preparation.prepare import prepare

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    show(prepare(request_from(options), printer), printer)


def request_from(options: dict[str, Any]) -> PrepareRequest:
    """The preparation that the options ask for."""
    return kinds.from_options(
        PrepareRequest,
        options | {"sheet": options["samples"], "split": not options["no_split"]},
        samples=_samples(options),
        command_line=command_line(),
    )


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
                f"--samples and {', '.join(own)} contradict each other: the sheet already names "
                "these. Leave one of the two out."
            )
        return read_sheet(options["samples"])
    if options["fasta"] is None:
        raise InputError(
            "no genome given, expected --fasta (and --gff3), or --samples with a sheet."
        )
    species = options["species"]
    if species is None:
        species = species_of(options["fasta"])
    return (Sample(species, options["fasta"], options["gff3"]),)
