"""Sets of half-open intervals: union, intersection, gaps, extent."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from helixer_ft.genome.annotation import Interval


def joined(intervals: Iterable[Interval], *, gap: int = 1) -> list[Interval]:
    """The union of intervals, sorted; those with fewer than `gap` bp between them are one."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if result and start < result[-1][1] + gap:
            result[-1] = result[-1][0], max(result[-1][1], end)
        else:
            result.append((start, end))
    return result


def shared(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """What two unions (see `joined`) have in common, sorted."""
    result: list[Interval] = []
    i = j = 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            result.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return result


def gaps(intervals: Iterable[Interval]) -> list[Interval]:
    """The stretches between sorted intervals that do not touch."""
    return [(end, start) for (_, end), (start, _) in pairwise(intervals)]


def hull(intervals: Iterable[Interval]) -> Interval:
    """From the first start to the last end; there is at least one interval."""
    starts, ends = zip(*intervals, strict=True)
    return min(starts), max(ends)


def span(intervals: Iterable[Interval]) -> int:
    """Total length in bp of intervals that do not overlap."""
    return sum(end - start for start, end in intervals)
