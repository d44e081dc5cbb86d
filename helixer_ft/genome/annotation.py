"""Gene models as values, whatever the file they came from.

All coordinates are 0-based, half-open and genomic (lower to higher), on both strands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Interval = tuple[int, int]
Strand = Literal["+", "-"]

UNKNOWN_PHASE = -1
"""Phase of a CDS line that has none ('.')."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """One transcript.

    Attributes
    ----------
    id
        As in the file.
    start, end
        Range of the transcript in bp; may begin before its first or end after its last exon.
    exons
        (start, end) in bp, sorted by start; they may touch or overlap where the file has them so.
    cds
        (start, end, phase) of each coding piece, sorted by start: bases until the next codon
        begins, counted from the piece's 5' end; `UNKNOWN_PHASE` where the file does not say.
        Empty: not coding.
    kind
        Type of the feature: mRNA, transcript, tRNA, ...
    utr_outside
        (start, end) of UTR lines that are not within exon lines, sorted; mostly none.
    """

    id: str
    start: int
    end: int
    exons: tuple[Interval, ...]
    cds: tuple[tuple[int, int, int], ...]
    kind: str = "mRNA"
    utr_outside: tuple[Interval, ...] = ()


@dataclass(frozen=True, slots=True)
class Gene:
    """One gene line with its transcripts, coding or not.

    Attributes
    ----------
    id
        As in the file.
    strand
        "+" or "-".
    start, end
        Range of the gene in bp; no transcript leaves it.
    transcripts
        In the order of the file.
    trusted
        If false, the gene gets no labels: its range is masked on its strand.
    problem
        Why it is not trusted, a word of docs/labels.md.
    line
        Of the file; 0 where it is not known.
    """

    id: str
    strand: Strand
    start: int
    end: int
    transcripts: tuple[Transcript, ...]
    trusted: bool = True
    problem: str = ""
    line: int = field(default=0, compare=False)

    @property
    def coding(self) -> bool:
        """Whether some transcript has a CDS."""
        return any(transcript.cds for transcript in self.transcripts)


@dataclass(frozen=True)
class Notice:
    """Something in a file that was corrected, left out or masked.

    Attributes
    ----------
    kind
        What it is, in words.
    count
        How often.
    example
        The first occurrence.
    """

    kind: str
    count: int
    example: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.count:,} (for example {self.example})"


@dataclass(frozen=True)
class Annotation:
    """The genes of a genome.

    Attributes
    ----------
    genes
        Name of the sequence -> its genes in the order of the file. Every sequence of the genome
        that is not excluded is there, those without a gene with an empty list.
    notices
        What was noticed in the file, most frequent first.
    """

    genes: Mapping[str, list[Gene]]
    notices: tuple[Notice, ...] = ()
