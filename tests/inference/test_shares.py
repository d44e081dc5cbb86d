"""Shares of the rows: together they are the whole, and cost about as much each."""

import itertools

import numpy as np
import pytest

from helixer_ft.inference.overlap import window_of_row, windows_before_row
from helixer_ft.inference.shares import share_bounds, shares_of, windows_per_row
from helixer_ft.inference.windows import Overlap

OVERLAPS = [
    Overlap(90, 45, 67), Overlap(90, 30, 80), Overlap(90, 90, 90), Overlap(90, 45, 45),
    Overlap(94, 47, 70, 4), Overlap(90, 18, 20), Overlap(91, 40, 60),
]  # fmt: skip
RANGES = [[5, 5, 2, 2], [1, 1, 1], [12], [1, 7, 1, 3], []]


@pytest.mark.parametrize("overlap", OVERLAPS, ids=str)
@pytest.mark.parametrize("ranges", RANGES, ids=str)
def test_windows_begin_in_rows(overlap, ranges):
    expected = []
    for n_rows in ranges:
        begun = [start // overlap.length for start in overlap.starts(n_rows)]
        expected += [begun.count(row) for row in range(n_rows)]
    assert windows_per_row(ranges, overlap).tolist() == expected


@pytest.mark.parametrize("overlap", OVERLAPS, ids=str)
def test_windows_that_rows_need(overlap):
    """Those of which a base that counts lies in them, or in a row before."""
    n_rows, edge = 6, overlap.trim
    starts = list(overlap.starts(n_rows))
    for row in range(1, n_rows):
        needed = sum(start + (edge if start else 0) < row * overlap.length for start in starts)
        assert windows_before_row([n_rows, 2], overlap, row) == needed
        assert windows_before_row([3, n_rows], overlap, 3 + row) == overlap.count(3) + needed
        assert window_of_row([n_rows, 2], overlap, row) < needed + 1
    assert windows_before_row([n_rows, 2], overlap, n_rows) == len(starts)
    assert windows_before_row([n_rows, 2], overlap, n_rows + 2) == len(starts) + overlap.count(2)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("step", [1, 4, 50])
def test_shares_are_the_whole(count, step):
    generator = np.random.default_rng(count * step)
    weights = generator.integers(0, 4, 30)
    bounds = share_bounds(weights, count, step)
    assert len(bounds) == count + 1
    assert (bounds[0], bounds[-1]) == (0, 30)
    assert all(one <= other for one, other in itertools.pairwise(bounds))
    assert bounds[1] > 0
    own = [weights[a:b].sum() for a, b in itertools.pairwise(bounds)]
    assert max(own) <= weights.sum() / count + step + 3


def test_batches_are_not_cut():
    bounds = share_bounds(np.full(100, 2), 2, 8)
    assert bounds == [0, 52, 100]  # 104 windows, 13 batches, of 25


@pytest.mark.parametrize("weights", [[0, 0, 0], [0, 0, 3], [3, 0, 0], [1]])
def test_the_first_process_has_the_first_row(weights):
    bounds = share_bounds(np.array(weights), 5, 4)
    assert bounds == [0, *[len(weights)] * 5]


def test_no_rows():
    assert share_bounds(np.zeros(0, int), 3) == [0, 0, 0, 0]


def test_what_is_there_is_left_out():
    missing = np.ones(20, bool)
    missing[:3] = missing[8:12] = False
    shares = shares_of(missing, np.full(20, 2), 3, 2)
    assert shares == [[(3, 8)], [(12, 16)], [(16, 20)]]
    assert shares_of(missing, np.full(20, 2), 2, 2) == [[(3, 8), (12, 14)], [(14, 20)]]
