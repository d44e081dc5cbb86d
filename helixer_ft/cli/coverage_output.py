"""Prints which coverage was added."""

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.coverage.outcome import CoverageOutcome
from helixer_ft.coverage.strandedness import MATES

_COLUMNS = ("track", "kind", "strandedness", "reads", "mean", "bases > 0", "spliced")


def show(outcome: CoverageOutcome, printer: Printer, *, verbose: bool) -> None:
    """The tracks and the files; with `verbose` also what the strandedness rests on."""
    if printer.as_json:
        printer.json(outcome.to_dict())
        return
    tracks = [
        (
            *(report.track.name, report.track.kind, report.strandedness),
            f"{report.reads:,}" if report.reads else "",
            *(f"{report.mean:.2f}", f"{report.covered_share:.1%}", f"{report.spliced_share:.1%}"),
        )
        for report in outcome.tracks
    ]
    printer.table(plain_table("Coverage tracks", _COLUMNS, tracks))
    if verbose:
        evidence = [
            (report.track.name, mate, f"{sense:,}", f"{antisense:,}")
            for report in outcome.tracks
            if report.evidence is not None
            for mate, (sense, antisense) in zip(MATES, report.evidence.counts.tolist(), strict=True)
        ]
        columns = ("track", "mate", "sense", "antisense")
        printer.table(plain_table("Reads within labelled genes", columns, evidence))
    names = ", ".join(path.name for path in outcome.files)
    printer.lines(
        f"Written to {outcome.files[0].parent}: {names} (evaluation/{outcome.prefix}_coverage and "
        f"{outcome.prefix}_spliced_coverage); {outcome.seconds:.0f} s"
    )
