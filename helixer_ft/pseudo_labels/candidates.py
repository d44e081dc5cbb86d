"""The genes that HelixerPost made of the predictions, and what is found out about each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from helixer_ft.genome.annotation import Annotation, Gene, Interval, Transcript
from helixer_ft.genome.intervals import gaps, joined, span

KEPT = "kept"
"""The outcome of a gene that is labelled; on check sequences it is `CHECK`."""


@dataclass(slots=True)
class Candidate:
    """A gene, its scores, and what becomes of it; small, as a genome has many.

    Attributes
    ----------
    seqid, gene
        Where it is, and its gene model.
    faults
        Why it fails the gate; words of `REASONS`.
    family, copies
        Number of its family of near-identical genes, and how many these are.
    confidence
        Lowest mean probability, 0 to 1, of the label over its introns and the coding parts of its
        exons.
    uncertain_ends
        (start, end) in bp of the ends of its UTRs that are not certain.
    part
        The set that it lies in as a whole; empty: in none.
    supported
        Introns that reads support; None without reads.
    contradicted
        Most reads across an intron that this gene excludes.
    outcome
        `KEPT`, `CHECK`, or why not: words of `REASONS`, separated by commas.
    """

    seqid: str
    gene: Gene
    faults: tuple[str, ...] = ()
    family: int = 0
    copies: int = 1
    confidence: float = 0.0
    uncertain_ends: tuple[Interval, ...] = ()
    part: str = ""
    supported: int | None = None
    contradicted: int = 0
    outcome: str = field(default="")

    @property
    def transcript(self) -> Transcript:
        """The one with the most coding bases; HelixerPost makes one per gene."""
        return max(self.gene.transcripts, key=lambda one: span(p[:2] for p in one.cds))

    @property
    def exons(self) -> list[Interval]:
        """(start, end) in bp, sorted."""
        return joined(self.transcript.exons)

    @property
    def cds(self) -> list[Interval]:
        """(start, end) in bp of the coding parts of its exons, sorted."""
        return joined((start, end) for start, end, _ in self.transcript.cds)

    @property
    def introns(self) -> list[Interval]:
        """(start, end) in bp, sorted."""
        return gaps(self.exons)

    @property
    def coding_length(self) -> int:
        """In bp."""
        return span(self.cds)

    @property
    def passes(self) -> bool:
        """Whether it passes the gate."""
        return not self.faults

    @property
    def is_kept(self) -> bool:
        """Whether it is labelled."""
        return self.outcome == KEPT

    @property
    def is_supported(self) -> bool:
        """Whether it has introns, and reads support all of them."""
        return bool(self.introns) and self.supported == len(self.introns)

    @property
    def structure(self) -> tuple[str, str, tuple[Interval, ...]]:
        """What makes two genes of one genome the same: sequence, strand, coding exons."""
        return self.seqid, self.gene.strand, tuple(self.cds)


def candidates_of(annotation: Annotation) -> list[Candidate]:
    """The coding genes of HelixerPost's annotation, in its order.

    A gene that the reader could not place (see docs/labels.md) is none: it stays masked.
    """
    return [
        Candidate(seqid, gene)
        for seqid, genes in annotation.genes.items()
        for gene in genes
        if gene.coding and gene.trusted
    ]


def by_sequence(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Sequence -> its candidates, in their order."""
    found: dict[str, list[Candidate]] = {}
    for one in candidates:
        found.setdefault(one.seqid, []).append(one)
    return found
