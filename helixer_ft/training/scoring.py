"""Scores of a network on a dataset: confusion counts window by window, and the mean loss."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.dataset.dataset import Dataset, batches
from helixer_ft.engine import Engine, ScoredBatch
from helixer_ft.engine.loss import GENIC_SHARE
from helixer_ft.engine.windows_at_once import (
    MAX_OF_HEAD_ON_HOST,
    MAX_ON_HOST,
    windows_at_once,
)
from helixer_ft.metrics import paired_bootstrap
from helixer_ft.progress import Progress
from helixer_ft.runtime.memory import scoring_in_memory
from helixer_ft.runtime.parallel import read_ahead
from helixer_ft.training.dataset_score import DatasetScore

BATCHES_WAITING = 2
"""Batches that an accelerator may be given beyond the last one whose scores are read."""


def score_dataset(
    engine: Engine,
    dataset: Dataset,
    batch_size: int | Literal["auto"],
    progress: Progress,
    task: str,
) -> DatasetScore:
    """Score a network on every window of a dataset; the batch size does not change the result.

    Where that is "auto", the engine's `windows_at_once` counts.
    """
    size = _size(engine, dataset, batch_size)
    counts: list[np.ndarray] = []
    entropy: list[np.ndarray] = []
    waiting: deque[tuple[Batch, ScoredBatch]] = deque()

    def in_memory(batch: Batch) -> AbstractContextManager[None]:
        return scoring_in_memory(size, lambda: engine.fitting(batch, size, training=False))

    def read(left: int) -> None:
        while len(waiting) > left:
            batch, scored = waiting.popleft()
            with in_memory(batch):
                counts.append(scored.counts)
            entropy.append(scored.entropy)
            progress.advance(batch.n)

    steps = read_ahead(engine.reading(dataset.read, size), batches(len(dataset), size))
    progress.start(task, len(dataset), "windows")
    try:
        for batch in steps:
            with in_memory(batch):
                waiting.append((batch, engine.score(batch, size)))
            read(0 if waiting[-1][1].is_ready else BATCHES_WAITING)
            progress.stop_if_interrupted()
        read(0)
    finally:
        progress.finish()
    joined = np.concatenate(counts)
    n_valid = joined[:, 0].sum()
    # exactly rounded sums: the same whatever the batches were
    sums = np.array([math.fsum(column) for column in np.concatenate(entropy).T.tolist()])
    shares = [GENIC_SHARE, 1 - GENIC_SHARE] if len(sums) == 2 else [1.0]
    loss = float(sums @ shares / n_valid) if n_valid else float("nan")
    return DatasetScore(joined, loss)


def is_better(before: DatasetScore, after: DatasetScore, dataset: Dataset, seed: int) -> bool:
    """Whether a network is better than another on a dataset beyond doubt: the whole 95 % interval
    of the difference in genic F1 is above 0.
    """
    intervals = paired_bootstrap(before.counts, after.counts, dataset.regions, seed=seed)
    return intervals["genic"].low > 0


def predict_windows(
    engine: Engine, dataset: Dataset, numbers: np.ndarray, batch_size: int | Literal["auto"]
) -> np.ndarray:
    """(n, L) uint8 predicted genic classes of a few windows, at the batch size of the scores."""
    size = _size(engine, dataset, batch_size)
    read = engine.reading(dataset.read, size)
    parts = [
        engine.predict_classes(read(numbers[part]), size) for part in batches(len(numbers), size)
    ]
    return np.concatenate(parts)


def choose_windows_at_once(
    engine: Engine, batch: Batch, sets: Sequence[int], agree: Callable[[int], int] = lambda n: n
) -> int:
    """`--val-test-batch-size auto`: as many windows as the engine has memory to score at once.

    Parameters
    ----------
    engine
        The network.
    batch
        Some of what it will score.
    sets
        Windows of each set that it will score.
    agree
        This process's number of bytes -> the least of all processes of the run.

    Returns
    -------
    int
        1 too where not even one fits: scoring it will say so.
    """
    size = windows_at_once(
        sets,
        engine.memory,
        lambda n: engine.step_bytes(batch, n, training=False),
        devices=engine.devices,
        most_on_host=MAX_OF_HEAD_ON_HOST if engine.from_features else MAX_ON_HOST,
        agree=agree,
    )
    return max(1, size)


def _size(engine: Engine, dataset: Dataset, asked: int | Literal["auto"]) -> int:
    return min(engine.windows_at_once if asked == "auto" else asked, len(dataset))
