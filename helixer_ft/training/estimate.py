"""What a run would take, from a timed batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.engine import Engine, engine_class
from helixer_ft.progress import Progress
from helixer_ft.runtime.batch_size import BatchAdvice, batch_advice
from helixer_ft.settings import AUTO, TrainingSettings
from helixer_ft.training.disk import run_disk
from helixer_ft.training.features import Body, feature_dtype
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.scoring import choose_windows_at_once


@dataclass(frozen=True)
class Estimate:
    """What a run would take on this machine.

    Attributes
    ----------
    step_seconds
        One training batch.
    epoch_seconds
        Training and one check; where a head is trained without coverage too, of both.
    once_seconds
        Before the first and after the last epoch: scores of the untouched model, of the tuned model
        on test data, and the frozen body's output where it is cached.
    feature_bytes
        Size of the feature cache and of the coverage that goes with it; 0 without one.
    memory
        Bytes in use in a step: of the accelerator where there is one (of each, where there are
        several), else of the process. None: the backend does not tell.
    memory_limit
        Bytes that may be used there; None likewise.
    batch_size
        Largest one that fits, at most 256 on each device; 0 where not even one subsequence does;
        None likewise.
    val_test_batch_size
        Subsequences that are scored at once.
    advice
        On an accelerator: a larger batch that takes about as long per step.
    most_seconds
        The whole run, should no patience end it before its last epoch.
    disk, disk_free
        Bytes that the run needs while it works, and those that are free beside its model.
    """

    step_seconds: float
    epoch_seconds: float
    once_seconds: float
    feature_bytes: int
    memory: int | None
    memory_limit: int | None
    batch_size: int | None
    val_test_batch_size: int
    advice: BatchAdvice | None
    most_seconds: float = 0.0
    disk: int = 0
    disk_free: int = 0


def estimate(prepared: PreparedRun) -> Estimate:
    """Time a training and a scoring step; nothing is written, and nothing is kept of them.

    A batch for which there is no memory is not run; its time is that of one subsequence, times
    their number.
    """
    data, plan, settings = prepared.data, prepared.plan, prepared.settings
    n = min(settings.batch_size, len(data.training))
    training = data.training
    if plan.model.coverage is None:
        training = training.without_coverage()
    batch = training.read(np.arange(n))
    once, feature_bytes = 0.0, 0
    if prepared.caches_features:
        once, feature_bytes, batch = _evaluate_body(prepared, batch)
    engine = engine_class()(
        plan.model.architecture,
        plan.model.weights,
        plan,
        settings,
        from_features=prepared.caches_features,
    )
    memory = _Memory(engine, batch, prepared)
    n_run = n if memory.is_enough(n, training=True) else 1
    seconds = _step(engine, batch.first(n_run)) * n / n_run
    n_scored = _scored_at_once(engine, batch, prepared)
    if not memory.is_enough(n_scored, training=False):
        n_scored = 1
    scored = batch.first(n_scored).filled(n_scored)
    per_score = _measure(engine, lambda: engine.score(scored, n_scored).counts) / n_scored
    fits = engine.largest_batch(batch, n, training=True, agree=prepared.processes.least)
    trainings = 1 if prepared.comparison is None else 2
    n_test = len(prepared.test) if prepared.test else 0
    n_check = len(data.validation) + len(data.subset)
    per_epoch = trainings * (seconds * len(data.training) / n + per_score * n_check)
    once += per_score * (n_check + (1 + trainings) * n_test)
    disk, disk_free = run_disk(prepared, feature_bytes)
    return Estimate(
        step_seconds=seconds,
        epoch_seconds=per_epoch,
        once_seconds=once,
        feature_bytes=feature_bytes,
        memory=memory.used,
        memory_limit=memory.limit,
        batch_size=fits,
        val_test_batch_size=n_scored,
        advice=_advice(engine, fits, settings, len(data.training)),
        most_seconds=once + per_epoch * settings.epochs,
        disk=disk,
        disk_free=disk_free,
    )


def _evaluate_body(prepared: PreparedRun, batch: Batch) -> tuple[float, int, Batch]:
    """Seconds of the frozen body for all data, bytes of its output, and the batch with its own."""
    request, data, plan = prepared.request, prepared.data, prepared.plan
    body = Body(plan.model, prepared.settings.precision, len(batch))
    features = body.features(batch)
    n_all = len(data.training) + len(data.validation) + (len(prepared.test) if prepared.test else 0)
    seconds = _seconds(lambda: body.features(batch)) / len(batch) * n_all
    dtype = feature_dtype(plan.model.architecture, request.cache, Progress())
    coverage_bytes = 0 if batch.coverage is None else batch.coverage[0].nbytes
    size = n_all * (features[0].size * dtype.itemsize + coverage_bytes)
    return seconds / prepared.processes.count, size, replace(batch, features=features)


class _Memory:
    """What steps of a network take of the memory, asked by all processes of a run alike."""

    def __init__(self, engine: Engine, batch: Batch, prepared: PreparedRun) -> None:
        self._engine, self._batch, self._processes = engine, batch, prepared.processes
        self.used = self.limit = None
        if engine.memory is not None:
            self.used = self._idle = engine.memory.in_use()
            self.limit = self._idle + engine.memory.available()

    def is_enough(self, n: int, *, training: bool) -> bool:
        """Whether there is enough for a step of `n` subsequences."""
        if self.used is None or self.limit is None:
            return True
        taken = self._engine.step_bytes(self._batch, n, training=training)
        if taken < float("inf"):
            self.used = max(self.used, self._idle + int(taken))
        return not self._processes.any(self._idle + taken >= self.limit)


def _scored_at_once(engine: Engine, batch: Batch, prepared: PreparedRun) -> int:
    """Subsequences that the run will score at once."""
    asked = prepared.settings.val_test_batch_size
    sets = [len(prepared.data.subset), *map(len, prepared.scored.values())]
    if asked != AUTO:
        return min(asked, max(sets))
    return choose_windows_at_once(engine, batch, sets, prepared.processes.least)


def _advice(
    engine: Engine, fits: int | None, settings: TrainingSettings, windows: int
) -> BatchAdvice | None:
    if fits is None or engine.memory is None or engine.memory.is_host:
        return None
    return batch_advice(
        fits,
        batch_size=settings.batch_size * settings.accumulate,
        learning_rate=settings.learning_rate,
        devices=engine.devices,
        windows=windows,
    )


def _step(engine: Engine, batch: Batch) -> float:
    """Seconds of a training step."""

    def run() -> None:
        engine.add_gradients(batch, len(batch))
        engine.update()

    return _measure(engine, run)


def _measure(engine: Engine, run: Callable[[], object]) -> float:
    """Seconds of the second call; the first one compiles."""

    def to_the_end() -> None:
        run()
        engine.wait()

    to_the_end()
    return _seconds(to_the_end)


def _seconds(run: Callable[[], object]) -> float:
    started = time.monotonic()
    run()
    return time.monotonic() - started
