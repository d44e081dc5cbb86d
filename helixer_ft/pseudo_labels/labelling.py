"""From judged genes to training and validation data, by the tools of `prepare`."""

import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.data_folder import refuse_other_data
from helixer_ft.formats.data_names import CHECK, CHECK_DATA, CHECK_JUNCTIONS, TRAINING, VALIDATION
from helixer_ft.formats.input_file import refuse_overwriting
from helixer_ft.formats.label_source import LabelSource
from helixer_ft.genome.annotation import Annotation
from helixer_ft.genome.fasta import Fasta
from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.preparation.genome import Genome, Survey, survey
from helixer_ft.preparation.labels import CDS, INTERGENIC, INTRON, UTR
from helixer_ft.preparation.outputs import (
    SPLIT_FILE,
    data_file,
    masked_file,
    masked_table,
    split_table,
)
from helixer_ft.preparation.pieces import Piece
from helixer_ft.preparation.prepare import report_of
from helixer_ft.preparation.report import Preparation, joined
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.preparation.split import Split
from helixer_ft.preparation.writing import Plan, write_data
from helixer_ft.progress import Progress
from helixer_ft.pseudo_labels import tables
from helixer_ft.pseudo_labels.candidates import Candidate, by_sequence
from helixer_ft.pseudo_labels.confidence import ConfidentIntergenic
from helixer_ft.pseudo_labels.evidence import Junctions
from helixer_ft.pseudo_labels.judging import Judged
from helixer_ft.pseudo_labels.masks import PseudoMasks, share_to_keep
from helixer_ft.pseudo_labels.outcome import PseudoLabels
from helixer_ft.pseudo_labels.predicting import GENES
from helixer_ft.pseudo_labels.previous import RECORD
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.pseudo_labels.selection import strata_warnings

_WRITTEN = (TRAINING, VALIDATION)
_BASES_AT_ONCE = 2**22
"""Of the sequences whose labels are in memory at a time: the network's memory is still taken."""


@dataclass(frozen=True)
class Labelled:
    """A genome with its pseudo-labels, ready to be written.

    Attributes
    ----------
    plan, preparation
        What `prepare` writes, and its report.
    intergenic_share
        Of the confident intergenic bases, what is trained on.
    """

    plan: Plan
    preparation: Preparation
    intergenic_share: float


def check_outputs(request: PseudoLabelRequest) -> None:
    """Refuse, before any work, to overwrite files, or to mix data of two runs.

    Raises
    ------
    InputError
        A file to be written is there (and `force` is false), or is read; or there are other data
        files.
    """
    if request.resume and not request.force and (request.out_dir / RECORD).exists():
        raise InputError(
            f"{request.out_dir}: the labels there are complete: there is nothing to resume. Give "
            "another --out-dir, or --force to make them again."
        )
    written = [request.out_dir / name for name in _file_names(request)]
    read = (*request.load_model_paths, request.fasta, *request.bams)
    refuse_overwriting(read, written, "--out-dir", [request.predictions])
    for path in written:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, but a file of that name is to be written.")
        atomic.refuse_existing(path, force=request.force, other="--out-dir")
    refuse_other_data(request.out_dir, [path.name for path in written])


def label(
    request: PseudoLabelRequest,
    genes: Path,
    fasta: Fasta,
    lengths: Mapping[str, int],
    judged: Judged,
    split: Split,
    intergenic: ConfidentIntergenic,
    junctions: Junctions | None,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> Labelled:
    """Label a genome by the genes that are kept, and count what is in the data.

    Parameters
    ----------
    request, genes
        What is asked for; HelixerPost's GFF3.
    fasta, lengths
        The genome, and its sequences that are used -> bp.
    judged, split
        The candidates with their outcomes, and where their stretches go.
    intergenic, junctions
        Where intergenic is confident, and introns of reads.
    pool, progress
        Does the work; reports the bases.

    Raises
    ------
    InputError
        A set lacks a class.
    """
    prepared = _as_preparation(request, genes)
    candidates = by_sequence(judged.candidates)
    kept = {seqid: [one for one in own if one.is_kept] for seqid, own in candidates.items()}
    missed = {}
    if junctions is not None:
        missed = {seqid: junctions.missed(seqid, kept.get(seqid, [])) for seqid in lengths}
    uncertain = {} if request.labels_all else kept
    masks = PseudoMasks(intergenic, uncertain, missed, seed=request.seed)
    annotation = _with_trusted(judged.annotation, judged.candidates)
    genome = Genome(
        *(prepared.samples[0], fasta, lengths, annotation, prepared, masks, _BASES_AT_ONCE)
    )
    pieces = [piece for own in split.sets.values() for piece in own]
    pieces += [piece for piece, _ in split.left_out if piece.seqid in lengths]
    found = survey(genome, pieces, pool, progress)
    sets = {name: split.sets.get(name, []) for name in _WRITTEN}
    share = 1.0
    if not request.labels_all:
        share = share_to_keep(_valid_bases(found, sets), judged.mean_intergenic)
    if share < 1:
        genome = replace(genome, amend=replace(masks, share=share))
        found = survey(genome, pieces, pool, progress)
    spliced = any(one.passes and one.introns for one in judged.candidates)
    classes = (UTR, CDS, INTERGENIC, *([INTRON] if spliced else []))
    _check_classes(found, sets, classes, request)
    plan = Plan(genome, tables.with_reasons(found, judged.candidates), sets, split)
    preparation = report_of([plan], prepared)
    lacking = strata_warnings(
        judged.candidates, request.confidence("min_confidence"), every=request.labels_all
    )
    preparation = replace(preparation, warnings=[*lacking, *preparation.warnings])
    return Labelled(plan, preparation, share)


def write(
    outcome: PseudoLabels,
    labelled: Labelled,
    source: LabelSource,
    genes: Path,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> PseudoLabels:
    """Write everything; the files appear together once all are complete.

    Returns
    -------
    PseudoLabels
        With the files.

    Raises
    ------
    HelixerFtError
        Writing failed; the folder is then as it was.
    """
    request, candidates = outcome.request, outcome.judged.candidates
    plan = replace(labelled.plan, label_source=source)
    assert plan.survey is not None, "labelled"
    with atomic.staged_folder(request.out_dir) as folder:
        write_data(plan, folder, pool, progress)
        shutil.copyfile(genes, folder / GENES)
        texts = {
            masked_file(request.genome_species): masked_table(plan.genome, plan.survey),
            SPLIT_FILE: split_table([(plan.genome, plan.survey, outcome.split)]),
            tables.GENES_FILE: tables.genes_table(candidates),
        }
        with (folder / tables.KEPT_FILE).open("w", encoding="utf-8") as kept:
            kept.writelines(tables.kept_gff3(genes, candidates, source.filters))
        if outcome.junctions is not None:
            check = outcome.split.sets.get(CHECK, [])
            write_data(_bases_of(plan, check), folder, pool, progress)
            texts[CHECK_JUNCTIONS] = tables.junctions_table(outcome.junctions, check)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
        names = sorted([path.name for path in folder.iterdir()] + [RECORD])
        outcome = replace(outcome, files=[request.out_dir / name for name in names])
        record = outcome.to_dict()
        del record["seconds"]
        (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return outcome


def _bases_of(plan: Plan, check: Sequence[Piece]) -> Plan:
    """The check stretches as bases without labels."""
    genome = plan.genome
    sample = replace(genome.sample, gff3=None)
    asked = genome.request
    request = PrepareRequest(
        samples=(sample,),
        out_dir=asked.out_dir,
        subsequence_length=asked.subsequence_length,
        threads=asked.threads,
        command_line=asked.command_line,
    )
    bare = replace(genome, sample=sample, annotation=None, request=request, amend=None)
    return Plan(bare, None, {CHECK: check})


def _file_names(request: PseudoLabelRequest) -> list[str]:
    prepared = _as_preparation(request, None)
    species = request.genome_species
    reads = [CHECK_DATA, CHECK_JUNCTIONS] if request.bams else []
    return [
        *(data_file(name, species, prepared) for name in _WRITTEN),
        *(masked_file(species), SPLIT_FILE, tables.GENES_FILE, tables.KEPT_FILE, GENES, RECORD),
        *reads,
    ]


def _as_preparation(request: PseudoLabelRequest, genes: Path | None) -> PrepareRequest:
    """The preparation of an annotation that the labels are made by."""
    return PrepareRequest(
        samples=(Sample(request.genome_species, request.fasta, genes or Path(GENES)),),
        out_dir=request.out_dir,
        subsequence_length=request.subsequence_length,
        exclude=request.exclude,
        labels_are_predictions=True,
        threads=request.threads,
        seed=request.seed,
        command_line=request.command_line,
    )


def _with_trusted(annotation: Annotation, candidates: Sequence[Candidate]) -> Annotation:
    """The annotation, in which only the genes that are kept are trusted."""
    kept = {id(one.gene) for one in candidates if one.is_kept}
    genes = {
        seqid: [
            gene
            if id(gene) in kept
            else replace(gene, trusted=False, problem=gene.problem or "untrusted")
            for gene in own
        ]
        for seqid, own in annotation.genes.items()
    }
    return Annotation(genes)


def _valid_bases(found: Survey, sets: Mapping[str, Sequence[Piece]]) -> np.ndarray:
    return joined(found.content(own) for own in sets.values()).valid_bases


def _check_classes(
    found: Survey,
    sets: Mapping[str, Sequence[Piece]],
    classes: Sequence[int],
    request: PseudoLabelRequest,
) -> None:
    """Refuse labels without a class that a model would unlearn."""
    total = _valid_bases(found, sets)
    remedies = [
        "try another --seed"
        if request.previous is None  # whose split stays
        else "begin with a first round, without --previous and with another --seed",
        "take a model that knows the genome better",
    ]
    if not request.labels_all:
        remedies.insert(
            0, "keep more (a larger --keep, a lower --min-confidence or --intergenic-confidence)"
        )
    advice = f"{', '.join(remedies[:-1])}, or {remedies[-1]}."
    for index in classes:
        counts = {name: int(found.content(own).valid_bases[index]) for name, own in sets.items()}
        lacking = [name for name, n in counts.items() if not n]
        if lacking:
            where = " and ".join(lacking)
            raise InputError(
                f"the {where} data would have no valid {GENIC_CLASSES[index]} base (of "
                f"{int(total[index]):,} in all), so that a model trained on them would lose the "
                f"ability to predict any. {advice[0].upper()}{advice[1:]}"
            )
