"""From a model and a data file or a genome to a predictions file, streaming.

Rows are read and cut into windows in one thread, the network runs in another, predictions are
averaged in the caller's, and rows are compressed in a pool: a few batches and rows are in memory,
whatever the genome's size.
"""

import hashlib
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np

from helixer_ft import __version__
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.predictions_h5 import PredictionsWriter, helixer_attributes, pack
from helixer_ft.inference.batches import window_batches
from helixer_ft.inference.coverage import wanted_coverage
from helixer_ft.inference.gff3 import (
    GeneModels,
    find_helixerpost,
    scratch_folder,
    write_gene_models,
)
from helixer_ft.inference.network import (
    BatchedPrediction,
    Predict,
    choose_batch_size,
    prediction_function,
)
from helixer_ft.inference.overlap import average_windows
from helixer_ft.inference.request import DEFAULT_OUTPUT, PredictRequest
from helixer_ft.inference.source import DataFileSource, FastaSource, Source
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.coverage import track_list
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.preparation.fasta import open_fasta
from helixer_ft.preparation.parallel import ahead
from helixer_ft.preparation.request import default_threads
from helixer_ft.progress import Progress
from helixer_ft.training.coverage import CoverageWanted
from helixer_ft.training.dataset import read_ahead
from helixer_ft.training.features import even_batch_size


@dataclass(frozen=True)
class Prediction:
    """What was predicted.

    Attributes
    ----------
    request, model
        What was asked for, and the network; its coverage is known, where it takes any.
    overlap
        Of the windows; the offset is L without overlap.
    rows, windows
        Rows of the file, and windows that the network saw.
    bases
        Bases that were predicted, both strands, padding aside.
    batch_size
        Windows at once.
    seconds
        Of the whole run, gene models aside.
    genes
        Gene models, where they were asked for.
    """

    request: PredictRequest
    model: TrainedModel
    overlap: Overlap
    rows: int
    windows: int
    bases: int
    batch_size: int
    seconds: float
    genes: GeneModels | None = None

    @property
    def rate(self) -> float:
        """Bases per second, both strands counted."""
        return self.bases / self.seconds


def predict(request: PredictRequest, progress: Progress | None = None) -> Prediction:
    """Predict, and write predictions, gene models or both; a file appears once it is complete.

    Raises
    ------
    InputError
        Files or options that cannot be used.
    HelixerFtError
        Writing failed; what stood at the output before stands there still. HelixerPost failed:
        predictions that are kept are complete.
    """
    started = time.perf_counter()
    progress = progress or Progress()
    for path in (request.prediction_output_path, request.gff3_out):
        if path is not None:
            atomic.check_writable(path, force=request.force)
    helixerpost = find_helixerpost() if request.gff3_out is not None else None
    model = load_model(request.load_model_path)
    _check_model(request, model)
    coverage = wanted_coverage(request, model)
    with ExitStack() as stack:
        if request.fasta is not None:
            request.windows(request.genome_length, model.architecture.pool_size)
        source = _open_source(request, coverage, stack, progress)
        if source.coverage is not None:
            model = model.with_coverage(source.coverage, str(request.load_model_path))
            progress.notice(
                f"coverage: {track_list(source.coverage.tracks)}; prefix "
                f"{source.coverage.prefix}, normalisation {source.coverage.normalization}"
            )
        if helixerpost is not None:
            source.check_whole()
        overlap = request.windows(source.length, model.architecture.pool_size)
        if overlap.removed:
            progress.notice(
                f"the last {overlap.removed} of {overlap.length} bases of a window are not "
                f"predicted: the model pools {model.architecture.pool_size} bases (make data of a "
                "length divisible by that)"
            )
        n_windows = sum(overlap.count(n_rows) for n_rows in source.ranges)
        network = prediction_function(model, request.precision)
        run = BatchedPrediction(
            network, _batch_size(request, model, network, overlap, n_windows, progress), progress
        )
        output, scratch = request.prediction_output_path, None
        if request.gff3_out is not None:
            scratch = stack.enter_context(scratch_folder(request.gff3_out))
            output = output or scratch / DEFAULT_OUTPUT
        assert output is not None
        with (
            atomic.staged_file(output, force=request.force) as partial,
            PredictionsWriter(
                partial,
                source.n_rows,
                source.length,
                len(model.architecture.outputs),
                _attributes(request, model, source, overlap),
                shown=output,
            ) as writer,
        ):
            _write(source, overlap, run, writer, progress)
        seconds = time.perf_counter() - started
        genes = None
        if helixerpost is not None and request.gff3_out is not None and scratch is not None:
            progress.notice(f"making gene models: {helixerpost.name}")
            genes = write_gene_models(
                helixerpost,
                source.data_file(scratch),
                output,
                request.gff3_out,
                request.helixerpost,
                force=request.force,
            )
    return Prediction(
        request=request,
        model=model,
        overlap=overlap,
        rows=source.n_rows,
        windows=n_windows,
        bases=source.bases,
        batch_size=run.batch_size,
        seconds=seconds,
        genes=genes,
    )


def predicted_rows(
    source: Source, overlap: Overlap, predict_batch: Predict, batch_size: int
) -> Generator[np.ndarray, None, None]:
    """(outputs, L, 4) float32 probabilities of each row, as `data/X` has its bases.

    Reading, the network and the caller work at the same time.
    """
    source_batches = window_batches(source, overlap, batch_size)
    with (
        closing(read_ahead(lambda batch: batch, source_batches)) as batches,
        closing(read_ahead(predict_batch, batches)) as predictions,
    ):
        windows = (window for batch in predictions for window in batch)
        rows = average_windows(windows, source.ranges, overlap)
        for row, shift in zip(rows, source.shifts.tolist(), strict=True):
            yield np.roll(row, -shift, axis=1) if shift else row


def _check_model(request: PredictRequest, model: TrainedModel) -> None:
    architecture = model.architecture
    if request.predict_phase and not architecture.has_phase:
        raise InputError(
            f"{request.load_model_path}: predicts no phase, so --predict-phase cannot be kept. "
            "Leave it out."
        )
    if request.gff3_out is not None and not architecture.has_phase:
        raise InputError(
            f"{request.load_model_path}: predicts no phase, without which HelixerPost makes no "
            "gene models. Take a model that does, or leave --gff3-out out."
        )
    length, pool = request.genome_length, architecture.pool_size
    if request.fasta is not None and length % pool:
        below = length // pool * pool
        choice = f"{below} or {below + pool}" if below else str(pool)
        raise InputError(
            f"--subsequence-length is {length}, expected a multiple of {pool}, the bases that the "
            f"model pools into one step. Take {choice}."
        )


def _open_source(
    request: PredictRequest,
    wanted: CoverageWanted | None,
    stack: ExitStack,
    progress: Progress,
) -> Source:
    if request.test_data is not None:
        file = DataFile(
            request.test_data, labels=False, coverage_prefix=wanted.prefix if wanted else None
        )
        coverage = wanted.found_in([file]) if wanted else None
        return DataFileSource(file, single_rows=not request.overlap, coverage=coverage)
    assert request.fasta is not None
    fasta = open_fasta(request.fasta, scratch=request.output_folder, progress=progress)
    return FastaSource(stack.enter_context(fasta), request.genome_length, request.genome_species)


def _batch_size(
    request: PredictRequest,
    model: TrainedModel,
    network: Predict,
    overlap: Overlap,
    n_windows: int,
    progress: Progress,
) -> int:
    if request.val_test_batch_size is not None:
        return even_batch_size([n_windows], request.val_test_batch_size)
    size = choose_batch_size(
        network,
        overlap.length - overlap.removed,
        n_windows,
        coverage_channels=model.architecture.coverage_channels,
    )
    progress.notice(f"{size} windows at once (--val-test-batch-size auto)")
    return size


def _attributes(
    request: PredictRequest, model: TrainedModel, source: Source, overlap: Overlap
) -> dict[str, str | int]:
    with open(request.load_model_path, "rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    own: dict[str, str | int] = {
        "helixer_ft_version": __version__,
        "helixer_ft_command_line": request.command_line,
        "helixer_ft_overlap_offset": overlap.offset,
        "helixer_ft_core_length": overlap.core,
    }
    if request.fasta is not None:
        own["helixer_ft_species"] = request.genome_species
    if model.coverage is not None:
        own["helixer_ft_coverage"] = model.coverage.to_json()
    return own | helixer_attributes(
        model.file.config,
        n_bases_removed=overlap.removed,
        test_data_path=source.path,
        model_path=request.load_model_path,
        model_md5sum=md5,
    )


def _write(
    source: Source,
    overlap: Overlap,
    run: BatchedPrediction,
    writer: PredictionsWriter,
    progress: Progress,
) -> None:
    """Predict all rows; compress them in threads, write them in order."""
    threads = default_threads()
    per_row = source.bases / source.n_rows
    pool = ThreadPoolExecutor(threads, "compress")
    started = time.perf_counter()
    progress.start("predicting", source.n_rows)
    try:
        with closing(predicted_rows(source, overlap, run, run.batch_size)) as rows:
            packed = ahead(pool, pack, rows, budget=2 * threads)
            for done, (_, chunks) in enumerate(packed, start=1):
                writer.append(chunks)
                rate = done * per_row / (time.perf_counter() - started)
                progress.advance(note=f"{rate / 1e6:.3f} Mb/s")
    finally:
        progress.finish()
        pool.shutdown(cancel_futures=True)
