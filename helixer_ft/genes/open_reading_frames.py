"""Whether coding sequences are complete: from a start codon to a stop codon, in one frame.

Nuclear standard code: ATG; TAA, TAG, TGA.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from helixer_ft.genes.structures import GeneStructure
from helixer_ft.genome.annotation import UNKNOWN_PHASE, Strand
from helixer_ft.genome.fasta import Fasta
from helixer_ft.genome.reading import COMPLEMENT
from helixer_ft.progress import Progress

_START = b"ATG"
_STOPS = (b"TAA", b"TAG", b"TGA")


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
        return OpenReadingFrames(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

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
    first, last = cds[0], cds[-1]
    coding = np.concatenate([bases[start:end] for start, end, _ in cds])
    behind = bases[last[1] : last[1] + 3]
    if strand == "-":
        coding = COMPLEMENT[coding][::-1]
        behind = COMPLEMENT[bases[max(0, first[0] - 3) : first[0]]][::-1]
        first = last
    phase = 0 if first[2] == UNKNOWN_PHASE else first[2]
    frame = coding[phase:]
    inside = frame[: max(0, len(frame) - 3) // 3 * 3].reshape(-1, 3)
    faults = {
        "no_start": phase != 0 or coding[:3].tobytes() != _START,
        "no_stop": coding[-3:].tobytes() not in _STOPS,
        "no_triplets": len(frame) % 3 != 0,
        "stop_inside": bool(_is_stop(inside).any()),
    }
    return OpenReadingFrames(
        transcripts=1,
        complete=int(not any(faults.values())),
        stop_behind=int(faults["no_stop"] and behind.tobytes() in _STOPS),
        **{name: int(fault) for name, fault in faults.items()},
    )


def _is_stop(codons: np.ndarray) -> np.ndarray:
    """(n, 3) ASCII -> (n,) bool."""
    stops = np.array([list(stop) for stop in _STOPS], np.uint8)
    return (codons[:, None, :] == stops).all(axis=2).any(axis=1)
