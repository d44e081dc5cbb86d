"""The feature cache of `freeze`: the frozen body is evaluated once, the head trains on its output.

A frozen body is a fixed function: no dropout is active and batch norm works with its trained
statistics. What it makes of a subsequence is the same in every epoch.
"""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import Batch, even_batch_size
from helixer_ft.dataset.cache_folder import CacheFolder, Room
from helixer_ft.dataset.dataset import Dataset
from helixer_ft.dataset.row_cache import Compute, RowCache
from helixer_ft.engine import Forward, Read, forward_function
from helixer_ft.engine.windows_at_once import UNTOLD, windows_at_once
from helixer_ft.network.architecture import Architecture, BiLSTM, Dropout
from helixer_ft.network.model import TrainedModel, build_body, set_weights
from helixer_ft.progress import Progress, duration_text, size_text
from helixer_ft.runtime.backend import versions
from helixer_ft.runtime.memory import scoring_in_memory
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import AUTO, CacheSettings, TrainingSettings

FORMAT = 1
KIND = "features"


class Body:
    """The frozen body of a network, compiled.

    Parameters
    ----------
    model
        The network.
    precision
        Keras dtype policy.
    batch_size
        Most subsequences at once.
    processes
        The processes of the run.
    """

    def __init__(
        self,
        model: TrainedModel,
        precision: str,
        batch_size: int,
        processes: Processes | None = None,
    ) -> None:
        keras_model = build_body(model.architecture, precision=precision)
        set_weights(keras_model, model.weights)
        self._forward = forward_function(keras_model, "own")
        self._forward_by_all: Forward | None = None
        if processes and processes.count > 1:
            self._forward_by_all = forward_function(keras_model, "all")
        self.batch_size = batch_size
        self._least = (processes or Processes()).least

    def choose_batch_size(self, batch: Batch, sets: Sequence[int]) -> None:
        """As many subsequences like those of a batch as there is memory for, going through sets of
        so many.
        """
        forward = self._forward
        size = windows_at_once(
            sets,
            forward.memory,
            partial(forward.step_bytes, batch),
            most_on_host=forward.most_on_host,
            filled=forward.filled,
            agree=self._least,
        )
        self.batch_size = max(1, size)  # where not even one fits, its turn will say so

    def features(self, batch: Batch) -> np.ndarray:
        """(n, L / pool, width) float output of the body; any number of subsequences."""
        parts = []
        for start in range(0, len(batch), self.batch_size):
            part = Batch(batch.rows[start : start + self.batch_size], batch.base_table)
            size = self.batch_size
            while size // 2 >= len(part):  # few compiled shapes, and not much more than asked for
                size //= 2
            with scoring_in_memory(size, partial(self._forward.fitting, part, size)):
                parts.append(self._forward(part.filled(size))[: len(part)])
        return np.concatenate(parts)

    def computing(self, read: Read) -> Compute:
        """Indices -> features, computed by this process alone."""
        return lambda indices: self.features(read(indices))

    def computing_together(self, read: Read) -> Compute:
        """Indices of at most `batch_size` subsequences -> features; each process evaluates its part
        of them, and gets all. All call it at the same point of their work.
        """
        forward = self._forward_by_all
        if forward is None:
            return self.computing(read)
        read_part = forward.reading(read, self.batch_size)
        return lambda indices: forward(read_part(indices), self.batch_size)


class FeatureCaches:
    """The body's output for several sets of data, as far as there is room for it.

    Parameters
    ----------
    model
        The network whose body is frozen.
    sets
        Name -> data and its fingerprint; the first ones have precedence where room is scarce.
    settings, cache
        Precision and batch size of the body; where and how its output is kept.
    folder
        Where on disk.
    progress
        Reports size, place and time.
    processes
        The processes of the run, which share the work.
    """

    def __init__(
        self,
        model: TrainedModel,
        sets: Mapping[str, tuple[Dataset, str]],
        settings: TrainingSettings,
        cache: CacheSettings,
        folder: CacheFolder,
        progress: Progress,
        processes: Processes | None = None,
    ) -> None:
        architecture = model.architecture
        self._sets = {name: dataset for name, (dataset, _) in sets.items()}
        self._progress = progress
        self._processes = processes or Processes()
        sizes = [len(dataset) for dataset in self._sets.values()]
        asked = settings.val_test_batch_size
        most = UNTOLD if asked == AUTO else asked
        body = Body(model, settings.precision, even_batch_size(sizes, most), self._processes)
        if asked == AUTO:
            some = next(iter(self._sets.values()))
            body.choose_batch_size(_reading_all(some)(np.arange(1)), sizes)
        self._batch_size = body.batch_size
        dtype = feature_dtype(architecture, cache, progress)
        steps = next(iter(self._sets.values())).length // architecture.pool_size
        shape = (steps, architecture.feature_width)
        self.n = sum(dataset.decoded.n for dataset in self._sets.values())
        self.size = self.n * math.prod(shape) * dtype.itemsize
        self.room = Room(self.size, folder)
        self.caches: dict[str, RowCache] = {}
        self._together: dict[str, Compute] = {}
        self.planned = 0
        """Subsequences whose features there is room for."""
        for name, (dataset, fingerprint) in sets.items():
            origin = partial(_fingerprint, model, fingerprint, settings, dtype)
            kept = folder.kept_file(KIND, origin)
            read = _reading_all(dataset)
            self.caches[name] = features = RowCache(
                dataset.decoded.n, _typed(body.computing(read), dtype), progress
            )
            self._together[name] = _typed(body.computing_together(read), dtype)
            if storage := self.room.storage(dataset.decoded.n, shape, dtype, kept):
                features.keep_in(storage)
                self.planned += storage.capacity

    def fill(self) -> None:
        """Evaluate the body over all sets, once."""
        missing = [
            (name, features)
            for name, features in self.caches.items()
            if self._processes.any(features.kept < features.n)
        ]
        notice = self._progress.notice
        if not missing:
            notice("feature cache: reusing that of an earlier run")
            return
        size = f"{self.n:,} subsequences, {size_text(self.size)}"
        if self.planned == self.n:
            notice(f"feature cache: {size} {self.room.place}")
        else:
            notice(
                f"feature cache: {size} do not fit ({size_text(self.room.memory)} of memory and "
                f"{size_text(self.room.disk)} on disk in {self.room.folder.path} may be used): "
                f"{self.planned:,} subsequences are cached, the others are computed each time. "
                "More room in --cache-dir, or --cache-precision float16, would make it faster"
            )
        left = sum(features.n for _, features in missing)
        timed = 0
        for name, features in missing:
            task = f"evaluating the frozen body: {name} data"
            together = self._together[name] if self._processes.count > 1 else None
            chunks = self._progress.track(
                task,
                features.n,
                features.fill(self._batch_size, together),
                "windows",
                lambda chunk: len(chunk[0]),
            )
            started = time.monotonic()
            for indices, _ in chunks:
                timed, left = timed + 1, left - len(indices)
                if timed == 2 and left:  # the first one was compiled too
                    seconds = (time.monotonic() - started) * left / len(indices)
                    notice(f"feature cache: about {duration_text(seconds)}")
                started = time.monotonic()
            features.publish()


def feature_dtype(
    architecture: Architecture, settings: CacheSettings, progress: Progress
) -> np.dtype:
    """The type that features are kept in; float16 only where they fit into it."""
    if settings.precision == "float16":
        last = [layer for layer in architecture.body if not isinstance(layer, Dropout)][-1]
        if isinstance(last, BiLSTM):  # its states are between -1 and 1
            return np.dtype(np.float16)
        progress.notice(
            "--cache-precision float16 is not used: the body does not end in an LSTM, so its "
            "output may be too large for float16, which would change the result"
        )
    return np.dtype(np.float32)


def _reading_all(dataset: Dataset) -> Read:
    """Reads any subsequence of the files, bases alone."""
    indices = np.arange(dataset.decoded.n)
    return replace(dataset, indices=indices, features=None, coverage=None).read


def _typed(compute: Compute, dtype: np.dtype) -> Compute:
    return lambda indices: compute(indices).astype(dtype)


def body_digest(model: TrainedModel) -> str:
    """A short text that differs where layers or weights of the body do."""
    digest = hashlib.blake2b(digest_size=16)
    for layer in model.architecture.body:
        digest.update(repr(layer).encode())
        for array in model.weights.get(layer.name, []):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _fingerprint(
    model: TrainedModel, data: str, settings: TrainingSettings, dtype: np.dtype
) -> dict[str, Any]:
    """What features follow from: the body and its weights, the data, the arithmetic."""
    used = versions()
    return {
        "format": FORMAT,
        "body": body_digest(model),
        "data": data,
        "precision": settings.precision,
        "type": str(dtype),
        "helixer_ft": used["helixer_ft"],
        "keras": used["keras"],
        "backend": used["backend"],
    }
