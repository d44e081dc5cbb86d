"""The coding genes of an annotation as what is compared: exons and coding pieces, strand by strand.

All coordinates are 0-based, half-open and genomic (lower to higher), on both strands.
"""

from collections.abc import Collection
from dataclasses import dataclass

from helixer_ft.genome.annotation import Annotation, Gene, Interval, Strand, Transcript
from helixer_ft.genome.intervals import gaps, hull, joined

MIN_INTRON = 5
"""Gaps of fewer bp are no introns: the pieces around them count as one, as in gffcompare."""
_NO_PLACE = {"no_strand", "mixed_strands", "crosses_origin", "beyond_end", "end_before_start"}
"""Problems of genes that lie nowhere in particular (words of docs/labels.md)."""


@dataclass(frozen=True)
class TranscriptStructure:
    """A coding transcript.

    Attributes
    ----------
    exons
        (start, end) of its exons, UTRs included, sorted; gaps shorter than `MIN_INTRON` closed.
    cds
        The same for its coding part, as far as the file takes it (with the stop codon in GFF3).
    source
        As read.
    """

    exons: tuple[Interval, ...]
    cds: tuple[Interval, ...]
    source: Transcript

    @property
    def introns(self) -> tuple[Interval, ...]:
        """(start, end) of what is between its exons."""
        return tuple(gaps(self.exons))


@dataclass(frozen=True)
class GeneStructure:
    """A coding gene with its coding transcripts, at least one."""

    id: str
    seqid: str
    strand: Strand
    transcripts: tuple[TranscriptStructure, ...]

    @property
    def span(self) -> Interval:
        """From its first base to its last."""
        return hull(exon for transcript in self.transcripts for exon in transcript.exons)


@dataclass(frozen=True)
class Selection:
    """The genes of a file that are compared, and how many are not.

    Attributes
    ----------
    genes
        Coding genes on the sequences asked for, in the order of the file.
    elsewhere
        Other sequence -> its coding genes.
    noncoding
        Genes without CDS on the sequences asked for.
    without_place
        IDs of coding genes without strand, in several places, across or beyond a sequence's end,
        or with features that end before they start.
    """

    genes: tuple[GeneStructure, ...]
    elsewhere: dict[str, int]
    noncoding: int
    without_place: tuple[str, ...]

    @property
    def transcripts(self) -> int:
        """Coding transcripts of the genes."""
        return sum(len(gene.transcripts) for gene in self.genes)


def select(annotation: Annotation, seqids: Collection[str]) -> Selection:
    """The coding genes on some sequences."""
    seqids = frozenset(seqids)
    chosen: list[GeneStructure] = []
    elsewhere: dict[str, int] = {}
    noncoding = 0
    without_place: dict[str, None] = {}
    for seqid, genes in annotation.genes.items():
        if seqid not in seqids:
            count = len({gene.id for gene in genes if gene.coding})
            elsewhere |= {seqid: count} if count else {}
            continue
        for gene in genes:
            if gene.problem in _NO_PLACE:
                without_place[gene.id] = None
            elif gene.coding:
                chosen.append(_gene(seqid, gene))
            else:
                noncoding += 1
    return Selection(tuple(chosen), elsewhere, noncoding, tuple(without_place))


def _gene(seqid: str, gene: Gene) -> GeneStructure:
    transcripts = []
    for transcript in gene.transcripts:
        if transcript.cds:
            cds = [(start, end) for start, end, _ in transcript.cds]
            lines = [*transcript.exons, *cds, *transcript.utr_outside]
            exons, coding = (tuple(joined(parts, gap=MIN_INTRON)) for parts in (lines, cds))
            transcripts.append(TranscriptStructure(exons, coding, transcript))
    return GeneStructure(gene.id, seqid, gene.strand, tuple(transcripts))
