"""From trained models and a genome without annotation to training data.

The models predict the genome, HelixerPost makes genes of the predictions, and those genes become
labels: all that reads do not contradict or, where asked for, those that pass rules of structure and
that the models are sure of, or that reads support. Of the genome one sequence is in memory at a
time, of the predictions a few windows.

Several processes share the predictions. All else is done by the first one, for which the others
wait.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats import atomic
from helixer_ft.formats.data_names import POOL_SIZE
from helixer_ft.formats.label_source import PREDICTIONS, LabelSource, SourceFile, Teacher
from helixer_ft.formats.predictions_h5 import PredictionsFile
from helixer_ft.genome.fasta import Fasta, open_fasta
from helixer_ft.inference.estimate import PlannedPrediction
from helixer_ft.inference.gff3 import find_helixerpost
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.preparation.pieces import Piece
from helixer_ft.preparation.split import Split
from helixer_ft.preparation.windows import count_rows
from helixer_ft.progress import Progress
from helixer_ft.pseudo_labels import tables
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.confidence import ConfidentIntergenic
from helixer_ft.pseudo_labels.estimate import estimate_labels
from helixer_ft.pseudo_labels.evidence import Junctions, read_junctions
from helixer_ft.pseudo_labels.judging import Judged, UselessPredictionsError, judge
from helixer_ft.pseudo_labels.labelling import Labelled, check_outputs, label, write
from helixer_ft.pseudo_labels.outcome import PlannedLabels, PseudoLabels
from helixer_ft.pseudo_labels.predicting import Predicting, version_of
from helixer_ft.pseudo_labels.previous import (
    PreviousRound,
    check_previous,
    compare_rounds,
    read_previous,
    reads_key,
)
from helixer_ft.pseudo_labels.probabilities import GenomeProbabilities
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.pseudo_labels.selection import select, select_all
from helixer_ft.pseudo_labels.splitting import assign, split_genome
from helixer_ft.pseudo_labels.teachers import Teachers
from helixer_ft.runtime.parallel import default_threads
from helixer_ft.runtime.processes import Processes, Together
from helixer_ft.training.run_lock import run_lock


def pseudo_label(
    request: PseudoLabelRequest,
    progress: Progress | None = None,
    *,
    processes: Processes | None = None,
) -> PseudoLabels | PlannedLabels | None:
    """Make training and validation data of a genome's predictions; see `PseudoLabelRequest`.

    The files appear together once all are complete. Predictions are kept until then.

    Parameters
    ----------
    request
        What is asked for.
    progress
        Reports the work.
    processes
        Those that share the predictions; all else the first one does. None: this one alone.

    Returns
    -------
    PseudoLabels or PlannedLabels or None
        What was labelled; of a dry run, what would be done; None in all processes but the first.

    Raises
    ------
    InputError
        Files or options that cannot be used; genes that are not worth training on; processes that
        do not do the same.
    HelixerFtError
        Writing failed, or HelixerPost did.
    Interrupted
        `progress` said so, here or in another process; what was predicted is kept.
    """
    started = time.perf_counter()
    processes = processes or Processes()
    together = Together(progress or Progress(), processes)
    if processes.is_first:
        atomic.check_folder(request.out_dir)
        check_outputs(request)
    teachers = Teachers(request, _models(request))
    if processes.count > 1:
        processes.require_same(teachers.alike())
    outcome = None
    if processes.is_first:
        outcome = _work(teachers, together, processes)
    elif request.dry_run:
        teachers.plan(together, processes)
    else:
        teachers.predict(together, processes)
    processes.gather("", together.pass_on_a_stop)  # the others end when the files are there
    if isinstance(outcome, PseudoLabels):
        return replace(outcome, seconds=time.perf_counter() - started)
    return outcome


def _work(
    teachers: Teachers, progress: Together, processes: Processes
) -> PseudoLabels | PlannedLabels:
    """All that the first process does."""
    request = teachers.request
    predicting = Predicting(teachers, find_helixerpost("pseudo-label"))
    previous = None if request.previous is None else read_previous(request.previous)
    scratch = atomic.existing_folder(request.out_dir)
    with open_fasta(request.fasta, scratch=scratch, progress=progress) as fasta:
        lengths = _lengths(request, fasta)
        if previous is not None:
            check_previous(previous, teachers.fasta.sha256, teachers.models, lengths)
        junctions = None
        if request.bams:
            junctions = read_junctions(request, fasta, list(lengths), progress, progress.warning)
        if request.dry_run:
            predicting.check()
            planned = teachers.plan(progress, processes)
            return _planned(predicting, planned, fasta, lengths, junctions)
        with _held(request.out_dir, progress):
            predicting.begin(progress)
            predicting.run(fasta, lengths, progress, processes)
            with _predictions_kept(predicting, progress):
                outcome = _label(predicting, fasta, lengths, junctions, previous, progress)
            shutil.rmtree(predicting.folder)
    return outcome


def _models(request: PseudoLabelRequest) -> tuple[TrainedModel, ...]:
    models = tuple(load_model(path) for path in request.load_model_paths)
    for model, path in zip(models, request.load_model_paths, strict=True):
        if not model.architecture.has_phase:
            raise InputError(
                f"{path}: predicts no phase, without which HelixerPost makes no genes. Take a "
                "model that does: all that Helixer offers since version 0.3 do."
            )
        if model.architecture.coverage_channels:
            raise InputError(
                f"{path}: takes coverage in addition to the bases, which a genome has not. Take a "
                "model without coverage, and give the reads with --bam."
            )
    hashes = [model.file.sha256 for model in models]
    if len(set(hashes)) < len(hashes):
        raise InputError("-l names two copies of one model. Give each model once.")
    return models


def _lengths(request: PseudoLabelRequest, fasta: Fasta) -> dict[str, int]:
    """Sequence -> bp of those that are used."""
    unknown = [name for name in request.exclude if name not in fasta.lengths]
    if unknown:
        some = ", ".join(list(fasta.lengths)[:5]) + (", ..." if len(fasta.lengths) > 5 else "")
        raise InputError(
            f"--exclude: no sequence is named {', '.join(map(repr, unknown))}, expected names in "
            f"the FASTA: {some}"
        )
    lengths = {name: n for name, n in fasta.lengths.items() if name not in request.exclude}
    longest = max(lengths.values(), default=0)
    if not lengths:
        raise InputError(f"{request.fasta}: --exclude leaves no sequence, expected some.")
    if longest < request.subsequence_length:
        fits = max(POOL_SIZE, longest // POOL_SIZE * POOL_SIZE)
        raise InputError(
            f"{request.fasta}: no sequence is as long as a window: the longest has {longest:,} bp, "
            f"expected at least {request.subsequence_length:,} (--subsequence-length). Give a "
            f"better assembly; or a --subsequence-length of at most {fits}, if genes fit into that."
        )
    return lengths


def _planned(
    predicting: Predicting,
    planned: Mapping[int, PlannedPrediction],
    fasta: Fasta,
    lengths: Mapping[str, int],
    junctions: Junctions | None,
) -> PlannedLabels:
    length = predicting.request.subsequence_length
    windows = sum(count_rows(n, length) for n in lengths.values())
    every = sum(fasta.lengths.values())
    return PlannedLabels(
        request=predicting.request,
        sequences=len(lengths),
        bases=sum(lengths.values()),
        windows=windows,
        helixerpost=version_of(predicting.helixerpost),
        junctions=junctions,
        estimate=estimate_labels(predicting, planned, every, windows),
    )


def _label(
    predicting: Predicting,
    fasta: Fasta,
    lengths: Mapping[str, int],
    junctions: Junctions | None,
    previous: PreviousRound | None,
    progress: Progress,
) -> PseudoLabels:
    """Judge the genes, choose, label and write."""
    request, genes = predicting.request, predicting.genes
    probabilities = GenomeProbabilities(PredictionsFile(predicting.average), lengths)
    with ExitStack() as stack:
        intergenic = stack.enter_context(ConfidentIntergenic(lengths, predicting.folder))
        pool = ThreadPoolExecutor(request.threads or default_threads(), "label")
        stack.callback(pool.shutdown, cancel_futures=True)
        judged = judge(request, genes, fasta, probabilities, intergenic, junctions, progress)
        split = previous.split if previous is not None else _split(request, judged, fasta, lengths)
        assign(split, judged.candidates)
        if request.labels_all:
            select_all(judged.candidates)
        else:
            select(
                judged.candidates, request.confidence("keep"), request.confidence("min_confidence")
            )
        labelled = label(
            *(request, genes, fasta, lengths, judged, split, intergenic, junctions),
            *(pool, progress),
        )
        source = _label_source(predicting, judged)
        outcome = _outcome(predicting, judged, split, labelled, source, junctions, previous)
        return write(outcome, labelled, source, genes, pool, progress)


def _split(
    request: PseudoLabelRequest, judged: Judged, fasta: Fasta, lengths: Mapping[str, int]
) -> Split:
    split = split_genome(
        *(lengths, judged.annotation.genes, _may_be_labelled(request, judged)),
        *(request.seed, request.subsequence_length),
    )
    names = dict.fromkeys(request.exclude)
    excluded = [(Piece(name, 0, fasta.lengths[name]), "--exclude") for name in names]
    return replace(split, left_out=split.left_out + excluded)


def _may_be_labelled(request: PseudoLabelRequest, judged: Judged) -> list[Candidate]:
    return [one for one in judged.candidates if request.labels_all or one.passes]


def _label_source(predicting: Predicting, judged: Judged) -> LabelSource:
    request = predicting.request
    return LabelSource(
        kind=PREDICTIONS,
        teachers=tuple(Teacher.of_model(model.file) for model in predicting.teachers.models),
        fasta=predicting.teachers.fasta,
        gff3=SourceFile.of(predicting.genes),
        bams=tuple(SourceFile.of(path) for path in request.bams),
        helixerpost=version_of(predicting.helixerpost),
        filters=tables.filter_names(with_reads=bool(request.bams), every=request.labels_all),
        seed=request.seed,
        counts={
            "candidates": len(judged.candidates),
            "passed": sum(one.passes for one in judged.candidates),
            "kept": sum(one.is_kept for one in judged.candidates),
        },
    )


def _outcome(
    predicting: Predicting,
    judged: Judged,
    split: Split,
    labelled: Labelled,
    source: LabelSource,
    junctions: Junctions | None,
    previous: PreviousRound | None,
) -> PseudoLabels:
    files = [model.file for model in predicting.teachers.models]
    request, first = predicting.request, previous is None
    change = None
    if previous is not None:
        reads = reads_key(source, request.strandedness, request.min_junction_reads)
        change = compare_rounds(previous, judged.candidates, reads)
    return PseudoLabels(
        request=request,
        number=1 if previous is None else previous.number + 1,
        originals=previous.originals if previous else tuple(file.sha256 for file in files),
        original_path=str(files[0].path) if first else files[0].provenance.get("base_model", ""),
        label_source=source,
        judged=judged,
        split=split,
        intergenic_share=labelled.intergenic_share,
        junctions=junctions,
        change=change,
        preparation=labelled.preparation,
    )


@contextmanager
def _held(folder: Path, progress: Progress) -> Iterator[None]:
    """Make the folder, and hold it against other processes; where nothing is left in it, it is
    gone afterwards.
    """
    new = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: the folder could not be made ({error.strerror}). Give another --out-dir."
        ) from error
    try:
        with run_lock(folder, progress, "--out-dir"):
            yield
    finally:
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()


@contextmanager
def _predictions_kept(predicting: Predicting, progress: Progress) -> Iterator[None]:
    """Where the block ends early, say that what took longest is kept."""
    try:
        yield
    except Interrupted as error:
        raise Interrupted(
            "the genome is predicted, and the predictions are kept; the labels are not made yet."
        ) from error
    except InputError as error:
        use = "the same command with --resume, and other filters, takes them up"
        if isinstance(error, UselessPredictionsError):
            use = "start again with --force and another model, as no filter makes them better"
        progress.notice(f"the predictions are kept in {predicting.folder}: {use}")
        raise
