"""Names and sizes that data files may have, checked without importing anything that takes time."""

import re
from pathlib import Path

from helixer_ft.errors import InputError

WHAT = "a Helixer data file (.h5)"
TRAINING, VALIDATION, TEST = SETS = ("training", "validation", "test")
CHECK = "check"
"""The set of `pseudo-label` that nothing was trained on or chosen by."""
CHECK_DATA, CHECK_JUNCTIONS = f"{CHECK}_data.h5", f"{CHECK}_junctions.tsv"
"""Its bases, and the introns that spliced reads support on it."""
ANNOTATION_WARNING = "helixer_ft_annotation_warning"
"""Attribute of a data file: why most genes of its annotation cannot be used."""
POOL_SIZE = 9
"""Bases that Helixer's networks pool into one step."""
DEFAULT_LENGTH = 21_384
"""Of a subsequence, in bp: Helixer's for fungi."""
MAX_LENGTH = 9_999_999
"""Bases of the longest row: several times the longest gene that is known."""
MAX_SPECIES = 25
"""Bytes of a species' name: the width of `data/species`."""

_SPECIES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_FASTA_SUFFIXES = re.compile(r"(\.(fa|fas|fasta|fna|dna))?(\.(gz|bgz|bgzip))?$", re.IGNORECASE)


def check_longest(length: int) -> None:
    """Refuse a subsequence length above `MAX_LENGTH`."""
    if length > MAX_LENGTH:
        raise InputError(
            f"--subsequence-length is {length}, expected at most {MAX_LENGTH}: no gene is that "
            "long. Take less; the default holds most genes."
        )


def check_length(length: int) -> None:
    """Refuse a subsequence length that the network cannot pool.

    Raises
    ------
    InputError
        No positive multiple of 9, or above `MAX_LENGTH`.
    """
    check_longest(length)
    if length < POOL_SIZE or length % POOL_SIZE:
        below = max(POOL_SIZE, length // POOL_SIZE * POOL_SIZE)
        raise InputError(
            f"--subsequence-length is {length}, expected a multiple of {POOL_SIZE}, because "
            f"Helixer's networks pool {POOL_SIZE} bases into one step. Take {below} or "
            f"{below + POOL_SIZE}."
        )


def check_species(name: str, where: str = "--species") -> None:
    """Refuse a species name that the data files cannot hold, or that is no part of a file name."""
    if not _SPECIES.fullmatch(name):
        raise InputError(
            f"{where} is '{name}', expected letters, digits and _ . + - (it becomes part of file "
            "names), for example Arabidopsis_thaliana."
        )
    if len(name) > MAX_SPECIES:
        raise InputError(
            f"{where} is '{name}', {len(name)} characters, but Helixer's files hold {MAX_SPECIES}. "
            "Shorten it."
        )


def species_of(fasta: Path) -> str:
    """A name for the species from that of its FASTA file, cut to `MAX_SPECIES`."""
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", _FASTA_SUFFIXES.sub("", fasta.name)).lstrip("_.+-")
    return name[:MAX_SPECIES] or "genome"
