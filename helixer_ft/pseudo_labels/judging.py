"""Every candidate looked at from all sides: structure, copies, confidence, reads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Annotation
from helixer_ft.genome.codons import spliced
from helixer_ft.genome.fasta import Fasta
from helixer_ft.genome.mending import read_genes
from helixer_ft.preparation.labels import INTERGENIC
from helixer_ft.progress import Progress
from helixer_ft.pseudo_labels.candidates import Candidate, by_sequence, candidates_of
from helixer_ft.pseudo_labels.confidence import STRANDS, ConfidentIntergenic, SequenceScores
from helixer_ft.pseudo_labels.evidence import Junctions, compare_with_reads
from helixer_ft.pseudo_labels.families import families, words
from helixer_ft.pseudo_labels.gate import (
    REASONS,
    canonical_share,
    on_both_strands,
    structure_faults,
)
from helixer_ft.pseudo_labels.probabilities import GenomeProbabilities
from helixer_ft.pseudo_labels.request import PseudoLabelRequest

FEW_CANONICAL, SOME_CANONICAL = 0.75, 0.9
"""Share of canonical introns below which the genes are refused, and warned of."""
_WHAT_TO_DO = (
    "The model does not know this genome. Take the model of another lineage, adapt it to the "
    "genome first (helixer-ft adapt), or label some genes and use helixer-ft prepare."
)

_OR_ALL = " Or label all genes (--genes all), as enough of them pass the rules of structure."


class UselessPredictionsError(InputError):
    """HelixerPost's genes are none, or guesses: no choice among them helps."""


@dataclass(frozen=True)
class Judged:
    """The candidates of a genome.

    Attributes
    ----------
    annotation
        All genes of HelixerPost.
    candidates
        Those that are judged.
    canonical, introns
        Of all candidates: canonical introns, and all.
    mean_intergenic
        Mean probability of intergenic over the genome, both strands.
    """

    annotation: Annotation
    candidates: list[Candidate]
    canonical: int
    introns: int
    mean_intergenic: float

    @property
    def failed(self) -> dict[str, int]:
        """Word of `REASONS` -> genes that fail the gate for it, most first."""
        return dict(Counter(fault for one in self.candidates for fault in one.faults).most_common())


def judge(
    request: PseudoLabelRequest,
    genes: Path,
    fasta: Fasta,
    probabilities: GenomeProbabilities,
    intergenic: ConfidentIntergenic,
    junctions: Junctions | None,
    progress: Progress,
) -> Judged:
    """Read HelixerPost's genes, and judge them one sequence at a time.

    Parameters
    ----------
    request
        What is asked for.
    genes
        HelixerPost's GFF3.
    fasta, probabilities
        The genome, and what was predicted of it.
    intergenic
        Is told where intergenic is confident.
    junctions
        Introns of reads; None: no reads.
    progress
        Reports the bases.

    Raises
    ------
    InputError
        No gene, or genes that are not worth it: see `refuse_poor_genes`.
    """
    if not _has_gene(genes):
        raise UselessPredictionsError(
            f"{request.fasta}: HelixerPost made no gene of the predictions, expected some. "
            f"{_WHAT_TO_DO}"
        )
    annotation = read_genes(genes, fasta, exclude=request.exclude, progress=progress)
    candidates = candidates_of(annotation)
    per_sequence = by_sequence(candidates)
    sketches: list[np.ndarray] = []
    canonical = introns = bases_seen = 0
    total = 0.0
    lengths = {name: fasta.lengths[name] for name in annotation.genes}
    tracked = progress.track(
        "judging genes", sum(lengths.values()), lengths, "bases", lengths.__getitem__
    )
    for seqid in tracked:
        own = per_sequence.get(seqid, [])
        found = _look_at(fasta.read(seqid), own, request.min_cds) if own else ((0, 0), [])
        (ok, all_of_them), words_of = found
        canonical, introns = canonical + ok, introns + all_of_them
        sketches += words_of
        scores = _score(request, seqid, own, probabilities, intergenic)
        total, bases_seen = total + scores.intergenic, bases_seen + scores.bases
        if junctions is not None:
            compare_with_reads(junctions, seqid, own)
    _count_copies(candidates, families(sketches), request.max_copies)
    judged = Judged(annotation, candidates, canonical, introns, total / max(1, bases_seen))
    refuse_poor_genes(judged, request, progress)
    return judged


def refuse_poor_genes(judged: Judged, request: PseudoLabelRequest, progress: Progress) -> None:
    """Refuse genes that would teach more wrong than right.

    Raises
    ------
    InputError
        Too few canonical introns, or too few genes that pass.
    """
    share = judged.canonical / judged.introns if judged.introns else 1.0
    text = (
        f"{share:.1%} of the {judged.introns:,} introns of HelixerPost's genes are canonical "
        "(GT-AG, GC-AG, AT-AC)"
    )
    if share < FEW_CANONICAL:
        raise UselessPredictionsError(
            f"{request.fasta}: {text}, expected at least {FEW_CANONICAL:.0%}: splice sites are "
            f"guesses. {_WHAT_TO_DO}"
        )
    if share < SOME_CANONICAL:
        progress.warning(
            f"{text}; in well predicted genomes {SOME_CANONICAL:.0%} and more are: look at the "
            "genes that are kept before training on them"
        )
    least = request.confidence("min_confidence")
    passed = [
        one
        for one in judged.candidates
        if one.passes and (one.is_supported or one.confidence >= least)
    ]
    if len(passed) >= request.min_genes:
        return
    n_passing = sum(one.passes for one in judged.candidates)
    unsure = n_passing - len(passed)
    reasons = judged.failed | ({"below_min_confidence": unsure} if unsure else {})
    why = "; ".join(f"{n:,} for {REASONS[reason]} ({reason})" for reason, n in reasons.items())
    rest = f" Genes fail, some for several reasons: {why}." if why else ""
    raise InputError(
        f"{request.fasta}: only {len(passed):,} of {len(judged.candidates):,} genes of HelixerPost "
        f"pass, expected at least {request.min_genes:,}.{rest} {_WHAT_TO_DO}"
        f"{_OR_ALL if n_passing >= request.min_genes else ''}"
    )


def _look_at(
    bases: np.ndarray, candidates: Sequence[Candidate], min_cds: int
) -> tuple[tuple[int, int], list[np.ndarray]]:
    """Give the candidates of a sequence their faults; returns its canonical introns, all introns,
    and the words of each coding sequence.
    """
    both = on_both_strands(candidates)
    sketches = []
    for i, one in enumerate(candidates):
        faults = structure_faults(bases, one, min_cds)
        one.faults = (*faults, *(["overlaps_other_strand"] if i in both else []))
        sketches.append(words(spliced(bases, one.gene.strand, one.cds)))
    return canonical_share(bases, candidates), sketches


def _score(
    request: PseudoLabelRequest,
    seqid: str,
    candidates: Sequence[Candidate],
    probabilities: GenomeProbabilities,
    intergenic: ConfidentIntergenic,
) -> SequenceScores:
    scores = SequenceScores(candidates)
    least = request.confidence("intergenic_confidence")
    for part in probabilities.parts(seqid):
        scores.add(part)
        for strand in STRANDS:
            sure = getattr(part, strand)[:, INTERGENIC] >= least
            intergenic.write(seqid, strand, part.start, sure)
    scores.finish()
    return scores


def _count_copies(candidates: Sequence[Candidate], numbers: Sequence[int], max_copies: int) -> None:
    copies: Mapping[int, int] = Counter(numbers)
    for one, number in zip(candidates, numbers, strict=True):
        one.family, one.copies = number, copies[number]
        if one.copies > max_copies:
            one.faults = (*one.faults, "many_copies")


def _has_gene(path: Path) -> bool:
    with open(path, "rb") as file:
        return any(line.split(b"\t", 3)[2:3] == [b"gene"] for line in file)
