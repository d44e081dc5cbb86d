"""Phases of CDS lines that follow from the reading frame, where the file's own do not fit.

Some writers put 0, or 1, on every line, others have no phases at all. Where the bases tell the
frame, it counts.
"""

from collections.abc import Iterable

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


def constant_phase(transcripts: Iterable[tuple[Transcript, str]]) -> int | None:
    """The phase that a file has on every CDS line though it does not fit; None if there is none.

    Parameters
    ----------
    transcripts
        Coding ones, with their strands; those of one piece do not count.
    """
    found: int | None = None
    spliced_ones = odd = 0
    for transcript, strand in transcripts:
        if len(transcript.cds) > 1:
            phases = {phase for _, _, phase in transcript.cds}
            found = transcript.cds[0][2] if found is None else found
            if phases != {found} or found == UNKNOWN_PHASE:
                return None
            spliced_ones += 1
            odd += not agree(transcript.cds, strand)
    return found if 2 * odd > spliced_ones else None


def phases_by_frame(
    bases: np.ndarray, transcript: Transcript, strand: str, constant: int | None = None
) -> tuple[Piece, ...]:
    """The CDS of a transcript with the phases that its bases tell; unchanged where they do not.

    From start codon to stop codon in one frame: those of this frame. Otherwise, if the phases are
    unknown or do not fit one another: those of the frame that begins with the start codon, or
    ends with the stop codon, without a stop codon in between; else of the only frame without.
    Where no frame is told so, unknown phases count from a start codon. Phases that are the same
    on every line of the file are unknown, but for a 0 on the first line.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand.
    transcript
        With CDS.
    strand
        "+" or "-".
    constant
        See `constant_phase`.
    """
    cds = transcript.cds
    if constant:
        cds = tuple((start, end, UNKNOWN_PHASE) for start, end, _ in cds)
    coding = spliced(bases, strand, cds)
    if is_complete(coding):
        return running_phases(cds, strand, 0)
    if agree(cds, strand):
        return cds
    first = _frame(coding)
    unknown = all(phase == UNKNOWN_PHASE for _, _, phase in cds)
    from_start = unknown and coding[:3].tobytes() in START_CODONS
    if first == UNKNOWN_PHASE and (from_start or constant == 0):
        first = 0
    return cds if first == UNKNOWN_PHASE else running_phases(cds, strand, first)


def _frame(coding: np.ndarray) -> int:
    """Phase of the first base, or `UNKNOWN_PHASE`."""
    is_open = [not has_stop_inside(coding, phase) for phase in range(3)]
    if is_open[0] and coding[:3].tobytes() in START_CODONS:
        return 0
    if is_open[len(coding) % 3] and coding[-3:].tobytes() in STOP_CODONS:
        return len(coding) % 3
    return is_open.index(True) if sum(is_open) == 1 else UNKNOWN_PHASE
