"""Gene-level scores the slow and obvious way: sets of bases, and every pair of everything.

Written from docs/gene_scores.md; shares no code with helixer_ft.genes.
"""

from itertools import pairwise


def pieces(intervals) -> tuple:
    """Intervals as a set of bases, gaps of fewer than 5 filled, and back."""
    bases = {base for start, end in intervals for base in range(start, end)}
    for one, other in list(pairwise(sorted(bases))):
        if other - one - 1 < 5:
            bases |= set(range(one, other))
    ordered = sorted(bases)
    starts = [base for base in ordered if base - 1 not in bases]
    ends = [base + 1 for base in ordered if base + 1 not in bases]
    return tuple(zip(starts, ends, strict=True))


class Transcript:
    def __init__(self, place, exons, cds):
        self.place = place
        self.cds = pieces(cds)
        self.exons = pieces([*exons, *cds])
        self.introns = tuple((a[1], b[0]) for a, b in pairwise(self.exons))
        self.cds_introns = tuple((a[1], b[0]) for a, b in pairwise(self.cds))

    def bases(self, which):
        return {(self.place, base) for s, e in getattr(self, which) for base in range(s, e)}


def as_transcripts(genes):
    """Genes: a list of lists of (place, exons, cds)."""
    return [[Transcript(*transcript) for transcript in gene] for gene in genes]


def scores(reference, predicted):
    """(exon levels, coding levels, genes alone of either): level -> counts (reference, found,
    predicted, right)."""
    sides = [as_transcripts(reference), as_transcripts(predicted)]
    flat = [[t for gene in side for t in gene] for side in sides]
    exon_levels = {
        "base": both_ways([set().union(*(t.bases("exons") for t in side)) for side in flat]),
        "exon": both_ways([ends_of(side) for side in flat], exons_match),
        "intron": both_ways([{(t.place, i) for t in side for i in t.introns} for side in flat]),
        "intron chain": both_ways(
            [{(t.place, t.introns) for t in side if t.introns} for side in flat]
        ),
        "transcript": both_ways([{identity(t) for t in side} for side in flat], same_transcript),
        "locus": both_ways(
            [[[identity(t) for t in locus] for locus in loci(side)] for side in flat],
            lambda one, other: any(same_transcript(a, b) for a in one for b in other),
        ),
    }
    coding = {
        "base": both_ways([set().union(*(t.bases("cds") for t in side)) for side in flat]),
        "exon": both_ways([{(t.place, p) for t in side for p in t.cds} for side in flat]),
        "intron": both_ways([{(t.place, i) for t in side for i in t.cds_introns} for side in flat]),
        "transcript": both_ways([{(t.place, t.cds) for t in side} for side in flat]),
        "gene": both_ways(
            [[{(t.place, t.cds) for t in gene} for gene in side] for side in sides],
            lambda one, other: bool(one & other),
        ),
    }
    covered = [set().union(*(t.bases("cds") for t in side)) for side in flat]
    alone = [
        [
            i
            for i, gene in enumerate(side)
            if not set().union(*(t.bases("cds") for t in gene)) & other
        ]
        for side, other in zip(sides, reversed(covered), strict=True)
    ]
    return exon_levels, coding, alone


def both_ways(sides, match=lambda one, other: one == other):
    one, other = sides
    if match.__name__ == "<lambda>" and isinstance(one, set):
        found = right = len(one & other)
    else:
        found = sum(any(match(a, b) for b in other) for a in one)
        right = sum(any(match(a, b) for a in one) for b in other)
    return len(one), found, len(other), right


def ends_of(transcripts):
    """Distinct exons: (place, start, end, leftmost in some transcript, rightmost in some)."""
    distinct = {(t.place, *exon) for t in transcripts for exon in t.exons}
    return [
        (
            *key,
            any((t.place, *t.exons[0]) == key for t in transcripts),
            any((t.place, *t.exons[-1]) == key for t in transcripts),
        )
        for key in distinct
    ]


def exons_match(one, other):
    place, start, end, left, right = one
    place_b, start_b, end_b, left_b, right_b = other
    return (
        place == place_b
        and abs(start - start_b) <= (100 if left and left_b else 0)
        and abs(end - end_b) <= (100 if right and right_b else 0)
    )


def identity(transcript):
    if transcript.introns:
        return transcript.place, "chain", transcript.introns
    return transcript.place, "single", transcript.exons[0]


def same_transcript(one, other):
    if one[:2] != other[:2] or one[1] == "chain":
        return one == other
    (start, end), (start_b, end_b) = one[2], other[2]
    shared = len(set(range(start, end)) & set(range(start_b, end_b)))
    return 10 * shared >= 8 * max(end - start, end_b - start_b)


def loci(transcripts):
    """Connected components of transcripts that share exon bases."""
    left = list(transcripts)
    result = []
    while left:
        group = [left.pop()]
        for member in group:
            near = [t for t in left if t.bases("exons") & member.bases("exons")]
            group += near
            left = [t for t in left if t not in near]
        result.append(group)
    return result
