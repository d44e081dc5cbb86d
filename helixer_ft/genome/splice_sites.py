"""The dinucleotides at the ends of introns."""

import numpy as np

from helixer_ft.genome.annotation import Strand
from helixer_ft.genome.complement import COMPLEMENTS

CANONICAL = ("GT-AG", "GC-AG", "AT-AC")
"""First and last two bases of introns that spliceosomes are known to remove (Burset, Seledtsov &
Solovyev 2000, Nucleic Acids Research 28:4364). No intron is one of these on both strands.
"""
NOT_CANONICAL = -1

_ENDS = np.array([list(kind.replace("-", "").encode()) for kind in CANONICAL], np.uint8)


def intron_kinds(bases: np.ndarray, introns: np.ndarray, strand: Strand) -> np.ndarray:
    """Which of `CANONICAL` each intron is.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand of the sequence.
    introns
        (k, 2) int: start and end of each, within the sequence, of at least 4 bp.
    strand
        Of the introns.

    Returns
    -------
    numpy.ndarray
        (k,) int64: index in `CANONICAL`, or `NOT_CANONICAL`.
    """
    starts, ends = introns[:, 0], introns[:, 1]
    found = np.stack([bases[starts], bases[starts + 1], bases[ends - 2], bases[ends - 1]], axis=1)
    if strand == "-":
        found = COMPLEMENTS[found[:, ::-1]]
    same = (found[:, None, :] == _ENDS).all(axis=2)
    return np.where(same.any(axis=1), same.argmax(axis=1), NOT_CANONICAL)
