"""The training loop that all strategies share."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helixer_ft.errors import HelixerFtError
from helixer_ft.network.weights import LayerWeights
from helixer_ft.training.batch import Batch
from helixer_ft.training.dataset import Dataset, batches, read_ahead
from helixer_ft.training.engine import Engine
from helixer_ft.training.history import Check, TrainingProgress
from helixer_ft.training.scoring import DatasetScore, score_dataset
from helixer_ft.training.settings import TrainingSettings

OnCheck = Callable[[Check, LayerWeights], None]


class LossNotFiniteError(HelixerFtError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainingData:
    """The sets of a run; `subset` is the fixed part of the training data scored at each check."""

    training: Dataset
    subset: Dataset
    validation: Dataset


def train(
    engine: Engine,
    data: TrainingData,
    settings: TrainingSettings,
    progress: TrainingProgress,
    on_check: OnCheck,
) -> str:
    """Train until the epochs or the patience end.

    Parameters
    ----------
    engine
        The network with its plan; holds the weights of the last update afterwards.
    data, settings
        What to train on, and how.
    progress
        Told of batches.
    on_check
        Called after each check with the check and the present weights.

    Returns
    -------
    str
        Why training ended.

    Raises
    ------
    LossNotFiniteError
        Training loss or validation loss is not a number any more.
    """
    return _Loop(engine, data, settings, progress, on_check).run()


class _Loop:
    def __init__(
        self,
        engine: Engine,
        data: TrainingData,
        settings: TrainingSettings,
        progress: TrainingProgress,
        on_check: OnCheck,
    ) -> None:
        self.engine = engine
        self.data = data
        self.settings = settings
        self.progress = progress
        self.on_check = on_check
        self.batch_size = min(settings.batch_size, len(data.training))
        self.started = time.monotonic()
        self.number = 0
        self.best: tuple[float, float] | None = None
        self.failed_in_a_row = 0
        self.losses: list[tuple[int, float]] = []

    def run(self) -> str:
        for epoch in range(1, self.settings.epochs + 1):
            if self._epoch(epoch):
                return f"no improvement in {self.settings.patience} checks (--patience)"
        return f"all {self.settings.epochs} epochs are done (--epochs)"

    def _epoch(self, epoch: int) -> bool:
        """Train one epoch; true when patience is exhausted."""
        settings = self.settings
        order = epoch_order(len(self.data.training), settings.seed, epoch)
        n_batches = math.ceil(len(order) / settings.batch_size)
        read = self.engine.reading(self.data.training.read, self.batch_size)
        loaded = read_ahead(read, batches(len(order), settings.batch_size, order))
        self.progress.start(f"epoch {epoch}", n_batches)
        try:
            for batch, loaded_batch in enumerate(loaded, start=1):
                self._train_batch(epoch, batch, loaded_batch)
                if batch % settings.accumulate == 0 or batch == n_batches:
                    self.engine.update()
                every = settings.check_every_nth_batch
                if batch == n_batches or (every and batch % every == 0):
                    self.progress.finish()
                    if self._check(epoch, batch):
                        return True
                    if batch < n_batches:
                        self.progress.start(f"epoch {epoch}", n_batches)
                        self.progress.advance(batch)
        finally:  # a loss that is not finite, an unreadable file, Ctrl-C
            self.progress.finish()
            loaded.close()
        return False

    def _train_batch(self, epoch: int, number: int, batch: Batch) -> None:
        loss, _ = self.engine.add_gradients(batch, self.batch_size)
        self._require_finite(loss, "training", epoch, number)
        self.losses.append((batch.n, loss))
        self.progress.advance(note=f"loss {loss:.4f}")

    def _check(self, epoch: int, batch: int) -> bool:
        """Score, tell, count; true when patience is exhausted."""
        validation = self._score(self.data.validation, "scoring: validation data")
        self._require_finite(validation.loss, "validation", epoch, batch)
        subset = self._score(self.data.subset, "scoring: training subset")
        score = (validation.genic_f1, -validation.loss)
        improved = self.best is None or score > self.best
        if improved:
            self.best, self.failed_in_a_row = score, 0
        elif self.best is not None and self.best[0] > 0:
            self.failed_in_a_row += 1
        self.number += 1
        counts, losses = zip(*self.losses, strict=True)
        self.losses.clear()
        check = Check(
            number=self.number,
            epoch=epoch,
            batch=batch,
            training_loss=float(np.average(losses, weights=counts)),
            subset=subset,
            validation=validation,
            improved=improved,
            failed_in_a_row=self.failed_in_a_row,
            seconds=time.monotonic() - self.started,
        )
        self.on_check(check, self.engine.get_weights())
        self.progress.check(check)
        return self.failed_in_a_row >= self.settings.patience

    def _score(self, dataset: Dataset, task: str) -> DatasetScore:
        size = self.settings.val_test_batch_size
        return score_dataset(self.engine, dataset, size, self.progress, task)

    def _require_finite(self, loss: float, which: str, epoch: int, batch: int) -> None:
        if math.isfinite(loss):
            return
        kept = "The best model so far is kept. " if self.best else "No check was reached before. "
        raise LossNotFiniteError(
            f"the {which} loss became {loss} in epoch {epoch}, batch {batch}: training diverged. "
            f"{kept}Try a smaller --learning-rate (it is {self.settings.learning_rate:g})."
        )


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """(n,) order of the training data in an epoch: a function of the seed and the epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def fixed_subset(n: int, size: int, seed: int) -> np.ndarray:
    """Sorted indices of the part of the training data that is scored at each check."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:size])
