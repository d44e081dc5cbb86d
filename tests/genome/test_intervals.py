"""Union, intersection, gaps and extent of intervals."""

from helixer_ft.genome.intervals import gaps, hull, joined, shared, span


def test_joined():
    assert joined([(5, 9), (1, 3), (3, 4), (20, 30), (22, 25)]) == [(1, 4), (5, 9), (20, 30)]
    assert joined([(1, 3), (7, 9), (12, 15)], gap=5) == [(1, 15)]
    assert joined([(1, 3), (7, 9), (12, 15)], gap=4) == [(1, 3), (7, 15)]
    assert joined([]) == []


def test_shared():
    one, other = [(1, 4), (5, 9), (20, 30)], [(0, 2), (3, 6), (9, 20), (22, 23), (25, 40)]
    expected = [(1, 2), (3, 4), (5, 6), (22, 23), (25, 30)]
    assert shared(one, other) == shared(other, one) == expected
    assert shared(one, []) == shared([], one) == []
    assert shared([(1, 9)], [(2, 3), (4, 5)]) == [(2, 3), (4, 5)]


def test_gaps_extent_and_length():
    intervals = [(1, 4), (5, 9), (20, 30)]
    assert gaps(intervals) == [(4, 5), (9, 20)]
    assert hull([(5, 9), (1, 30), (2, 3)]) == (1, 30)
    assert span(intervals) == 17
