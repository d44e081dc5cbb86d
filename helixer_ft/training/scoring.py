"""Scores of a network on a dataset: confusion counts window by window, and the mean loss."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.dataset.dataset import Dataset, batches
from helixer_ft.engine import Engine
from helixer_ft.engine.loss import GENIC_SHARE
from helixer_ft.metrics import OUTPUTS, Confusion
from helixer_ft.progress import Progress
from helixer_ft.runtime.memory import scoring_in_memory
from helixer_ft.runtime.parallel import read_ahead


@dataclass(frozen=True)
class DatasetScore(Confusion):
    """What a network makes of a dataset.

    Attributes
    ----------
    counts
        See `Confusion`.
    loss
        Mean cross-entropy over valid bases, unweighted: 0.8 genic + 0.2 phase.
    """

    loss: float

    def summed(self) -> "DatasetScore":
        """The same score without its windows, a few numbers however large the dataset."""
        return DatasetScore(self.counts.sum(axis=0, keepdims=True), self.loss)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        matrices = {output: matrix.tolist() for output, matrix in self.matrices.items()}
        return {
            "genic_f1": self.genic_f1,
            "loss": self.loss,
            "f1": {name: value.f1 for name, value in self.scores.items()},
        } | {f"{output}_confusion_matrix": matrices.get(output) for output in OUTPUTS}


def score_dataset(
    engine: Engine, dataset: Dataset, batch_size: int, progress: Progress, task: str
) -> DatasetScore:
    """Score a network on every window of a dataset; the batch size does not change the result."""
    batch_size = min(batch_size, len(dataset))
    counts, entropy = [], np.zeros(len(engine.architecture.outputs))
    steps = read_ahead(engine.reading(dataset.read, batch_size), batches(len(dataset), batch_size))
    progress.start(task, len(dataset), "windows")
    try:
        for batch in steps:
            one = partial(_score_one, engine, batch) if engine.alone else None
            with scoring_in_memory(engine.memory, batch_size, one):
                scored = engine.score(batch, batch_size)
            counts.append(scored.counts)
            entropy += scored.entropy.sum(axis=0)
            progress.advance(batch.n)
            progress.stop_if_interrupted()
    finally:
        progress.finish()
    joined = np.concatenate(counts)
    n_valid = joined[:, 0].sum()
    shares = [GENIC_SHARE, 1 - GENIC_SHARE] if len(entropy) == 2 else [1.0]
    loss = float(entropy @ shares / n_valid) if n_valid else float("nan")
    return DatasetScore(joined, loss)


def _score_one(engine: Engine, batch: Batch) -> None:
    engine.score(batch.first(1), 1)


def predict_windows(
    engine: Engine, dataset: Dataset, numbers: np.ndarray, batch_size: int
) -> np.ndarray:
    """(n, L) uint8 predicted genic classes of a few windows, at the batch size of the scores."""
    batch_size = min(batch_size, len(dataset))
    read = engine.reading(dataset.read, batch_size)
    parts = [
        engine.predict_classes(read(numbers[part]), batch_size)
        for part in batches(len(numbers), batch_size)
    ]
    return np.concatenate(parts)
