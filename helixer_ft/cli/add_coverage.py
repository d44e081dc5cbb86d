"""`helixer-ft add-coverage`."""

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.base import Command
from helixer_ft.cli.command_line import command_line
from helixer_ft.coverage.request import AUTO, DEFAULT_PREFIX, STRANDEDNESS, CoverageRequest


class _BigWigs(click.ParamType):
    """`both.bw`, or `plus.bw,minus.bw`."""

    name = "FILE[,FILE]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Path, ...]:
        """One path, or two; click reports everything else."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if len(parts) > 2 or not all(parts):
            self.fail(
                f"'{value}': expected one file for both strands, or PLUS,MINUS separated by a "
                "comma.",
                param,
                ctx,
            )
        return tuple(Path(part) for part in parts)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The path of the one file, or of the first."""
        return [CompletionItem(incomplete, type="file")]


def _names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    return () if value is None else tuple(name.strip() for name in value.split(","))


@click.command("add-coverage", cls=Command)
@kinds.path("-d --data-dir", "Folder; all data files in it get the same tracks.", "DIR")
@kinds.path("--data", "A data file (repeatable), instead of --data-dir.", multiple=True)
@kinds.path(
    "--bam", "Aligned reads: BAM or CRAM, sorted (repeatable, one track each).", multiple=True
)
@kinds.option(
    "--bigwig",
    "Values per base, for both strands or PLUS,MINUS (repeatable, one track each, after "
    "those of --bam): CAGE, ATAC, conservation.",
    type=_BigWigs(),
    multiple=True,
)
@kinds.choice(
    "--strandedness",
    "Strandedness of the reads. reverse: read 2 is sense (dUTP); forward: read 1 is; auto: what "
    "the reads within the labelled genes show, for each --bam.",
    [AUTO, *STRANDEDNESS],
    default=AUTO,
)
@kinds.option(
    "--coverage-prefix prefix",
    "Prefix of the datasets: evaluation/NAME_coverage.",
    default=DEFAULT_PREFIX,
    metavar="NAME",
)
@kinds.option(
    "--track-names",
    "Separated by commas, in the order of the tracks.  [default: the files' base names]",
    callback=_names,
    metavar="NAMES",
)
@kinds.path(
    "--out-dir",
    "Where the new data files go.  [default: they replace the old ones, all at once]",
    "DIR",
)
@shared.threads_option("Processes that read in parallel")
@shared.options_file
@shared.output_options(
    verbose="Also the evidence for the strandedness.",
    force="Replace coverage with that prefix, and files in --out-dir.",
)
def command(**options: Any) -> None:
    """Add coverage tracks (BAM, CRAM, bigWig) to training, validation and test data.

    \b
    Examples:
      helixer-ft add-coverage -d data/ --bam leaf.bam --bam root.bam
      helixer-ft add-coverage -d data/ --bam leaf.cram --strandedness reverse
      helixer-ft add-coverage -d data/ --bigwig a.bw,b.bw --coverage-prefix cage
      helixer-ft add-coverage --data genome.h5 --bam a.bam --out-dir new/
    """  # fmt: skip
    from helixer_ft.cli.coverage_output import show
    from helixer_ft.cli.output import Printer
    from helixer_ft.coverage.add import add_coverage

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    show(add_coverage(request_from(options), printer), printer, verbose=options["verbose"])


def request_from(options: dict[str, Any]) -> CoverageRequest:
    """The addition of coverage that the options ask for."""
    named = {"bams": options["bam"], "bigwigs": options["bigwig"]}
    return kinds.from_options(CoverageRequest, options | named, command_line=command_line())
