"""Recall and precision of predicted genes, base by base up to gene by gene.

Levels of exons follow gffcompare (Pertea & Pertea 2020, F1000Research 9:304). Levels of the coding
sequence are exact: bases and exons after Burset & Guigó 1996 (Genomics 34:353), transcripts and
genes after EGASP (Guigó et al. 2006, Genome Biology 7 Suppl 1:S2). What several transcripts of a
file have in common counts once at every level.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import astuple, dataclass

from helixer_ft.genes.structures import GeneStructure, TranscriptStructure
from helixer_ft.genome.annotation import Interval
from helixer_ft.genome.intervals import gaps, joined, shared, span

END_TOLERANCE = 100
"""bp by which the outer end of a first or last exon may differ (gffcompare's `-e`)."""
SINGLE_EXON_OVERLAP = 80
"""Percent of the longer of two single-exon transcripts that both must cover to match."""

EXON_LEVELS = ("base", "exon", "intron", "intron chain", "transcript", "locus")
CODING_LEVELS = ("base", "exon", "intron", "transcript", "gene")


@dataclass(frozen=True)
class Level:
    """Counts of one level.

    Attributes
    ----------
    reference, found
        What the reference has, and how much of it the prediction has too.
    predicted, right
        What the prediction has, and how much of it the reference has too.
    """

    reference: int = 0
    found: int = 0
    predicted: int = 0
    right: int = 0

    def __add__(self, other: Level) -> Level:
        return Level(*map(operator.add, astuple(self), astuple(other)))

    @property
    def recall(self) -> float | None:
        """Share of the reference that is found (sensitivity); None if it has nothing."""
        return self.found / self.reference if self.reference else None

    @property
    def precision(self) -> float | None:
        """Share of the prediction that is right; None if it has nothing."""
        return self.right / self.predicted if self.predicted else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; 0 if one has nothing, None if neither has."""
        if not self.reference and not self.predicted:
            return None
        recall, precision = self.recall or 0.0, self.precision or 0.0
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


@dataclass(frozen=True)
class GeneComparison:
    """Two sets of genes compared.

    Attributes
    ----------
    exons
        `EXON_LEVELS` -> counts: whole exons, UTRs included.
    coding
        `CODING_LEVELS` -> counts: the coding sequence.
    only_reference, only_predicted
        IDs of genes that share no coding base on their strand with a gene of the other set.
    """

    exons: Mapping[str, Level]
    coding: Mapping[str, Level]
    only_reference: tuple[str, ...]
    only_predicted: tuple[str, ...]


def compare(
    reference: Iterable[GeneStructure], predicted: Iterable[GeneStructure]
) -> GeneComparison:
    """Compare two sets of genes, strand by strand."""
    places: dict[tuple[str, str], tuple[_Genes, _Genes]] = {}
    for which, genes in enumerate((reference, predicted)):
        for gene in genes:
            places.setdefault((gene.seqid, gene.strand), ([], []))[which].append(gene)
    exons = dict.fromkeys(EXON_LEVELS, Level())
    coding = dict.fromkeys(CODING_LEVELS, Level())
    only_reference: list[str] = []
    only_predicted: list[str] = []
    for one, other in places.values():
        for name, level in _exon_levels(_transcripts(one), _transcripts(other)).items():
            exons[name] += level
        for name, level in _coding_levels(one, other).items():
            coding[name] += level
        only_reference += _alone(one, other)
        only_predicted += _alone(other, one)
    return GeneComparison(exons, coding, tuple(only_reference), tuple(only_predicted))


_Genes = list[GeneStructure]
_Transcripts = list[TranscriptStructure]
_Identity = tuple[Interval, ...] | Interval
"""What makes a transcript the same: its introns, or, of a single exon, that exon."""


def _transcripts(genes: _Genes) -> _Transcripts:
    return [transcript for gene in genes for transcript in gene.transcripts]


def _exon_levels(reference: _Transcripts, predicted: _Transcripts) -> dict[str, Level]:
    one, other = _ExonTable(reference), _ExonTable(predicted)
    chains = [{t.introns for t in side if t.introns} for side in (reference, predicted)]
    singles = [{t.exons[0] for t in side if not t.introns} for side in (reference, predicted)]
    found, right = _similar(*singles), _similar(*reversed(singles))
    chain_level = _shared(*chains)
    same_chains = chains[0] & chains[1]
    return {
        "base": _bases(one.exons, other.exons),
        "exon": Level(len(one.exons), one.matches(other), len(other.exons), other.matches(one)),
        "intron": _shared(_introns(reference), _introns(predicted)),
        "intron chain": chain_level,
        "transcript": chain_level + Level(len(singles[0]), len(found), len(singles[1]), len(right)),
        "locus": Level(
            *_loci(reference, same_chains | found), *_loci(predicted, same_chains | right)
        ),
    }


def _coding_levels(reference: _Genes, predicted: _Genes) -> dict[str, Level]:
    sides = _transcripts(reference), _transcripts(predicted)
    pieces = [{piece for t in side for piece in t.cds} for side in sides]
    introns = [{intron for t in side for intron in gaps(t.cds)} for side in sides]
    structures = [{t.cds for t in side} for side in sides]
    both = structures[0] & structures[1]
    found, right = (
        sum(any(t.cds in both for t in gene.transcripts) for gene in genes)
        for genes in (reference, predicted)
    )
    return {
        "base": _bases(*pieces),
        "exon": _shared(*pieces),
        "intron": _shared(*introns),
        "transcript": _shared(*structures),
        "gene": Level(len(reference), found, len(predicted), right),
    }


def _shared(reference: Set[_Identity], predicted: Set[_Identity]) -> Level:
    both = len(reference & predicted)
    return Level(len(reference), both, len(predicted), both)


def _introns(transcripts: _Transcripts) -> set[Interval]:
    return {intron for transcript in transcripts for intron in transcript.introns}


def _bases(reference: Iterable[Interval], predicted: Iterable[Interval]) -> Level:
    """Bases in the union of each side's intervals."""
    one, other = joined(reference), joined(predicted)
    both = span(shared(one, other))
    return Level(span(one), both, span(other), both)


class _ExonTable:
    """Distinct exons, each with whether some transcript begins, and ends, with it (from the left).

    Attributes
    ----------
    exons
        (start, end) -> (leftmost, rightmost).
    """

    def __init__(self, transcripts: _Transcripts) -> None:
        self.exons: dict[Interval, tuple[bool, bool]] = {}
        for exons in (transcript.exons for transcript in transcripts):
            for exon in exons:
                left, right = self.exons.get(exon, (False, False))
                self.exons[exon] = left or exon == exons[0], right or exon == exons[-1]
        self._sorted = sorted(self.exons)

    def matches(self, others: _ExonTable) -> int:
        """How many of the exons match one of the others."""
        return sum(others._has(exon, *flags) for exon, flags in self.exons.items())

    def _has(self, exon: Interval, left: bool, right: bool) -> bool:
        for own in _starting(self._sorted, exon[0] - END_TOLERANCE, exon[0] + END_TOLERANCE):
            own_left, own_right = self.exons[own]
            if _same_end(own[0], exon[0], left and own_left) and _same_end(
                own[1], exon[1], right and own_right
            ):
                return True
        return False


def _same_end(one: int, other: int, outer: bool) -> bool:
    return abs(one - other) <= (END_TOLERANCE if outer else 0)


def _starting(intervals: Sequence[Interval], first: int, last: int) -> Iterator[Interval]:
    """Those of sorted intervals that start in first ... last."""
    for i in range(bisect_left(intervals, (first,)), len(intervals)):
        if intervals[i][0] > last:
            return
        yield intervals[i]


def _similar(intervals: Set[Interval], others: Set[Interval]) -> set[Interval]:
    """Intervals of which some other covers enough, and the reverse."""
    ordered = sorted(others)
    found = set()
    for start, end in intervals:
        # what covers enough of each other starts no further apart than this
        reach = (end - start) * (100 - SINGLE_EXON_OVERLAP) // SINGLE_EXON_OVERLAP + 1
        for first, last in _starting(ordered, start - reach, start + reach):
            shared = min(end, last) - max(start, first)
            if 100 * shared >= SINGLE_EXON_OVERLAP * max(end - start, last - first):
                found.add((start, end))
                break
    return found


def _loci(transcripts: _Transcripts, matched: Set[_Identity]) -> tuple[int, int]:
    """How many loci there are (transcripts whose exons overlap), and how many with a match."""
    parents = list(range(len(transcripts)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    exons = sorted(
        (*exon, i) for i, transcript in enumerate(transcripts) for exon in transcript.exons
    )
    reached, last = -1, 0
    for start, end, i in exons:
        if start < reached:
            parents[root(i)] = root(last)
        reached, last = max(reached, end), i
    roots = {root(i) for i in range(len(transcripts))}
    hits = {root(i) for i, t in enumerate(transcripts) if (t.introns or t.exons[0]) in matched}
    return len(roots), len(hits)


def _alone(genes: _Genes, others: _Genes) -> Iterator[str]:
    """IDs of the genes that share no coding base with the others."""
    taken = joined(piece for transcript in _transcripts(others) for piece in transcript.cds)
    ends = [end for _, end in taken]
    for gene in genes:
        pieces = [piece for transcript in gene.transcripts for piece in transcript.cds]
        places = [(start, end, bisect_right(ends, start)) for start, end in pieces]
        if not any(i < len(taken) and taken[i][0] < end for _, end, i in places):
            yield gene.id
