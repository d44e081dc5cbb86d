"""What the training loop asks of a backend."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, SupportsFloat

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.engine.arithmetic import make_optimizer
from helixer_ft.engine.values import Accumulated, EngineState, ScoredBatch
from helixer_ft.engine.windows_at_once import UNTOLD
from helixer_ft.errors import InputError
from helixer_ft.network.architecture import Architecture, BatchNorm
from helixer_ft.network.model import build_head, build_keras, get_weights, set_weights
from helixer_ft.network.strategies import Plan
from helixer_ft.network.weights import LayerWeights
from helixer_ft.recipes import recipe_of
from helixer_ft.runtime.memory import (
    MAX_SUGGESTION,
    largest_batch,
    measured_bytes,
    room_for_batch,
)
from helixer_ft.runtime.resources import ProcessMemory
from helixer_ft.settings import TrainingSettings

Devices = Literal["one", "own", "all"]
"""One device, all of this process, or those of all processes of the run (JAX alone has several)."""
Read = Callable[[np.ndarray], Batch]
"""Indices of subsequences -> a batch."""


class Engine(ABC):
    """A Keras model that is scored, and trained where a plan is given.

    Parameters
    ----------
    architecture, weights
        The network.
    plan
        What trains; None: scoring only.
    settings
        Optimiser, loss weights, precision and seed.
    from_features
        The model is the head alone, and batches bring the body's output; the body's weights are
        kept as they are given. Coverage comes with the batches in either case, to a network that
        takes it, and to no other.
    """

    fills_batches: bool
    """Whether a smaller batch is filled up, so that one compiled shape serves all."""
    alone: bool = True
    """Whether this process does all steps by itself."""
    devices: int = 1
    """Number of those that share the work on a batch."""
    memory: ProcessMemory | None
    """Memory of each device that computes; None where the backend does not tell."""
    windows_at_once: int = UNTOLD
    """Subsequences that are scored at once where no number is asked for."""

    def __init__(
        self,
        architecture: Architecture,
        weights: LayerWeights,
        plan: Plan | None = None,
        settings: TrainingSettings | None = None,
        *,
        from_features: bool = False,
    ) -> None:
        self.architecture = architecture
        self.settings = settings or TrainingSettings()
        self.from_features = from_features
        # with a frozen body, dropout stays inactive
        self.training_mode = plan is not None and not plan.body_is_frozen
        batch_statistics = plan is None or plan.batchnorm_statistics
        self.leaves_out_fillers = (
            self.fills_batches
            and self.training_mode
            and batch_statistics
            and any(isinstance(layer, BatchNorm) for layer in architecture.body)
        )
        self.memory = ProcessMemory()
        self._taken_by_one: dict[bool, float] = {}
        self._read_before: set[int] = set()
        self._given = weights
        precision = self.settings.precision
        if from_features:
            self.model = build_head(architecture, precision=precision)
        else:
            self.model = build_keras(
                architecture,
                seed=self.settings.seed,
                batchnorm_statistics=batch_statistics,
                filled_batches=self.leaves_out_fillers,
                precision=precision,
            )
        set_weights(self.model, weights)
        trainable = plan.trainable if plan else frozenset()
        for layer in self.model.layers:
            layer.trainable = layer.name in trainable
        self.optimizer: Any = None
        if plan is not None:
            self.optimizer = make_optimizer(self.settings)
            self.optimizer.build(self.model.trainable_variables)
        self._accumulated: list[tuple[int, Any]] = []
        self._average: list[Any] | None = None
        self._prepare()
        if plan is not None and recipe_of(self.settings).average is not None:
            self._average = self._averaged_with(None, 0.0)

    @property
    def runs_ahead(self) -> bool:
        """Whether the next step may be handed over before the last one is computed."""
        return False

    def add_gradients(self, batch: Batch, batch_size: int) -> tuple[SupportsFloat, Any]:
        """Compute the gradients of a batch and keep them for the next `update`.

        Parameters
        ----------
        batch
            At most `batch_size` subsequences, or what `reading` leaves of them.
        batch_size
            Size of all batches; a smaller last one changes neither its loss nor the compiled step.

        Returns
        -------
        tuple
            Total loss, and the loss of each output, before the update; numbers, or what an
            accelerator is still computing (`runs_ahead`): `float` waits for it.
        """
        total, parts, gradients = self._gradients(self._fill(batch, batch_size), batch.n)
        if not self.runs_ahead or batch_size not in self._read_before:
            # what fails while it is computed fails here, before anything has changed; the first
            # step of a size tells whether there is memory, as all of them take the same
            total, parts = float(total), np.asarray(parts)
            self._read_before.add(batch_size)
        self._take_up()
        self._accumulated.append((batch.n, gradients))
        return total, parts

    def update(self) -> None:
        """One optimiser step with the mean gradient over all subsequences since the last one."""
        if len(self._accumulated) == 1:
            ((_, gradients),) = self._accumulated
        else:
            counts, columns = zip(*self._accumulated, strict=True)
            shares = [count / sum(counts) for count in counts]
            gradients = [
                sum(share * gradient for share, gradient in zip(shares, variable, strict=True))
                for variable in zip(*columns, strict=True)
            ]
        self._accumulated.clear()
        self._apply(gradients)

    @abstractmethod
    def set_learning_rate(self, value: float) -> None:
        """Of the updates from here on."""

    def average(self, share: float) -> None:
        """Take the present weights into their moving average, which keeps `share` of what it was;
        the recipe asks for one.
        """
        self._average = self._averaged_with(self._average, share)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, scores and `get_weights` are of the average."""
        assert self._average is not None, "the recipe asks for one"
        present = self._exchange(self._average)
        try:
            yield
        finally:
            self._exchange(present)

    def score(self, batch: Batch, batch_size: int) -> ScoredBatch:
        """Confusion counts and cross-entropy per window, in inference mode."""
        counts, entropy, _ = self._score(self._fill(batch, batch_size))
        if not self.runs_ahead:
            counts, entropy = np.asarray(counts), np.asarray(entropy)
        return ScoredBatch(counts, entropy, batch.n)

    def predict_classes(self, batch: Batch, batch_size: int) -> np.ndarray:
        """(n, L) uint8 predicted genic classes, in inference mode; compiles nothing after `score`
        of batches of the same size.
        """
        *_, classes = self._score(self._fill(batch, batch_size))
        return np.asarray(classes)[: batch.n]

    def get_weights(self) -> LayerWeights:
        """The present weights, copied to host memory."""
        return self._given | get_weights(self.model, self.architecture)

    def set_weights(self, weights: LayerWeights) -> None:
        """Replace the weights; the optimiser's state stays."""
        self._given = weights
        set_weights(self.model, weights)

    def reading(self, read: Read, batch_size: int) -> Read:
        """`read` for batches of one size; where this process computes only a part of each batch,
        of that part alone. What is read may be placed on the devices at once.
        """
        return read

    def step_bytes(self, batch: Batch, batch_size: int, *, training: bool) -> float:
        """Bytes that a step of `batch_size` subsequences like those of a batch takes on each
        device, on top of what is in use between steps: of training, or of scoring.

        Here: what one takes by the peak of the process, times their number. Infinity where that
        cannot be found out for want of memory.
        """
        assert self.memory is not None, "the backend tells of its memory"
        if training not in self._taken_by_one:
            one = batch.first(1)
            self._taken_by_one[training] = measured_bytes(
                self.memory,
                (lambda: self._gradients(one, 1)) if training else (lambda: self._score(one)),
            )
        return batch_size * self._taken_by_one[training]

    def largest_batch(
        self,
        batch: Batch,
        start: int,
        *,
        training: bool,
        agree: Callable[[int], int] = lambda n: n,
    ) -> int | None:
        """The most subsequences like those of a batch that a step has memory for.

        Parameters
        ----------
        batch
            Any.
        start
            A number to begin with.
        training
            A step of training, or of scoring.
        agree
            This process's number of bytes -> the least of all processes of the run.

        Returns
        -------
        int or None
            At most `MAX_SUGGESTION` on each device; 0 where not even one fits; None where the
            backend does not tell.
        """
        if self.memory is None:
            return None

        def bytes_of(n: int) -> float:
            return self.step_bytes(batch, n, training=training)

        most = MAX_SUGGESTION * self.devices
        fits = largest_batch(bytes_of, agree(room_for_batch(self.memory)), start, most)
        return min(most, math.ceil(fits / self.devices) * self.devices)  # the same on each device

    def fitting(self, batch: Batch, size: int, *, training: bool) -> int | None:
        """`largest_batch` where `size` did not fit; None too where other processes would have to
        take part.
        """
        return self.largest_batch(batch, size, training=training) if self.alone else None

    def keep(self, rows: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """Put rows, which come in parts, on the devices as one array `(all, ...)`: each device has
        all of them. Only where the memory is not the host's, and the work of one process.
        """
        raise NotImplementedError

    def wait(self) -> None:  # noqa: B027 - nothing to do where nothing runs ahead
        """Wait for all that was handed over to be computed."""

    def state(self) -> EngineState:
        """A copy of all that training depends on from here on; there is a plan."""
        return EngineState(
            {name: list(map(_to_host, values)) for name, values in self._values().items()},
            [Accumulated(n, list(map(_to_host, gradients))) for n, gradients in self._accumulated],
        )

    def restore(self, state: EngineState) -> None:
        """Go back to where `state` was taken, of an engine that was made alike.

        Raises
        ------
        InputError
            It was taken of another network or optimiser.
        """
        present = self.state().variables
        gradients = {f"gradients {i}": arrays for i, (_, arrays) in enumerate(state.accumulated)}
        expected = present | dict.fromkeys(gradients, present["trainable"])
        for name, arrays in (state.variables | gradients).items():
            if _forms(arrays) != _forms(expected.get(name, [])):
                raise InputError(
                    f"the state of the interrupted run holds '{name}' of another network or "
                    "optimiser, expected what this command trains. Start again with --force "
                    "instead of --resume."
                )
        self._set_values(state.variables)
        self._accumulated = [
            (count, [self._to_device(array) for array in arrays])
            for count, arrays in state.accumulated
        ]

    def _fill(self, batch: Batch, batch_size: int) -> Batch:
        return batch

    def _take_up(self) -> None:  # noqa: B027 - where the backend does so itself
        """Take up the batch-norm statistics of the last `_gradients`."""

    @abstractmethod
    def _prepare(self) -> None:
        """Compile."""

    @abstractmethod
    def _values(self) -> dict[str, list[Any]]:
        """See `EngineState.variables`, where they are now."""

    @abstractmethod
    def _set_values(self, values: dict[str, list[np.ndarray]]) -> None:
        """Replace these."""

    @abstractmethod
    def _to_device(self, array: np.ndarray) -> Any:
        """A copy of an array, as gradients come."""

    @abstractmethod
    def _gradients(self, batch: Batch, n: int) -> tuple[Any, Any, list[Any]]:
        """Total loss, loss per output, gradients, from the first `n` subsequences of a batch;
        batch-norm statistics are updated, by the backend or in `_take_up`.
        """

    @abstractmethod
    def _apply(self, gradients: list[Any]) -> None:
        """One optimiser step."""

    @abstractmethod
    def _averaged_with(self, average: list[Any] | None, share: float) -> list[Any]:
        """`share` of an average and the rest of the present `trainable` and `fixed` values; what is
        not a fraction, or without an average, the present ones alone. Copies.
        """

    @abstractmethod
    def _exchange(self, values: list[Any]) -> list[Any]:
        """Replace the `trainable` and `fixed` values; returns those before."""

    @abstractmethod
    def _score(self, batch: Batch) -> tuple[Any, Any, Any]:
        """Counts `(n, outputs, 4, 4)`, entropy `(n, outputs)` and genic classes `(n, L)`."""


def _to_host(array: Any) -> np.ndarray:
    from keras import ops

    return np.array(ops.convert_to_numpy(array))


def _forms(arrays: list[np.ndarray]) -> list[tuple[tuple[int, ...], np.dtype]]:
    return [(array.shape, array.dtype) for array in arrays]
