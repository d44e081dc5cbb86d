"""Whether coding sequences are complete: from a start codon to a stop codon, in one frame.

Nuclear standard code: ATG; TAA, TAG, TGA.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from helixer_ft.genes.structures import GeneStructure
from helixer_ft.genome.annotation import UNKNOWN_PHASE, Strand
from helixer_ft.genome.codons import (
    CODON,
    START_CODONS,
    STOP_CODONS,
    has_stop_inside,
    in_reading_order,
    spliced,
)
from helixer_ft.genome.fasta import Fasta
from helixer_ft.progress import Progress


@dataclass(frozen=True)
class OpenReadingFrames:
    """Counts of coding transcripts.

    Attributes
    ----------
    transcripts
        All.
    complete
        With none of the faults below.
    no_start
        The first codon is not ATG, or the first CDS line has a phase other than 0.
    no_stop
        The last three bases are no stop codon.
    no_triplets
        The coding length, from the first whole codon on, is no multiple of 3.
    stop_inside
        A stop codon in frame, before the last three bases.
    stop_behind
        Of those without stop codon: the next three bases of the genome are one.
    """

    transcripts: int = 0
    complete: int = 0
    no_start: int = 0
    no_stop: int = 0
    no_triplets: int = 0
    stop_inside: int = 0
    stop_behind: int = 0

    def __add__(self, other: OpenReadingFrames) -> OpenReadingFrames:
        return OpenReadingFrames(*map(operator.add, astuple(self), astuple(other)))

    @property
    def complete_share(self) -> float | None:
        """Share of the transcripts that are complete; None without any."""
        return self.complete / self.transcripts if self.transcripts else None


def count_open_reading_frames(
    sets: Mapping[str, Iterable[GeneStructure]], fasta: Fasta, progress: Progress
) -> dict[str, OpenReadingFrames]:
    """Check the coding transcripts of several sets of genes, one sequence in memory at a time.

    Parameters
    ----------
    sets
        Name -> genes; their sequences are in `fasta`.
    fasta
        The genome.
    progress
        A step per sequence.
    """
    by_sequence: dict[str, list[tuple[str, GeneStructure]]] = {}
    for name, genes in sets.items():
        for gene in genes:
            by_sequence.setdefault(gene.seqid, []).append((name, gene))
    totals = dict.fromkeys(sets, OpenReadingFrames())
    task = "checking open reading frames"
    for seqid in progress.track(task, len(by_sequence), by_sequence, "sequences"):
        bases = fasta.read(seqid)
        for name, gene in by_sequence[seqid]:
            for transcript in gene.transcripts:
                totals[name] += check_frame(bases, gene.strand, transcript.source.cds)
    return totals


def check_frame(
    bases: np.ndarray, strand: Strand, cds: Sequence[tuple[int, int, int]]
) -> OpenReadingFrames:
    """Check one transcript.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand of the sequence.
    strand
        Of the transcript.
    cds
        (start, end, phase) of its coding pieces, sorted by start, not empty.
    """
    coding = spliced(bases, strand, cds)
    first, last = in_reading_order(cds, strand)[0], in_reading_order(cds, strand)[-1]
    behind = (last[1], last[1] + CODON) if strand == "+" else (max(0, last[0] - CODON), last[0])
    phase = 0 if first[2] == UNKNOWN_PHASE else first[2]
    faults = {
        "no_start": phase != 0 or coding[:3].tobytes() not in START_CODONS,
        "no_stop": coding[-3:].tobytes() not in STOP_CODONS,
        "no_triplets": (len(coding) - phase) % CODON != 0,
        "stop_inside": has_stop_inside(coding, phase),
    }
    follows = spliced(bases, strand, [behind]).tobytes()
    return OpenReadingFrames(
        transcripts=1,
        complete=int(not any(faults.values())),
        stop_behind=int(faults["no_stop"] and follows in STOP_CODONS),
        **{name: int(fault) for name, fault in faults.items()},
    )
