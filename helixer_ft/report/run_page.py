"""The page about one run of `whole` or `freeze`."""

from pathlib import Path
from typing import Any

from helixer_ft.formats.input_file import file_sha256
from helixer_ft.metrics import GENIC_CLASSES, OUTPUTS, matrix_rows
from helixer_ft.network.coverage import track_list
from helixer_ft.report.figures import change_figure, f1_curve, f1_figure, loss_curve, shares_figure
from helixer_ft.report.genome_view import window_figure
from helixer_ft.report.page import (
    in_order,
    interval,
    percent,
    score,
    sentence,
    signed,
    write_page,
)
from helixer_ft.runtime.backend import determinism
from helixer_ft.runtime.hardware import hardware
from helixer_ft.settings import option
from helixer_ft.training.history import Check, overfitting_began
from helixer_ft.training.outcome import (
    COVERAGE_VERDICTS,
    NOT_TRUSTED,
    Comparison,
    Outcome,
)

MatrixRow = tuple[str, list[tuple[int, float]]]
"""A class, and for each class it was predicted as: the count, and its share of the row."""
MAX_CHECKS = 200
"""Most checks in the table, but for the saved one; `history.csv` has all."""
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
        sentences=verdict_sentences(outcome),
        f1_figure=f1_figure(outcome.decisive),
        change_figure=change_figure(outcome.decisive),
        comparisons=sorted(outcome.comparisons.items()),  # the one that decides first
        f1_curve=f1_curve(outcome.checks, outcome.best, began),
        loss_curve=loss_curve(outcome.checks, outcome.best, began),
        checks=_shown(outcome),
        began=began,
        matrices=_matrices(outcome.decisive),
        windows=[(_WINDOWS[view.kind], view, window_figure(view)) for view in outcome.views],
        classes=GENIC_CLASSES,
        shares_figure=shares_figure(prepared.summaries),
        coverage=_coverage(outcome),
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
    wrong = percent(before.wrong_share), percent(after.wrong_share)
    if not compared.trusted:
        return [
            f"{sentence(NOT_TRUSTED)}.",
            f"Agreement on the {on} data (genic F1) went from {numbers}; bases that differ from "
            f"the labels: {wrong[0]} before, {wrong[1]} after.",
            *([outcome.introns.text] if outcome.introns else []),
        ]
    claim = {
        "better": "The tuned model predicts genes better than the untouched one",
        "not better": "The tuned model is no better than the untouched one",
        "cannot tell": "These data cannot tell whether the tuned model is better than the "
        "untouched one",
    }[outcome.verdict]
    first = f"{claim}: genic F1 on the {on} data went from {numbers}."
    sentences = [first, f"Wrong bases: {wrong[0]} before, {wrong[1]} after."]
    if outcome.share_text:
        sentences.append(f"{outcome.share_text[0].upper()}{outcome.share_text[1:]}.")
    return sentences


def _shown(outcome: Outcome) -> list[Check]:
    """Checks evenly spread over the run, and the one whose model is saved."""
    every = -(-len(outcome.checks) // MAX_CHECKS)
    saved = outcome.best.number
    return [one for i, one in enumerate(outcome.checks) if i % every == 0 or one.number == saved]


def _matrices(compared: Comparison) -> dict[str, list[tuple[str, list[MatrixRow]]]]:
    """Output -> titles and rows of the matrices of untouched and tuned model."""
    result: dict[str, list[tuple[str, list[MatrixRow]]]] = {}
    for model, output, matrix in compared.matrices():
        rows = matrix_rows(matrix, OUTPUTS[output])
        result.setdefault(output, []).append((f"{model.capitalize()} model", rows))
    return result


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
        (option(name), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in options.items()
    ]
