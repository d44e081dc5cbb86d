"""The result of a run: untouched against tuned model, and what there is to say about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helixer_ft.dataset.dataset import Dataset
from helixer_ft.dataset.label_sources import are_predicted, label_sources
from helixer_ft.metrics import (
    Interval,
    Score,
    differences_dict,
    paired_bootstrap,
)
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.runtime.backend import determinism
from helixer_ft.runtime.hardware import hardware
from helixer_ft.training.check_introns import CheckedIntrons
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.views import WindowView

COVERAGE_VERDICTS = {
    "better": "Coverage helped",
    "not better": "Coverage did not help",
    "cannot tell": "Whether coverage helped cannot be told",
}
NOT_TRUSTED = "the labels are predictions: agreement with the teacher says nothing about accuracy"
"""Why there is no verdict on data whose labels are predictions."""


@dataclass(frozen=True)
class Comparison:
    """Untouched and tuned model on the same data.

    Attributes
    ----------
    baseline, tuned
        Their scores.
    intervals
        Differences in every F1, named as in the scores.
    trusted
        Whether the labels come from an annotation; otherwise scores are agreement with predictions.
    """

    baseline: DatasetScore
    tuned: DatasetScore
    intervals: Mapping[str, Interval]
    trusted: bool = True

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"; always that without trusted labels."""
        return self.interval.verdict if self.trusted else "cannot tell"

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
            "verdict": compared.verdict if compared else None,
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
    introns
        Introns of both models against those of reads, where labels are predictions; None: there are
        no reads, or the labels can judge.
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
    introns: CheckedIntrons | None
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
            adaptation = self.prepared.adaptation
            start = "the model as it was"
            if adaptation is not None and adaptation.mix:
                start = "the model with the genome's batch-norm statistics"
            return (
                "no part of the tuning is beyond doubt better on the validation data than "
                f"{start} (genic F1 {self.best.validation.genic_f1:.4f}, at {at} "
                f"{full:.4f}), whose weights the saved model has"
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
        return self.decisive.verdict

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
            "verdict_reason": None if self.decisive.trusted else NOT_TRUSTED,
            "introns": self.introns and self.introns.to_dict(),
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
    trusted = not are_predicted(label_sources(dataset))
    return Comparison(baseline, tuned, intervals, trusted)
