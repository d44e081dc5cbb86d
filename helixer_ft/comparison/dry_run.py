"""What a comparison would train, and how long an epoch of each training would take."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from helixer_ft.comparison.compare import Comparing
from helixer_ft.comparison.progress import CompareProgress
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.runtime.processes import Processes
from helixer_ft.training.estimate import Estimate, estimate
from helixer_ft.training.prepared import PreparedRun


@dataclass(frozen=True)
class PlannedTraining:
    """A training that would take place: its name, what trains, and what it would take."""

    name: str
    strategy: str
    trainable_parameters: int
    total_parameters: int
    estimate: Estimate


@dataclass(frozen=True)
class PlannedComparison:
    """What a comparison would do.

    Attributes
    ----------
    request
        What was asked for.
    prepared
        The first training, checked.
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

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        prepared = self.prepared.to_dict()
        return {
            "dry_run": True,
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
            prepared = work.prepare(base, possible.candidate, dry=True)
            first = first or prepared
            trainings.append(
                PlannedTraining(
                    name=request.result_name(base.label, possible.candidate.name),
                    strategy=possible.strategy,
                    trainable_parameters=possible.trainable_parameters,
                    total_parameters=possible.total_parameters,
                    estimate=estimate(prepared),
                )
            )
    assert first is not None, "a model without any candidate is not kept"
    return PlannedComparison(request, first, tuple(trainings), base.left_out, work.failed)
