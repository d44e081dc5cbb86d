"""One model on labelled data, streaming: what is kept of a row is what is counted of it.

Rows are read in one thread, the network runs in another, and the caller's counts. Of several
processes each counts its share of the rows; all that is counted adds up exactly, whatever the
shares.
"""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from helixer_ft.dataset.batch import Batch, scored_bases
from helixer_ft.dataset.dataset import Dataset, batches
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.evaluation.tally import Tally, empty_tally, tally_row
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.inference.network import BatchedPrediction, batch_size_for, prediction_function
from helixer_ft.inference.predict import predicted_rows
from helixer_ft.inference.shares import Span, share_bounds, windows_per_row
from helixer_ft.inference.source import DataFileSource
from helixer_ft.inference.windows import Overlap
from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.network.model import TrainedModel
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import read_ahead
from helixer_ft.runtime.processes import Processes

_ROWS_AT_ONCE = 8
MAX_OUTPUTS = 2

Predicted = Generator[tuple[Batch, np.ndarray], None, None]
"""Batches of labelled rows, and their probabilities."""
Predictions = Callable[[Dataset, DataFileSource, Span], Predicted]
"""Rows of a file, the file, and which of its rows they are."""


@dataclass(frozen=True)
class ScoredRows:
    """What a model makes of all rows.

    Attributes
    ----------
    tallies
        Per file (its number) and species.
    counts
        (rows, 2, 4, 4) int32 confusion counts per row; those of the phase are 0 without. All that
        is kept per row.
    """

    tallies: dict[tuple[int, str], Tally]
    counts: np.ndarray


def score_model(
    model: TrainedModel,
    dataset: Dataset,
    request: EvaluateRequest,
    pool_sizes: set[int],
    task: str,
    progress: Progress,
    processes: Processes,
) -> ScoredRows:
    """Score a model on every row; where there are several processes, each has a share of them.

    Parameters
    ----------
    model
        The network; its coverage is known, where it takes any.
    dataset
        All rows of all files, in order and in full length, with the model's coverage.
    request
        Windows, batch size, precision.
    pool_sizes
        Pool sizes of all models compared: a base counts that is in a valid step of each.
    task, progress
        Name of the task, and who reports its progress.
    processes
        Those that work on it; all get the scores of all rows.

    Raises
    ------
    InputError
        Damaged data.
    """
    overlap = request.windows(dataset.length, model.architecture.pool_size)
    sources = [
        DataFileSource(_unlabelled(file), single_rows=not request.overlap, coverage=model.coverage)
        for file in dataset.source.files
    ]
    n_windows = [sum(map(overlap.count, source.ranges)) for source in sources]
    network = prediction_function(model, request.precision, "own")
    asked = request.val_test_batch_size
    size = batch_size_for(network, model, overlap, n_windows, asked, progress, processes)
    run = BatchedPrediction(network, size, progress)
    predict = partial(_averaged if request.overlap else _plain, overlap=overlap, run=run)
    shares = _shares(sources, overlap, processes, 1 if request.overlap else size)
    n_own = sum(end - first for first, end in shares)
    outputs = len(model.architecture.outputs)
    tallies: dict[tuple[int, str], Tally] = {}
    counts = np.zeros((n_own, MAX_OUTPUTS, *2 * (len(GENIC_CLASSES),)), np.int32)
    per_row = sum(source.bases for source in sources) / len(dataset)
    started = time.perf_counter()
    progress.start(task, n_own)
    scored = _scored_rows(dataset, sources, shares, predict, sorted(pool_sizes))
    try:
        with closing(scored):
            for done, (key, tally) in enumerate(scored, start=1):
                tallies[key] = tallies.get(key, empty_tally(outputs)) + tally
                counts[done - 1, :outputs] = tally.confusion
                rate = done * per_row / (time.perf_counter() - started)
                progress.advance(note=f"{rate / 1e6:.3f} Mb/s")
    finally:
        progress.finish()
    return ScoredRows(_of_all(tallies, outputs, processes), processes.gather_rows(counts))


def _shares(
    sources: list[DataFileSource], overlap: Overlap, processes: Processes, at_once: int
) -> list[Span]:
    """The rows of each file that this process scores: `at_once` of them go through the network in
    the batch that they would be in if there were one process.
    """
    weights = np.concatenate([windows_per_row(source.ranges, overlap) for source in sources])
    bounds = share_bounds(weights, processes.count)[processes.index :][:2]
    shares, before = [], 0
    for source in sources:
        own = (min(max(bound - before, 0), source.n_rows) for bound in bounds)
        cut = [row if row == source.n_rows else row - row % at_once for row in own]
        shares.append((cut[0], cut[1]))
        before += source.n_rows
    return shares


def _of_all(
    tallies: Mapping[tuple[int, str], Tally], outputs: int, processes: Processes
) -> dict[tuple[int, str], Tally]:
    """The sums over the rows of all processes."""
    own = [(*key, tally.to_lists()) for key, tally in tallies.items()]
    total: dict[tuple[int, str], Tally] = {}
    for text in processes.gather(json.dumps(own)):
        for file, species, lists in json.loads(text):
            before = total.get((file, species), empty_tally(outputs))
            total[file, species] = before + Tally.from_lists(lists)
    return total


def _scored_rows(
    dataset: Dataset,
    sources: list[DataFileSource],
    shares: list[Span],
    predict: Predictions,
    pool_sizes: list[int],
) -> Generator[tuple[tuple[int, str], Tally], None, None]:
    """The number of its file and the species of each row of a share, and what is counted of it."""
    for number, (file, source) in enumerate(zip(dataset.source.files, sources, strict=True)):
        first, end = shares[number]
        if first == end:
            continue
        rows = dataset.subset(np.flatnonzero(dataset.source.rows[:, 0] == number)[first:end])
        own = slice(first, end)
        minus = (file.start_ends[own, 0] > file.start_ends[own, 1]).tolist()
        places = iter(zip(file.species[own], minus, strict=True))
        with closing(predict(rows, source, (first, end))) as predictions:
            for batch, probabilities in predictions:
                scored = scored_bases(batch.labels, pool_sizes)
                for parts in zip(
                    probabilities, batch.labels, batch.transitions, scored, strict=True
                ):
                    species, on_minus = next(places)
                    yield (number, species), tally_row(*parts, minus=on_minus)


def _plain(
    rows: Dataset, _source: DataFileSource, _span: Span, *, overlap: Overlap, run: BatchedPrediction
) -> Predicted:
    """Batches, and what is predicted of their rows, each a window: (n, outputs, length, 4)."""
    used = overlap.length - overlap.removed

    def predict(batch: Batch) -> tuple[Batch, np.ndarray]:
        coverage = None if batch.coverage is None else batch.coverage[:, :used]
        return batch, run(replace(batch, rows=batch.rows[:, :, :used], coverage=coverage))

    with (
        closing(read_ahead(rows.read, batches(len(rows), run.batch_size))) as read,
        closing(read_ahead(predict, read)) as predicted,
    ):
        yield from predicted


def _averaged(
    rows: Dataset, source: DataFileSource, span: Span, *, overlap: Overlap, run: BatchedPrediction
) -> Predicted:
    """The same with the averages of overlapping windows."""
    shifts = iter(source.shifts[slice(*span)].tolist())
    labelled = rows.without_coverage()
    with (
        closing(read_ahead(labelled.read, batches(len(rows), _ROWS_AT_ONCE))) as read,
        closing(predicted_rows(source, overlap, run, run.batch_size, *span)) as predicted,
    ):
        for batch in read:
            rolled = [np.roll(next(predicted), next(shifts), axis=1) for _ in range(len(batch))]
            yield batch, np.stack(rolled)


def _unlabelled(file: DataFile) -> DataFile:
    """The same file, of which no labels are read."""
    return DataFile(file.path, labels=False, coverage_prefix=file.coverage_prefix)
