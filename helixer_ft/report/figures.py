"""The plots of a run: scores per class, learning curves, class shares."""

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.report.drawing import COLOURS, as_svg, figure
from helixer_ft.report.page import class_name
from helixer_ft.training.data_checks import SetSummary
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check
from helixer_ft.training.outcome import Comparison

CLASS_ROLES = ("intergenic", "utr", "cds", "intron")
_SHOWN = ("genic", *GENIC_CLASSES)
_HALF, _FULL = 4.7, 9.6
"""Widths in inches: of two figures side by side, and of one alone."""
_FEW_CHECKS = 40
"""Up to this many checks, each is marked on its curve."""
_LABELLED = 0.06
"""Smallest share with room for its label."""


def f1_figure(compared: Comparison) -> Markup:
    """F1 before and after, per class."""
    before, after = compared.baseline.genic, compared.tuned.genic
    with figure(_HALF, 2.6, left=0.8) as (drawn, axes):
        _class_rows(axes)
        for row, name in enumerate(_SHOWN):
            old, new = before[name].f1, after[name].f1
            axes.plot([old, new], [row, row], color=COLOURS["soft"], linewidth=4, zorder=1)
            axes.plot(old, row, "o", color=COLOURS["muted"], fillstyle="none", markersize=6)
            axes.plot(new, row, "o", color=COLOURS["accent"], markersize=6)
        axes.set_xlim(-0.02, 1.02)
        axes.set_title("F1: untouched (ring) and tuned (dot)")
        values = ", ".join(
            f"{class_name(name)} {before[name].f1:.3f} to {after[name].f1:.3f}" for name in _SHOWN
        )
        return as_svg(drawn, "f1", f"F1 per class, untouched and tuned model: {values}")


def change_figure(compared: Comparison) -> Markup:
    """Changes in F1 with their intervals, per class."""
    with figure(_HALF, 2.6, left=0.8) as (drawn, axes):
        _class_rows(axes)
        axes.axvline(0, color=COLOURS["muted"], linewidth=1)
        for row, name in enumerate(_SHOWN):
            found = compared.intervals[name]
            axes.plot([found.low, found.high], [row, row], color=COLOURS["accent"], linewidth=2)
            axes.plot(found.difference, row, "o", color=COLOURS["accent"], markersize=6)
        axes.set_title("Change in F1, with 95 % intervals")
        axes.xaxis.set_major_locator(MaxNLocator(6))
        values = ", ".join(
            f"{class_name(name)} {found.low:+.3f} to {found.high:+.3f}"
            for name, found in compared.intervals.items()
            if name in _SHOWN
        )
        return as_svg(drawn, "change", f"95 % intervals of the change in F1: {values}")


def models_figure(compared: Sequence[Comparison | None]) -> Markup:
    """Changes in genic F1 with their intervals, a row per model; None: an untouched model."""
    numbers = range(1, len(compared) + 1)
    with figure(_FULL, 0.6 + 0.25 * len(compared), left=0.35) as (drawn, axes):
        axes.axvline(0, color=COLOURS["muted"], linewidth=1)
        values = []
        for row, one in zip(numbers, compared, strict=True):
            if one is None:
                axes.plot(0, row, "o", color=COLOURS["muted"], fillstyle="none", markersize=6)
                continue
            found = one.interval
            axes.plot([found.low, found.high], [row, row], color=COLOURS["accent"], linewidth=2)
            axes.plot(found.difference, row, "o", color=COLOURS["accent"], markersize=6)
            values.append(f"{row}: {found.low:+.3f} to {found.high:+.3f}")
        axes.set_yticks(numbers, [f"{number}." for number in numbers], color=COLOURS["ink"])
        axes.set_ylim(len(compared) + 0.5, 0.5)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_title("Change in genic F1, with 95 % intervals; untouched models: ring")
        axes.xaxis.set_major_locator(MaxNLocator(6))
        description = (
            f"95 % intervals of the change in genic F1, model by model: {', '.join(values)}"
        )
        return as_svg(drawn, "models", description)


def _class_rows(axes: Axes) -> None:
    names = [class_name(name) for name in _SHOWN]
    axes.set_yticks(range(len(_SHOWN)), names, color=COLOURS["ink"])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(_SHOWN) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def f1_curve(checks: Sequence[Check], best: Check, began: int | None) -> Markup:
    """Genic F1 at each check."""
    return _curves("f1-curve", "Genic F1", checks, best, began, lambda score: score.genic_f1)


def loss_curve(checks: Sequence[Check], best: Check, began: int | None) -> Markup:
    """Unweighted loss at each check."""
    return _curves("loss-curve", "Loss, unweighted", checks, best, began, lambda score: score.loss)


def _curves(
    name: str,
    title: str,
    checks: Sequence[Check],
    best: Check,
    began: int | None,
    value: Callable[[DatasetScore], float],
) -> Markup:
    """A score on validation data and training subset, at each check; the first is the untouched
    model's.
    """
    numbers = [check.number for check in checks]
    validation = np.array([value(check.validation) for check in checks])
    subset = np.array([value(check.subset) for check in checks])
    few = len(checks) <= _FEW_CHECKS
    with figure(_HALF, 3.0, left=0.45, bottom=0.45) as (drawn, axes):
        if began is not None:
            axes.axvspan(began, numbers[-1], color=COLOURS["wrong"], alpha=0.08, linewidth=0)
        axes.fill_between(
            numbers, subset, validation, color=COLOURS["soft"], alpha=0.7, linewidth=0
        )
        axes.plot(
            numbers, subset, color=COLOURS["muted"], linestyle=(0, (4, 2)), linewidth=1.5,
            marker="s" if few else None, markersize=3.5, label="training subset",
        )  # fmt: skip
        axes.plot(
            numbers, validation, color=COLOURS["accent"], linewidth=1.8,
            marker="o" if few else None, markersize=4, label="validation",
        )  # fmt: skip
        axes.plot(
            best.number, value(best.validation), "o", color=COLOURS["ink"], fillstyle="none",
            markersize=10, markeredgewidth=1.3, linestyle="none",
            label=f"saved: check {best.number}",
        )  # fmt: skip
        axes.set_title(title)
        axes.set_xlabel("check (0: untouched model)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.04, y=0.1)
        axes.grid(axis="y")
        axes.legend(fontsize=8)
        description = (
            f"{title} at each check. Validation: {validation[0]:.4f} untouched, "
            f"{value(best.validation):.4f} at the saved check {best.number}. "
            f"Training subset: {subset[0]:.4f} and {value(best.subset):.4f}"
        )
        return as_svg(drawn, name, description)


def shares_figure(summaries: Sequence[SetSummary]) -> Markup:
    """Class shares of each set, of all bases and of the valid ones."""
    bars = [
        (f"{summary.name}, {kind}", shares)
        for summary in summaries
        for kind, shares in (("all", summary.fractions), ("valid", summary.valid_fractions))
    ]
    with figure(_FULL, 0.4 + 0.3 * len(bars), left=1.25, right=0.3, top=0.05) as (drawn, axes):
        for row, (_, shares) in enumerate(bars):
            left = 0.0
            for label, role, share in zip(GENIC_CLASSES, CLASS_ROLES, shares.tolist(), strict=True):
                axes.barh(row, share, left=left, height=0.72, color=COLOURS[role], linewidth=0)
                if share >= _LABELLED:
                    axes.text(
                        left + share / 2, row, f"{label} {share:.0%}", ha="center", va="center",
                        color=COLOURS["on-class"], fontsize=8,
                    )  # fmt: skip
                left += share
        labels = [label for label, _ in bars]
        axes.set_yticks(range(len(bars)), labels, color=COLOURS["ink"])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.spines[:].set_visible(False)
        description = "; ".join(
            f"{label}: "
            + ", ".join(
                f"{name} {share:.1%}"
                for name, share in zip(GENIC_CLASSES, shares.tolist(), strict=True)
            )
            for label, shares in bars
        )
        return as_svg(drawn, "shares", f"Class shares. {description}")
