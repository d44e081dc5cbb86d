"""What a split deals with: whole sequences, or blocks cut at intergenic gaps."""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from helixer_ft.genome.annotation import Gene, Interval
from helixer_ft.genome.intervals import gaps, joined

MAX_GAP = 10_000
"""Most bp that are left out between two blocks of different sets."""

_MIN_GAP = 3
_MIN_BLOCKS, _MAX_BLOCKS = 10, 40


@dataclass(frozen=True)
class Piece:
    """A stretch of one sequence.

    Attributes
    ----------
    seqid
        The sequence.
    start, end
        In bp.
    gap
        The middle of an intergenic gap between two blocks: used only where both of its
        neighbours are in one set.
    """

    seqid: str
    start: int
    end: int
    gap: bool = False

    @property
    def length(self) -> int:
        """In bp."""
        return self.end - self.start


def whole(lengths: Mapping[str, int]) -> list[Piece]:
    """Every sequence as one piece."""
    return [Piece(name, 0, length) for name, length in lengths.items()]


def n90(lengths: Iterable[int]) -> int:
    """The largest length such that sequences at least as long make up 90 % of all bases."""
    ordered = sorted(lengths, reverse=True)
    wanted = 0.9 * sum(ordered)
    reached = zip(accumulate(ordered), ordered, strict=True)
    return next((length for total, length in reached if total >= wanted), 0)


def blocks(
    lengths: Mapping[str, int], genes: Mapping[str, Sequence[Gene]], smallest: float, window: int
) -> list[Piece]:
    """Cut sequences at intergenic gaps into blocks of similar size.

    Parameters
    ----------
    lengths
        Sequence name -> bp.
    genes
        Sequence name -> its genes; no gene is cut, whatever its kind and strand.
    smallest
        Share of the smallest set: it shall get two blocks.
    window
        L; blocks are of at least two windows where there is enough sequence.

    Returns
    -------
    list of Piece
        Per sequence block, gap, block, ..., in order. The gap is the middle third of an
        intergenic gap, at most `MAX_GAP` bp.
    """
    total = sum(lengths.values())
    count = min(_MAX_BLOCKS, max(_MIN_BLOCKS, round(2 / smallest)))
    size = total / count
    if total / (2 * window) >= _MIN_BLOCKS:
        size = max(size, 2 * window)
    result = []
    for name, length in lengths.items():
        cuts = _cuts(length, gaps_between(genes.get(name, ())), max(1, round(length / size)))
        edges = [0, *(edge for gap in cuts for edge in gap), length]
        result += [
            Piece(name, start, end, gap=i % 2 == 1)
            for i, (start, end) in enumerate(pairwise(edges))
        ]
    return result


def gaps_between(genes: Sequence[Gene]) -> list[Interval]:
    """Stretches between the first and the last gene that no gene of either strand covers."""
    return gaps(joined(((gene.start, gene.end) for gene in genes), gap=_MIN_GAP))


def _cuts(length: int, gaps: Sequence[Interval], parts: int) -> list[Interval]:
    """The middle of the widest gap near each border between `parts` parts of equal size."""
    reach = length / parts / 3
    middles = [(start + end) / 2 for start, end in gaps]
    result = []
    for i in range(1, parts):
        ideal = i * length / parts
        first = bisect.bisect_left(middles, ideal - reach)
        last = bisect.bisect_right(middles, ideal + reach)
        near = gaps[first:last]
        if near:
            start, end = max(near, key=lambda gap: gap[1] - gap[0])
            left_out = min((end - start) // 3, MAX_GAP)
            middle = (start + end - left_out) // 2
            result.append((middle, middle + left_out))
    return result
