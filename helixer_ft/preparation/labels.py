"""Gene models -> labels and masks of one sequence, base by base, as in Helixer's training data.

docs/labels.md has the rules in words, and where they depart from Helixer's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Gene, Interval
from helixer_ft.genome.annotation import Strand as StrandName
from helixer_ft.genome.reading import Model, Strand, read_strand
from helixer_ft.preparation.masks import Mask, find_masks
from helixer_ft.preparation.request import DEFAULT_UTR_FLANK

INTERGENIC, UTR, CDS, INTRON = range(4)
"""Codes of `StrandClasses.genic`."""
NO_PHASE = 0
"""Code of `StrandLabels.phase` outside CDS; phase p is p + 1."""
_COUNTDOWN = (1 + -np.arange(3 * 2**16) % 3).astype(np.uint8)
"""Codes of phase base by base, from phase 0 on; longer than nearly all coding sequences."""

MissingUtr = Literal["mask", "keep"]

_TRANSCRIPT, _CDS, _INTRON = range(3)
"""Columns of `transitions` for the lower end; those for the higher end are three further on."""


@dataclass(frozen=True)
class StrandClasses:
    """Classes of one strand, in genomic order (lower coordinates first) on both strands.

    Attributes
    ----------
    genic
        (n,) uint8: 0 intergenic, 1 UTR, 2 CDS, 3 intron.
    valid
        (n,) bool: not masked.
    """

    genic: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True)
class StrandLabels(StrandClasses):
    """All labels of one strand, in genomic order on both strands.

    Attributes
    ----------
    phase
        (n,) uint8: 0 none, 1 to 3 phase 0 to 2 (bases to the start of the next codon).
    transitions
        (n,) uint8, bit k: transcript, CDS, intron (k = 0, 1, 2) begin at the lower coordinate, or
        (k = 3, 4, 5) end at the higher. Both bases at a boundary are marked.
    gene_lengths
        (n,) uint32: span in bp of the longest labelled transcript over the base; 0 outside.
    """

    phase: np.ndarray
    transitions: np.ndarray
    gene_lengths: np.ndarray


@dataclass(frozen=True)
class Masked:
    """Bases [start, end) of a strand that are masked, and why; masks may overlap.

    Attributes
    ----------
    gene, transcript
        IDs; no transcript where a whole gene is masked.
    strand
        "+" or "-".
    start, end
        Genomic, in bp.
    error
        A key of `masks.ERRORS`.
    """

    gene: str
    transcript: str
    strand: StrandName
    start: int
    end: int
    error: str


@dataclass(frozen=True)
class SequenceClasses:
    """Classes of both strands of a sequence, and what is masked, plus strand first."""

    plus: StrandClasses
    minus: StrandClasses
    masked: tuple[Masked, ...]


@dataclass(frozen=True)
class SequenceLabels(SequenceClasses):
    """The same with all labels."""

    plus: StrandLabels
    minus: StrandLabels


_OfStrand = TypeVar("_OfStrand", bound=StrandClasses)
_Painted = tuple[_OfStrand, _OfStrand, tuple[Masked, ...]]


def classify_sequence(
    bases: np.ndarray,
    genes: Sequence[Gene],
    *,
    missing_utr: MissingUtr = "mask",
    utr_flank: int = DEFAULT_UTR_FLANK,
) -> SequenceClasses:
    """`label_sequence` without what only the data files hold: half the work."""
    return SequenceClasses(*_paint(_classes, bases, genes, missing_utr, utr_flank))


def label_sequence(
    bases: np.ndarray,
    genes: Sequence[Gene],
    *,
    missing_utr: MissingUtr = "mask",
    utr_flank: int = DEFAULT_UTR_FLANK,
) -> SequenceLabels:
    """Label one sequence; the labels take eight bytes per base and strand.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case.
    genes
        The genes of the sequence, in the order of the file (which breaks ties).
    missing_utr
        "mask": a missing UTR masks all up to the border between genes, as in Helixer's files.
        "keep": it masks at most `utr_flank` bases, for annotations without UTRs.
    utr_flank
        At least 0, in bp; not used with "mask".

    Raises
    ------
    InputError
        `utr_flank` is negative, or a gene lies outside the sequence.
    """
    return SequenceLabels(*_paint(_labels, bases, genes, missing_utr, utr_flank))


def _paint(
    paint: Callable[[Strand, Iterable[Mask]], _OfStrand],
    bases: np.ndarray,
    genes: Sequence[Gene],
    missing_utr: MissingUtr,
    utr_flank: int,
) -> _Painted[_OfStrand]:
    if utr_flank < 0:
        raise InputError(f"the UTR flank is {utr_flank}, expected a number of bases from 0 on")
    for gene in genes:
        if not 0 <= gene.start < gene.end <= len(bases):
            raise InputError(
                f"gene {gene.id} covers {gene.start + 1} to {gene.end}, expected within the "
                f"{len(bases)} bases of its sequence. Are genome and annotation the same version?"
            )
    flank = utr_flank if missing_utr == "keep" else None
    plus = read_strand(bases, [gene for gene in genes if gene.strand == "+"], reverse=False)
    minus = read_strand(bases, [gene for gene in genes if gene.strand == "-"], reverse=True)
    plus_masks, minus_masks = find_masks(plus, flank), find_masks(minus, flank)
    masked = *_masked(plus, plus_masks), *_masked(minus, minus_masks)
    return paint(plus, plus_masks), _reversed(paint(minus, minus_masks)), masked


def _reversed(labels: _OfStrand) -> _OfStrand:
    """What was painted in the reading direction of the minus strand, in genomic order."""
    return type(labels)(**{name: array[::-1] for name, array in vars(labels).items()})


def _masked(strand: Strand, masks: Iterable[Mask]) -> Iterator[Masked]:
    name: StrandName = "-" if strand.reverse else "+"
    for mask in masks:
        start, end = strand.genomic(mask.start, mask.end)
        yield Masked(mask.gene, mask.transcript, name, start, end, mask.error)


def _classes(strand: Strand, masks: Iterable[Mask]) -> StrandClasses:
    """The classes of one strand, in reading direction."""
    valid = np.ones(strand.length, dtype=bool)
    for mask in masks:
        valid[mask.start : mask.end] = False
    return StrandClasses(_genic(strand), valid)


def _labels(strand: Strand, masks: Iterable[Mask]) -> StrandLabels:
    """All labels of one strand, in reading direction."""
    classes = _classes(strand, masks)
    return StrandLabels(
        **vars(classes),
        phase=_phase(strand, classes.genic),
        transitions=_transitions(strand),
        gene_lengths=_gene_lengths(strand),
    )


def _genic(strand: Strand) -> np.ndarray:
    """Paint UTRs, then CDS, then introns; what is painted later wins, across genes too."""
    models = _models(strand)
    genic = np.full(strand.length, INTERGENIC, dtype=np.uint8)
    for model in models:
        genic[model.start : model.end] = UTR
    for model in models:
        genic[model.cds_start : model.cds_end] = CDS
    for model in models:
        for start, end in model.introns:
            genic[start:end] = INTRON
    return genic


def _models(strand: Strand) -> list[Model]:
    """The transcripts that are labelled."""
    return [locus.labelling for locus in strand.loci if locus.labelling is not None]


def _phase(strand: Strand, genic: np.ndarray) -> np.ndarray:
    """Count down from each CDS's first phase over the bases that are CDS.

    Where a line's phase departs from that, the count follows the line from there on.
    Where CDSs overlap, the one with the larger lower genomic coordinate wins; if equal, the
    last in the file.
    """
    phase = np.full(strand.length, NO_PHASE, dtype=np.uint8)
    ranked = [
        (strand.genomic(model.cds_start, model.cds_end)[0], locus.place, model)
        for locus in strand.loci
        if (model := locus.labelling) is not None
    ]
    for _, _, model in sorted(ranked, key=lambda rank: rank[:2]):
        span = slice(model.cds_start, model.cds_end)
        coding = np.flatnonzero(genic[span] == CDS)
        first = max(model.transcript.cds[0][2], 0)  # an unknown phase counts as 0
        begin = -first % 3
        if not model.frame_shifts and len(coding) <= len(_COUNTDOWN) - begin:
            phase[span][coding] = _COUNTDOWN[begin : begin + len(coding)]
            continue
        count = first - np.arange(len(coding))
        for shift in model.frame_shifts:
            count[coding >= shift.start - model.cds_start] += shift.shift
        phase[span][coding] = 1 + count % 3
    return phase


def _transitions(strand: Strand) -> np.ndarray:
    """Mark both bases at the ends of the unions of transcripts, CDS ranges and introns."""
    models = _models(strand)
    marks = np.zeros(strand.length, dtype=np.uint8)
    for column, intervals in (
        (_TRANSCRIPT, [(model.start, model.end) for model in models]),
        (_CDS, [(model.cds_start, model.cds_end) for model in models]),
        (_INTRON, [intron for model in models for intron in model.introns]),
    ):
        starts, ends = _union(intervals)
        lower, higher = (ends, starts) if strand.reverse else (starts, ends)
        for bit, positions in ((column, lower), (column + 3, higher)):
            inside = positions[(positions > 0) & (positions < strand.length)]
            marks[inside - 1] |= 1 << bit
            marks[inside] |= 1 << bit
    return marks


def _union(intervals: Sequence[Interval]) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and ends of the union; intervals that touch are merged."""
    starts, ends = np.array(sorted(intervals), dtype=np.int64).reshape(-1, 2).T
    reached = np.maximum.accumulate(ends)
    apart = starts[1:] > reached[:-1]
    return starts[np.r_[True, apart][: len(starts)]], reached[np.r_[apart, True][: len(starts)]]


def _gene_lengths(strand: Strand) -> np.ndarray:
    lengths = np.zeros(strand.length, dtype=np.uint32)
    for model in sorted(_models(strand), key=lambda model: model.end - model.start):
        lengths[model.start : model.end] = model.end - model.start
    return lengths
