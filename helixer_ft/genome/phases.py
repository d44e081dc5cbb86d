"""Phases of CDS lines that follow from the reading frame, where the file's own do not fit.

Some writers put 0, or 1, on every line, others have no phases at all. Where the bases tell the
frame, it counts.
"""

import numpy as np

from helixer_ft.genome.annotation import UNKNOWN_PHASE, Transcript
from helixer_ft.genome.codons import (
    START_CODONS,
    STOP_CODONS,
    Piece,
    agree,
    has_stop_inside,
    in_reading_order,
    is_complete,
    running_phases,
    spliced,
)


def are_doubtful(transcript: Transcript, strand: str) -> bool:
    """Whether the phases of a CDS are unknown, do not follow from one another, or do not begin
    with 0."""
    cds = transcript.cds
    return in_reading_order(cds, strand)[0][2] != 0 or not agree(cds, strand)


def phases_by_frame(bases: np.ndarray, transcript: Transcript, strand: str) -> tuple[Piece, ...]:
    """The CDS of a transcript with the phases that its bases tell; unchanged where they do not.

    From start codon to stop codon in one frame: those of this frame. Otherwise, if the phases are
    unknown or do not fit one another: those of the frame that begins with the start codon, or
    ends with the stop codon, without a stop codon in between; else of the only frame without.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand.
    transcript
        With CDS.
    strand
        "+" or "-".
    """
    cds = transcript.cds
    coding = spliced(bases, strand, cds)
    if is_complete(coding):
        return running_phases(cds, strand, 0)
    if agree(cds, strand):
        return cds
    first = _frame(coding)
    return cds if first == UNKNOWN_PHASE else running_phases(cds, strand, first)


def _frame(coding: np.ndarray) -> int:
    """Phase of the first base, or `UNKNOWN_PHASE`."""
    is_open = [not has_stop_inside(coding, phase) for phase in range(3)]
    if is_open[0] and coding[:3].tobytes() in START_CODONS:
        return 0
    if is_open[len(coding) % 3] and coding[-3:].tobytes() in STOP_CODONS:
        return len(coding) % 3
    return is_open.index(True) if sum(is_open) == 1 else UNKNOWN_PHASE
