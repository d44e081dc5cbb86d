"""The training loop that all strategies share."""

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import SupportsFloat

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.dataset.dataset import Dataset, batches
from helixer_ft.engine import Engine, EngineState, Read
from helixer_ft.errors import HelixerFtError, Interrupted
from helixer_ft.network.weights import LayerWeights
from helixer_ft.recipes import recipe_of
from helixer_ft.runtime.memory import batch_in_memory
from helixer_ft.runtime.parallel import read_ahead
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check, TrainingProgress
from helixer_ft.training.scoring import score_dataset

LOSSES_WAITING = 2
"""Steps that an accelerator may be given beyond the last one whose loss is known."""

OnCheck = Callable[[Check, LayerWeights], None]


class LossNotFiniteError(HelixerFtError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainingData:
    """The sets of a run; `subset` is the fixed part of the training data scored at each check."""

    training: Dataset
    subset: Dataset
    validation: Dataset


@dataclass
class Place:
    """Where a training is between two batches.

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
    updates
        Updates so far.
    seconds
        Since training began; counted where the place is kept.
    """

    epoch: int = 1
    batch: int = 0
    check_is_due: bool = False
    number: int = 0
    best: tuple[float, float] | None = None
    failed_in_a_row: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    updates: int = 0
    seconds: float = 0.0


@dataclass
class Position(Place):
    """A place, and the network and its optimiser there: all that the rest follows from."""

    engine: EngineState = field(kw_only=True)


Save = Callable[[Position], None]


def train(
    engine: Engine,
    data: TrainingData,
    settings: TrainingSettings,
    progress: TrainingProgress,
    on_check: OnCheck,
    *,
    keeps_last: bool = False,
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
        Reports the batches.
    on_check
        Called after each check with the check and the present weights.
    keeps_last
        The last check counts as the best, whatever its scores.
    start
        Where to resume; None: start from the beginning.
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
        Training loss or validation loss is no longer a number.
    Interrupted
        The work was asked to stop; its position was saved.
    InputError
        The position to resume at belongs to another network.
    """
    loop = _Loop(engine, data, settings, progress, on_check, keeps_last, save)
    if start is not None:
        loop.go_to(start)
    return loop.run()


@dataclass
class _Loop:
    engine: Engine
    data: TrainingData
    settings: TrainingSettings
    progress: TrainingProgress
    on_check: OnCheck
    keeps_last: bool
    save: Save | None

    def __post_init__(self) -> None:
        self.batch_size = min(self.settings.batch_size, len(self.data.training))
        self.recipe = recipe_of(self.settings)
        self.n_batches = math.ceil(len(self.data.training) / self.settings.batch_size)
        updates_per_epoch = math.ceil(self.n_batches / self.settings.accumulate)
        self.all_updates = self.settings.epochs * updates_per_epoch
        self.started = self.saved = time.monotonic()
        self.at = Place()
        self.waiting: deque[tuple[int, Batch, SupportsFloat]] = deque()
        """(number, batch, loss) of steps that are handed over."""

    def go_to(self, start: Position) -> None:
        """Take up the training where it was interrupted."""
        values = vars(start) | {"losses": list(start.losses)}
        self.engine.restore(values.pop("engine"))
        self.at = Place(**values)
        self.started -= start.seconds

    def run(self) -> str:
        try:
            while self.at.epoch <= self.settings.epochs:
                if self._out_of_patience or self._epoch():
                    return f"no improvement in {self.settings.patience} checks (--patience)"
                self.at.epoch, self.at.batch = self.at.epoch + 1, 0
        except Interrupted:
            self._save()
            raise
        return f"all {self.settings.epochs} epochs are done (--epochs)"

    @property
    def _out_of_patience(self) -> bool:
        return self.at.failed_in_a_row >= self.settings.patience

    def _epoch(self) -> bool:
        """Train the present epoch from the present batch on; true when patience is exhausted."""
        settings = self.settings
        order = epoch_order(len(self.data.training), settings.seed, self.at.epoch)
        n_batches = self.n_batches
        left = order[self.at.batch * settings.batch_size :]
        read = self.engine.reading(self._reading_shifted(), self.batch_size)
        loaded = read_ahead(read, batches(len(left), settings.batch_size, left))
        try:
            if self.at.check_is_due and self._check():
                return True
            self._show(n_batches)
            for batch in loaded:
                self._train_batch(batch)
                if self.at.batch % settings.accumulate == 0 or self.at.batch == n_batches:
                    self._update()
                every = settings.check_every_nth_batch
                self.at.check_is_due = bool(
                    self.at.batch == n_batches or (every and self.at.batch % every == 0)
                )
                self.progress.stop_if_interrupted()
                if self.at.check_is_due:
                    self._read_losses()
                    self.progress.finish()
                    if self._check():
                        return True
                    self._show(n_batches)
                elif time.monotonic() - self.saved >= 60 * settings.checkpoint_minutes:
                    self._save()
        except Interrupted:
            self._read_losses()
            raise
        finally:  # a loss that is not finite, an unreadable file, Ctrl-C
            self.progress.finish()
            loaded.close()
        return False

    def _reading_shifted(self) -> Read:
        """Reads training data as the recipe has them in the present epoch."""
        training = self.data.training
        if not (self.recipe.shifts and self.engine.training_mode):
            return training.read
        pool_size = self.engine.architecture.pool_size
        offsets = epoch_offsets(len(training), pool_size, self.settings.seed, self.at.epoch)
        return lambda indices: training.read(indices).shifted(offsets[indices])

    def _show(self, n_batches: int) -> None:
        if self.at.batch < n_batches:
            n, done = len(self.data.training), self.at.batch * self.settings.batch_size
            self.progress.start(f"epoch {self.at.epoch}", n, "windows", done)

    def _train_batch(self, batch: Batch) -> None:
        with self._in_memory(batch):
            loss, _ = self.engine.add_gradients(batch, self.batch_size)
        self.at.batch += 1
        self.waiting.append((self.at.batch, batch, loss))
        self._read_losses(0 if isinstance(loss, float) else LOSSES_WAITING)

    def _update(self) -> None:
        recipe, full = self.recipe, self.settings.learning_rate
        if not recipe.is_constant:
            self.engine.set_learning_rate(recipe.rate(full, self.at.updates, self.all_updates))
        self.engine.update()
        self.at.updates += 1
        if recipe.average is not None:
            self.engine.average(recipe.share(self.at.updates))

    def _read_losses(self, left: int = 0) -> None:
        """Read the losses of the steps that were handed over, but for the last few."""
        while len(self.waiting) > left:
            number, batch, computed = self.waiting.popleft()
            with self._in_memory(batch):
                loss = float(computed)
            self._require_finite(loss, "training", number)
            self.at.losses.append((batch.n, loss))
            self.progress.advance(batch.n, note=f"loss {loss:.4f}")

    def _in_memory(self, batch: Batch) -> AbstractContextManager[None]:
        return batch_in_memory(
            self.batch_size,
            lambda: self.engine.fitting(batch, self.batch_size, training=True),
            self._smaller_batches,
        )

    def _smaller_batches(self, fits: int) -> str:
        parts = math.ceil(self.batch_size / fits)
        size, before = math.ceil(self.batch_size / parts), self.settings.accumulate
        return (
            f"start again with --batch-size {size} --accumulate {parts * before}, which makes "
            f"updates of {size * parts * before} subsequences (now {self.batch_size * before})"
        )

    def _check(self) -> bool:
        """Score, tell, count; true when patience is exhausted."""
        self._read_losses()
        averages = self.recipe.average is not None
        with self.engine.averaged() if averages else nullcontext():
            validation = self._score(self.data.validation, "scoring: validation data")
            self._require_finite(validation.loss, "validation")
            subset = self._score(self.data.subset, "scoring: training subset")
            weights = self.engine.get_weights()
        score = (validation.genic_f1, -validation.loss)
        improved = self.at.best is None or score > self.at.best
        if improved:
            self.at.best, self.at.failed_in_a_row = score, 0
        elif self.at.best is not None and self.at.best[0] > 0:
            self.at.failed_in_a_row += 1
        self.at.number += 1
        counts, losses = zip(*self.at.losses, strict=True)
        self.at.losses.clear()
        check = Check(
            number=self.at.number,
            epoch=self.at.epoch,
            batch=self.at.batch,
            training_loss=float(np.average(losses, weights=counts)),
            subset=subset,
            validation=validation,
            improved=improved or self.keeps_last,
            failed_in_a_row=self.at.failed_in_a_row,
            seconds=time.monotonic() - self.started,
            by_score=not self.keeps_last,
        )
        self.on_check(check, weights)
        self.at.check_is_due = False
        self._save()
        self.progress.check(check)
        return self._out_of_patience

    def _save(self) -> None:
        self._read_losses()
        if self.save is None:
            return
        place = vars(self.at) | {
            "losses": list(self.at.losses),
            "seconds": time.monotonic() - self.started,
        }
        self.save(Position(**place, engine=self.engine.state()))
        self.saved = time.monotonic()

    def _score(self, dataset: Dataset, task: str) -> DatasetScore:
        size = self.settings.val_test_batch_size
        return score_dataset(self.engine, dataset, size, self.progress, task)

    def _require_finite(self, loss: float, which: str, batch: int | None = None) -> None:
        if math.isfinite(loss):
            return
        kept = (
            "The best model so far is kept. " if self.at.best else "No check was reached before. "
        )
        raise LossNotFiniteError(
            f"the {which} loss became {loss} in epoch {self.at.epoch}, batch "
            f"{batch or self.at.batch}: training diverged. {kept}Try a smaller "
            f"--learning-rate (it is {self.settings.learning_rate:g}){self._other_precision}."
        )

    @property
    def _other_precision(self) -> str:
        if self.settings.precision != "mixed_float16":
            return ""
        return ", or --precision mixed_bfloat16: in float16, large numbers overflow"


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """(n,) order of the training data in an epoch: a function of the seed and the epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def epoch_offsets(n: int, pool_size: int, seed: int, epoch: int) -> np.ndarray:
    """(n,) bases that are left out at the start of each window in an epoch, likewise."""
    return np.random.default_rng([seed, epoch, 1]).integers(0, pool_size, n)


def fixed_subset(n: int, size: int, seed: int) -> np.ndarray:
    """Sorted indices of the part of the training data that is scored at each check."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:size])
