"""`helixer-ft add-coverage`."""

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from helixer_ft.cli.base import Command
from helixer_ft.cli.training_options import command_line
from helixer_ft.cli.shared_options import options_file, output_options, threads_option
from helixer_ft.cli.types import FILE
from helixer_ft.coverage.request import (
    AUTO,
    DEFAULT_PREFIX,
    STRANDEDNESS,
    CoverageRequest,
)


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
@click.option(
    "-d",
    "--data-dir",
    type=FILE,
    metavar="DIR",
    help="Folder; all data files in it get the same tracks.",
)
@click.option(
    "--data",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A data file (repeatable), instead of --data-dir.",
)
@click.option(
    "--bam",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Aligned reads: BAM or CRAM, sorted (repeatable, a track each).",
)
@click.option(
    "--bigwig",
    type=_BigWigs(),
    multiple=True,
    help="Values per base, for both strands or PLUS,MINUS (repeatable, a track each, after those "
    "of --bam): CAGE, ATAC, conservation.",
)
@click.option(
    "--strandedness",
    type=click.Choice([AUTO, *STRANDEDNESS]),
    default=AUTO,
    show_default=True,
    help="Of the reads. reverse: read 2 is sense (dUTP); forward: read 1 is; auto: what the reads "
    "within the labelled genes show, for each --bam.",
)
@click.option(
    "--coverage-prefix",
    "prefix",
    default=DEFAULT_PREFIX,
    show_default=True,
    metavar="NAME",
    help="Of the datasets: evaluation/NAME_coverage.",
)
@click.option(
    "--track-names",
    callback=_names,
    metavar="NAMES",
    help="Separated by commas, in the order of the tracks.  [default: the files' base names]",
)
@click.option(
    "--out-dir",
    type=FILE,
    metavar="DIR",
    help="Where the new data files go.  [default: they replace the old ones, all at once]",
)
@threads_option("Processes that read")
@options_file
@output_options(
    verbose="The evidence for the strandedness too.",
    force="Replace coverage of that prefix, and files in --out-dir.",
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
    request = CoverageRequest(
        data_dir=options["data_dir"],
        data=options["data"],
        bams=options["bam"],
        bigwigs=options["bigwig"],
        command_line=command_line(),
        **{
            name: options[name]
            for name in ("strandedness", "prefix", "track_names", "out_dir", "threads", "force")
        },
    )

    from helixer_ft.cli.coverage_output import show
    from helixer_ft.cli.output import Printer
    from helixer_ft.coverage.add import add_coverage

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    show(add_coverage(request, printer), printer, verbose=options["verbose"])
