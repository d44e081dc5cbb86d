"""What a run would take, from a timed batch."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.engine import Engine, engine_class
from helixer_ft.progress import Progress
from helixer_ft.runtime.memory import largest_batch
from helixer_ft.training.features import Body, feature_dtype
from helixer_ft.training.prepared import PreparedRun


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
        Of the feature cache and of the coverage that goes with it; 0 without one.
    memory
        Bytes in use in a step: of the accelerator where there is one (of each, where there are
        several), else of the process.
    memory_limit
        Bytes that may be used there.
    batch_size
        Largest one that fits, at most 256; 0 where not even one subsequence does.
    """

    step_seconds: float
    epoch_seconds: float
    once_seconds: float
    feature_bytes: int
    memory: int
    memory_limit: int
    batch_size: int


def estimate(prepared: PreparedRun) -> Estimate:
    """Time a training and a scoring step; nothing is written, and nothing is kept of them.

    A batch that would not fit by the memory that one subsequence takes is not run; its time is
    that of one subsequence, times their number.
    """
    request, data, plan = prepared.request, prepared.data, prepared.plan
    settings = request.settings
    cached = prepared.caches_features
    n_test = len(prepared.test) if prepared.test else 0
    n_check = len(data.validation) + len(data.subset)
    n = min(settings.batch_size, len(data.training))
    training = data.training
    if plan.model.coverage is None:
        training = training.without_coverage()
    batch = training.read(np.arange(n))
    once, feature_bytes = 0.0, 0
    if cached:
        body = Body(plan.model, settings.precision, n)
        features = body.features(batch)
        n_all = len(data.training) + len(data.validation) + n_test
        once = _seconds(lambda: body.features(batch)) / n * n_all / prepared.processes.count
        dtype = feature_dtype(plan.model.architecture, request.cache, Progress())
        coverage_bytes = 0 if batch.coverage is None else batch.coverage[0].nbytes
        feature_bytes = n_all * (features[0].size * dtype.itemsize + coverage_bytes)
        batch = replace(batch, features=features)
    engine = engine_class()(
        plan.model.architecture, plan.model.weights, plan, settings, from_features=cached
    )
    idle = engine.memory.in_use()
    limit = idle + engine.memory.available()
    seconds, peak = _step(engine, batch.first(1))
    taken: float = peak - idle
    rounds = math.ceil(n / engine.devices)  # subsequences on the device that has most
    no_room = prepared.processes.any
    if rounds > 1 and no_room(idle + rounds * taken >= limit):
        seconds, peak = seconds * rounds, int(idle + rounds * taken)
    elif n > 1:
        seconds, peak = _step(engine, batch)
        taken = (peak - idle) / rounds
    n_scored = min(settings.val_test_batch_size, max(len(data.validation), len(data.subset)))
    if no_room(idle + math.ceil(n_scored / engine.devices) * taken >= limit):
        n_scored = n
    scored = batch.first(n_scored).filled(n_scored)
    per_score, scoring_peak = _measure(engine, lambda: engine.score(scored, n_scored))
    per_score /= n_scored
    trainings = 1 if prepared.comparison is None else 2
    return Estimate(
        step_seconds=seconds,
        epoch_seconds=trainings * (seconds * len(data.training) / n + per_score * n_check),
        once_seconds=once + per_score * (n_check + (1 + trainings) * n_test),
        feature_bytes=feature_bytes,
        memory=max(peak, scoring_peak),
        memory_limit=limit,
        batch_size=largest_batch(limit, idle, taken, engine.devices),
    )


def _step(engine: Engine, batch: Batch) -> tuple[float, int]:
    """Seconds of a training step, and the most memory in use meanwhile."""

    def run() -> None:
        engine.add_gradients(batch, len(batch))
        engine.update()

    return _measure(engine, run)


def _measure(engine: Engine, run: Callable[[], object]) -> tuple[float, int]:
    """Seconds of the second call, and the most memory in use meanwhile; the first one compiles."""
    run()
    engine.memory.reset_peak()
    return _seconds(run), engine.memory.peak()


def _seconds(run: Callable[[], object]) -> float:
    started = time.monotonic()
    run()
    return time.monotonic() - started
