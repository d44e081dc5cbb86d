"""What a prediction would take on this machine, from a few windows of it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from helixer_ft.formats.predictions_h5 import pack
from helixer_ft.inference import resume
from helixer_ft.inference.gff3 import find_helixerpost
from helixer_ft.inference.network import BatchedPrediction, CompiledNetwork, batch_size_for
from helixer_ft.inference.predict import predicted_rows, prediction_function
from helixer_ft.inference.prepared import PreparedPrediction, prepare_prediction
from helixer_ft.inference.request import PredictRequest
from helixer_ft.inference.shares import windows_per_row
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import ahead, default_threads
from helixer_ft.runtime.processes import Processes
from helixer_ft.runtime.resources import ProcessMemory, available_disk

_TIMED_BATCHES = 3
"""Batches that are timed, after one that is not."""
INPUT_BYTES = 0.4
"""Bytes per base of `X` as data files hold it, compressed."""


@dataclass(frozen=True)
class PredictionEstimate:
    """What a prediction would take on this machine.

    Attributes
    ----------
    rows, windows
        Those that are left to be predicted, in all processes.
    processes, batch_size
        Number of processes, and windows at once in each.
    window_seconds
        One window in one process, with reading, averaging and compression.
    seconds
        All of them, without the start of the command and HelixerPost.
    memory, memory_limit
        Bytes that are used, and may be, by each process: of the accelerator where there is one.
        None: the backend does not tell.
    predictions_bytes
        Size of the predictions file.
    disk, disk_free
        Bytes that are needed while the work goes on, besides the rows that are kept, and those that
        are free.
    """

    rows: int
    windows: int
    processes: int
    batch_size: int
    window_seconds: float
    seconds: float
    memory: int | None
    memory_limit: int | None
    predictions_bytes: int
    disk: int
    disk_free: int


@dataclass(frozen=True)
class PlannedPrediction:
    """What a prediction would do.

    Attributes
    ----------
    prepared
        Its model and data, checked.
    resumed_from
        Rows of an interrupted run that would be resumed, or None.
    estimate
        What it would take.
    """

    prepared: PreparedPrediction
    resumed_from: int | None
    estimate: PredictionEstimate

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        overlap = self.prepared.overlap
        return {
            "dry_run": True,
            "estimate": asdict(self.estimate),
            "rows": self.prepared.source.n_rows,
            "windows": self.prepared.n_windows,
            "bases": self.prepared.source.bases,
            "resumed_from": self.resumed_from,
            "subsequence_length": overlap.length,
            "overlap_offset": overlap.offset,
            "core_length": overlap.core,
        }


def plan_prediction(
    request: PredictRequest,
    progress: Progress | None = None,
    *,
    processes: Processes | None = None,
) -> PlannedPrediction:
    """Check everything, and predict a few windows; no file is left.

    The statistics of `--adapt` are not measured: the time is that without them.

    Raises
    ------
    InputError
        See `predict`.
    """
    progress, processes = progress or Progress(), processes or Processes()
    with ExitStack() as stack:
        parts = stack.enter_context(resume.open_parts(request)) if processes.is_first else None
        if request.gff3_out is not None:
            find_helixerpost()
        plain = replace(request, adapt=False, batchnorm_mix=PredictRequest.batchnorm_mix)
        prepared = replace(prepare_prediction(plain, stack, progress), request=request)
        present = resume.origin(prepared)
        processes.require_same(present | resume.alike(request) | {"--dry-run": True})
        missing = np.ones(prepared.source.n_rows, bool)
        resumed_from = None
        if parts is not None and request.resume:
            kept = resume.resumed(parts, request, present, progress)
            resumed_from = kept.rows or None
            missing = kept.missing(prepared.source.n_rows)
        return PlannedPrediction(
            prepared, resumed_from, _estimate(prepared, missing, progress, processes)
        )


def _estimate(
    prepared: PreparedPrediction, missing: np.ndarray, progress: Progress, processes: Processes
) -> PredictionEstimate:
    source, request = prepared.source, prepared.request
    memory: ProcessMemory | None = ProcessMemory()
    size, timed = 1, _Timed(0.0, 0)
    if prepared.n_windows:
        network = prediction_function(prepared.model, request.precision, "own")
        if isinstance(network, CompiledNetwork):
            memory = network.forward.memory
        size = batch_size_for(
            network,
            prepared.model,
            prepared.overlap,
            [prepared.n_windows],
            request.val_test_batch_size,
            progress,
            processes,
        )
        timed = _time(prepared, BatchedPrediction(network, size, progress))
    windows = int(prepared.windows_of_rows[missing].sum())
    predictions, journals = (
        int(timed.row_bytes * (rows & ~source.skipped).sum()) for rows in (True, missing)
    )
    disk = journals + predictions
    if request.fasta is not None:
        disk += source.bases // 2  # one byte per base, of one strand
    if request.fasta is not None and request.gff3_out is not None:
        disk += int(INPUT_BYTES * source.n_rows * source.length)
    return PredictionEstimate(
        rows=int(missing.sum()),
        windows=windows,
        processes=processes.count,
        batch_size=size,
        window_seconds=timed.window_seconds,
        seconds=timed.window_seconds * windows / processes.count,
        memory=memory.peak() if memory else None,
        memory_limit=memory.in_use() + memory.available() if memory else None,
        predictions_bytes=predictions,
        disk=disk,
        disk_free=available_disk(request.output.absolute().parent),
    )


@dataclass(frozen=True)
class _Timed:
    """Seconds of a window, and bytes of a row in the predictions file."""

    window_seconds: float
    row_bytes: float


def _time(prepared: PreparedPrediction, run: BatchedPrediction) -> _Timed:
    """Predict the first rows as `predict` does, but for writing them; before, one batch is."""
    source, overlap = prepared.source, prepared.overlap
    begun = np.cumsum(windows_per_row(source.ranges, overlap))

    def rows_of(batches: int) -> int:
        """Rows in which so many batches begin."""
        last = int(np.searchsorted(begun, batches * run.batch_size))
        return min(last, len(begun) - 1) + 1

    def packed(n_rows: int) -> Iterator[int]:
        with (
            ThreadPoolExecutor(default_threads(), "compress") as pool,
            closing(predicted_rows(source, overlap, run, run.batch_size, 0, n_rows)) as rows,
        ):
            for _, chunks in ahead(pool, pack, rows, budget=2 * default_threads()):
                yield sum(map(len, chunks))

    for _ in packed(rows_of(1)):  # compiles
        pass
    n_rows = rows_of(_TIMED_BATCHES)
    started = time.perf_counter()
    sizes = list(packed(n_rows))
    seconds = time.perf_counter() - started
    return _Timed(seconds / int(begun[n_rows - 1]), float(np.mean(sizes)))
