"""What the result of a run gives reason to say, in plain words."""

from collections.abc import Sequence

import numpy as np

from helixer_ft.metrics import GENIC_CLASSES, MIN_BLOCKS, STRONG_DIFFERENCE, Interval
from helixer_ft.training.history import Check, overfitting_began
from helixer_ft.training.outcome import NOT_TRUSTED, Comparison

GENIC_SHARE_OFF = 1.5
"""Predicted genic bases over those of the reference, or the inverse, that call for a warning."""


def outcome_warnings(
    checks: Sequence[Check],
    validation: Comparison,
    test: Comparison | None,
    intergenic_share: float,
    *,
    share: float = 1.0,
) -> list[str]:
    """Warnings that follow from the result itself, in plain words.

    Parameters
    ----------
    checks
        All checks of the run; the first is the untouched model.
    validation, test
        Untouched against tuned model; test is None without test data.
    intergenic_share
        Share of the valid training bases that are intergenic.
    share
        How much of the tuning was kept; where it is none, what the model predicts is not its fault.
    """
    on, decisive = ("test", test) if test else ("validation", validation)
    matrix = decisive.tuned.genic_matrix
    if not decisive.trusted:
        return [
            f"{NOT_TRUSTED}. Give data labelled by an annotation with --test-data, or compare the "
            "gene models of both models with reads (helixer-ft evaluate-genes --bam).",
            *_missing_warnings(matrix, on),
        ]
    result = []
    if test is None:
        result.append(
            "the verdict is based on the validation data, which also chose the checkpoint: it is "
            "optimistic. Give held-out sequences with --test-data."
        )
    result += _interval_warnings(decisive.interval, on)
    if validation.trusted:
        result += _check_warnings(checks, validation, test)
    if share == 0:
        return result
    result += _missing_warnings(matrix, on)
    if decisive.interval.verdict != "not better":  # which says it all
        result += _worse_warnings(decisive, on)
    return result + _share_warnings(matrix, on, intergenic_share)


def _check_warnings(
    checks: Sequence[Check], validation: Comparison, test: Comparison | None
) -> list[str]:
    """What the checks show, and what their choice rests on."""
    result = []
    decisive = test or validation
    before, after = validation.baseline.genic_f1, validation.tuned.genic_f1
    if decisive.interval.verdict == "cannot tell" and after < before:
        result.append(
            f"no check was better than the untouched model on the validation data (genic F1 "
            f"{after:.4f}, untouched {before:.4f}): use the untouched model, which may know this "
            "species already."
        )
    blocks = validation.interval.blocks
    if test and blocks < MIN_BLOCKS:
        result.append(
            f"the validation data are only {blocks} genome blocks: the choice of the checkpoint, "
            "--patience and what is said of overfitting rest on little. Use more sequence there."
        )
    began = overfitting_began(checks[1:])
    if began is not None:
        result.append(
            f"overfitting began after check {began}: from there on the training data were fitted "
            "better and the validation data worse. More data, a smaller --learning-rate or "
            "earlier checks (--check-every-nth-batch) help."
        )
    return result


def _missing_warnings(matrix: np.ndarray, on: str) -> list[str]:
    """Classes that are there, and that the tuned model never predicts."""
    truth, predicted = (matrix.sum(axis=axis) for axis in (1, 0))
    return [
        f"the tuned model never predicts {name} in the {on} data. Train longer, or look at the "
        "class's share in the training data."
        for i, name in enumerate(GENIC_CLASSES)
        if truth[i] and not predicted[i]
    ]


def _interval_warnings(interval: Interval, on: str) -> list[str]:
    """Where the interval is too wide for the difference."""
    if interval.blocks < MIN_BLOCKS:
        return [
            f"only {interval.blocks} genome blocks to score on: too few to tell. Use more sequence."
        ]
    if interval.verdict == "not better" or interval.width <= abs(interval.difference):
        return []
    if interval.verdict == "better":
        return [
            f"how large the gain is stays uncertain: its interval ({interval.width:.4f} wide) is "
            f"wider than the gain itself ({interval.difference:+.4f}). Use more sequence to score "
            "on."
        ]
    return [
        f"the interval of the difference includes 0. It is wider ({interval.width:.4f}) than the "
        f"difference itself ({interval.difference:+.4f}): the {on} data are too small to tell, or "
        "tuning changed little. Use more sequence to score on."
    ]


def _worse_warnings(compared: Comparison, on: str) -> list[str]:
    """What got worse all the same."""
    result = []
    worse = [
        f"{name} (F1 {compared.baseline.genic[name].f1:.4f} -> {compared.tuned.genic[name].f1:.4f})"
        for name in GENIC_CLASSES
        if compared.intervals[name].blocks >= MIN_BLOCKS and compared.intervals[name].high < 0
    ]
    if worse:
        result.append(
            f"the tuned model is worse than the untouched one at {', '.join(worse)} in the {on} "
            "data. Look at the class's share in the training data, and at --class-weights."
        )
    before, after = compared.baseline.wrong_share, compared.tuned.wrong_share
    if after > before and compared.interval.verdict == "better":
        result.append(
            f"more of the {on} bases are wrong than before ({before:.1%} -> {after:.1%}), although "
            "genic F1 rose: what is gained in genes is lost between them."
        )
    return result


def _share_warnings(matrix: np.ndarray, on: str, intergenic_share: float) -> list[str]:
    """Where the tuned model sees far more, or far fewer, genes than there are."""
    total = max(1, matrix.sum())
    true, predicted = (float(matrix.sum(axis=axis)[1:].sum() / total) for axis in (1, 0))
    if true / GENIC_SHARE_OFF <= predicted <= true * GENIC_SHARE_OFF:
        return []
    much, remedy = "less", "Train longer, or look at what is masked in the training data."
    if predicted > true:
        much, remedy = "more", "Train longer."
        if intergenic_share < 1 - true - STRONG_DIFFERENCE:
            remedy = "Add intergenic sequence to the training data, or unmask it."
    return [
        f"the tuned model calls {predicted:.1%} of the {on} bases genic, {much} than the "
        f"{true:.1%} that are. {remedy}"
    ]
