"""What is compared: strategies by name. Another one is another line in `CANDIDATES`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from helixer_ft.adaptation.adapt import require_batch_norm
from helixer_ft.errors import InputError
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Freeze, Plan, Strategy, Whole


@dataclass(frozen=True)
class Adapt(Strategy):
    """Nothing is trained: batch norm gets the statistics of the data, which needs no labels."""

    command: ClassVar[str] = "adapt"

    def plan(
        self, model: TrainedModel, *, coverage: CoverageInput | None = None, seed: int = 0
    ) -> Plan:
        """See `Strategy`; no layer trains."""
        require_batch_norm(model)
        return Plan("batch norm of the data", model, trainable=frozenset())


@dataclass(frozen=True)
class Candidate:
    """A way to tune a model.

    Attributes
    ----------
    name
        In `--strategies`, in tables, and of the files that are written.
    strategy
        What trains.
    from_best_head
        Start from the model of the best head that was trained before, not from the untouched one.
    """

    name: str
    strategy: Strategy
    from_best_head: bool = False

    @property
    def trains(self) -> bool:
        """Whether there is a training."""
        return not isinstance(self.strategy, Adapt)

    @property
    def keeps_statistics(self) -> bool:
        """Whether batch norm has the statistics that training starts from throughout."""
        return self.is_head or getattr(self.strategy, "freeze_batchnorm", False)

    @property
    def is_head(self) -> bool:
        """Whether the head alone trains."""
        return self.strategy.fixes_body

    def with_coverage(self, prefix: str | None, normalization: str | None) -> "Candidate":
        """The same with this prefix and normalisation, where its head takes coverage."""
        if not self.strategy.input_coverage or (prefix is None and normalization is None):
            return self
        options = {"coverage_prefix": prefix, "coverage_norm": normalization}
        return replace(self, strategy=replace(self.strategy, **options))


CANDIDATES = (
    Candidate("adapted", Adapt()),
    Candidate("head", Freeze()),
    Candidate("hidden-layer", Freeze(post_coverage_hidden_layer=True)),
    Candidate("kept-head", Freeze(keep_head=True)),
    Candidate("head-coverage", Freeze(input_coverage=True)),
    Candidate(
        "hidden-layer-coverage", Freeze(post_coverage_hidden_layer=True, input_coverage=True)
    ),
    Candidate("whole", Whole()),
    Candidate("whole-batchnorm", Whole(freeze_batchnorm=True)),
    Candidate("head-then-whole", Whole(), from_best_head=True),
)
"""In the order in which they are trained: the quickest first, and heads before what starts from
them. Where two cannot be told apart by scores and parameters, the earlier one is the simpler.
"""
ADAPTED = CANDIDATES[0].name
NAMES = tuple(candidate.name for candidate in CANDIDATES)
HEADS = tuple(candidate.name for candidate in CANDIDATES if candidate.is_head)


def candidates_named(names: Sequence[str]) -> tuple[Candidate, ...]:
    """Some of `CANDIDATES`, in their order; all of them where no name is given.

    Raises
    ------
    InputError
        A name that none has; one that starts from a head, without any.
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise InputError(
            f"--strategies has {', '.join(unknown)}, expected names among {', '.join(NAMES)}."
        )
    chosen = tuple(one for one in CANDIDATES if not names or one.name in names)
    for one in chosen:
        if one.from_best_head and not any(other.is_head for other in chosen):
            raise InputError(
                f"--strategies has {one.name}, which starts from the best head, but no head. Add "
                f"one or more of {', '.join(HEADS)}."
            )
    return chosen
