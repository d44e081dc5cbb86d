"""Prints which coverage was added."""

import json

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.coverage.outcome import CoverageOutcome
from helixer_ft.coverage.strandedness import MATES


def show(outcome: CoverageOutcome, printer: Printer, *, verbose: bool) -> None:
    """The tracks and the files; with `verbose` also what the strandedness rests on."""
    if printer.as_json:
        printer.out.file.write(json.dumps(outcome.as_dict(), indent=2) + "\n")
        return
    table = plain_table(
        "Coverage tracks", "track", "kind", "strandedness", "reads", "mean", "bases > 0", "spliced"
    )
    for report in outcome.tracks:
        values = report.as_dict()
        table.add_row(
            report.track.name,
            report.track.kind,
            report.strandedness,
            f"{report.reads:,}" if report.reads else "",
            f"{report.mean:.2f}",
            f"{report.covered_share:.1%}",
            f"{values['spliced_share']:.1%}",
        )
    printer.table(table)
    if verbose:
        evidence = plain_table("Reads within labelled genes", "track", "mate", "sense", "antisense")
        for report in outcome.tracks:
            if report.evidence is not None:
                counts = report.evidence.counts.tolist()
                for mate, (sense, antisense) in zip(MATES, counts, strict=True):
                    evidence.add_row(report.track.name, mate, f"{sense:,}", f"{antisense:,}")
        printer.table(evidence)
    folder = outcome.files[0].parent
    names = ", ".join(path.name for path in outcome.files)
    printer.out.print(
        f"Written to {folder}: {names} (evaluation/{outcome.prefix}_coverage and "
        f"{outcome.prefix}_spliced_coverage); {outcome.seconds:.0f} s",
        markup=False,
    )
