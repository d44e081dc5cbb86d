"""Cutting windows out of the rows of ranges, and averaging what is predicted in them.

Both may begin in the middle, with the same windows, sums and roundings as from the start.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from helixer_ft.inference.windows import Overlap


def join_windows(
    rows: Iterable[np.ndarray], ranges: Sequence[int], overlap: Overlap, skip: int = 0
) -> Iterator[np.ndarray]:
    """Cut the windows of ranges out of their rows; at most two rows are kept at a time.

    Parameters
    ----------
    rows
        All rows of all ranges, in order, from the one on in which the first window begins (see
        `row_of_window`): arrays `(L, ...)`.
    ranges
        Rows of each range.
    overlap
        How the windows overlap.
    skip
        Windows at the beginning that are left out.

    Yields
    ------
    numpy.ndarray
        (L, ...), the windows of each range in order.
    """
    source = iter(rows)
    length = overlap.length
    for n_rows in ranges:
        if skip >= (count := overlap.count(n_rows)):
            skip -= count
            continue
        held: list[np.ndarray] = []
        first = 0
        for start in islice(overlap.starts(n_rows), skip, None):
            begin, end = start // length, -(-(start + length) // length)
            del held[: begin - first]
            first = begin
            held += [next(source) for _ in range(first + len(held), end)]
            within = start - first * length
            yield held[0] if within == 0 else np.concatenate([held[0][within:], held[1][:within]])
        skip = 0


def average_windows(
    predictions: Iterable[np.ndarray], ranges: Sequence[int], overlap: Overlap, skip: int = 0
) -> Iterator[np.ndarray]:
    """Average what is predicted in the windows of ranges; nothing is kept beyond two rows.

    Parameters
    ----------
    predictions
        Predictions of the windows as `join_windows` yields them, from the first one on that reaches
        into the first row (see `window_of_row`): arrays `(outputs, L - removed, 4)`.
    ranges, overlap
        As there.
    skip
        Rows at the beginning that are left out.

    Yields
    ------
    numpy.ndarray
        (outputs, L, 4) float32, the rows of each range in order; 0 where nothing was predicted.
    """
    source = iter(predictions)
    length, trim = overlap.length, overlap.trim
    predicted = length - overlap.removed
    for n_rows in ranges:
        if skip >= n_rows:
            skip -= n_rows
            continue
        sums: np.ndarray | None = None
        counts = np.zeros((2 * length, 1))
        base = skip * length  # where in the range these begin
        starts = islice(overlap.starts(n_rows), overlap.first_over(skip), None)
        skip = 0
        start: int | None = next(starts)
        while start is not None:
            window = next(source)
            if sums is None:
                sums = np.zeros((len(window), 2 * length, window.shape[-1]))
            following = next(starts, None)
            low = max(0 if start == 0 else trim, base - start)
            high = min(predicted, length if following is None else length - trim)
            if low < high:
                place = slice(start - base + low, start - base + high)
                sums[:, place] += window[:, low:high]
                counts[place] += 1
            final = n_rows * length if following is None else following + trim
            while base + length <= final:
                mean = sums[:, :length] / np.maximum(counts[:length], 1)
                yield mean.astype(np.float32)
                for array in (sums.swapaxes(0, 1), counts):
                    array[:length] = array[length:]
                    array[length:] = 0
                base += length
            start = following


def window_of_row(ranges: Sequence[int], overlap: Overlap, row: int) -> int:
    """Number, among the windows of all ranges, of the first that reaches into a row or beyond."""
    before, within = _range_of_row(ranges, overlap, row)
    return before if within is None else before + overlap.first_over(within)


def windows_before_row(ranges: Sequence[int], overlap: Overlap, row: int) -> int:
    """How many of the windows of all ranges are needed for the rows before a row."""
    before, within = _range_of_row(ranges, overlap, row)
    return before if within is None else before + overlap.needed_before(within)


def _range_of_row(ranges: Sequence[int], overlap: Overlap, row: int) -> tuple[int, int | None]:
    """Windows of the ranges before that of a row, and its number there; None beyond the last."""
    windows = 0
    for n_rows in ranges:
        if row < n_rows:
            return windows, row
        row -= n_rows
        windows += overlap.count(n_rows)
    return windows, None


def row_of_window(ranges: Sequence[int], overlap: Overlap, window: int) -> int:
    """Number, among the rows of all ranges, of the one in which a window begins."""
    row = 0
    for n_rows in ranges:
        if window < (count := overlap.count(n_rows)):
            return row + next(islice(overlap.starts(n_rows), window, None)) // overlap.length
        window -= count
        row += n_rows
    return row
