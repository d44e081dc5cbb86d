"""What an engine gives back: scores of a batch, and the state of a training."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np


class ScoredBatch:
    """Scores of a batch, window by window; an accelerator may still be computing them: the first
    look at them waits.

    Parameters
    ----------
    counts, entropy
        As they were computed, perhaps of windows too that fill up the batch.
    n
        Windows of the batch; None: all.
    """

    def __init__(self, counts: Any, entropy: Any, n: int | None = None) -> None:
        self._counts, self._entropy, self._n = counts, entropy, n

    @property
    def is_ready(self) -> bool:
        """Whether they are computed."""
        return isinstance(self._counts, np.ndarray)

    @cached_property
    def counts(self) -> np.ndarray:
        """(n, outputs, 4, 4) bases per reference class (rows) and predicted class."""
        return np.rint(np.asarray(self._counts)).astype(np.int64)[: self._n]

    @cached_property
    def entropy(self) -> np.ndarray:
        """(n, outputs) summed cross-entropy of the valid bases, unweighted."""
        return np.asarray(self._entropy, np.float64)[: self._n]


class Accumulated(NamedTuple):
    """The subsequences of a batch, and its gradients."""

    subsequences: int
    gradients: list[np.ndarray]


@dataclass(frozen=True)
class EngineState:
    """All that the next batch and the next update depend on, in host memory.

    Attributes
    ----------
    variables
        Arrays in the order of the Keras variables: `trainable`, `fixed` (batch-norm statistics,
        random state of dropout, weights that do not train), `optimizer`, and `average` of the first
        two where the recipe asks for one.
    accumulated
        For each batch since the last update: its subsequences, its gradients (in the order of
        `trainable`).
    """

    variables: dict[str, list[np.ndarray]]
    accumulated: list[Accumulated]
