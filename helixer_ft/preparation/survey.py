"""What labelling a sequence yields, counted: classes, masks, genes. Nothing is kept per base."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from helixer_ft.genome.annotation import Gene, Transcript
from helixer_ft.genome.intervals import joined, span
from helixer_ft.preparation.labels import Masked, SequenceClasses
from helixer_ft.preparation.pieces import Piece

_AT_ONCE = 2**20
_USABLE_SHARE = 0.5


@dataclass(frozen=True)
class GeneRecord:
    """One coding gene.

    Attributes
    ----------
    start
        In bp, on its sequence.
    length
        Span in bp, introns included, of the transcript with the longest CDS; of the gene if it is
        not trusted.
    introns
        Of that transcript; 0 if not trusted.
    trusted
        Whether it is labelled.
    usable
        Trusted, and at least half of its coding bases are valid.
    reason
        Why it is not usable, a key of `masks.ERRORS`; empty if it is.
    id, line
        Of the gene in the annotation.
    """

    start: int
    length: int
    introns: int
    trusted: bool
    usable: bool
    reason: str = field(default="", compare=False)
    id: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class SequenceSurvey:
    """One sequence, counted.

    Attributes
    ----------
    counts
        (pieces, 2, 4) bases of both strands per genic class: all, and valid ones.
    genes
        Its coding genes.
    other_genes
        Number of genes that do not code for protein.
    masked
        What was masked, and why.
    """

    counts: np.ndarray
    genes: tuple[GeneRecord, ...]
    other_genes: int
    masked: tuple[Masked, ...]


@dataclass(frozen=True)
class MaskedTotal:
    """All that one kind of error masked.

    Attributes
    ----------
    genes
        With this error.
    bases
        Masked by it, on the genes' strands; several errors may mask the same base.
    """

    genes: int
    bases: int


def survey_sequence(
    labels: SequenceClasses, genes: Sequence[Gene], pieces: Sequence[Piece]
) -> SequenceSurvey:
    """Count what is in a labelled sequence.

    Parameters
    ----------
    labels
        Of the whole sequence.
    genes
        All of the sequence's.
    pieces
        Of the sequence.
    """
    counts = np.stack([_counts(labels, piece) for piece in pieces])
    coding = [gene for gene in genes if gene.coding]
    masks: dict[str, list[Masked]] = {}
    for mask in labels.masked:
        masks.setdefault(mask.gene, []).append(mask)
    return SequenceSurvey(
        counts=counts,
        genes=tuple(_record(gene, labels, masks.get(gene.id, [])) for gene in coding),
        other_genes=sum(gene.trusted and not gene.coding for gene in genes),
        masked=labels.masked,
    )


def masked_totals(surveys: Iterable[SequenceSurvey]) -> dict[str, MaskedTotal]:
    """Genes and bases per kind of error, most bases first."""
    genes, bases = Counter[str](), Counter[str]()
    for survey in surveys:
        by_error: dict[str, list[Masked]] = {}
        for mask in survey.masked:
            by_error.setdefault(mask.error, []).append(mask)
        for error, masks in by_error.items():
            genes[error] += len({(mask.gene, mask.strand) for mask in masks})
            for strand in "+-":
                there = ((mask.start, mask.end) for mask in masks if mask.strand == strand)
                bases[error] += span(joined(there))
    return {error: MaskedTotal(genes[error], n) for error, n in bases.most_common()}


def _counts(labels: SequenceClasses, piece: Piece) -> np.ndarray:
    """(2, 4) bases per class: all, and valid ones; in parts, as counting takes 8 bytes a base."""
    result = np.zeros((2, 4), np.int64)
    for strand in (labels.plus, labels.minus):
        for start in range(piece.start, piece.end, _AT_ONCE):
            part = slice(start, min(start + _AT_ONCE, piece.end))
            codes = strand.genic[part] + np.uint8(4) * strand.valid[part]
            found = np.bincount(codes, minlength=8).reshape(2, 4)
            result += np.stack([found.sum(axis=0), found[1]])
    return result


def _record(gene: Gene, labels: SequenceClasses, masks: Sequence[Masked]) -> GeneRecord:
    record = GeneRecord(
        *(gene.start, gene.end - gene.start, 0, gene.trusted, False),
        *(gene.problem or "untrusted", gene.id, gene.line),
    )
    if not gene.trusted:
        return record
    transcript = max(gene.transcripts, key=_coding_length)
    valid = (labels.plus if gene.strand == "+" else labels.minus).valid
    learnt = sum(int(np.count_nonzero(valid[start:end])) for start, end, _ in transcript.cds)
    usable = learnt >= _USABLE_SHARE * _coding_length(transcript)
    return replace(
        record,
        length=transcript.end - transcript.start,
        introns=max(0, len(transcript.exons) - 1),
        usable=usable,
        reason="" if usable else _main_reason(transcript, masks),
    )


def _main_reason(transcript: Transcript, masks: Sequence[Masked]) -> str:
    """What masks most of a transcript's coding bases; if not its own gene, one that overlaps."""
    bases = Counter[str]()
    for mask in masks:
        bases[mask.error] += sum(
            max(0, min(end, mask.end) - max(start, mask.start)) for start, end, _ in transcript.cds
        )
    masking = +bases or Counter(["overlapping_genes"])
    return masking.most_common(1)[0][0]


def _coding_length(transcript: Transcript) -> int:
    return sum(end - start for start, end, _ in transcript.cds)
