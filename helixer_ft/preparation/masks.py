"""Errors of gene models and the bases that they make unusable; coordinates in reading direction.

The rules are those by which Helixer's training data are masked; docs/labels.md has them in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

from helixer_ft.genome.annotation import UNKNOWN_PHASE, Interval
from helixer_ft.genome.codons import CODON, START_CODONS, STOP_CODONS
from helixer_ft.genome.reading import Locus, Model, Strand

SHORTEST_INTRON = 20
"""Introns shorter than this, in bp, are taken to be errors."""

ERRORS = {
    "missing_utr_5p": "transcript begins with its CDS",
    "missing_utr_3p": "transcript ends with its CDS",
    "missing_start_codon": "CDS does not begin with ATG",
    "missing_stop_codon": "CDS does not end with TAA, TAG or TGA",
    "mismatched_phase_5p": "phase of the first CDS piece is not 0",
    "mismatched_phase_3p": "phase of the last CDS piece does not fit its length",
    "frame_shift": "phase of a CDS line departs from the count: slippage, frame shift",
    "unknown_phase": "first CDS piece without phase and without start codon",
    "too_short_intron": f"intron shorter than {SHORTEST_INTRON} bp",
    "truncated_intron_5p": "intron at the transcript's 5' end",
    "truncated_intron_3p": "intron at the transcript's 3' end",
    "overlapping_exons": "exons of a transcript overlap",
    "overlapping_genes": "genes overlap and a UTR between them is missing",
    "cds_in_intron": "more intron than CDS between start and stop",
    "cds_outside_exons": "CDS outside the exons of its transcript",
    "mixed_strands": "gene with features on both strands or in several places",
    "no_strand": "gene without strand",
    "unknown_parent": "CDS whose parent is not in the file",
    "end_before_start": "gene with a feature that ends before it starts",
    "beyond_end": "gene beyond the end of its sequence",
    "pseudogene": "pseudogene with CDS",
    "crosses_origin": "gene across the origin of a circular sequence",
    "untrusted": "gene not among the trusted ones",
}
"""Word in `masked.tsv` -> what it means. From `cds_in_intron` on, the whole gene is masked."""


@dataclass(frozen=True)
class Mask:
    """Bases [start, end) that cannot be used because of an error of a gene or its transcript."""

    gene: str
    transcript: str
    start: int
    end: int
    error: str


def find_masks(strand: Strand, utr_flank: int | None) -> list[Mask]:
    """Return what is masked on a strand, gene by gene.

    Parameters
    ----------
    strand
        The strand.
    utr_flank
        A missing UTR masks at most this many bases; None: all up to the border.
    """
    masks = []
    borders = list(_borders(strand))
    for i, locus in enumerate(strand.loci):
        model = locus.labelling
        if model is None:
            found = _whole_gene(locus)
        else:
            found = [
                *_end_masks(strand, i, model, (borders[i], borders[i + 1]), utr_flank),
                *_shift_masks(model),
                *_inner_masks(strand, model, (borders[i], borders[i + 1])),
                *_overlap_masks(strand, i, borders, utr_flank),
            ]
        name = model.transcript.id if model else ""
        masks += [
            Mask(locus.gene.id, name, max(0, start), min(end, strand.length), error)
            for error, start, end in found
            if start < end
        ]
    return masks


Found = tuple[str, int, int]
"""Error, start, end; nothing is masked unless the end lies beyond the start."""


def _borders(strand: Strand) -> Iterator[int]:
    """Yield the start of the sequence, the border between each pair of neighbours, and the end."""
    yield 0
    for upstream, locus in zip(strand.loci, strand.loci[1:], strict=False):
        distance = max(0, locus.start - upstream.end)
        yield upstream.end + min(distance // 2, 10 * isqrt(distance))
    yield strand.length


def _whole_gene(locus: Locus) -> list[Found]:
    if not locus.gene.trusted:
        return [(locus.gene.problem or "untrusted", locus.start, locus.end)]
    if locus.models:
        return [("cds_in_intron", locus.start, locus.end)]
    return []


def _end_masks(
    strand: Strand, i: int, model: Model, borders: Interval, utr_flank: int | None
) -> Iterator[Found]:
    """Errors at either end of the CDS, which mask from there outwards."""
    before, after = borders
    has_start = _codon(strand, model.cds_start) in START_CODONS
    first_phase, last_phase = model.transcript.cds[0][2], model.transcript.cds[-1][2]
    if _lacks_5p(strand, i, model):
        yield "missing_utr_5p", _upstream(model.cds_start, before, utr_flank), model.cds_start
    if _lacks_3p(strand, i, model):
        yield "missing_utr_3p", model.cds_end, _downstream(model.cds_end, after, utr_flank)
    if not has_start:
        yield "missing_start_codon", before, model.cds_start
    if _codon(strand, model.cds_end - 3) not in STOP_CODONS:
        yield "missing_stop_codon", model.cds_end, after
    if first_phase not in (0, UNKNOWN_PHASE):
        yield "mismatched_phase_5p", before, model.cds_start
    if first_phase == UNKNOWN_PHASE and not has_start:
        yield "unknown_phase", model.cds_start, model.cds_end
    if (
        last_phase not in (_last_piece(model) % 3, UNKNOWN_PHASE)
        and (model.introns or model.overlaps)
        and not _slips_in_last_exon(model)
    ):
        yield "mismatched_phase_3p", model.cds_end, after


def _slips_in_last_exon(model: Model) -> bool:
    """Whether the last CDS line follows no intron, and its phase departs from the count."""
    shifts = model.frame_shifts
    return (
        bool(shifts)
        and shifts[-1].start == model.transcript.cds[-1][0]
        and not model.has_intron_between(shifts[-1].before, shifts[-1].start)
    )


def _shift_masks(model: Model) -> Iterator[Found]:
    """One codon on either side of each place where a CDS line's phase departs from the count."""
    for start, before, _ in model.frame_shifts:
        if model.has_intron_between(before, start):
            yield "frame_shift", before - CODON, before
            yield "frame_shift", start, start + CODON
        else:
            yield "frame_shift", min(before, start) - CODON, max(before, start) + CODON


def _inner_masks(strand: Strand, model: Model, borders: Interval) -> Iterator[Found]:
    """Errors of introns and exons."""
    before, after = borders
    for start, end in model.introns:
        if end - start < SHORTEST_INTRON:
            yield "too_short_intron", start, end
        if start == model.start:
            yield "truncated_intron_5p", before, start
        if end == model.end:
            yield "truncated_intron_3p", end, after
    # introns and transcript ends bound the stretches of exons
    bounds = [model.start, *(edge for intron in model.introns for edge in intron), model.end]
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        if any(start <= overlap < end for overlap, _ in model.overlaps):
            yield "overlapping_exons", start, end


def _overlap_masks(
    strand: Strand, i: int, borders: list[int], utr_flank: int | None
) -> Iterator[Found]:
    """The UTR that is missing where gene i overlaps the gene before it.

    It would reach beyond the overlap, perhaps beyond further overlapping genes.
    """
    loci = strand.loci
    if i == 0 or not _overlap(strand, i) or _nested(strand, i):
        return
    labelling = loci[i].labelling
    listed = loci[i].models[: 1 + next(k for k, m in enumerate(loci[i].models) if m is labelling)]
    if any(_lacks_3p(strand, i - 1, model) for model in loci[i - 1].models):
        last = i
        while last + 1 < len(loci) and _overlap(strand, last + 1):
            last += 1
        start = loci[i - 1].end
        yield "overlapping_genes", start, _downstream(start, borders[last + 1], utr_flank)
    elif any(_lacks_5p(strand, i, model) for model in listed):
        first = i - 1
        while first > 0 and _overlap(strand, first):
            first -= 1
        end = loci[i].start
        yield "overlapping_genes", _upstream(end, borders[first], utr_flank), end


def _lacks_5p(strand: Strand, i: int, model: Model) -> bool:
    return 0 < model.start == model.cds_start and not _nested(strand, i)


def _lacks_3p(strand: Strand, i: int, model: Model) -> bool:
    return model.cds_end == model.end < strand.length and not _nested(strand, i)


def _overlap(strand: Strand, i: int) -> bool:
    """Whether gene i and the one before share bases."""
    return strand.loci[i].start < strand.loci[i - 1].end


def _nested(strand: Strand, i: int) -> bool:
    """Whether the gene before ends beyond gene i."""
    return i > 0 and strand.loci[i - 1].end > strand.loci[i].end


def _codon(strand: Strand, start: int) -> bytes:
    return strand.bases[max(start, 0) : start + 3].tobytes()


def _last_piece(model: Model) -> int:
    """Return the length of the CDS after its last intron, in bp."""
    edges = [end for _, end in model.introns] + [start for start, _ in model.overlaps]
    return model.cds_end - max(
        (edge for edge in edges if model.cds_start < edge < model.cds_end), default=model.cds_start
    )


def _upstream(position: int, border: int, flank: int | None) -> int:
    return border if flank is None else max(border, position - flank)


def _downstream(position: int, border: int, flank: int | None) -> int:
    return border if flank is None else min(border, position + flank)
