"""Annotation and bases together: stop codons that CDS lack, and phases that do not fit the bases.

Both are mended transcript by transcript; stop codons only where that is a habit of the file.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from helixer_ft.genome.annotation import UNKNOWN_PHASE, Annotation, Gene, Transcript
from helixer_ft.genome.codons import (
    CODON,
    STOP_CODONS,
    has_stop_inside,
    in_reading_order,
    spliced,
)
from helixer_ft.genome.fasta import Fasta
from helixer_ft.genome.gff3 import read_annotation
from helixer_ft.genome.notices import Notices
from helixer_ft.genome.phases import are_doubtful, constant_phase, phases_by_frame
from helixer_ft.genome.stop_codons import stop_codon_behind, with_stop_codon
from helixer_ft.progress import Progress

HABIT = 0.5
"""Of the CDS without stop codon, the share with one right behind that makes it the file's habit.

By chance it is 3 of 64: where a gene is cut off, or the genome is wrong."""

STOP_BEHIND = "transcripts whose CDS ends right before a stop codon, taken in"
PHASES_LEFT_OUT = "transcripts whose phases do not fit their reading frame, the file's left out"

_MENDED = {"", "cds_outside_exons", "pseudogene", "untrusted"}
"""Problems of genes whose coordinates can be relied on."""

_STOPS_OF_MINUS = {spliced(np.frombuffer(stop, np.uint8), "-", [(0, 3)]).tobytes()
                   for stop in STOP_CODONS}  # fmt: skip
"""Stop codons of the minus strand, as the plus strand has them."""
_Place = tuple[int, int]
"""Of a transcript: its gene's place in the list, and its own in the gene."""
_Changed = dict[_Place, Transcript]
"""Transcript -> what it becomes."""


def read_genes(
    path: Path,
    fasta: Fasta,
    *,
    exclude: Collection[str] = (),
    trusted: Collection[str] | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Annotation:
    """Read an annotation, and correct it by what the bases show; see `read_annotation`, `mended`.

    Parameters
    ----------
    path
        GFF3 or GTF, plain, gzip or bgzip.
    fasta
        The genome.
    exclude, trusted, strict, progress
        As `read_annotation` takes them.

    Raises
    ------
    InputError
        As `read_annotation`.
    """
    annotation = read_annotation(
        path, fasta.lengths, exclude=exclude, trusted=trusted, strict=strict, progress=progress
    )
    return mended(annotation, fasta, progress or Progress())


def mended(annotation: Annotation, fasta: Fasta, progress: Progress) -> Annotation:
    """Extend CDS by missing stop codons, and derive phases from reading frames.

    Parameters
    ----------
    annotation
        Of the genome.
    fasta
        The genome.
    progress
        A step per sequence.
    """
    notices = Notices()
    genes = dict(annotation.genes)
    for seqid, changed in _stops(genes, fasta, progress).items():
        genes[seqid] = _with(genes[seqid], changed)
        notices.add(STOP_BEHIND, *(transcript.id for transcript in changed.values()))
    constant = constant_phase(
        (transcript, strand) for there in genes.values() for _, strand, transcript in _coding(there)
    )
    for seqid, there in genes.items():
        changed = _phases(there, seqid, fasta, constant)
        genes[seqid] = _with(there, changed)
        notices.add(PHASES_LEFT_OUT, *_disagreeing(there, changed))
    both = sorted((*annotation.notices, *notices.as_tuple()), key=lambda notice: -notice.count)
    return Annotation(genes, tuple(both))


def _stops(
    genes: Mapping[str, Sequence[Gene]], fasta: Fasta, progress: Progress
) -> dict[str, _Changed]:
    """Transcripts whose CDS is extended by the stop codon after it, if the file has the habit."""
    without = 0
    found: dict[str, _Changed] = {}
    task = "checking coding sequences"
    for seqid, there in progress.track(task, len(genes), genes.items(), "sequences"):
        bases = fasta.read(seqid) if any(gene.coding for gene in there) else None
        for place, strand, transcript in _coding(there):
            assert bases is not None, "a coding gene"
            if _ends_with_stop(bases, strand, transcript):
                continue
            without += 1
            coding = spliced(bases, strand, transcript.cds)
            stops = stop_codon_behind(bases, transcript, strand)
            phase = max(0, in_reading_order(transcript.cds, strand)[0][2])
            if stops and _may_end_there(coding, phase):
                complete = with_stop_codon(transcript, strand, stops)
                found.setdefault(seqid, {})[place] = complete
    return found if sum(map(len, found.values())) > HABIT * without else {}


def _ends_with_stop(bases: np.ndarray, strand: str, transcript: Transcript) -> bool:
    start, end, _ = in_reading_order(transcript.cds, strand)[-1]
    if end - start < CODON:  # an intron splits the codon
        return spliced(bases, strand, transcript.cds)[-CODON:].tobytes() in STOP_CODONS
    if strand == "+":
        return bases[end - CODON : end].tobytes() in STOP_CODONS
    return bases[start : start + CODON].tobytes() in _STOPS_OF_MINUS


def _may_end_there(coding: np.ndarray, phase: int) -> bool:
    """Whether a stop codon right behind is in frame, as far as the frame can be relied on."""
    in_frame = 0 in (len(coding) % CODON, (len(coding) - phase) % CODON)
    return in_frame or has_stop_inside(coding, phase)


def _phases(genes: Sequence[Gene], seqid: str, fasta: Fasta, constant: int | None) -> _Changed:
    """Transcripts with phases that follow from the bases."""
    found: _Changed = {}
    bases = None
    for place, strand, transcript in _coding(genes):
        if are_doubtful(transcript, strand):
            if bases is None:
                bases = fasta.read(seqid)
            cds = phases_by_frame(bases, transcript, strand, constant)
            if cds != transcript.cds:
                found[place] = replace(transcript, cds=cds)
    return found


def _coding(genes: Sequence[Gene]) -> Iterator[tuple[_Place, str, Transcript]]:
    """Yield place, strand and transcript of coding ones whose coordinates can be relied on."""
    for i, gene in enumerate(genes):
        if gene.problem in _MENDED:
            for j, transcript in enumerate(gene.transcripts):
                if transcript.cds:
                    yield (i, j), gene.strand, transcript


def _with(genes: Sequence[Gene], changed: _Changed) -> list[Gene]:
    """The genes with their changed transcripts; none is shorter than its transcripts."""
    result = list(genes)
    for (i, j), new in changed.items():
        gene = result[i]
        result[i] = replace(
            gene,
            start=min(gene.start, new.start),
            end=max(gene.end, new.end),
            transcripts=(*gene.transcripts[:j], new, *gene.transcripts[j + 1 :]),
        )
    return result


def _disagreeing(genes: Sequence[Gene], changed: _Changed) -> Iterator[str]:
    """IDs of transcripts that had other phases, not just none."""
    for (i, j), new in changed.items():
        old = genes[i].transcripts[j].cds
        if any(a[2] not in (b[2], UNKNOWN_PHASE) for a, b in zip(old, new.cds, strict=True)):
            yield new.id
