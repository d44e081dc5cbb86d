"""What spliced reads say of the candidates: introns they support, and those they contradict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helixer_ft.coverage.protocol import Tell
from helixer_ft.genes.intron_support import (
    SplicedReads,
    no_intron,
    read_table,
    spliced_reads,
)
from helixer_ft.genes.label_free_request import LabelFreeRequest
from helixer_ft.genes.tallies import STRANDS
from helixer_ft.genome.annotation import Interval
from helixer_ft.genome.fasta import Fasta
from helixer_ft.progress import Progress
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.request import PseudoLabelRequest

MIN_OVERHANG = 20
"""Aligned bases on either side of an intron: shorter ends match by chance."""
CONTRADICTING_READS = 10
"""Across an intron from which on no gene may be labelled against them, or as many as make it
supported if that is more: fewer may be noise."""
FLANK = 100
"""bp on either side of such an intron that are exons of a gene which is not known."""


@dataclass(frozen=True)
class Junctions:
    """Canonical introns that reads show.

    Attributes
    ----------
    tables
        Sequence -> (n, 4) int64, sorted: start, end, strand (place in `STRANDS`), reads.
    files
        What each file of reads holds.
    min_reads
        From so many on, an intron is supported.
    """

    tables: Mapping[str, np.ndarray]
    files: tuple[SplicedReads, ...]
    min_reads: int

    def supported(self, seqid: str) -> np.ndarray:
        """Those with enough reads."""
        return self._with(seqid, self.min_reads)

    def strong(self, seqid: str) -> np.ndarray:
        """Those that may contradict."""
        return self._with(seqid, max(CONTRADICTING_READS, self.min_reads))

    def missed(self, seqid: str, genes: Sequence[Candidate]) -> dict[str, list[Interval]]:
        """Strand -> stretches that are not intergenic, as reads splice there: around introns of
        many reads that none of some genes has.
        """
        known = {(*i, STRANDS.index(g.gene.strand)) for g in genes for i in g.introns}
        found: dict[str, list[Interval]] = {strand: [] for strand in STRANDS}
        for start, end, place, _ in self.strong(seqid).tolist():
            if (start, end, place) not in known:
                found[STRANDS[place]].append((max(0, start - FLANK), end + FLANK))
        return found

    def _with(self, seqid: str, reads: int) -> np.ndarray:
        table = self.tables[seqid]
        return np.asarray(table[table[:, 3] >= reads])


def read_junctions(
    request: PseudoLabelRequest,
    genome: Fasta,
    seqids: Sequence[str],
    progress: Progress,
    warn: Tell,
) -> Junctions:
    """Count the spliced reads of all files.

    Raises
    ------
    InputError
        Reads that are not sorted, or of another genome or assembly.
    """
    asked = LabelFreeRequest(
        predicted=(request.fasta,),  # genes are of no account here
        fasta=request.fasta,
        bams=request.bams,
        strandedness=request.strandedness,
        min_reads=request.min_junction_reads,
        min_overhang=MIN_OVERHANG,
    )
    counts, files = spliced_reads(asked, genome, seqids, progress, warn)
    tables = {seqid: read_table(counts, seqid) for seqid in seqids}
    junctions = Junctions(tables, files, request.min_junction_reads)
    if not any(len(junctions.supported(seqid)) for seqid in seqids):
        warn(no_intron(asked))
    return junctions


def compare_with_reads(junctions: Junctions, seqid: str, candidates: Sequence[Candidate]) -> None:
    """Give the candidates of a sequence their supported introns and what contradicts them."""
    for place, strand in enumerate(STRANDS):
        own = {
            kind: table[table[:, 2] == place]
            for kind, table in (
                ("supported", junctions.supported(seqid)),
                ("strong", junctions.strong(seqid)),
            )
        }
        supported = set(map(tuple, own["supported"][:, :2].tolist()))
        for candidate in candidates:
            if candidate.gene.strand == strand:
                shown = [intron for intron in candidate.introns if intron in supported]
                candidate.supported = len(shown)
                candidate.contradicted = _contradicting(candidate, shown, own["strong"])


def _contradicting(candidate: Candidate, supported: Sequence[Interval], strong: np.ndarray) -> int:
    """Most reads across an intron that a gene excludes; 0: none.

    It shares bases with an exon, or overlaps another intron of the gene. What overlaps an intron
    that reads support too is another isoform, and what holds the whole gene says nothing of it.
    """
    start, end = candidate.exons[0][0], candidate.exons[-1][1]
    near = strong[(strong[:, 0] < end) & (strong[:, 1] > start)]
    own = set(candidate.introns)
    most = 0
    for first, last, _, reads in near.tolist():
        if (first, last) in own or (first <= start and end <= last):
            continue
        if not any(first < stop and begin < last for begin, stop in supported):
            most = max(most, reads)
    return most
