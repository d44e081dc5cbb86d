"""Scores of a batch, which an accelerator may still be computing."""

from functools import cached_property
from typing import Any

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
