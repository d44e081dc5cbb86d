"""From a model and a data file or a genome to a predictions file, streaming.

Rows are read and cut into windows in one thread, the network runs in another, predictions are
averaged in the caller's, and rows are compressed in a pool: a few batches and rows are in memory,
whatever the genome's size. Rows go to a journal, from which an interrupted run resumes, and from
there to the predictions file when all are done.
"""

import hashlib
import json
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from helixer_ft import __version__
from helixer_ft.adaptation.adapt import adapt_model
from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.dataset.batch import Batch
from helixer_ft.dataset.coverage import CoverageWanted
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats import atomic
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.journal import Journal
from helixer_ft.formats.model_h5 import BATCHNORM
from helixer_ft.formats.predictions_h5 import (
    CLASSES,
    PredictionsWriter,
    helixer_attributes,
    pack,
)
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.inference import resume
from helixer_ft.inference.batches import window_batches
from helixer_ft.inference.coverage import wanted_coverage
from helixer_ft.inference.gff3 import (
    find_helixerpost,
    scratch_folder,
    write_gene_models,
)
from helixer_ft.inference.network import (
    BatchedPrediction,
    Predict,
    batch_size_for,
    prediction_function,
)
from helixer_ft.inference.outcome import Prediction
from helixer_ft.inference.overlap import average_windows, window_of_row
from helixer_ft.inference.request import DEFAULT_OUTPUT, PredictRequest
from helixer_ft.inference.selection import (
    select_sequences,
    selection_attributes,
    shortened,
    tell_of_padding,
)
from helixer_ft.inference.source import DataFileSource, FastaSource, Source
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.coverage import track_list
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import ahead, default_threads, read_ahead


def predict(request: PredictRequest, progress: Progress | None = None) -> Prediction:
    """Predict, and write predictions, gene models or both; a file appears once it is complete.

    Raises
    ------
    InputError
        Files or options that cannot be used; rows of an interrupted run, and the request says
        nothing about them.
    HelixerFtError
        Writing failed; an existing output file is unchanged. HelixerPost failed: predictions that
        are kept are complete. The rows that were predicted are kept too.
    Interrupted
        `progress` said so; the rows that were predicted are kept.
    """
    started = time.perf_counter()
    progress = progress or Progress()
    with ExitStack() as stack:
        journal = stack.enter_context(resume.open_journal(request))
        helixerpost = find_helixerpost() if request.gff3_out is not None else None
        job = _prepare(request, journal, stack, progress)
        source = job.source
        stack.enter_context(resume.kept(journal, source.n_rows, progress))
        resumed_from, run = job.start()
        if journal.records < source.n_rows:
            job.predict_rows(run)
        output, scratch = request.prediction_output_path, None
        if request.gff3_out is not None:
            scratch = stack.enter_context(scratch_folder(request.gff3_out))
            output = output or scratch / DEFAULT_OUTPUT
        assert output is not None
        if resumed_from is None or not resume.is_written(journal, output):
            job.write(output)
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
                stop=progress.interrupted,
            )
        journal.remove()
    return Prediction(
        request=request,
        model=job.model,
        overlap=job.overlap,
        rows=source.n_rows,
        windows=job.n_windows,
        bases=source.bases,
        batch_size=run.batch_size,
        seconds=seconds,
        resumed_from=resumed_from,
        adaptation=job.adaptation,
        genes=genes,
    )


def predicted_rows(
    source: Source, overlap: Overlap, predict_batch: Predict, batch_size: int, skip: int = 0
) -> Generator[np.ndarray, None, None]:
    """(outputs, L, 4) float32 probabilities of each computed row, as `data/X` has its bases.

    The first `skip` of them are left out; the others are what they are without that, to the bit:
    the network sees their windows in the same batches. Reading, the network and the caller work at
    the same time.
    """
    first = window_of_row(source.ranges, overlap, skip)
    before = first % batch_size
    source_batches = window_batches(source, overlap, batch_size, first - before)
    with (
        closing(read_ahead(lambda batch: batch, source_batches)) as batches,
        closing(read_ahead(predict_batch, batches)) as predictions,
    ):
        windows = (window for batch in predictions for window in batch)
        rows = average_windows(islice(windows, before, None), source.ranges, overlap, skip)
        shifts = source.shifts[~source.skipped][skip:]
        for row, shift in zip(rows, shifts.tolist(), strict=True):
            yield np.roll(row, -shift, axis=1) if shift else row


@dataclass(frozen=True)
class _Job:
    """A prediction whose model and data are read and checked."""

    request: PredictRequest
    model: TrainedModel
    source: Source
    overlap: Overlap
    journal: Journal
    progress: Progress
    adaptation: Adaptation | None = None

    @property
    def n_windows(self) -> int:
        """Windows that the network sees."""
        return sum(map(self.overlap.count, self.source.ranges))

    @property
    def _outputs(self) -> int:
        return len(self.model.architecture.outputs)

    def start(self) -> tuple[int | None, BatchedPrediction]:
        """Rows of an interrupted run that is resumed, or None; and the network."""
        request, journal = self.request, self.journal
        present = resume.origin(request, self.model, self.source, self.overlap)
        resumed_from = resume.resumed_rows(journal, request, present, self.progress)
        before = None if resumed_from is None else resume.batch_size(journal)
        network: Predict = _no_network
        size = 1
        if self.n_windows:  # else nothing is computed: building a network takes seconds
            network = prediction_function(self.model, request.precision)
            size = self._batch_size(network, before)
        if resumed_from is None:
            resume.begin(journal, present, self._attributes(), size)
        return resumed_from, BatchedPrediction(network, size, self.progress)

    def _batch_size(self, network: Predict, before: int | None) -> int:
        """Windows at once; an interrupted run's, where nothing else is asked for."""
        asked = self.request.val_test_batch_size
        if asked is None and before is not None:
            return before
        size = batch_size_for(
            network, self.model, self.overlap, [self.n_windows], asked, self.progress
        )
        if before not in (None, size):
            self.progress.notice(
                f"{size} windows at once, before it was {before}: the same predictions but for "
                "rounding (leave --val-test-batch-size out to get them bit by bit)"
            )
        return size

    def _attributes(self) -> dict[str, str | int]:
        request, model, overlap = self.request, self.model, self.overlap
        with open(request.load_model_path, "rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        values: dict[str, str | int] = {
            "helixer_ft_version": __version__,
            "helixer_ft_command_line": shortened(request.command_line),
            "helixer_ft_overlap_offset": overlap.offset,
            "helixer_ft_core_length": overlap.core,
        }
        if request.skip_device_check:
            values["helixer_ft_device_check"] = "skipped"
        if request.fasta is not None:
            values["helixer_ft_species"] = request.genome_species
            values |= selection_attributes(request)
        if model.coverage is not None:
            values["helixer_ft_coverage"] = model.coverage.to_json()
        if self.adaptation is not None:
            values["helixer_ft_batchnorm"] = json.dumps(self.adaptation.to_dict())
        elif BATCHNORM in model.file.provenance:
            values["helixer_ft_batchnorm"] = shortened(model.file.provenance[BATCHNORM])
        return values | helixer_attributes(
            model.file.config,
            n_bases_removed=overlap.removed,
            test_data_path=self.source.path,
            model_path=request.load_model_path,
            model_md5sum=md5,
        )

    def predict_rows(self, run: BatchedPrediction) -> None:
        """Predict the rows that the journal lacks; threads compress them, written in order."""
        source, journal, progress = self.source, self.journal, self.progress
        threads = default_threads()
        done = journal.records
        computed = done - int(source.skipped[:done].sum())
        empty = pack(np.zeros((self._outputs, source.length, CLASSES), np.float32))
        per_row = source.bases / source.n_rows
        pool = ThreadPoolExecutor(threads, "compress")
        started = synced = time.perf_counter()
        progress.start("predicting", source.n_rows, done=done)
        try:
            with closing(
                predicted_rows(source, self.overlap, run, run.batch_size, computed)
            ) as rows:
                every = source.with_skipped(rows, done)
                packed = ahead(
                    pool, lambda row: pack(row) if row.size else empty, every, budget=2 * threads
                )
                for number, (_, chunks) in enumerate(packed, start=1):
                    journal.append(chunks)
                    self._stop_if_interrupted()
                    now = time.perf_counter()
                    if now - synced >= 60 * self.request.checkpoint_minutes:
                        journal.sync()
                        synced = now
                    progress.advance(note=f"{number * per_row / (now - started) / 1e6:.3f} Mb/s")
            journal.sync()
        finally:
            progress.finish()
            pool.shutdown(cancel_futures=True)

    def write(self, output: Path) -> None:
        """Write the predictions file from the complete journal."""
        source, attributes = self.source, resume.attributes(self.journal)
        size = source.n_rows, source.length, self._outputs
        with (
            atomic.staged_file(output, force=self.request.force) as partial,
            PredictionsWriter(partial, *size, attributes, shown=output) as writer,
        ):
            for chunks in self.journal.read():
                self._stop_if_interrupted()
                writer.append(chunks)

    def _stop_if_interrupted(self) -> None:
        if self.progress.interrupted():
            self.journal.sync()
            raise Interrupted(
                f"{self.journal.records:,} of {self.source.n_rows:,} rows are predicted, and kept "
                f"in {self.journal.path}."
            )


def _prepare(
    request: PredictRequest, journal: Journal, stack: ExitStack, progress: Progress
) -> _Job:
    """Read the model, open what is predicted on, and check both."""
    model = load_model(request.load_model_path)
    pool = model.architecture.pool_size
    _check_model(request, model)
    coverage = wanted_coverage(request, model)
    if request.fasta is not None:
        request.windows(request.genome_length, pool)
    source = _open_source(request, coverage, stack, progress)
    if source.coverage is not None:
        model = model.with_coverage(source.coverage, str(request.load_model_path))
        progress.notice(
            f"coverage: {track_list(source.coverage.tracks)}; prefix "
            f"{source.coverage.prefix}, normalisation {source.coverage.normalization}"
        )
    if request.gff3_out is not None:
        source.check_whole()
    overlap = request.windows(source.length, pool)
    if overlap.removed:
        progress.notice(
            f"the last {overlap.removed} of {overlap.length} bases of a window are not predicted: "
            f"the model pools {pool} bases (make data of a length divisible by that)"
        )
    adaptation = None
    if request.adapt:
        assert isinstance(source, FastaSource), "the request says so"
        try:
            genome = source.whole_genome(request.exclude)
            adaptation = adapt_model(model, genome, request.batchnorm_mix, progress)
        except Interrupted as error:
            text = "nothing was predicted yet, so the run will start from the beginning."
            raise Interrupted(text) from error
        model = adaptation.model
    return _Job(request, model, source, overlap, journal, progress, adaptation)


def _check_model(request: PredictRequest, model: TrainedModel) -> None:
    architecture = model.architecture
    if request.predict_phase:
        model.require_phase(request.load_model_path)
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
        data = DataFileSource(file, single_rows=not request.overlap, coverage=coverage)
        tell_of_padding(data, None, progress)
        return data
    assert request.fasta is not None
    fasta = stack.enter_context(
        open_fasta(request.fasta, scratch=request.output.parent, progress=progress)
    )
    lengths = select_sequences(fasta.lengths, request, progress)
    genome = FastaSource(
        fasta, request.genome_length, request.genome_species, lengths, request.shortest_computed
    )
    tell_of_padding(genome, lengths, progress)
    return genome


def _no_network(_batch: Batch) -> np.ndarray:
    raise AssertionError("there is nothing to compute")
