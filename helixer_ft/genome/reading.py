"""Gene models in reading direction: coordinates from the 5' end of the strand, on both strands.

Labels and masks speak of upstream and downstream. On the minus strand of a sequence of n bases the
interval (start, end) is (n - end, n - start) in reading direction, and back.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from helixer_ft.genome.annotation import UNKNOWN_PHASE, Gene, Interval, Transcript
from helixer_ft.genome.complement import COMPLEMENTS


class FrameShift(NamedTuple):
    """A CDS line whose phase departs from the count: ribosomal slippage, a frame shift, an error.

    Attributes
    ----------
    start
        Of the line, in reading direction.
    before
        Where the line before ends.
    shift
        1 or 2: what its phase is more than the count, modulo 3.
    """

    start: int
    before: int
    shift: int


@dataclass(frozen=True)
class Model:
    """A coding transcript in reading direction.

    Attributes
    ----------
    transcript
        The transcript.
    introns
        (start, end) of all that is no exon, at the transcript's ends too.
    overlaps
        (start, end) of what an exon shares with the one before.
    cds_start, cds_end
        Range from the first coding base to the last, introns included.
    frame_shifts
        Where the phase of a CDS line is not what the bases since the line before make it. Lines
        that overlap because their exons do are none: there it is not known what is right.
    coding_length
        CDS range minus the whole lengths of the introns and exon overlaps that touch it, in bp. Not
        positive where a CDS lies in an intron.
    """

    transcript: Transcript
    introns: tuple[Interval, ...]
    overlaps: tuple[Interval, ...]
    cds_start: int
    cds_end: int
    frame_shifts: tuple[FrameShift, ...]
    coding_length: int

    @property
    def start(self) -> int:
        """Where the transcript begins."""
        return self.transcript.start

    @property
    def end(self) -> int:
        """Where the transcript ends."""
        return self.transcript.end

    def has_intron_between(self, start: int, end: int) -> bool:
        """Whether an intron shares bases with a stretch."""
        i = bisect_right(self.introns, (end,)) - 1
        return i >= 0 and self.introns[i][0] < end and self.introns[i][1] > start


@dataclass(frozen=True)
class Locus:
    """A gene line, in reading direction.

    Attributes
    ----------
    gene
        The gene.
    place
        Its place among the strand's genes in the file.
    models
        Its coding transcripts in the order of the file; empty if it is not trusted.
    labelling
        The transcript with the largest coding length, the first of several; the labelled one.
    """

    gene: Gene
    place: int
    models: tuple[Model, ...]
    labelling: Model | None

    @property
    def start(self) -> int:
        """Where the gene line begins."""
        return self.gene.start

    @property
    def end(self) -> int:
        """Where the gene line ends."""
        return self.gene.end


@dataclass(frozen=True)
class Strand:
    """One strand of a sequence as it is read.

    Attributes
    ----------
    bases
        (n,) uint8, ASCII.
    loci
        All its genes by start; of several with the same start, those on the plus strand in the
        order of the file, those on the minus strand in the reverse order.
    reverse
        Whether this is the minus strand.
    """

    bases: np.ndarray
    loci: Sequence[Locus]
    reverse: bool

    @property
    def length(self) -> int:
        """Length of the sequence in bp."""
        return len(self.bases)

    def genomic(self, start: int, end: int) -> Interval:
        """Return where an interval of the strand lies in the genome."""
        return (self.length - end, self.length - start) if self.reverse else (start, end)


def read_strand(bases: np.ndarray, genes: Iterable[Gene], *, reverse: bool) -> Strand:
    """Return one strand of a sequence.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand.
    genes
        The genes of the strand, in the order of the file.
    reverse
        Whether it is the minus strand.
    """
    if reverse:
        bases = COMPLEMENTS[bases][::-1]
        genes = [_mirrored(gene, len(bases)) for gene in genes]
    loci = [_locus(gene, place) for place, gene in enumerate(genes)]
    if reverse:
        loci.reverse()
    return Strand(bases, sorted(loci, key=lambda locus: locus.start), reverse)


def _locus(gene: Gene, place: int) -> Locus:
    transcripts = gene.transcripts if gene.trusted else ()
    models = tuple(_model(transcript) for transcript in transcripts if transcript.cds)
    candidates = [model for model in models if model.coding_length > 0]
    return Locus(
        gene, place, models, max(candidates, key=lambda model: model.coding_length, default=None)
    )


def _model(transcript: Transcript) -> Model:
    introns, overlaps = [], []
    reached = transcript.start
    for start, end in transcript.exons:
        if start > reached:
            introns.append((reached, start))
        elif start < reached:
            overlaps.append((start, min(reached, end)))
        reached = max(reached, end)
    if reached < transcript.end:
        introns.append((reached, transcript.end))
    cds_start, cds_end = transcript.cds[0][0], max(end for _, end, _ in transcript.cds)
    # a CDS that begins with the first exon is taken to begin with the transcript
    cds_start = transcript.start if cds_start == transcript.exons[0][0] else cds_start
    cds_end = transcript.end if cds_end == reached else cds_end
    within = sum(
        end - start for start, end in (*introns, *overlaps) if start < cds_end and end > cds_start
    )
    return Model(
        transcript,
        tuple(introns),
        tuple(overlaps),
        cds_start,
        cds_end,
        tuple(_frame_shifts(transcript.cds, introns, overlaps)),
        cds_end - cds_start - within,
    )


def _frame_shifts(
    cds: Sequence[tuple[int, int, int]], introns: Sequence[Interval], overlaps: Sequence[Interval]
) -> Iterator[FrameShift]:
    """See `Model.frame_shifts`."""
    if len(cds) == 1:
        return
    before = reached = skipped = i = 0
    phase = UNKNOWN_PHASE
    for start, end, stated in cds:
        while i < len(introns) and introns[i][1] <= start:
            skipped += introns[i][1] - introns[i][0]
            i += 1
        within = max(0, start - introns[i][0]) if i < len(introns) else 0
        exonic = start - skipped - within
        if reached:
            expected = (max(phase, 0) - (exonic - before)) % 3
            in_two_exons = any(first < reached and last > start for first, last in overlaps)
            if stated in (expected, UNKNOWN_PHASE) or in_two_exons:
                stated = expected
            else:
                yield FrameShift(start, reached, (stated - expected) % 3)
        before, reached, phase = exonic, end, stated


def _mirrored(gene: Gene, length: int) -> Gene:
    """Return the gene with its coordinates counted from the other end of the sequence."""

    def turned(pieces: Iterable[tuple[int, ...]]) -> tuple[Any, ...]:
        return tuple(sorted((length - end, length - start, *rest) for start, end, *rest in pieces))

    return replace(
        gene,
        start=length - gene.end,
        end=length - gene.start,
        transcripts=tuple(
            replace(
                transcript,
                start=length - transcript.end,
                end=length - transcript.start,
                exons=turned(transcript.exons),
                cds=turned(transcript.cds),
                utr_outside=turned(transcript.utr_outside),
            )
            for transcript in gene.transcripts
        ),
    )
