"""What a run came to: untouched against tuned model, and what there is to say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from helixer_ft.metrics import GENIC_CLASSES, MIN_BLOCKS, Interval, paired_bootstrap
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.training.dataset import Dataset
from helixer_ft.training.history import Check, overfitting_began
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.scoring import DatasetScore


@dataclass(frozen=True)
class Comparison:
    """Untouched and tuned model on the same data."""

    baseline: DatasetScore
    tuned: DatasetScore
    interval: Interval


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
    """What a run came to.

    Attributes
    ----------
    prepared
        The run.
    checks
        All of them; the first is the untouched model.
    best
        The check whose model was saved.
    validation, test
        Untouched against tuned model; test is None without test data.
    coverage
        What coverage was worth; None without --input-coverage.
    ended
        Why training ended.
    warnings
        What the result itself gives reason to say.
    seconds
        The whole run, the parts before interruptions included.
    versions
        That the result depends on.
    resumed_from
        Epoch and batch after which an interrupted run went on, (0, 0) where nothing was trained
        yet; None: it did not.
    """

    prepared: PreparedRun
    checks: tuple[Check, ...]
    best: Check
    validation: Comparison
    test: Comparison | None
    coverage: CoverageComparison | None
    ended: str
    warnings: tuple[str, ...]
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    resumed_from: tuple[int, int] | None = None

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


def compare(dataset: Dataset, baseline: DatasetScore, tuned: DatasetScore, seed: int) -> Comparison:
    """Both models on a dataset, with the interval of their difference."""
    interval = paired_bootstrap(
        baseline.genic_counts, tuned.genic_counts, dataset.regions, seed=seed
    )
    return Comparison(baseline, tuned, interval)


def outcome_warnings(
    checks: Sequence[Check], best: Check, validation: Comparison, test: Comparison | None
) -> list[str]:
    """What the result itself gives reason to say, in plain words."""
    result = []
    if test is None:
        result.append(
            "the verdict is taken on the validation data, which also chose the checkpoint: it is "
            "optimistic. Give held-out sequences with --test-data."
        )
    decisive = test or validation
    if decisive.interval.verdict == "cannot tell":
        blocks = decisive.interval.blocks
        result.append(
            f"only {blocks} genome blocks to score on: too few to tell. Use more sequence."
            if blocks < MIN_BLOCKS
            else "the interval of the difference includes 0. Use more sequence to score on."
        )
    began = overfitting_began(checks[1:])
    if began is not None:
        result.append(
            f"overfitting began after check {began}: from there on the training data were fitted "
            "better and the validation data worse. More data, a smaller --learning-rate or "
            "earlier checks (--check-every-nth-batch) help."
        )
    truth, predicted = (best.validation.genic_matrix.sum(axis=axis) for axis in (1, 0))
    result += [
        f"the tuned model never predicts {name} in the validation data. Train longer, or look at "
        "the class's share in the training data."
        for i, name in enumerate(GENIC_CLASSES)
        if truth[i] and not predicted[i]
    ]
    return result
