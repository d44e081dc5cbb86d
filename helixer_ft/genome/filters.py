"""Which properties the genes of a GFF3 file were selected by, as a line of its header says.

A score of a property that the genes were selected by says nothing about how good they are.
"""

from collections.abc import Iterable
from pathlib import Path

from helixer_ft.genome.gff3 import WHAT
from helixer_ft.genome.packed_text import open_text

HEADER = "##helixer-ft-filters:"
"""What the line begins with; names follow, separated by commas."""

COMPLETE_ORF = "complete_orf"
CANONICAL_INTRONS = "canonical_introns"
INTRON_LENGTHS = "intron_lengths"
SINGLE_EXON = "single_exon"
STRAND_OVERLAP = "strand_overlap"
SUPPORTED_INTRONS = "supported_introns"
FILTERS = (
    *(COMPLETE_ORF, CANONICAL_INTRONS, INTRON_LENGTHS),
    *(SINGLE_EXON, STRAND_OVERLAP, SUPPORTED_INTRONS),
)
"""Filters of which a score is known; a file may name others."""


def filters_line(names: Iterable[str]) -> str:
    """The line of a GFF3 header, without its end, that names filters."""
    return f"{HEADER} {','.join(names)}"


def read_filters(path: Path) -> tuple[str, ...]:
    """The filters that the comments at the beginning of a file name, each once; mostly none.

    Raises
    ------
    InputError
        No regular file, damaged, or no text.
    """
    names: dict[str, None] = {}
    with open_text(path, WHAT) as file:
        for raw in file.lines():
            line = raw.decode("utf-8-sig", "replace").strip()
            if line and not line.startswith("#"):
                break
            if line.startswith(HEADER):
                found = (name.strip() for name in line.removeprefix(HEADER).split(","))
                names |= dict.fromkeys(name for name in found if name)
    return tuple(names)
