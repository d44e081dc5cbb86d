"""Cutting windows out of the rows of ranges, and averaging what is predicted in them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from helixer_ft.inference.windows import Overlap


def join_windows(
    rows: Iterable[np.ndarray], ranges: Sequence[int], overlap: Overlap
) -> Iterator[np.ndarray]:
    """Cut the windows of ranges out of their rows; at most two rows are kept at a time.

    Parameters
    ----------
    rows
        All rows of all ranges, in order: arrays `(L, ...)`.
    ranges
        Rows of each range.
    overlap
        Of the windows.

    Yields
    ------
    numpy.ndarray
        (L, ...), the windows of each range in order.
    """
    source = iter(rows)
    length = overlap.length
    for n_rows in ranges:
        held: list[np.ndarray] = []
        first = 0
        for start in overlap.starts(n_rows):
            begin, end = start // length, -(-(start + length) // length)
            del held[: begin - first]
            first = begin
            held += [next(source) for _ in range(first + len(held), end)]
            within = start - first * length
            yield held[0] if within == 0 else np.concatenate([held[0][within:], held[1][:within]])


def average_windows(
    predictions: Iterable[np.ndarray], ranges: Sequence[int], overlap: Overlap
) -> Iterator[np.ndarray]:
    """Average what is predicted in the windows of ranges; nothing is kept beyond two rows.

    Parameters
    ----------
    predictions
        Of the windows as `join_windows` yields them: arrays `(outputs, L - removed, 4)`.
    ranges, overlap
        As there.

    Yields
    ------
    numpy.ndarray
        (outputs, L, 4) float32, the rows of each range in order; 0 where nothing was predicted.
    """
    source = iter(predictions)
    length, trim = overlap.length, overlap.trim
    predicted = length - overlap.removed
    for n_rows in ranges:
        sums: np.ndarray | None = None
        counts = np.zeros((2 * length, 1))
        base = 0  # where in the range these begin
        starts = overlap.starts(n_rows)
        start: int | None = next(starts)
        while start is not None:
            window = next(source)
            if sums is None:
                sums = np.zeros((len(window), 2 * length, window.shape[-1]))
            following = next(starts, None)
            low = 0 if start == 0 else trim
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
