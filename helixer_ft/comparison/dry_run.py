"""What a comparison would train, and how long an epoch of each training would take."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from helixer_ft.comparison.adapted import SCORED_AS
from helixer_ft.comparison.compare import Comparing
from helixer_ft.comparison.progress import CompareProgress
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.runtime.processes import Processes
from helixer_ft.training.estimate import Estimate, estimate
from helixer_ft.training.prepared import PreparedRun


@dataclass(frozen=True)
class PlannedTraining:
    """A training that would take place: its name, what trains, for how many epochs at most, and
    what it would take.
    """

    name: str
    strategy: str
    trainable_parameters: int
    total_parameters: int
    epochs: int
    estimate: Estimate


@dataclass(frozen=True)
class PlannedComparison:
    """What a comparison would do.

    Attributes
    ----------
    request
        What was asked for.
    prepared
        The first training, checked; of a comparison without any, the run that scores the model.
    trainings
        Of the model that would be tuned; where that follows from scores, of the first one.
    left_out, failed
        As in `CompareOutcome`.
    """

    request: CompareRequest
    prepared: PreparedRun
    trainings: tuple[PlannedTraining, ...]
    left_out: Mapping[str, str]
    failed: Mapping[str, str]

    @property
    def most_seconds(self) -> float:
        """All trainings one after the other, should no patience end one before its last epoch."""
        return sum(one.estimate.most_seconds for one in self.trainings)

    @property
    def disk(self) -> tuple[int, int]:
        """Bytes that all trainings need, each with the caches of its own, and those that are
        free.
        """
        found = [one.estimate for one in self.trainings]
        return sum(one.disk for one in found), min((one.disk_free for one in found), default=0)

    @property
    def memory(self) -> tuple[int, int] | None:
        """Bytes in use in the steps of that training which takes most, and those that may be."""
        found = [
            (one.estimate.memory, one.estimate.memory_limit)
            for one in self.trainings
            if one.estimate.memory is not None and one.estimate.memory_limit is not None
        ]
        return max(found, default=None)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        prepared = self.prepared.to_dict()
        return {
            "dry_run": True,
            "estimate": {
                "most_seconds": self.most_seconds,
                "disk": self.disk[0],
                "disk_free": self.disk[1],
            },
            "trainings": [asdict(one) for one in self.trainings],
            "left_out": dict(self.left_out),
            "failed": dict(self.failed),
            "data": prepared["data"],
            "warnings": prepared["warnings"],
        }


def plan_comparison(
    request: CompareRequest, progress: CompareProgress, processes: Processes | None = None
) -> PlannedComparison:
    """Check everything, time a step of each training; nothing is trained, and no file is left.

    Raises
    ------
    InputError
        See `compare`.
    """
    work = Comparing(request, progress, processes or Processes())
    base = work.bases[0]
    trainings, first = [], None
    with work.holding():
        work.processes.any(False)  # the folder is there
        for possible in base.possible:
            if not possible.candidate.trains:
                continue
            prepared = work.prepare(base, possible.candidate, dry=True)
            first = first or prepared
            trainings.append(
                PlannedTraining(
                    name=request.result_name(base.label, possible.candidate.name),
                    strategy=possible.strategy,
                    trainable_parameters=possible.trainable_parameters,
                    total_parameters=possible.total_parameters,
                    epochs=prepared.settings.epochs,
                    estimate=estimate(prepared),
                )
            )
        first = first or work.prepare(base, SCORED_AS, dry=True)
    return PlannedComparison(request, first, tuple(trainings), base.left_out, work.failed)
