"""From a model and a data file or a genome to a predictions file, streaming.

Rows are read and cut into windows in one thread, the network runs in another, predictions are
averaged in the caller's, and rows are compressed in a pool: a few batches and rows are in memory,
whatever the genome's size. Rows go to journals, from which an interrupted run resumes, and from
there to the predictions file when all are done.

Several processes have a share of the rows each, and do not wait for one another before all have
done theirs; then the first one writes.
"""

import json
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.errors import Interrupted
from helixer_ft.formats import atomic
from helixer_ft.formats.journal import Journal
from helixer_ft.formats.predictions_h5 import CLASSES, PredictionsWriter, pack
from helixer_ft.inference import resume
from helixer_ft.inference.batches import window_batches
from helixer_ft.inference.gene_groups import write_genes_in_groups
from helixer_ft.inference.gff3 import find_helixerpost, scratch_folder
from helixer_ft.inference.network import (
    BatchedPrediction,
    Predict,
    batch_size_for,
    prediction_function,
)
from helixer_ft.inference.outcome import Prediction
from helixer_ft.inference.overlap import average_windows, window_of_row, windows_before_row
from helixer_ft.inference.parts import Kept, Parts, check_kept, open_part
from helixer_ft.inference.prepared import PreparedPrediction, prepare_prediction
from helixer_ft.inference.request import DEFAULT_OUTPUT, PredictRequest
from helixer_ft.inference.shares import Span, shares_of
from helixer_ft.inference.source import Source
from helixer_ft.inference.windows import Overlap
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import ahead, default_threads, read_ahead
from helixer_ft.runtime.processes import Processes, Together


def predict(
    request: PredictRequest,
    progress: Progress | None = None,
    *,
    processes: Processes | None = None,
) -> Prediction:
    """Predict, and write predictions, gene models or both; a file appears once it is complete.

    Parameters
    ----------
    request
        What is asked for.
    progress
        Reports the work.
    processes
        Those that work on it, the first of which writes; None: this one alone.

    Raises
    ------
    InputError
        Files or options that cannot be used; rows of an interrupted run, and the request says
        nothing about them; processes that do not do the same.
    HelixerFtError
        Writing failed; an existing output file is unchanged. HelixerPost failed: predictions that
        are kept are complete. The rows that were predicted are kept too.
    Interrupted
        `progress` said so, here or in another process; the rows that were predicted are kept.
    """
    started = time.perf_counter()
    processes = processes or Processes()
    progress = Together(progress or Progress(), processes)
    with ExitStack() as stack:
        parts = stack.enter_context(resume.open_parts(request)) if processes.is_first else None
        makes_genes = parts is not None and request.gff3_out is not None
        helixerpost = find_helixerpost() if makes_genes else None
        scratch = None
        if parts is not None and request.gff3_out is not None:
            scratch = stack.enter_context(scratch_folder(request.gff3_out))
        prepared = prepare_prediction(request, stack, progress)
        if parts is not None:
            stack.enter_context(resume.kept(parts, prepared.source.n_rows, progress))
        job = _Job(prepared, parts, processes, progress)
        job.start()
        job.predict_share()
        seconds, genes = time.perf_counter() - started, None
        if parts is not None:
            output = request.prediction_output_path
            if scratch is not None:
                output = output or scratch / DEFAULT_OUTPUT
            assert output is not None
            if job.resumed_from is None or not resume.is_written(job.header, output):
                job.write(output, parts)
            seconds = time.perf_counter() - started
            if helixerpost is not None and request.gff3_out is not None and scratch is not None:
                progress.notice(f"making gene models: {helixerpost.name}")
                genes = write_genes_in_groups(
                    helixerpost,
                    prepared.source.data_file(scratch, request.gff3_out),
                    output,
                    request.gff3_out,
                    request.helixerpost,
                    scratch,
                    progress,
                    force=request.force,
                )
            parts.remove()
        processes.gather("", progress.pass_on_a_stop)  # the others end when the files are there
    return Prediction(
        request=request,
        model=prepared.model,
        overlap=prepared.overlap,
        rows=prepared.source.n_rows,
        windows=prepared.n_windows,
        bases=prepared.source.bases,
        batch_size=job.run.batch_size,
        seconds=seconds,
        resumed_from=job.resumed_from,
        adaptation=prepared.adaptation,
        genes=genes,
    )


def predicted_rows(
    source: Source,
    overlap: Overlap,
    predict_batch: Predict,
    batch_size: int,
    skip: int = 0,
    end: int | None = None,
) -> Generator[np.ndarray, None, None]:
    """(outputs, L, 4) float32 probabilities of each computed row, as `data/X` has its bases.

    The first `skip` of them are left out, and those from `end` on; the others are what they are
    without that, to the bit: the network sees their windows in the same batches. Reading, the
    network and the caller work at the same time.
    """
    end = sum(source.ranges) if end is None else end
    first = window_of_row(source.ranges, overlap, skip)
    before = first % batch_size
    last = windows_before_row(source.ranges, overlap, end)
    source_batches = window_batches(source, overlap, batch_size, first - before, last)
    with (
        closing(read_ahead(lambda batch: batch, source_batches)) as batches,
        closing(read_ahead(predict_batch, batches)) as predictions,
    ):
        windows = (window for batch in predictions for window in batch)
        averages = average_windows(islice(windows, before, None), source.ranges, overlap, skip)
        rows = islice(averages, end - skip)
        shifts = source.shifts[~source.skipped][skip:end]
        for row, shift in zip(rows, shifts.tolist(), strict=True):
            yield np.roll(row, -shift, axis=1) if shift else row


class _Job:
    """The work on a prediction in one of its processes.

    Parameters
    ----------
    prepared
        What is predicted.
    parts
        All journals; None: this is not the first process.
    processes, progress
        As for `predict`.
    """

    resumed_from: int | None
    """Rows of an interrupted run that is resumed, or None."""
    header: dict[str, Any]
    """Of the journals."""
    run: BatchedPrediction
    """The network."""

    def __init__(
        self,
        prepared: PreparedPrediction,
        parts: Parts | None,
        processes: Processes,
        progress: Together,
    ) -> None:
        self.prepared, self.processes, self.progress = prepared, processes, progress
        self.request, self.source = prepared.request, prepared.source
        self._parts = parts
        self._done: dict[int, int] = {}

    def start(self) -> None:
        """Agree with the other processes on what is left to do, and build the network."""
        prepared, parts = self.prepared, self._parts
        present = resume.origin(prepared)
        self.processes.require_same(present | resume.alike(self.request))
        kept = Kept()
        if parts is not None:
            kept = resume.resumed(parts, self.request, present, self.progress)
            check_kept(kept, self.source.n_rows, self.request)
        self.kept = Kept.from_json(self.processes.gather(kept.to_json())[0])
        before = self.kept.header
        self.resumed_from = None if before is None else self.kept.rows
        network: Predict = _no_network
        size = 1
        if prepared.n_windows:  # else nothing is computed: building a network takes seconds
            network = prediction_function(prepared.model, self.request.precision, "own")
            size = self._batch_size(network, None if before is None else resume.batch_size(before))
        if parts is not None and before is None:
            before = resume.new_header(prepared, present, size)
            parts.begin(before)
        self.header = json.loads(self.processes.gather(json.dumps(before))[0])
        self.run = BatchedPrediction(network, size, self.progress)

    def _batch_size(self, network: Predict, before: int | None) -> int:
        """Windows at once; an interrupted run's, where nothing else is asked for."""
        asked, windows = self.request.val_test_batch_size, [self.prepared.n_windows]
        if asked is None and before is not None:
            return before
        size = batch_size_for(
            network,
            self.prepared.model,
            self.prepared.overlap,
            windows,
            asked,
            self.progress,
            self.processes,
        )
        if before not in (None, size):
            self.progress.notice(
                f"{size} windows at once, before it was {before}: the same predictions but for "
                "rounding (leave --val-test-batch-size out to get them bit by bit)"
            )
        return size

    def predict_share(self) -> None:
        """Predict this process's rows, and wait until the others have theirs.

        Raises
        ------
        Interrupted
            This process or another one was asked to stop.
        """
        missing = self.kept.missing(self.source.n_rows)
        weights, count = self.prepared.windows_of_rows, self.processes.count
        shares = shares_of(missing, weights, count, self.run.batch_size)
        spans, stopped = shares[self.processes.index], False
        try:
            if spans:
                self._predict(spans)
        except Interrupted:
            self.processes.tell_to_stop()
            stopped = True
        if self.processes.count > 1 and not stopped:
            self.progress.notice("waiting for the other processes")
        texts = self.processes.gather(
            json.dumps(list(self._done.items())), self.progress.pass_on_a_stop
        )
        done = {first: n for text in texts for first, n in json.loads(text)}
        self.all_parts = self.kept.parts | done
        if self.processes.end_alike(stopped):
            raise self._interrupted(self.all_parts)

    def _predict(self, spans: list[Span]) -> None:
        """Predict rows; threads compress them, written in order."""
        n_rows, source, threads = self.source.n_rows, self.source, default_threads()
        n_own = sum(end - first for first, end in spans)
        task, total, done = "predicting", n_rows, n_rows - n_own
        if self.processes.count > 1:
            task, total, done = f"predicting {n_own:,} of {n_rows:,} rows", n_own, 0
        self._per_row = source.bases / n_rows
        self._started = self._synced = time.perf_counter()
        self._number = 0
        pool = ThreadPoolExecutor(threads, "compress")
        self.progress.start(task, total, done=done)
        try:
            for first, end in spans:
                key = self.kept.part_for(first)
                with self._part(key) as journal:
                    self._predict_span(first, end, journal, key, pool)
        finally:
            self.progress.finish()
            pool.shutdown(cancel_futures=True)

    @contextmanager
    def _part(self, key: int) -> Iterator[Journal]:
        """The journal that begins with row `key`, begun."""
        main = self._parts.main if self._parts is not None and key == 0 else None
        with nullcontext(main) if main else open_part(self.request, key) as journal:
            if not journal.records and journal.header != self.header:
                journal.begin(self.header)
            yield journal

    def _predict_span(
        self, first: int, end: int, journal: Journal, key: int, pool: ThreadPoolExecutor
    ) -> None:
        source, overlap, size = self.source, self.prepared.overlap, self.run.batch_size
        empty = pack(np.zeros((self.prepared.outputs, source.length, CLASSES), np.float32))
        computed = source.computed_before(first), source.computed_before(end)
        with closing(predicted_rows(source, overlap, self.run, size, *computed)) as rows:
            every = source.with_skipped(rows, first, end)
            packed = ahead(
                pool,
                lambda row: pack(row) if row.size else empty,
                every,
                budget=2 * default_threads(),
            )
            for _, chunks in packed:
                journal.append(chunks)
                self._done[key] = journal.records
                self._after_a_row(journal)
        journal.sync()

    def _after_a_row(self, journal: Journal) -> None:
        """Stop where asked to; else report, and see to it that the rows are on the disk."""
        if self.progress.interrupted():
            journal.sync()
            raise self._interrupted(self.kept.parts | self._done)
        now = time.perf_counter()
        if now - self._synced >= 60 * self.request.checkpoint_minutes:
            journal.sync()
            self._synced = now
        self._number += 1
        rate = self._number * self._per_row / (now - self._started)
        self.progress.advance(note=f"{rate / 1e6:.3f} Mb/s")

    def write(self, output: Path, parts: Parts) -> None:
        """Write the predictions file from the complete journals."""
        n_rows, attributes = self.source.n_rows, resume.attributes(self.header)
        size = n_rows, self.source.length, self.prepared.outputs
        with (
            atomic.staged_file(output, force=self.request.force) as partial,
            PredictionsWriter(partial, *size, attributes, shown=output) as writer,
        ):
            for chunks in parts.read(self.all_parts, n_rows):
                if self.progress.interrupted():
                    raise self._interrupted(self.all_parts)
                writer.append(chunks)

    def _interrupted(self, parts: Mapping[int, int]) -> Interrupted:
        """First row of each journal -> number of its rows -> what to say of them."""
        several = " and others beside it" if len(parts) > 1 else ""
        return Interrupted(
            f"{sum(parts.values()):,} of {self.source.n_rows:,} rows are predicted, and kept in "
            f"{self.request.journal_path}{several}."
        )


def _no_network(_batch: Batch) -> np.ndarray:
    raise AssertionError("there is nothing to compute")
