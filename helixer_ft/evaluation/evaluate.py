"""From models and labelled data to their scores, side by side."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import scored_bases
from helixer_ft.dataset.dataset import Dataset, batches, open_dataset
from helixer_ft.dataset.label_sources import refuse_predicted
from helixer_ft.errors import InputError
from helixer_ft.evaluation.outcome import Evaluation, ModelScore, Part
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.evaluation.scoring import ScoredRows, score_model
from helixer_ft.evaluation.tally import Tally, empty_tally
from helixer_ft.formats import atomic
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.metrics import Interval, PairedBootstrap, f1_of_outputs
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.progress import Progress
from helixer_ft.runtime.backend import versions
from helixer_ft.runtime.processes import Processes

_ROWS_AT_ONCE = 8


def evaluate(
    request: EvaluateRequest,
    progress: Progress | None = None,
    *,
    processes: Processes | None = None,
) -> Evaluation:
    """Score every model on every row of the data, and compare them with the first.

    That `request.csv` can be written is checked; writing it is left to `write_csv`.

    Parameters
    ----------
    request
        What is asked for.
    progress
        Reports the work.
    processes
        Those that work on it, each of which returns the scores of all rows; None: this one alone.

    Raises
    ------
    InputError
        Models, files or options that cannot be used; processes that do not do the same.
    """
    started = time.monotonic()
    progress, processes = progress or Progress(), processes or Processes()
    if request.csv is not None and processes.is_first:
        atomic.check_writable(request.csv, force=request.force)
    models = tuple(_load(path, request) for path in request.load_model_paths)
    datasets = _open(request, models)
    refuse_predicted(datasets[_prefix(models[0])])
    pools = {model.architecture.pool_size for model in models}
    first = datasets[_prefix(models[0])]
    if processes.count > 1:
        processes.require_same(_alike(request, models, first))
    _check_rows(first, pools)
    for text in _notices(first, pools):
        progress.notice(text)
    scored = []
    for number, (path, model) in enumerate(
        zip(request.load_model_paths, models, strict=True), start=1
    ):
        dataset = datasets[_prefix(model)]
        if model.coverage is not None:
            dataset = dataset.with_coverage(model.coverage)
        task = f"scoring model {number} ({path.name})"
        scored.append(score_model(model, dataset, request, pools, task, progress, processes))
    compare = _Comparer(models, scored, first, request.seed)
    numbers = range(len(request.test_data))
    species = sorted({name for _, name in scored[0].tallies})
    return Evaluation(
        request=request,
        models=models,
        overall=compare.part("all data"),
        files=tuple(compare.part(str(request.test_data[i]), file=i) for i in numbers),
        species=tuple(compare.part(name, species=name) for name in species),
        rows=len(first),
        seconds=time.monotonic() - started,
    )


def _alike(
    request: EvaluateRequest, models: Sequence[TrainedModel], dataset: Dataset
) -> dict[str, Any]:
    """What must be the same in all processes; keys are for messages."""
    used, files = versions(), dataset.source.files
    return {
        "models (SHA-256)": [model.file.sha256 for model in models],
        "data (SHA-256)": [file_sha256(file.path) for file in files],
        "--overlap": [request.overlap, request.overlap_offset, request.core_length],
        "--val-test-batch-size": request.val_test_batch_size,
        "--precision": request.precision,
        "--seed": request.seed,
        "helixer-ft": used["helixer_ft"],
        "Keras": used.get("keras"),
        "backend": used.get("backend"),
    }


class _Comparer:
    """Puts the models side by side on parts of the data."""

    def __init__(
        self,
        models: Sequence[TrainedModel],
        scored: Sequence[ScoredRows],
        dataset: Dataset,
        seed: int,
    ) -> None:
        self._phase = [model.architecture.has_phase for model in models]
        self._scored = scored
        self._regions = dataset.regions
        self._files = dataset.source.rows[:, 0]
        self._species = np.array([species for species, _, _ in self._regions])
        self._seed = seed

    def part(self, name: str, *, file: int | None = None, species: str | None = None) -> Part:
        """The models on one file, one species, or everything."""
        here = np.ones(len(self._files), bool)
        if file is not None:
            here &= self._files == file
        if species is not None:
            here &= self._species == species
        counts = [rows.counts if here.all() else rows.counts[here] for rows in self._scored]
        regions = [self._regions[row] for row in np.flatnonzero(here)]
        drawn = PairedBootstrap(counts, regions, seed=self._seed)
        scores = []
        for number, rows in enumerate(self._scored):
            tallies = [
                tally
                for (of_file, of_species), tally in rows.tallies.items()
                if file in (None, of_file) and species in (None, of_species)
            ]
            total: Tally = reduce(add, tallies, empty_tally(1 + self._phase[number]))
            scores.append(ModelScore(total, self._differences(number, drawn)))
        return Part(name, tuple(scores), drawn.blocks)

    def _differences(self, number: int, drawn: PairedBootstrap) -> dict[str, Interval]:
        if number == 0:
            return {}
        outputs = 1 + (self._phase[0] and self._phase[number])
        return drawn.differences(number, lambda counts: f1_of_outputs(counts[:, :outputs]))


def _load(path: Path, request: EvaluateRequest) -> TrainedModel:
    model = load_model(path)
    if request.predict_phase:
        model.require_phase(path)
    if model.architecture.coverage_channels and model.coverage is None:
        raise InputError(
            f"{path}: takes coverage of {model.architecture.coverage_channels // 2} track(s), but "
            "does not say which tracks, nor how they were normalised (Helixer does not write it "
            "down), so it cannot be scored. Score the model it was made from, or a head that "
            "helixer-ft freeze --input-coverage trains."
        )
    return model


def _prefix(model: TrainedModel) -> str | None:
    return None if model.coverage is None else model.coverage.prefix


def _open(request: EvaluateRequest, models: Sequence[TrainedModel]) -> dict[str | None, Dataset]:
    """All rows of all files in full length, per prefix of coverage, checked for every model."""
    phase = any(model.architecture.has_phase for model in models)
    result: dict[str | None, Dataset] = {}
    for path, model in zip(request.load_model_paths, models, strict=True):
        prefix = _prefix(model)
        if prefix not in result:
            with _told_of(path) if prefix else nullcontext():
                result[prefix] = open_dataset(
                    request.test_data,
                    pool_size=1,
                    phase=phase,
                    transitions=True,
                    all_rows=True,
                    coverage_prefix=prefix,
                )
        dataset = result[prefix]
        with _told_of(path):
            request.windows(dataset.length, model.architecture.pool_size)
            if model.coverage is not None:
                dataset.with_coverage(model.coverage)
    return result


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """What is wrong with data for a model names the model."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path} on these data: {error}") from error


def _check_rows(dataset: Dataset, pools: set[int]) -> None:
    """Refuse a file without any base to score on; the first row mostly has some."""
    for number, file in enumerate(dataset.source.files):
        rows = dataset.subset(np.flatnonzero(dataset.source.rows[:, 0] == number))
        for indices in batches(len(rows), _ROWS_AT_ONCE):
            if scored_bases(rows.read(indices).labels, sorted(pools)).any():
                break
        else:
            raise InputError(
                f"{file.path}: has no base to score on: all {file.n_rows} rows are masked (steps "
                f"of {max(pools)} bases with a masked one do not count); expected valid bases in "
                "data/sample_weights. Leave the file out, or look at why it is masked (helixer-ft "
                "prepare lists that)."
            )


def _notices(dataset: Dataset, pools: set[int]) -> list[str]:
    if len(pools) > 1:
        return [
            f"the models pool {', '.join(map(str, sorted(pools)))} bases: only bases in valid "
            "steps of every one of these count, so that all are scored on the same bases"
        ]
    return dataset.overhang_notices(*pools)
