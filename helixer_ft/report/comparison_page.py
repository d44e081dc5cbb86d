"""The page about a comparison: every model side by side, and which one to take."""

import os
from pathlib import Path
from urllib.parse import quote

import helixer_ft
from helixer_ft.comparison.outcome import CompareOutcome
from helixer_ft.comparison.recommend import Row
from helixer_ft.report.figures import models_figure
from helixer_ft.report.page import in_order, write_page
from helixer_ft.runtime.backend import determinism
from helixer_ft.runtime.hardware import hardware


def write_comparison(outcome: CompareOutcome, path: Path) -> None:
    """Write the page about a comparison, with links to those of its trainings.

    Parameters
    ----------
    outcome
        The comparison.
    path
        The page (.html); an earlier one is replaced.

    Raises
    ------
    HelixerFtError
        The page could not be written.
    """
    on, take = outcome.verdict_on, outcome.recommendation
    write_page(
        "comparison.html",
        path,
        outcome=outcome,
        take=take,
        on=on,
        rows=[(number, row, _link(outcome, row, path)) for number, row in _numbered(outcome)],
        figure=models_figure([row.decisive for row in outcome.rows]) if outcome.blocks else None,
        labels=in_order(
            dict.fromkeys(one for row in outcome.rows for one in row.scores[on].scores)
        ),
        sets=list(outcome.rows[0].scores),
        options=[(name, str(value)) for name, value in outcome.request.origin().items()],
        hardware=hardware(),
        determinism=determinism(),
        version=helixer_ft.__version__,
    )


def _numbered(outcome: CompareOutcome) -> list[tuple[int, Row]]:
    return list(enumerate(outcome.rows, start=1))


def _link(outcome: CompareOutcome, row: Row, path: Path) -> str | None:
    """A relative link to the page of a training, so that the pages can be moved together."""
    target = outcome.report(row)
    if target is None:
        return None
    return "./" + quote(os.fsencode(os.path.relpath(target, path.parent)))
