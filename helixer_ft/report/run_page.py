"""The page about one run of `whole` or `freeze`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from helixer_ft.formats.input_file import file_sha256
from helixer_ft.metrics import GENIC_CLASSES, OUTPUTS, matrix_rows
from helixer_ft.network.coverage import track_list
from helixer_ft.report.figures import (
    change_figure,
    f1_curve,
    f1_figure,
    loss_curve,
    shares_figure,
)
from helixer_ft.report.genome_view import window_figure
from helixer_ft.report.page import in_order, interval, percent, score, signed, write_page
from helixer_ft.runtime.backend import determinism
from helixer_ft.runtime.hardware import hardware
from helixer_ft.training.history import overfitting_began
from helixer_ft.training.outcome import COVERAGE_VERDICTS, Comparison, Outcome
from helixer_ft.training.views import WindowView

MAX_CHECKS = 200
"""Most checks in the table; `history.csv` has all."""
_COLUMNS = {
    "without": "tuned without coverage",
    "with": "tuned with coverage",
    "silenced": "tuned with, tracks silenced",
}
_WINDOWS = {
    "best": "Best: the window in which the errors fell most",
    "typical": "Typical: the median window",
    "worst": "Worst: the window in which the errors rose most, or fell least",
}


def write_report(outcome: Outcome, path: Path) -> None:
    """Write the page about a run; an earlier one is replaced.

    The same outcome on the same machine gives the same bytes.

    Parameters
    ----------
    outcome
        The run.
    path
        The page (.html).

    Raises
    ------
    HelixerFtError
        The page could not be written.
    """
    prepared, request = outcome.prepared, outcome.prepared.request
    began = overfitting_began(outcome.checks[1:])
    saved = request.save_model_path
    write_page(
        "run.html",
        path,
        outcome=outcome,
        prepared=prepared,
        request=request,
        plan=prepared.plan,
        heading=outcome.verdict.capitalize(),
        sentences=verdict_sentences(outcome),
        warnings=outcome.all_warnings,
        f1_figure=f1_figure(outcome.decisive),
        change_figure=change_figure(outcome.decisive),
        comparisons=sorted(outcome.comparisons.items()),  # the one that decides first
        f1_curve=f1_curve(outcome.checks, outcome.best, began),
        loss_curve=loss_curve(outcome.checks, outcome.best, began),
        checks=outcome.checks[:MAX_CHECKS],
        began=began,
        matrices=_matrices(outcome.decisive),
        windows=[_window(view) for view in outcome.views],
        classes=GENIC_CLASSES,
        shares_figure=shares_figure(prepared.summaries),
        coverage=_coverage(outcome),
        layers=list(prepared.plan.layers()),
        options=_options(request.options()),
        hardware=hardware(),
        determinism=determinism(),
        saved_hash=file_sha256(saved) if saved.is_file() else None,
    )


def verdict_sentences(outcome: Outcome) -> list[str]:
    """The verdict in plain words."""
    compared, on = outcome.decisive, outcome.verdict_on
    found, before, after = compared.interval, compared.baseline, compared.tuned
    numbers = (
        f"{score(before.genic_f1)} to {score(after.genic_f1)} ({signed(found.difference)}, 95 % "
        f"interval {interval(found)}, {found.blocks:,} genome blocks)"
    )
    first = {
        "better": "The tuned model predicts genes better than the untouched one: genic F1 on the "
        f"{on} data went from {numbers}.",
        "not better": "The tuned model is no better than the untouched one: genic F1 on the "
        f"{on} data went from {numbers}.",
        "cannot tell": "Whether the tuned model is better than the untouched one cannot be told "
        f"from these data: genic F1 on the {on} data went from {numbers}.",
    }[outcome.verdict]
    wrong = percent(before.wrong_share), percent(after.wrong_share)
    return [first, f"Wrong bases: {wrong[0]} before, {wrong[1]} after."]


@dataclass(frozen=True)
class _Matrix:
    """A confusion matrix to be shown: rows of (class, [(count, share of the row)])."""

    title: str
    classes: tuple[str, ...]
    rows: list[tuple[str, list[tuple[int, float]]]]


def _matrices(compared: Comparison) -> dict[str, list[_Matrix]]:
    """Output -> matrices of untouched and tuned model."""
    result: dict[str, list[_Matrix]] = {}
    for model, output, matrix in compared.matrices():
        classes = OUTPUTS[output]
        shown = _Matrix(f"{model.capitalize()} model", classes, matrix_rows(matrix, classes))
        result.setdefault(output, []).append(shown)
    return result


@dataclass(frozen=True)
class _Window:
    """A window to be shown."""

    title: str
    view: WindowView
    figure: Markup
    errors: tuple[int, int]
    masked_share: float


def _window(view: WindowView) -> _Window:
    return _Window(
        title=_WINDOWS[view.kind],
        view=view,
        figure=window_figure(view),
        errors=(view.errors(view.before), view.errors(view.after)),
        masked_share=1 - float(view.valid.mean()),
    )


def _coverage(outcome: Outcome) -> dict[str, Any] | None:
    """What the section about coverage shows; None without coverage."""
    coverage = outcome.coverage
    if coverage is None:
        return None
    columns = coverage.columns(outcome.decisive.baseline)
    return {
        "tracks": track_list(coverage.input.tracks),
        "input": coverage.input,
        "without": coverage.without,
        "verdicts": COVERAGE_VERDICTS,
        "columns": [_COLUMNS.get(name, name) for name in columns],
        "rows": [
            (name, [of.scores[name].f1 for of in columns.values()])
            for name in in_order(coverage.tuned.scores)
        ],
    }


def _options(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Options as on the command line."""
    return [
        (
            "--" + name.replace("_", "-"),
            ", ".join(str(part) for part in value) if isinstance(value, list) else str(value),
        )
        for name, value in options.items()
    ]
