"""Which rows each of several processes predicts.

A share is a number of rows that follow one another, but for those that are there already. Its first
and last windows are predicted by the neighbours too, in the batches in which one process alone
would predict them, so that the result is the same to the bit.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from helixer_ft.inference.windows import Overlap

Span = tuple[int, int]
"""First row, and the one after the last."""


def windows_per_row(ranges: Sequence[int], overlap: Overlap) -> np.ndarray:
    """(rows,) how many windows begin in each row of ranges."""
    sizes = np.asarray(ranges, np.int64)
    firsts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    row = np.arange(sizes.sum()) - firsts
    begun = -(-row * overlap.length // overlap.offset)
    following = -(-(row + 1) * overlap.length // overlap.offset)
    last = row == np.repeat(sizes, sizes) - 1
    counts = np.repeat([overlap.count(n) for n in ranges] or np.zeros(0, np.int64), sizes)
    return np.where(last, counts, following) - begun


def share_bounds(weights: np.ndarray, count: int, step: int = 1) -> list[int]:
    """Where the shares of processes begin and end.

    Parameters
    ----------
    weights
        (rows,) windows that begin in each row.
    count
        Number of processes.
    step
        Windows at once: no batch is cut where that can be helped.

    Returns
    -------
    list
        `count` + 1 rows, from 0 to the number of rows. There may be nothing for the last processes;
        the first one has a share wherever there is a row.
    """
    done = np.cumsum(np.concatenate([[0], weights]))
    targets = -(-done[-1] * np.arange(1, count) // (count * step)) * step
    inner = np.searchsorted(done, np.maximum(targets, 1)).clip(max=len(weights))
    return [0, *inner.tolist(), len(weights)]


def shares_of(missing: np.ndarray, weights: np.ndarray, count: int, step: int) -> list[list[Span]]:
    """The rows that each process predicts, in order.

    Parameters
    ----------
    missing
        (rows,) bool: those that are not there yet.
    weights, count, step
        See `share_bounds`.
    """
    rows = np.flatnonzero(missing)
    bounds = share_bounds(weights[rows], count, step)
    return [_spans(rows[first:end]) for first, end in pairwise(bounds)]


def _spans(rows: np.ndarray) -> list[Span]:
    """Rows in ascending order as spans."""
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]
