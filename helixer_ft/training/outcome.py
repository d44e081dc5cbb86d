"""The result of a run: untouched against tuned model, and what there is to say about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helixer_ft.dataset.dataset import Dataset
from helixer_ft.metrics import (
    GENIC_CLASSES,
    MIN_BLOCKS,
    STRONG_DIFFERENCE,
    Interval,
    Score,
    differences_dict,
    paired_bootstrap,
)
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.runtime.backend import determinism
from helixer_ft.runtime.hardware import hardware
from helixer_ft.training.history import Check, overfitting_began
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.scoring import DatasetScore
from helixer_ft.training.views import WindowView

COVERAGE_VERDICTS = {
    "better": "Coverage helped",
    "not better": "Coverage did not help",
    "cannot tell": "Whether coverage helped cannot be told",
}
GENIC_SHARE_OFF = 1.5
"""Predicted genic bases over those of the reference, or the inverse, that call for a warning."""


@dataclass(frozen=True)
class Comparison:
    """Untouched and tuned model on the same data.

    Attributes
    ----------
    baseline, tuned
        Their scores.
    intervals
        Differences in every F1, named as in the scores.
    """

    baseline: DatasetScore
    tuned: DatasetScore
    intervals: Mapping[str, Interval]

    @property
    def interval(self) -> Interval:
        """The difference in genic F1, which decides."""
        return self.intervals["genic"]

    def rows(self) -> list[tuple[str, Score, Score, Interval]]:
        """Class or composite score -> before, after, and the difference in F1."""
        before, after = self.baseline.scores, self.tuned.scores
        return [(name, before[name], after[name], self.intervals[name]) for name in after]

    def matrices(self) -> list[tuple[str, str, np.ndarray]]:
        """Confusion matrices of both models: model ("untouched", "tuned"), output, counts."""
        return [
            (model, output, matrix)
            for model, score in (("untouched", self.baseline), ("tuned", self.tuned))
            for output, matrix in score.matrices.items()
        ]


@dataclass(frozen=True)
class CoverageComparison:
    """What coverage was worth, on the data that the verdict is taken on.

    Attributes
    ----------
    input
        The coverage.
    tuned
        The model tuned with it.
    without
        The model tuned without coverage (as baseline) against the one with; None where the head was
        kept, and there is no such model.
    silenced
        The tuned model where no base has coverage; None where not asked for.
    checks
        Number of checks of the training without and with coverage; the first is 0 without one.
    """

    input: CoverageInput
    tuned: DatasetScore
    without: Comparison | None
    silenced: DatasetScore | None
    checks: tuple[int, int]

    def columns(self, untouched: DatasetScore) -> dict[str, DatasetScore]:
        """The models side by side: "untouched", "without" (coverage), "with" and "silenced"."""
        scores = {"untouched": untouched}
        if self.without:
            scores["without"] = self.without.baseline
        scores["with"] = self.tuned
        return scores | ({"silenced": self.silenced} if self.silenced else {})

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        compared, silenced = self.without, self.silenced
        return self.input.to_dict() | {
            "without": compared.baseline.to_dict() if compared else None,
            "with": self.tuned.to_dict(),
            "silenced": silenced.to_dict() if silenced else None,
            "difference": differences_dict(compared.intervals) if compared else None,
            "verdict": compared.interval.verdict if compared else None,
            "checks": dict(zip(("without", "with"), self.checks, strict=True)),
        }

    @property
    def warnings(self) -> list[str]:
        """What makes the two models hard to compare, in plain words."""
        fewer, more = sorted(self.checks)
        if self.without is None or 2 * fewer >= more:
            return []
        return [
            f"the head without coverage was trained for {self.checks[0]} checks, the one with for "
            f"{self.checks[1]}: part of their difference may be the length of training. A larger "
            "--patience evens that out."
        ]


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes
    ----------
    prepared
        The run.
    checks
        All of them; the first is the untouched model.
    best
        The check whose model was saved, with that model's scores.
    share
        How much of the way from the untouched model's weights to that check's was kept, as the
        validation data say: 1, all; 0, the model is the untouched one.
    validation, test
        Untouched against tuned model; test is None without test data.
    coverage
        What coverage was worth; None without --input-coverage.
    ended
        Why training ended.
    warnings
        Warnings that follow from the result itself.
    seconds
        The whole run, the parts before interruptions included.
    versions
        Versions of what the result depends on.
    resumed_from
        Epoch and batch after which an interrupted run resumed, (0, 0) where nothing was trained
        yet; None: it was not interrupted.
    views
        A few windows of the data that the verdict is taken on.
    """

    prepared: PreparedRun
    checks: tuple[Check, ...]
    best: Check
    share: float
    validation: Comparison
    test: Comparison | None
    coverage: CoverageComparison | None
    ended: str
    warnings: tuple[str, ...]
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    resumed_from: tuple[int, int] | None = None
    views: tuple[WindowView, ...] = ()

    @property
    def share_text(self) -> str:
        """Why the saved model has only a part of the tuning, or none; empty where it has all."""
        if self.share == 1:
            return ""
        at = f"check {self.best.number}"
        full = next(c for c in self.checks if c.number == self.best.number).validation.genic_f1
        if self.share == 0:
            return (
                "no part of the tuning is beyond doubt better on the validation data than the "
                f"model as it was (genic F1 {self.best.validation.genic_f1:.4f}, at {at} "
                f"{full:.4f}): the saved model has the weights that training began with"
            )
        return (
            f"the saved model has {self.share:.0%} of the change that training made up to {at}, "
            f"which is better on the validation data (genic F1 "
            f"{self.best.validation.genic_f1:.4f}) than all of it ({full:.4f})"
        )

    @property
    def verdict_on(self) -> str:
        """The data the verdict is taken on: "test" where there is test data."""
        return "test" if self.test else "validation"

    @property
    def decisive(self) -> Comparison:
        """The comparison the verdict is taken from."""
        return self.test or self.validation

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"."""
        return self.decisive.interval.verdict

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """Both models on the validation and, where there are, the test data."""
        return {"validation": self.validation} | ({"test": self.test} if self.test else {})

    @property
    def all_warnings(self) -> list[str]:
        """Warnings from the data and from the result."""
        return [*self.prepared.warnings, *self.warnings]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        baseline, best = self.checks[0], self.best
        result = self.prepared.to_dict() | {
            "verdict": self.verdict,
            "verdict_on": self.verdict_on,
            "difference": differences_dict(self.decisive.intervals),
            "baseline": self.validation.baseline.to_dict(),
            "best": self.validation.tuned.to_dict()
            | {"check": best.number, "epoch": best.epoch, "batch": best.batch}
            | {"tuning_share": self.share},
            "training_subset": {
                "baseline": {"genic_f1": baseline.subset.genic_f1, "loss": baseline.subset.loss},
                "best": {"genic_f1": best.subset.genic_f1, "loss": best.subset.loss},
            },
            "checks": len(self.checks) - 1,
            "ended": self.ended,
            "warnings": self.all_warnings,
            "resumed_from": place_dict(self.resumed_from),
            "seconds": round(self.seconds, 3),
            "check_seconds": [round(check.seconds, 3) for check in self.checks[1:]],
            "save_model_path": str(self.prepared.request.save_model_path),
            "versions": self.versions,
            "hardware": hardware().to_dict(),
            "determinism": determinism(),
        }
        if self.test:
            scores = {"baseline": self.test.baseline, "tuned": self.test.tuned}
            result["test"] = {name: score.to_dict() for name, score in scores.items()}
        if self.coverage:
            result["coverage"] = self.coverage.to_dict()
        return result


def place_dict(place: tuple[int, int] | None) -> dict[str, int] | None:
    """Where an interrupted run resumed, as `--json` prints it."""
    return None if place is None else dict(zip(("epoch", "batch"), place, strict=True))


def compare(dataset: Dataset, baseline: DatasetScore, tuned: DatasetScore, seed: int) -> Comparison:
    """Both models on a dataset, with the interval of their difference."""
    intervals = paired_bootstrap(baseline.counts, tuned.counts, dataset.regions, seed=seed)
    return Comparison(baseline, tuned, intervals)


def outcome_warnings(
    checks: Sequence[Check],
    validation: Comparison,
    test: Comparison | None,
    intergenic_share: float,
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
    """
    result = []
    if test is None:
        result.append(
            "the verdict is based on the validation data, which also chose the checkpoint: it is "
            "optimistic. Give held-out sequences with --test-data."
        )
    on, decisive = ("test", test) if test else ("validation", validation)
    result += _interval_warnings(decisive.interval, on)
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
    matrix = decisive.tuned.genic_matrix
    truth, predicted = (matrix.sum(axis=axis) for axis in (1, 0))
    result += [
        f"the tuned model never predicts {name} in the {on} data. Train longer, or look at the "
        "class's share in the training data."
        for i, name in enumerate(GENIC_CLASSES)
        if truth[i] and not predicted[i]
    ]
    if decisive.interval.verdict != "not better":  # which says it all
        result += _worse_warnings(decisive, on)
    return result + _share_warnings(matrix, on, intergenic_share)


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
