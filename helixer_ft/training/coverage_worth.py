"""What coverage was worth: a head with it, without it, and with its tracks silenced."""

from dataclasses import dataclass

from helixer_ft.engine import Engine
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.outcome import CoverageComparison, compare
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.scoring import score_dataset


@dataclass(frozen=True)
class Tuned:
    """A network after its training: scores of its best check per set, the number of its checks,
    and why training ended.
    """

    engine: Engine
    scores: dict[str, DatasetScore]
    checks: int
    ended: str


def compare_coverage(
    prepared: PreparedRun,
    tuned: Tuned,
    without: Tuned | None,
    progress: TrainingProgress,
) -> CoverageComparison:
    """What coverage was worth, on the data that the verdict is taken on."""
    request, coverage = prepared.request, prepared.plan.model.coverage
    assert coverage is not None, "the plan takes coverage"
    on = "test" if prepared.test else "validation"
    dataset = prepared.scored[on]
    silenced = None
    if request.strategy.ablate_coverage:
        size, task = prepared.settings.val_test_batch_size, f"scoring without its tracks: {on} data"
        silenced = score_dataset(tuned.engine, dataset.silenced(), size, progress, task)
    return CoverageComparison(
        input=coverage,
        tuned=tuned.scores[on],
        without=None
        if without is None
        else compare(dataset, without.scores[on], tuned.scores[on], prepared.settings.seed),
        silenced=silenced,
        checks=(without.checks if without else 0, tuned.checks),
    )
