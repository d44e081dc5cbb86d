"""A page that puts several runs side by side."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import helixer_ft
from helixer_ft.metrics import Interval
from helixer_ft.report.page import write_page
from helixer_ft.training.outcome import Outcome


@dataclass(frozen=True)
class SummaryRow:
    """One run.

    Attributes
    ----------
    strategy
        Name in the table.
    on
        Data that the scores are for: "test" or "validation".
    before, after
        Genic F1 of untouched and tuned model.
    interval
        Their difference.
    errors_before, errors_after
        Share of wrong bases.
    trainable_parameters, total_parameters
        What trained, of how much.
    seconds
        The whole run.
    report
        Its own page, where there is one.
    """

    strategy: str
    on: str
    before: float
    after: float
    interval: Interval
    errors_before: float
    errors_after: float
    trainable_parameters: int
    total_parameters: int
    seconds: float
    report: Path | None = None

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"."""
        return self.interval.verdict

    @classmethod
    def of(
        cls, outcome: Outcome, *, strategy: str = "", report: Path | None = None
    ) -> "SummaryRow":
        """The row of a run; `strategy` overrides the name that its plan has."""
        compared, plan = outcome.decisive, outcome.prepared.plan
        return cls(
            strategy=strategy or plan.strategy,
            on=outcome.verdict_on,
            before=compared.baseline.genic_f1,
            after=compared.tuned.genic_f1,
            interval=compared.interval,
            errors_before=compared.baseline.wrong_share,
            errors_after=compared.tuned.wrong_share,
            trainable_parameters=plan.trainable_parameters,
            total_parameters=plan.total_parameters,
            seconds=outcome.seconds,
            report=report,
        )


def write_summary(
    rows: Sequence[SummaryRow],
    path: Path,
    *,
    title: str,
    introduction: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write a page that puts runs side by side, with links to their own pages.

    Parameters
    ----------
    rows
        The runs, in the order of the table.
    path
        The page; an earlier one is replaced.
    title
        Its heading.
    introduction, notes
        Paragraphs before and after the table.

    Raises
    ------
    HelixerFtError
        The page could not be written.
    """
    links = [None if row.report is None else _link(row.report, path.parent) for row in rows]
    write_page(
        "summary.html",
        path,
        title=title,
        rows=list(zip(rows, links, strict=True)),
        introduction=introduction,
        notes=notes,
        version=helixer_ft.__version__,
    )


def _link(target: Path, folder: Path) -> str:
    """A relative link, so that the pages can be moved together."""
    return "./" + quote(os.fsencode(os.path.relpath(target, folder)))
