"""The training loop that all strategies share."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.dataset.dataset import Dataset, batches
from helixer_ft.engine import Engine, EngineState
from helixer_ft.errors import HelixerFtError, Interrupted
from helixer_ft.network.weights import LayerWeights
from helixer_ft.runtime.memory import batch_in_memory
from helixer_ft.runtime.parallel import read_ahead
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.history import Check, TrainingProgress
from helixer_ft.training.scoring import DatasetScore, score_dataset

OnCheck = Callable[[Check, LayerWeights], None]


class LossNotFiniteError(HelixerFtError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainingData:
    """The sets of a run; `subset` is the fixed part of the training data scored at each check."""

    training: Dataset
    subset: Dataset
    validation: Dataset


@dataclass(frozen=True)
class Position:
    """Where a training stands between two batches, and what else the rest of it follows from.

    Attributes
    ----------
    epoch, batch
        The batch that was trained last, both from 1.
    check_is_due
        Whether the check after that batch is still to be done.
    number
        Checks so far.
    best
        (genic F1, -loss) of the best of them; None before the first.
    failed_in_a_row
        Checks without improvement up to now.
    losses
        (subsequences, loss) of the batches since the last check.
    seconds
        Since training began.
    engine
        The network and its optimiser.
    """

    epoch: int
    batch: int
    check_is_due: bool
    number: int
    best: tuple[float, float] | None
    failed_in_a_row: int
    losses: tuple[tuple[int, float], ...]
    seconds: float
    engine: EngineState


Save = Callable[[Position], None]


def train(
    engine: Engine,
    data: TrainingData,
    settings: TrainingSettings,
    progress: TrainingProgress,
    on_check: OnCheck,
    *,
    start: Position | None = None,
    save: Save | None = None,
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
    start
        Where to go on; None: at the beginning.
    save
        Called after each check, every `settings.checkpoint_minutes` and where the work is asked to
        stop (`Progress.interrupted`), with the present position.

    Returns
    -------
    str
        Why training ended.

    Raises
    ------
    LossNotFiniteError
        Training loss or validation loss is not a number any more.
    Interrupted
        The work was asked to stop; its position was saved.
    InputError
        The position to go on at is that of another network.
    """
    loop = _Loop(engine, data, settings, progress, on_check, save)
    if start is not None:
        loop.go_to(start)
    return loop.run()


class _Loop:
    def __init__(
        self,
        engine: Engine,
        data: TrainingData,
        settings: TrainingSettings,
        progress: TrainingProgress,
        on_check: OnCheck,
        save: Save | None,
    ) -> None:
        self.engine = engine
        self.data = data
        self.settings = settings
        self.progress = progress
        self.on_check = on_check
        self.batch_size = min(settings.batch_size, len(data.training))
        self.save = save
        self.started = self.saved = time.monotonic()
        self.epoch, self.batch, self.check_is_due = 1, 0, False
        self.number = 0
        self.best: tuple[float, float] | None = None
        self.failed_in_a_row = 0
        self.losses: list[tuple[int, float]] = []

    def go_to(self, start: Position) -> None:
        """Take up the training where it stood."""
        self.engine.restore(start.engine)
        self.epoch, self.batch, self.check_is_due = start.epoch, start.batch, start.check_is_due
        self.number, self.best = start.number, start.best
        self.failed_in_a_row = start.failed_in_a_row
        self.losses = list(start.losses)
        self.started -= start.seconds

    def run(self) -> str:
        try:
            while self.epoch <= self.settings.epochs:
                if self._out_of_patience or self._epoch():
                    return f"no improvement in {self.settings.patience} checks (--patience)"
                self.epoch, self.batch = self.epoch + 1, 0
        except Interrupted:
            self._save()
            raise
        return f"all {self.settings.epochs} epochs are done (--epochs)"

    @property
    def _out_of_patience(self) -> bool:
        return self.failed_in_a_row >= self.settings.patience

    def _epoch(self) -> bool:
        """Train the present epoch from the present batch on; true when patience is exhausted."""
        settings = self.settings
        order = epoch_order(len(self.data.training), settings.seed, self.epoch)
        n_batches = math.ceil(len(order) / settings.batch_size)
        left = order[self.batch * settings.batch_size :]
        read = self.engine.reading(self.data.training.read, self.batch_size)
        loaded = read_ahead(read, batches(len(left), settings.batch_size, left))
        try:
            if self.check_is_due and self._check():
                return True
            self._show(n_batches)
            for batch in loaded:
                self._train_batch(batch)
                if self.batch % settings.accumulate == 0 or self.batch == n_batches:
                    self.engine.update()
                every = settings.check_every_nth_batch
                self.check_is_due = bool(
                    self.batch == n_batches or (every and self.batch % every == 0)
                )
                self.progress.stop_if_interrupted()
                if self.check_is_due:
                    self.progress.finish()
                    if self._check():
                        return True
                    self._show(n_batches)
                elif time.monotonic() - self.saved >= 60 * settings.checkpoint_minutes:
                    self._save()
        finally:  # a loss that is not finite, an unreadable file, Ctrl-C
            self.progress.finish()
            loaded.close()
        return False

    def _show(self, n_batches: int) -> None:
        if self.batch < n_batches:
            n, done = len(self.data.training), self.batch * self.settings.batch_size
            self.progress.start(f"epoch {self.epoch}", n, "windows", done)

    def _train_batch(self, batch: Batch) -> None:
        with batch_in_memory(
            self.engine.memory,
            self.batch_size,
            partial(self._train_one, batch) if self.engine.alone else None,
            self._smaller_batches,
        ):
            loss, _ = self.engine.add_gradients(batch, self.batch_size)
        self.batch += 1
        self._require_finite(loss, "training")
        self.losses.append((batch.n, loss))
        self.progress.advance(batch.n, note=f"loss {loss:.4f}")

    def _train_one(self, batch: Batch) -> None:
        self.engine.add_gradients(batch.first(1), 1)

    def _smaller_batches(self, fits: int) -> str:
        parts = math.ceil(self.batch_size / fits)
        size, before = math.ceil(self.batch_size / parts), self.settings.accumulate
        return (
            f"start anew with --batch-size {size} --accumulate {parts * before}, which makes "
            f"updates of {size * parts * before} subsequences (now {self.batch_size * before})"
        )

    def _check(self) -> bool:
        """Score, tell, count; true when patience is exhausted."""
        validation = self._score(self.data.validation, "scoring: validation data")
        self._require_finite(validation.loss, "validation")
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
            epoch=self.epoch,
            batch=self.batch,
            training_loss=float(np.average(losses, weights=counts)),
            subset=subset,
            validation=validation,
            improved=improved,
            failed_in_a_row=self.failed_in_a_row,
            seconds=time.monotonic() - self.started,
        )
        self.on_check(check, self.engine.get_weights())
        self.check_is_due = False
        self._save()
        self.progress.check(check)
        return self._out_of_patience

    def _save(self) -> None:
        if self.save is None:
            return
        self.save(
            Position(
                epoch=self.epoch,
                batch=self.batch,
                check_is_due=self.check_is_due,
                number=self.number,
                best=self.best,
                failed_in_a_row=self.failed_in_a_row,
                losses=tuple(self.losses),
                seconds=time.monotonic() - self.started,
                engine=self.engine.state(),
            )
        )
        self.saved = time.monotonic()

    def _score(self, dataset: Dataset, task: str) -> DatasetScore:
        size = self.settings.val_test_batch_size
        return score_dataset(self.engine, dataset, size, self.progress, task)

    def _require_finite(self, loss: float, which: str) -> None:
        if math.isfinite(loss):
            return
        kept = "The best model so far is kept. " if self.best else "No check was reached before. "
        raise LossNotFiniteError(
            f"the {which} loss became {loss} in epoch {self.epoch}, batch {self.batch}: training "
            "diverged. "
            f"{kept}Try a smaller --learning-rate (it is {self.settings.learning_rate:g})."
        )


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """(n,) order of the training data in an epoch: a function of the seed and the epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def fixed_subset(n: int, size: int, seed: int) -> np.ndarray:
    """Sorted indices of the part of the training data that is scored at each check."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:size])
