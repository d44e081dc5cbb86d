"""From FASTA and GFF3 to training, validation and test data.

Every sequence is labelled twice: once to count, so that the split and all advice are there before
anything is written, and once to write. Nothing per base is kept in between: memory is bounded by
the longest sequence.
"""

import json
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pysam

from helixer_ft import __version__
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.data_names import SETS
from helixer_ft.preparation import advice
from helixer_ft.preparation.genome import Genome, Survey, open_genome, survey
from helixer_ft.preparation.outputs import (
    ALL,
    REPORT_FILE,
    SPLIT_FILE,
    check_outputs,
    masked_file,
    masked_table,
    read_gene_list,
    split_table,
)
from helixer_ft.preparation.pieces import Piece, whole
from helixer_ft.preparation.report import Content, Preparation, SetReport, SpeciesReport, joined
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.split import Split, SplitSettings, draw, pieces_to_split
from helixer_ft.preparation.survey import masked_totals
from helixer_ft.preparation.usability import refuse_unusable
from helixer_ft.preparation.windows import count_rows
from helixer_ft.preparation.writing import Plan, write_data
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import default_threads

_NO_GENE = "no trusted coding gene"
_SET_OF_ROLE = {"train": "training", "validation": "validation", "test": "test"}


def prepare(request: PrepareRequest, progress: Progress | None = None) -> Preparation:
    """Prepare data; see `PrepareRequest` and docs/formats.md.

    The files appear together once all are complete.

    Returns
    -------
    Preparation
        What is in the data, and what to know before training on them.

    Raises
    ------
    InputError
        Files or options that cannot be used; a set that would lack a class.
    HelixerFtError
        Writing failed; the folder is then as it was.
    """
    started = time.perf_counter()
    progress = progress or Progress()
    atomic.check_folder(request.out_dir)
    check_outputs(request)
    trusted = None if request.genes is None else read_gene_list(request.genes)
    scratch = atomic.existing_folder(request.out_dir)
    pool = ThreadPoolExecutor(request.threads or default_threads(), "prepare")
    with ExitStack() as stack:
        stack.callback(pool.shutdown, cancel_futures=True)
        genomes = [
            open_genome(sample, request, trusted, scratch, stack, progress)
            for sample in request.samples
        ]
        _check_names(request, genomes)
        plans = [_plan(genome, pool, progress) for genome in genomes]
        preparation = report_of(plans, request)
        if not request.dry_run:
            names = _write(plans, preparation, pool, progress)
            preparation = replace(
                preparation, files=[request.out_dir / name for name in sorted(names)]
            )
    return replace(preparation, seconds=time.perf_counter() - started)


def _check_names(request: PrepareRequest, genomes: Sequence[Genome]) -> None:
    """Refuse names of sequences that are not there: a typing error would go unnoticed."""
    known = {name for genome in genomes for name in genome.fasta.lengths}
    for option, names in (
        ("--exclude", request.exclude),
        ("--validation-seqids", request.validation_seqids),
        ("--test-seqids", request.test_seqids),
    ):
        unknown = [name for name in names if name not in known]
        if unknown:
            some = ", ".join(sorted(known)[:5]) + (", ..." if len(known) > 5 else "")
            raise InputError(
                f"{option}: no sequence is named {', '.join(map(repr, unknown))}, expected names "
                f"in the FASTA: {some}"
            )
    for name in (*request.validation_seqids, *request.test_seqids):
        if not genomes[0].has_trusted_gene(name):
            raise InputError(
                f"{name}: chosen for validation or test, but it has no coding gene"
                f"{'' if request.genes is None else ' of the list'}. Choose another."
            )


def _plan(genome: Genome, pool: Executor, progress: Progress) -> Plan:
    """Survey a genome, and decide what goes where."""
    everything, request = whole(genome.lengths), genome.request
    if genome.annotation is None:
        return Plan(genome, None, {ALL: everything})
    for notice in genome.annotation.notices:
        progress.notice(f"{genome.sample.species}: {notice}")
    if not request.split:
        found = survey(genome, everything, pool, progress)
        _check_usable(genome, found)
        return Plan(genome, found, {ALL: everything})
    used = {name: n for name, n in genome.lengths.items() if genome.has_trusted_gene(name)}
    others = {name: n for name, n in genome.lengths.items() if name not in used}
    if genome.sample.role != "split":
        found = survey(genome, everything, pool, progress)
        split = Split({_SET_OF_ROLE[genome.sample.role]: whole(used)}, [])
    else:
        settings = SplitSettings(request.fractions, request.named, request.seed)
        try:
            pieces, in_blocks = pieces_to_split(
                used, genome.annotation.genes, settings, request.subsequence_length
            )
        except InputError:  # genes that cannot be used are what is wrong, if they are
            _check_usable(genome, survey(genome, everything, pool, progress))
            raise
        found = survey(genome, pieces + whole(others), pool, progress)
        split = draw(pieces, found.valid_counts(pieces), settings, in_blocks)
    _check_usable(genome, found)
    left_out = [(piece, _NO_GENE) for piece in whole(others)]
    left_out += [
        (Piece(name, 0, n), "--exclude")
        for name, n in genome.fasta.lengths.items()
        if name not in genome.lengths
    ]
    split = replace(split, left_out=split.left_out + left_out)
    return Plan(genome, found, split.sets, split)


def _check_usable(genome: Genome, found: Survey) -> None:
    """Refuse a genome without a usable gene."""
    assert genome.sample.gff3 is not None, "annotated"
    refuse_unusable(genome.sample.gff3, found.content(whole(genome.lengths)).genes)


def report_of(plans: Sequence[Plan], request: PrepareRequest) -> Preparation:
    """What the data hold, checked.

    Raises
    ------
    InputError
        A set that lacks a class.
    """
    species = [_species_report(plan) for plan in plans]
    names = [name for name in (*SETS, ALL) if any(plan.sets.get(name) for plan in plans)]
    sets = {name: _set_report(name, plans, request) for name in names}
    contents = {name: part.content for name, part in sets.items() if part.content is not None}
    warnings = []
    if contents:
        if ALL not in contents:
            _check_sets(contents)
            bases = Counter[str]()
            for report in species:
                bases.update({error: total.bases for error, total in report.masked.items()})
            reasons = [error for error, _ in bases.most_common()]
            advice.check_classes(contents, joined(contents.values()), reasons, request.missing_utr)
        for report in species:
            warnings += advice.annotation_advice(
                report, request.subsequence_length, request.missing_utr
            )
        warnings += advice.set_advice(contents, predicted=request.labels_are_predictions)
    return Preparation(
        species=species,
        sets=sets,
        settings=request.settings(),
        notices=[text for plan in plans for text in _notices(plan)],
        warnings=warnings,
        versions={
            "helixer_ft": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "h5py": h5py.__version__,
            "pysam": pysam.__version__,
        },
        command_line=request.command_line,
        dry_run=request.dry_run,
    )


def _check_sets(sets: Mapping[str, Content]) -> None:
    missing = [name for name in SETS[:2] if name not in sets]
    if missing:
        raise InputError(
            f"no sequence is left for the {' and '.join(missing)} data, expected some. Name fewer "
            "for the other sets (--validation-seqids, --test-seqids), or add genomes."
        )


def _notices(plan: Plan) -> list[str]:
    species, split = plan.genome.sample.species, plan.split
    result = [f"{species}: {text}" for text in _frame_shifts(plan)]
    if plan.genome.request.labels_are_predictions:
        result.insert(0, f"{species}: the labels are predictions, and the data files say so")
    if split is None:
        return result
    without = [piece for piece, reason in split.left_out if reason == _NO_GENE]
    if without:
        result.append(
            f"{species}: {len(without):,} sequence(s) with {_NO_GENE} "
            f"({sum(piece.length for piece in without):,} bp) are left out: there is nothing to "
            "learn from them, and scores would count them as intergenic"
        )
    if split.in_blocks:
        gap = split.smallest_gap
        apart = "" if gap is None else f", at least {gap:,} bp apart"
        result.append(
            f"{species}: too few long sequences to give each set its share, so they were cut at "
            f"intergenic gaps into blocks{apart}; {SPLIT_FILE} lists them. Blocks of one sequence "
            "are less independent than whole sequences"
        )
    return result


def _frame_shifts(plan: Plan) -> list[str]:
    """What to know of genes whose labels follow the phases of their CDS lines."""
    found = {} if plan.survey is None else plan.survey.sequences
    names = dict.fromkeys(
        (seqid, mask.gene)
        for seqid, one in found.items()
        for mask in one.masked
        if mask.error == "frame_shift"
    )
    return [
        f"genes with a CDS line whose phase departs from the count (ribosomal slippage, frame "
        f"shift), labelled as the line says and masked there: {len(names):,} (for example {name})"
        for _, name in list(names)[:1]
    ]


def _species_report(plan: Plan) -> SpeciesReport:
    genome = plan.genome
    report = SpeciesReport(genome.sample, len(genome.lengths), sum(genome.lengths.values()))
    if plan.survey is None or genome.annotation is None:
        return report
    content = plan.survey.content(whole(genome.lengths))
    sequences = plan.survey.sequences.values()
    return replace(
        report,
        annotated_sequences=sum(map(genome.is_annotated, genome.lengths)),
        content=content,
        other_genes=sum(found.other_genes for found in sequences),
        lengths=advice.gene_lengths(content.genes, genome.request.subsequence_length),
        masked=masked_totals(sequences),
        notices=genome.annotation.notices,
        split=plan.split if genome.sample.role == "split" else None,
    )


def _set_report(name: str, plans: Sequence[Plan], request: PrepareRequest) -> SetReport:
    pieces = [(plan, piece) for plan in plans for piece in plan.sets.get(name, ())]
    contents: list[Content] = [
        plan.survey.content(plan.sets.get(name, ())) for plan in plans if plan.survey is not None
    ]
    return SetReport(
        content=joined(contents) if contents else None,
        subsequences=sum(
            count_rows(piece.length, request.subsequence_length) for _, piece in pieces
        ),
        sequences=len({(id(plan), piece.seqid) for plan, piece in pieces}),
    )


def _write(
    plans: Sequence[Plan], preparation: Preparation, pool: Executor, progress: Progress
) -> list[str]:
    """Write everything; return the names of the files."""
    with atomic.staged_folder(plans[0].genome.request.out_dir) as folder:
        for plan in plans:
            write_data(plan, folder, pool, progress)
            if plan.survey is not None:
                path = folder / masked_file(plan.genome.sample.species)
                path.write_text(masked_table(plan.genome, plan.survey), "utf-8")
        splits = [
            (plan.genome, plan.survey, plan.split)
            for plan in plans
            if plan.survey is not None and plan.split is not None
        ]
        if splits:
            (folder / SPLIT_FILE).write_text(split_table(splits), "utf-8")
        names = [path.name for path in folder.iterdir()] + [REPORT_FILE]
        report = replace(preparation, files=[Path(name) for name in sorted(names)]).to_dict()
        del report["seconds"], report["dry_run"]
        (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return names
