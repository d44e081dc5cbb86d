"""Predicted genes and their genome -> scores that need no reference."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import check_input_file
from helixer_ft.genes.evaluate import check_seqids, left_out, left_out_dict, reader_notices
from helixer_ft.genes.intron_support import IntronSupport, supported_introns
from helixer_ft.genes.label_free_request import LabelFreeRequest
from helixer_ft.genes.label_free_scores import COUNTS, SCORES, Estimate, Score, estimates
from helixer_ft.genes.open_reading_frames import OpenReadingFrames
from helixer_ft.genes.stretches import Stretch, read_stretches
from helixer_ft.genes.structures import GeneStructure, Selection, select
from helixer_ft.genes.tallies import Blocks, Introns, Tally, introns_within
from helixer_ft.genome.annotation import Annotation
from helixer_ft.genome.fasta import Fasta, open_fasta
from helixer_ft.genome.filters import read_filters
from helixer_ft.genome.gff3 import OTHER_LENGTH, WHAT
from helixer_ft.genome.mending import read_genes
from helixer_ft.genome.notices import some
from helixer_ft.metrics import PairedBootstrap
from helixer_ft.progress import Progress

Places = Mapping[str, Sequence[Stretch]]
"""Sequence -> its stretches on which genes are scored."""
FEW_COMPLETE = 0.2
"""Share of complete ORFs below which the genes may be those of another genome."""


@dataclass(frozen=True)
class GeneSet:
    """The genes of one file and their scores.

    Attributes
    ----------
    path
        The file.
    filters
        What the genes were selected by, as the file says.
    selection
        The genes, and what was left out.
    frames
        Completeness of the coding transcripts.
    counts
        `COUNTS` -> over all sequences.
    scores
        Name -> score, with its interval.
    differences
        The same less the scores of the first file; empty for that one.
    """

    path: Path
    filters: tuple[str, ...]
    selection: Selection
    frames: OpenReadingFrames
    counts: Mapping[str, int]
    scores: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]

    def to_dict(self, scores: Sequence[Score]) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "path": str(self.path),
            "genes": len(self.selection.genes),
            "transcripts": self.selection.transcripts,
            "filters": list(self.filters),
            "scores": {
                score.name: self.scores[score.name].to_dict()
                | {
                    "part": self.counts[score.part],
                    "whole": self.counts[score.whole],
                    "was_filter": score.spoilt_by(self.filters),
                }
                for score in scores
            },
            "differences": {
                name: estimate.to_dict("difference") for name, estimate in self.differences.items()
            },
            "open_reading_frames": asdict(self.frames)
            | {"complete_share": self.frames.complete_share},
            "left_out": left_out_dict(self.selection),
        }


@dataclass(frozen=True)
class LabelFreeScores:
    """Sets of genes side by side.

    Attributes
    ----------
    request
        What was asked.
    seqids, bases
        The sequences scored, and their bp.
    blocks, block_bases
        Genome blocks that are resampled, and their bp.
    scores
        Which there are.
    sets
        One per file.
    support
        Introns that reads support; None without reads.
    notices, warnings
        What the user should know.
    """

    request: LabelFreeRequest
    seqids: tuple[str, ...]
    bases: int
    blocks: int
    block_bases: int
    scores: tuple[Score, ...]
    sets: tuple[GeneSet, ...]
    support: IntronSupport | None
    notices: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        reads = None
        if self.support is not None:
            reads = {
                "files": [file.to_dict() for file in self.support.files],
                "min_reads": self.request.min_reads,
                "min_overhang": self.request.min_overhang,
                "supported_introns": self.support.total,
            }
        return {
            "predicted": [own.to_dict(self.scores) for own in self.sets],
            "sequences": list(self.seqids),
            "split": None if self.request.split is None else str(self.request.split),
            "bases": self.bases,
            "blocks": self.blocks,
            "block_bases": self.block_bases,
            "reads": reads,
            "says": {score.name: score.says for score in self.scores if score.says},
            "warnings": list(self.warnings),
        }


def score_without_reference(
    request: LabelFreeRequest, progress: Progress | None = None
) -> LabelFreeScores:
    """Score predicted genes by what shows without a reference.

    Of the genome one sequence is in memory at a time; the genes of all files are.

    Raises
    ------
    InputError
        Files that cannot be used, without coding genes, of another genome; a name of `seqids` that
        the genome does not have; reads of another genome, or not sorted.
    """
    progress = progress or Progress()
    for path in request.predicted:
        check_input_file(path, WHAT)
    notices: list[str] = []
    warnings: list[str] = []
    with open_fasta(request.fasta, progress=progress) as genome:
        check_seqids(request.seqids, genome)
        places = _places(request, genome)
        seqids = tuple(places)
        selections = []
        for path in request.predicted:
            annotation = read_genes(path, genome, progress=progress)
            selections.append(_within(select(annotation, places), places))
            same = [n for n in annotation.notices if n.kind != OTHER_LENGTH]
            notices += [*reader_notices(path, same), *left_out(path, selections[-1])]
            warnings += _other_lengths(path, annotation)
        _check_some(request.predicted, selections, seqids, warnings)
        support = None
        if request.bams:
            support = supported_introns(request, genome, seqids, progress, warnings.append)
            support = _support_within(support, places)
        blocks = Blocks.over([one for own in places.values() for one in own])
        tallies = _tallies(selections, genome, places, blocks, support, progress)
    warnings += _few_complete(request.predicted, tallies)
    scores = tuple(score for score in SCORES if support is not None or not score.reads)
    drawn = PairedBootstrap([tally.counts for tally in tallies], range(blocks.n))
    sets = [
        GeneSet(
            path=path,
            filters=read_filters(path),
            selection=selection,
            frames=tally.frames,
            counts=dict(zip(COUNTS, map(int, tally.counts.sum(axis=0)), strict=True)),
            scores=estimates(drawn, scores, i),
            differences=estimates(drawn, scores, i, baseline=0) if i else {},
        )
        for i, (path, selection, tally) in enumerate(
            zip(request.predicted, selections, tallies, strict=True)
        )
    ]
    return LabelFreeScores(
        request=request,
        seqids=seqids,
        bases=blocks.total,
        blocks=blocks.n,
        block_bases=blocks.size,
        scores=scores,
        sets=tuple(sets),
        support=support,
        notices=tuple(notices),
        warnings=tuple(warnings),
    )


def _tallies(
    selections: Sequence[Selection],
    genome: Fasta,
    places: Places,
    blocks: Blocks,
    support: IntronSupport | None,
    progress: Progress,
) -> list[Tally]:
    """Count the genes of all files, one sequence in memory at a time."""
    tallies = [Tally(blocks) for _ in selections]
    by_sequence: list[dict[str, list[GeneStructure]]] = [{} for _ in selections]
    for selection, own in zip(selections, by_sequence, strict=True):
        for gene in selection.genes:
            own.setdefault(gene.seqid, []).append(gene)
    for seqid in progress.track("scoring genes", len(places), places, "sequences"):
        bases = genome.read(seqid)
        for one in places[seqid]:
            introns = None if support is None else introns_within(support.introns[seqid], one)
            for tally, own in zip(tallies, by_sequence, strict=True):
                there = [gene for gene in own.get(seqid, []) if one.holds(*gene.span)]
                tally.add(one.name, bases, there, introns)
    return tallies


def _places(request: LabelFreeRequest, genome: Fasta) -> Places:
    """Where genes are scored, in the order of the genome."""
    if request.split is None:
        lengths = genome.lengths.items()
        wanted = frozenset(request.seqids)
        return {n: [Stretch(n, 0, size)] for n, size in lengths if not wanted or n in wanted}
    places: dict[str, list[Stretch]] = {}
    for one in read_stretches(request.split, genome.lengths):
        places.setdefault(one.seqid, []).append(one)
    return places


def _within(selection: Selection, places: Places) -> Selection:
    """The genes that lie on the stretches as a whole."""
    genes = tuple(
        gene
        for gene in selection.genes
        if any(one.holds(*gene.span) for one in places.get(gene.seqid, ()))
    )
    return replace(selection, genes=genes)


def _support_within(support: IntronSupport, places: Places) -> IntronSupport:
    """The introns that lie on the stretches."""
    introns: dict[str, Introns] = {}
    for seqid, own in support.introns.items():
        parts = [introns_within(own, one) for one in places[seqid]]
        introns[seqid] = {s: np.concatenate([part[s] for part in parts]) for s in own}
    return replace(support, introns=introns)


def _check_some(
    paths: Sequence[Path],
    selections: Sequence[Selection],
    seqids: Sequence[str],
    warnings: list[str],
) -> None:
    """Refuse files none of which has genes on the sequences; name those that have none there."""
    empty = [path for path, own in zip(paths, selections, strict=True) if not own.genes]
    if len(empty) == len(paths):
        raise InputError(
            f"{some(list(map(str, paths)))}: no coding gene on {some(seqids)}, expected some. "
            "Name other sequences with --seqids, or leave it out."
        )
    warnings += [f"{path}: has no coding gene on the sequences scored" for path in empty]


def _other_lengths(path: Path, annotation: Annotation) -> list[str]:
    """Warn of sequences that are not as long as the file says."""
    return [
        f"{path}: is it of this genome? {notice.count:,} sequence(s) have another length there "
        f"than in the genome ({notice.example})"
        for notice in annotation.notices
        if notice.kind == OTHER_LENGTH
    ]


def _few_complete(paths: Sequence[Path], tallies: Sequence[Tally]) -> list[str]:
    """Warn of genes that hardly ever have an ORF: they may be those of another assembly."""
    return [
        f"{path}: is it of this genome? Only {tally.frames.complete:,} of "
        f"{tally.frames.transcripts:,} transcripts have a complete open reading frame there"
        for path, tally in zip(paths, tallies, strict=True)
        if tally.frames.complete < FEW_COMPLETE * tally.frames.transcripts
    ]
