"""What is compared: strategies by name. Another one is another line in `CANDIDATES`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from helixer_ft.errors import InputError
from helixer_ft.network.strategies import Freeze, Strategy, Whole


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
