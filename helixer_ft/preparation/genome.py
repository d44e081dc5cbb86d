"""One genome with its annotation: opened, labelled sequence by sequence, surveyed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Annotation, Gene
from helixer_ft.genome.fasta import Fasta, open_fasta
from helixer_ft.genome.mending import read_genes
from helixer_ft.genome.predicted import refuse_predictions
from helixer_ft.preparation.labels import (
    SequenceClasses,
    SequenceLabels,
    classify_sequence,
    label_sequence,
)
from helixer_ft.preparation.pieces import Piece
from helixer_ft.preparation.report import Content
from helixer_ft.preparation.request import DEFAULT_UTR_FLANK, PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.preparation.survey import SequenceSurvey, survey_sequence
from helixer_ft.preparation.usability import refuse_untrusted
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import ahead

BASES_AT_ONCE = 2**25
"""Bases of the sequences whose labels are in memory at a time; one sequence may have more."""
_LEAST_SIZE = 2**16
"""What the shortest sequence counts for, as it takes more memory than its bases."""

Labels = TypeVar("Labels", bound=SequenceClasses)


class Amend(Protocol):
    """Changes the labels of a sequence, given its name; any thread may call it."""

    def __call__(self, seqid: str, labels: Labels) -> Labels: ...


@dataclass(frozen=True)
class Genome:
    """A genome and its genes.

    Attributes
    ----------
    sample
        Where it comes from.
    fasta
        Its sequences.
    lengths
        Those that are used -> bp, in the order of the file.
    annotation
        None: no labels.
    request
        How it is to be labelled.
    amend
        What masks more of them. None: nothing.
    bases_at_once
        Of the sequences whose labels are in memory at a time; one sequence may have more.
    """

    sample: Sample
    fasta: Fasta
    lengths: Mapping[str, int]
    annotation: Annotation | None
    request: PrepareRequest
    amend: Amend | None = None
    bases_at_once: int = BASES_AT_ONCE

    def genes(self, seqid: str) -> Sequence[Gene]:
        """The genes of a sequence."""
        return () if self.annotation is None else self.annotation.genes.get(seqid, ())

    def is_annotated(self, seqid: str) -> bool:
        """Whether a sequence has a coding gene."""
        return any(gene.coding for gene in self.genes(seqid))

    def has_trusted_gene(self, seqid: str) -> bool:
        """Whether a sequence has a coding gene that is labelled."""
        return any(gene.coding and gene.trusted for gene in self.genes(seqid))

    @property
    def row_order(self) -> list[str]:
        """Sequences in the order of Helixer's files: without annotation that of the FASTA."""
        if self.annotation is None:
            return list(self.lengths)
        return sorted(
            self.lengths, key=lambda name: (-self.lengths[name], not self.is_annotated(name))
        )


@dataclass(frozen=True)
class Survey:
    """What labelling a genome yields, per piece.

    Attributes
    ----------
    pieces
        Of the genome.
    sequences
        Sequence name -> what is in it; `counts` are of its pieces, in their order.
    """

    pieces: Mapping[str, Sequence[Piece]]
    sequences: Mapping[str, SequenceSurvey]

    def valid_counts(self, pieces: Iterable[Piece]) -> np.ndarray:
        """(pieces, 4) valid bases per genic class."""
        return np.array([self.content([piece]).valid_bases for piece in pieces]).reshape(-1, 4)

    def content(self, parts: Iterable[Piece]) -> Content:
        """What is in some stretches that are made of whole pieces."""
        counts = np.zeros((2, 4), np.int64)
        genes = []
        for part in parts:
            found = self.sequences[part.seqid]
            for piece, own in zip(self.pieces[part.seqid], found.counts, strict=True):
                if part.start <= piece.start and piece.end <= part.end:
                    counts += own
            genes += [gene for gene in found.genes if part.start <= gene.start < part.end]
        return Content(counts[0], counts[1], tuple(genes))


def open_genome(
    sample: Sample,
    request: PrepareRequest,
    trusted: frozenset[str] | None,
    scratch: Path,
    stack: ExitStack,
    progress: Progress,
) -> Genome:
    """Read FASTA and annotation.

    Parameters
    ----------
    sample, request
        What is asked for.
    trusted
        IDs of the genes to trust; None: all.
    scratch
        Folder whose file system takes the uncompressed bases.
    stack
        Closes the FASTA.
    progress
        Reports what is read.

    Raises
    ------
    InputError
        Files that cannot be used; nothing left after `--exclude`; no coding gene, none of the
        trusted ones, or none that can be trusted; predictions that are not said to be some.
    """
    fasta = stack.enter_context(open_fasta(sample.fasta, scratch=scratch, progress=progress))
    lengths = {name: n for name, n in fasta.lengths.items() if name not in request.exclude}
    if not lengths:
        raise InputError(f"{sample.fasta}: --exclude leaves no sequence, expected some.")
    if sample.gff3 is None:
        return Genome(sample, fasta, lengths, None, request)
    if not request.labels_are_predictions:
        refuse_predictions(sample.gff3)
    annotation = read_genes(
        sample.gff3,
        fasta,
        exclude=request.exclude,
        trusted=trusted,
        strict=request.strict,
        progress=progress,
    )
    refuse_untrusted(sample.gff3, (gene for own in annotation.genes.values() for gene in own))
    return Genome(sample, fasta, lengths, annotation, request)


def labelled(
    genome: Genome, seqids: Iterable[str], pool: Executor
) -> Iterator[tuple[str, np.ndarray, SequenceLabels | None]]:
    """Yield (name, bases, labels) of sequences in turn; let go of them before asking for more."""

    def work(seqid: str) -> tuple[np.ndarray, SequenceLabels | None]:
        bases = genome.fasta.read(seqid)
        if genome.annotation is None:
            return bases, None
        return bases, _amended(genome, seqid, bases, label_sequence)

    for seqid, found in ahead(pool, work, seqids, size=_size(genome), budget=genome.bases_at_once):
        bases, labels = found
        del found
        yield seqid, bases, labels
        del bases, labels


def survey(genome: Genome, pieces: Sequence[Piece], pool: Executor, progress: Progress) -> Survey:
    """Label every sequence once, and count.

    Parameters
    ----------
    genome
        With annotation.
    pieces
        Of it; each of its sequences must have one.
    pool
        Does the work.
    progress
        Reports the bases.
    """
    by_sequence: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_sequence.setdefault(piece.seqid, []).append(piece)

    def work(seqid: str) -> SequenceSurvey:
        labels = _amended(genome, seqid, genome.fasta.read(seqid), classify_sequence)
        return survey_sequence(labels, genome.genes(seqid), by_sequence[seqid])

    results = ahead(pool, work, by_sequence, size=_size(genome), budget=genome.bases_at_once)
    task = f"labelling {genome.sample.species}"
    total = sum(map(genome.lengths.__getitem__, by_sequence))
    found = progress.track(task, total, results, "bases", lambda item: genome.lengths[item[0]])
    return Survey(by_sequence, dict(found))


def _size(genome: Genome) -> Callable[[str], int]:
    return lambda seqid: max(_LEAST_SIZE, genome.lengths[seqid])


def _amended(genome: Genome, seqid: str, bases: np.ndarray, label: Callable[..., Labels]) -> Labels:
    request = genome.request
    flank = DEFAULT_UTR_FLANK if request.utr_flank is None else request.utr_flank
    labels = label(bases, genome.genes(seqid), missing_utr=request.missing_utr, utr_flank=flank)
    return labels if genome.amend is None else genome.amend(seqid, labels)
