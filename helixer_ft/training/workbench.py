"""What one run leaves for the next: data that are decoded, the body's output, scores of models."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace

from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.dataset.cache_folder import CacheFolder
from helixer_ft.dataset.dataset import Dataset, keep_rows
from helixer_ft.dataset.row_cache import RowCache
from helixer_ft.network.model import TrainedModel
from helixer_ft.progress import Progress
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training.data_checks import SetSummary, summarise, with_coverage
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.features import FeatureCaches, body_digest


@dataclass(frozen=True)
class _ReadSet:
    """A set of which all rows were read, and what is in them."""

    dataset: Dataset
    summary: SetSummary


class Workbench:
    """Given to several runs, one after the other, spares each what one before it has read or
    computed; their results are the same as without.

    What a run does not use is dropped, so that several runs take no more memory than one. Scores
    of untouched models, which are small, are kept.
    """

    def __init__(self) -> None:
        self._read: dict[Hashable, _ReadSet] = {}
        self._features: tuple[Hashable, FeatureCaches] | None = None
        self._untouched: dict[Hashable, dict[str, DatasetScore]] = {}
        self._adapted: tuple[Hashable, Adaptation | None] | None = None

    def adapted(self, key: Hashable, make: Callable[[], Adaptation | None]) -> Adaptation | None:
        """The model that training starts from with the statistics of a genome, measured once for
        all runs that follow one another; `key` is what it follows from.
        """
        if self._adapted is None or self._adapted[0] != key:
            self._adapted = key, make()
        return self._adapted[1]

    def read(
        self,
        sets: Mapping[str, Dataset],
        pool_size: int,
        folder: CacheFolder | None,
        progress: Progress,
    ) -> tuple[dict[str, Dataset], tuple[SetSummary, ...]]:
        """Read what was not read before, keep it in `folder` (None: nowhere), say what it holds.

        Parameters
        ----------
        sets
            By their names, as they were opened.
        pool_size
            Of the model.
        folder
            Where rows go that memory has no room for.
        progress
            Reports what is read.

        Raises
        ------
        InputError
            See `summarise`; nothing is kept of what was read then.
        """
        found = {name: self._as_read(name, dataset) for name, dataset in sets.items()}
        new = [
            rows
            for dataset in found.values()
            for rows in (dataset.decoded, dataset.coverage)
            if rows is not None and not rows.was_read
        ]
        try:
            if folder is not None:
                keep_rows(list(found.values()), folder, progress)
            summaries = {
                name: self._summary(name, dataset, pool_size, progress)
                for name, dataset in found.items()
            }
        except BaseException:
            for rows in new:
                rows.forget()
            if folder is not None:
                folder.remove_if_empty()
            raise
        for rows in new:
            rows.publish()
        self._read = {
            _key(name, dataset): _ReadSet(dataset, summaries[name])
            for name, dataset in found.items()
        }
        return found, tuple(summaries.values())

    def features(
        self,
        model: TrainedModel,
        sets: Mapping[str, tuple[Dataset, str]],
        settings: TrainingSettings,
        cache: CacheSettings,
        folder: CacheFolder,
        progress: Progress,
        processes: Processes,
    ) -> dict[str, RowCache]:
        """The output of a model's body for sets of data (see `FeatureCaches`), evaluated once for
        all runs that follow one another with the same body, data and precision.
        """
        fingerprints = tuple((name, fingerprint) for name, (_, fingerprint) in sets.items())
        key = body_digest(model), fingerprints, settings.precision, cache.precision
        if self._features is None or self._features[0] != key:
            self._features = None  # before there has to be room for others
            made = FeatureCaches(model, sets, settings, cache, folder, progress, processes)
            made.fill()
            self._features = key, made
        return self._features[1].caches

    def forget_features(self) -> None:
        """Free the output of the body: a run begins that does not use it."""
        self._features = None

    def untouched(self, key: Hashable) -> dict[str, DatasetScore]:
        """Scores of an untouched model by set, to be looked up and added to; `key` is what they
        follow from.
        """
        return self._untouched.setdefault(key, {})

    def _as_read(self, name: str, dataset: Dataset) -> Dataset:
        """The dataset with the rows of the run before, where these are the same."""
        before = self._read.get(_key(name, dataset))
        if before is None:
            return dataset
        dataset.source.table = before.dataset.source.table
        coverage = dataset.coverage
        if dataset.coverage_input == before.dataset.coverage_input:
            coverage = before.dataset.coverage
        return replace(dataset, decoded=before.dataset.decoded, coverage=coverage)

    def _summary(
        self, name: str, dataset: Dataset, pool_size: int, progress: Progress
    ) -> SetSummary:
        before = self._read.get(_key(name, dataset))
        if before is None:
            return summarise(dataset, name, pool_size, progress)
        if dataset.coverage_input == before.dataset.coverage_input:
            return before.summary
        summary = replace(before.summary, coverage_fingerprint="", silent_tracks=())
        return summary if dataset.coverage is None else with_coverage(summary, dataset, progress)


def _key(name: str, dataset: Dataset) -> Hashable:
    """What the rows of a set follow from, coverage aside."""
    source = dataset.source
    paths = tuple(file.path for file in source.files)
    labels = source.files[0].phase, source.files[0].transitions
    return name, paths, source.rows.tobytes(), source.length, labels
