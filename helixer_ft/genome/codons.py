"""Start and stop codons of the nuclear standard code, and coding sequences as they are read."""

from collections.abc import Iterable, Sequence

import numpy as np

from helixer_ft.genome.annotation import UNKNOWN_PHASE
from helixer_ft.genome.complement import COMPLEMENTS

START_CODONS = (b"ATG",)
STOP_CODONS = (b"TAA", b"TAG", b"TGA")
CODON = 3
"""Bases of a codon."""

_STOPS = np.array([list(stop) for stop in STOP_CODONS], np.uint8)
Piece = tuple[int, int, int]
"""Start, end, phase of a stretch of CDS."""


def spliced(bases: np.ndarray, strand: str, intervals: Iterable[Sequence[int]]) -> np.ndarray:
    """Stretches of a sequence one after the other, in reading direction.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand.
    strand
        "+" or "-".
    intervals
        (start, end, ...), sorted by start, not empty.
    """
    joined = np.concatenate([bases[interval[0] : interval[1]] for interval in intervals])
    return COMPLEMENTS[joined[::-1]] if strand == "-" else joined


def has_stop_inside(coding: np.ndarray, phase: int) -> bool:
    """Whether a codon before the last three bases is a stop codon.

    Parameters
    ----------
    coding
        (n,) uint8, ASCII, in reading direction.
    phase
        Bases before the first whole codon.
    """
    frame = coding[phase:]
    codons = frame[: max(0, len(frame) - 3) // 3 * 3].reshape(-1, 3)
    return bool((codons[:, None, :] == _STOPS).all(axis=2).any())


def is_complete(coding: np.ndarray) -> bool:
    """Whether a coding sequence runs from a start codon to a stop codon in one frame."""
    return (
        len(coding) % 3 == 0
        and coding[:3].tobytes() in START_CODONS
        and coding[-3:].tobytes() in STOP_CODONS
        and not has_stop_inside(coding, 0)
    )


def in_reading_order(cds: Sequence[Piece], strand: str) -> Sequence[Piece]:
    """The pieces of a CDS from 5' to 3'."""
    return cds if strand == "+" else cds[::-1]


def running_phases(cds: Sequence[Piece], strand: str, first: int) -> tuple[Piece, ...]:
    """The pieces with the phases that follow from that of the first, sorted by start."""
    result, phase = [], first
    for start, end, _ in in_reading_order(cds, strand):
        result.append((start, end, phase))
        phase = (phase - (end - start)) % 3
    return tuple(in_reading_order(result, strand))


def agree(cds: Sequence[Piece], strand: str) -> bool:
    """Whether each piece's phase is known and follows from that of the piece before."""
    first = in_reading_order(cds, strand)[0][2]
    return first != UNKNOWN_PHASE and tuple(cds) == running_phases(cds, strand, first)
