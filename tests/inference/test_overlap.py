"""Windows and their average against a slow implementation that goes base by base."""

from collections.abc import Iterator

import numpy as np
import pytest

from helixer_ft.inference.overlap import (
    average_windows,
    join_windows,
    row_of_window,
    window_of_row,
)
from helixer_ft.inference.windows import Overlap


def network(window: np.ndarray) -> np.ndarray:
    """(L,) -> (2, L, 4): depends on the base, its place in the window, and the whole window."""
    place = np.arange(1, len(window) + 1)[None, :, None]
    which = np.arange(8).reshape(2, 1, 4)
    return np.sin(window[None, :, None] * (which + 1) + 0.1 * place + 0.01 * window.sum())


def base_by_base(rows: list[np.ndarray], overlap: Overlap) -> np.ndarray:
    """Per base the mean over the windows that count there."""
    length = overlap.length
    sequence = [base for row in rows for base in row]
    starts = [0]
    while starts[-1] + overlap.offset + length <= len(sequence):
        starts.append(starts[-1] + overlap.offset)
    if starts[-1] + length < len(sequence):
        starts.append(len(sequence) - length)
    lost = (length - overlap.core) // 2
    predicted = [
        network(np.array(sequence[start : start + length])[: length - overlap.removed])
        for start in starts
    ]
    result = np.zeros((2, len(sequence), 4))
    for base in range(len(sequence)):
        values = []
        for number, start in enumerate(starts):
            place = base - start
            if not 0 <= place < length - overlap.removed:
                continue
            if place < lost and number > 0:
                continue
            if place >= length - lost and number < len(starts) - 1:
                continue
            values.append(predicted[number][:, place])
        if values:
            result[:, base] = sum(values) / len(values)
    return result


def averaged(ranges: list[list[np.ndarray]], overlap: Overlap) -> list[np.ndarray]:
    """The same by what the package has, as it runs: everything one by one."""
    sizes = [len(rows) for rows in ranges]
    windows = join_windows((row for rows in ranges for row in rows), sizes, overlap)
    predictions = (network(window[: overlap.length - overlap.removed]) for window in windows)
    return list(average_windows(predictions, sizes, overlap))


CASES = [
    # length, offset, core, removed
    (36, 18, 27, 0),  # Helixer's own shares
    (36, 12, 24, 0),
    (36, 9, 9, 0),
    (36, 36, 36, 0),  # no overlap
    (36, 4, 11, 0),  # many windows over a base, an odd number of bases lost
    (35, 17, 26, 0),  # the offset does not divide: a window flush with the end
    (37, 18, 27, 1),  # the last base is not predicted
    (43, 21, 43, 7),  # all of a window counts, but what is not predicted
    (10, 7, 8, 3),
    (1, 1, 1, 0),
]


@pytest.mark.parametrize(("length", "offset", "core", "removed"), CASES)
def test_against_base_by_base(length, offset, core, removed):
    overlap = Overlap(length, offset, core, removed)
    generator = np.random.default_rng(length)
    ranges = []
    for n_rows in (1, 2, 5, 1, 3):
        rows = list(generator.integers(0, 5, (n_rows, length)))
        if len(ranges) % 2:  # as on the minus strand: padding first
            rows[0][: length // 3] = 0
        else:
            rows[-1][length - length // 3 :] = 0
        ranges.append(rows)
    rows = averaged(ranges, overlap)
    assert [row.shape for row in rows] == [(2, length, 4)] * 12
    expected = np.concatenate([base_by_base(own, overlap) for own in ranges], axis=1)
    # to the bit: the same sums in the same order
    assert np.array_equal(np.concatenate(rows, axis=1), expected.astype(np.float32))


@pytest.mark.parametrize(("length", "offset", "core", "removed"), CASES)
def test_from_any_row_on_it_is_the_same(length, offset, core, removed):
    """To the bit, with the fewest windows and rows that this takes, and any number more."""
    overlap = Overlap(length, offset, core, removed)
    generator = np.random.default_rng(length)
    ranges = [list(generator.integers(0, 5, (n_rows, length))) for n_rows in (1, 2, 5, 1, 3)]
    sizes = [len(rows) for rows in ranges]
    rows = [row for own in ranges for row in own]
    whole = averaged(ranges, overlap)
    n_windows = sum(map(overlap.count, sizes))
    for skip in range(len(rows) + 1):
        first = window_of_row(sizes, overlap, skip)
        assert (first == n_windows) == (skip == len(rows))
        for more in (0, 1, 3):
            begin = max(0, first - more)
            source = iter(rows[row_of_window(sizes, overlap, begin) :])
            windows = list(join_windows(source, sizes, overlap, begin))
            assert len(windows) == n_windows - begin
            assert list(source) == []
            predictions = (network(window[: length - removed]) for window in windows)
            for _ in range(first - begin):
                next(predictions)
            found = list(average_windows(predictions, sizes, overlap, skip))
            assert len(found) == len(rows) - skip
            assert all(map(np.array_equal, found, whole[skip:]))


def test_count_is_that_of_the_starts():
    for length, offset, core, removed in CASES:
        overlap = Overlap(length, offset, core, removed)
        for n_rows in (1, 2, 3, 7):
            starts = list(overlap.starts(n_rows))
            assert overlap.count(n_rows) == len(starts)
            assert starts[-1] + length == n_rows * length


def test_every_base_is_predicted_at_least_once():
    for length in range(2, 25):
        for core in range(1, length + 1):
            for offset in range(1, core + 1):
                overlap = Overlap(length, offset, core)
                ones = (np.ones((1, length, 1)) for _ in overlap.starts(3))
                for row in average_windows(ones, [3], overlap):
                    assert (row == 1).all(), overlap


def test_no_overlap_is_the_plain_prediction():
    rows = list(np.random.default_rng(0).integers(0, 5, (6, 30)))
    found = averaged([[row] for row in rows], Overlap(30, 30, 30))
    assert np.array_equal(found, np.stack([network(row) for row in rows]).astype(np.float32))


def test_only_what_overlaps_is_kept():
    """A row comes out as soon as the last window over it was predicted; nothing is read ahead."""
    overlap = Overlap(12, 6, 9)
    read = predicted = 0

    def rows() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield np.ones(12)

    def predictions() -> Iterator[np.ndarray]:
        nonlocal predicted
        for window in join_windows(rows(), [100], overlap):
            predicted += 1
            yield network(window)

    for done, _ in enumerate(average_windows(predictions(), [100], overlap), start=1):
        # the windows that begin in the rows that are done, and the rows under them
        assert predicted == min(2 * done, overlap.count(100))
        assert read == min(done + 1, 100)
    assert (read, predicted, done) == (100, 199, 100)
