"""Counts of predicted genes, genome block by genome block: what `label_free_scores` divides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from helixer_ft.genes.label_free_scores import COUNTS, INTRON_KINDS, REMAINDERS
from helixer_ft.genes.open_reading_frames import OpenReadingFrames, check_frame
from helixer_ft.genes.stretches import Stretch
from helixer_ft.genes.structures import GeneStructure, TranscriptStructure
from helixer_ft.genome.annotation import Interval, Strand
from helixer_ft.genome.codons import CODON
from helixer_ft.genome.intervals import gaps, joined, shared
from helixer_ft.genome.splice_sites import NOT_CANONICAL, intron_kinds

BLOCK_BASES = 50_000
"""Of a genome block, in bp: several genes, so that neighbours are drawn together."""
MOST_BLOCKS = 2_000
"""Larger genomes have larger blocks."""
STRANDS: tuple[Strand, Strand] = ("+", "-")

Introns = Mapping[Strand, np.ndarray]
"""Strand -> (n, 2) int64: start and end of introns, sorted."""


@dataclass(frozen=True)
class Blocks:
    """Stretches of equal length of the sequences, laid end to end; the last one may be shorter.

    Attributes
    ----------
    offsets
        Sequence, or stretch of one -> where coordinate 0 of the sequence would be.
    total
        bp of all.
    size
        bp of a block.
    """

    offsets: Mapping[str, int]
    total: int
    size: int

    @classmethod
    def of(cls, lengths: Mapping[str, int]) -> "Blocks":
        """Those of sequences: name -> bp."""
        ends = np.cumsum([0, *lengths.values()], dtype=np.int64).tolist()
        size = max(BLOCK_BASES, -(-ends[-1] // MOST_BLOCKS))
        return cls(dict(zip(lengths, ends, strict=False)), ends[-1], size)

    @classmethod
    def over(cls, stretches: Sequence[Stretch]) -> "Blocks":
        """Those of stretches, each under its name."""
        found = cls.of({one.name: one.end - one.start for one in stretches})
        offsets = {one.name: found.offsets[one.name] - one.start for one in stretches}
        return replace(found, offsets=offsets)

    @property
    def n(self) -> int:
        """How many."""
        return -(-self.total // self.size)

    def bases(self) -> np.ndarray:
        """(n,) bp of each."""
        edges = np.minimum(np.arange(self.n + 1) * self.size, self.total)
        return np.diff(edges)


class Tally:
    """Counts of one set of genes.

    Attributes
    ----------
    counts
        (blocks, len(COUNTS)) float64. Whatever is counted belongs to the block that it begins in.
    frames
        Completeness of all coding transcripts.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self.counts = np.zeros((blocks.n, len(COUNTS)))
        self.counts[:, COUNTS.index("bases")] = blocks.bases()
        self.frames = OpenReadingFrames()

    def add(
        self,
        seqid: str,
        bases: np.ndarray,
        genes: Sequence[GeneStructure],
        supported: Introns | None,
    ) -> None:
        """Count the genes of a sequence.

        Parameters
        ----------
        seqid, bases
            A sequence, or a stretch of one: its name, and (n,) uint8, ASCII, upper case, of
            the whole sequence.
        genes
            That lie on it.
        supported
            Introns on it that reads support; None: there are no reads.
        """
        self._seqid = seqid
        self._genes(genes)
        self._transcripts(bases, genes)
        coding = []
        for strand in STRANDS:
            transcripts = [t for g in genes if g.strand == strand for t in g.transcripts]
            coding.append(joined(piece for t in transcripts for piece in t.cds))
            self._introns(bases, strand, transcripts, supported)
        for name, pieces in {
            "coding_bases": joined((*coding[0], *coding[1])),
            "coding_on_both_strands": shared(*coding),
        }.items():
            self._count(name, [start for start, _ in pieces], [end - at for at, end in pieces])

    def _genes(self, genes: Sequence[GeneStructure]) -> None:
        starts = [min(t.exons[0][0] for t in gene.transcripts) for gene in genes]
        single = [all(not t.introns for t in gene.transcripts) for gene in genes]
        self._count("genes", starts)
        self._count("single_exon_genes", starts, single)

    def _transcripts(self, bases: np.ndarray, genes: Sequence[GeneStructure]) -> None:
        starts, complete = [], []
        for gene in genes:
            for transcript in gene.transcripts:
                found = check_frame(bases, gene.strand, transcript.source.cds)
                self.frames += found
                starts.append(transcript.exons[0][0])
                complete.append(found.complete)
        self._count("transcripts", starts)
        self._count("complete_transcripts", starts, complete)

    def _introns(
        self,
        bases: np.ndarray,
        strand: Strand,
        transcripts: Sequence[TranscriptStructure],
        supported: Introns | None,
    ) -> None:
        introns = as_array(intron for t in transcripts for intron in t.introns)
        starts = introns[:, 0]
        kinds = intron_kinds(bases, introns, strand)
        self._count("introns", starts)
        self._count("canonical_introns", starts, kinds != NOT_CANONICAL)
        for i, name in enumerate(INTRON_KINDS):
            self._count(name, starts, kinds == i)
        coding = as_array(intron for t in transcripts for intron in gaps(t.cds))
        remainders = (coding[:, 1] - coding[:, 0]) % CODON
        self._count("coding_introns", coding[:, 0])
        for i, name in enumerate(REMAINDERS):
            self._count(name, coding[:, 0], remainders == i)
        if supported is not None:
            reads = supported[strand]
            self._count("read_introns", reads[:, 0])
            self._count("found_introns", starts, _in(introns, reads))
            self._count("introns_where_reads_splice", starts, _overlap(introns, reads))

    def _count(
        self,
        name: str,
        starts: Sequence[int] | np.ndarray,
        amounts: Sequence[int] | np.ndarray | int = 1,
    ) -> None:
        at = np.asarray(starts, np.int64) + self._blocks.offsets[self._seqid]
        np.add.at(self.counts[:, COUNTS.index(name)], at // self._blocks.size, amounts)


def introns_within(introns: Introns, stretch: Stretch) -> Introns:
    """Those of a sequence that lie on a stretch of it."""
    return {
        strand: own[(own[:, 0] >= stretch.start) & (own[:, 1] <= stretch.end)]
        for strand, own in introns.items()
    }


def as_array(introns: Iterable[Interval]) -> np.ndarray:
    """(n, 2) int64: distinct introns, sorted."""
    return np.array(sorted(set(introns)), np.int64).reshape(-1, 2)


def _in(introns: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) bool: which introns are among the others."""
    known = set(map(tuple, others.tolist()))
    return np.array([tuple(intron) in known for intron in introns.tolist()], bool)


def _overlap(introns: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) bool: which introns share a base with one of the others."""
    taken = np.array(joined(map(tuple, others.tolist())), np.int64).reshape(-1, 2)
    first = np.searchsorted(taken[:, 1], introns[:, 0], side="right")
    starts = np.append(taken[:, 0], np.iinfo(np.int64).max)
    return starts[first] < introns[:, 1]
