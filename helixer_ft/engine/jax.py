"""The engine on JAX: pure functions over lists of arrays, compiled once per batch shape."""

import math
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helixer_ft.dataset.batch import Batch, RowsOnDevice
from helixer_ft.engine.arithmetic import count_and_entropy, genic_classes, network_input
from helixer_ft.engine.base import Devices, Engine, Read
from helixer_ft.engine.device_memory import device_memory, planned_bytes
from helixer_ft.engine.device_rows import gather, upload
from helixer_ft.engine.forward import Forward
from helixer_ft.engine.loss import losses, pooled_weights
from helixer_ft.engine.shards import Shards
from helixer_ft.errors import is_out_of_memory
from helixer_ft.network.weights import LayerWeights
from helixer_ft.runtime.parallel import READ_AHEAD, default_threads


class Placed(NamedTuple):
    """A batch on the devices: what the network is fed, and the other planes of its rows."""

    given: dict[str, Any]
    labels: Any
    transitions: Any


_PLACED_AHEAD = READ_AHEAD + 1
"""Batches on the devices besides that of the step: in the queue, and about to come into it."""


WINDOWS_OF_A_CORE = 4
"""Windows that a core of a processor computes at once."""
MOST_CORES = 8
"""Cores whose windows are in memory at once."""


class JaxEngine(Engine):
    """Holds weights and optimiser state as JAX arrays; the Keras variables follow on demand.

    The work on a batch is shared by all devices of all processes of a run.
    """

    fills_batches = True
    _trainable: list[Any]
    _fixed: list[Any]
    _state: list[Any]
    _updated: list[Any]

    def _prepare(self) -> None:
        model, optimizer, training = self.model, self.optimizer, self.training_mode
        pool_size, settings = self.architecture.pool_size, self.settings
        self._shards = Shards(jax.devices())
        self.devices = self._shards.count
        self.alone = jax.process_count() == 1
        self._state = []
        self._take_state()
        self.memory = device_memory()

        def gradients(
            trainable: Any,
            fixed: Any,
            state: Any,
            given: Any,
            labels: Any,
            transitions: Any,
            n: Any,
        ) -> Any:
            weights = pooled_weights(labels, transitions, pool_size, settings)
            inputs = network_input(given, pool_size)
            if self.leaves_out_fillers:
                inputs = [inputs, jnp.asarray(jnp.arange(len(inputs)) < n, jnp.float32)]

            def loss(trainable: Any) -> tuple[Any, Any]:
                logits, updated = model.stateless_call(trainable, fixed, inputs, training=training)
                total, parts = losses(logits, labels, weights, n)
                return self._scaled(total, state), (total, parts, updated)

            (_, (total, parts, updated)), grads = jax.value_and_grad(loss, has_aux=True)(trainable)
            return total, parts, updated, grads

        def apply(trainable: Any, state: Any, grads: Any) -> Any:
            return optimizer.stateless_apply(state, grads, trainable)

        def score(trainable: Any, fixed: Any, given: Any, labels: Any) -> Any:
            inputs = network_input(given, pool_size)
            if self.leaves_out_fillers:
                inputs = [inputs, jnp.ones(len(inputs))]
            logits, _ = model.stateless_call(trainable, fixed, inputs, training=False)
            return *count_and_entropy(logits, labels), genic_classes(logits)

        def average(average: Any, present: Any, share: Any) -> Any:
            return [
                now + share * (before - now)  # what never changes stays as it is, to the bit
                if jnp.issubdtype(now.dtype, jnp.inexact)
                else now
                for before, now in zip(average, present, strict=True)
            ]

        self._compiled_gradients = self._shards.compile(gradients)
        self._compiled_apply = self._shards.compile(apply, donate_argnums=(0, 1))
        self._compiled_score = self._shards.compile(score)
        self._compiled_average = self._shards.compile(average, donate_argnums=(0,))

    @property
    def runs_ahead(self) -> bool:
        return self.memory is not None and not self.memory.is_host

    def _gradients(self, batch: Batch, n: int) -> tuple[Any, Any, list[Any]]:
        arguments = self._gradient_arguments(batch.placed or self._place(batch), n)
        total, parts, self._updated, grads = self._compiled_gradients(*arguments)
        return total, parts, grads

    def _take_up(self) -> None:
        self._fixed = self._updated

    def _apply(self, gradients: list[Any]) -> None:
        self._trainable, self._state = self._compiled_apply(self._trainable, self._state, gradients)

    def set_learning_rate(self, value: float) -> None:
        for i, variable in enumerate(self.optimizer.variables):
            if variable.path.endswith("learning_rate"):  # a loss-scaling optimiser has two
                self._state[i] = self._shards.copy(np.float32(value))

    def _averaged_with(self, average: list[Any] | None, share: float) -> list[Any]:
        present = self._trainable + self._fixed
        if average is None:
            return [self._shards.copy(value) for value in present]
        return self._compiled_average(average, present, self._shards.copy(np.float32(share)))

    def _exchange(self, values: list[Any]) -> list[Any]:
        before, n = self._trainable + self._fixed, len(self._trainable)
        self._trainable, self._fixed = values[:n], values[n:]
        return before

    def _score(self, batch: Batch) -> tuple[Any, Any, Any]:
        return self._compiled_score(*self._score_arguments(batch.placed or self._place(batch)))

    def _gradient_arguments(self, placed: Placed, n: int) -> tuple[Any, ...]:
        size = self._shards.copy(np.float32(n))
        return self._trainable, self._fixed, self._state, *placed, size

    def _score_arguments(self, placed: Placed) -> tuple[Any, ...]:
        return self._trainable, self._fixed, placed.given, placed.labels

    def reading(self, read: Read, batch_size: int) -> Read:
        """On accelerators, what is read is placed there at once, in the thread that reads ahead."""
        read_part = self._shards.reading(read, batch_size)
        if not self.runs_ahead:  # there, it would take time from the step that is computed
            return read_part

        def read_and_place(indices: np.ndarray) -> Batch:
            batch = self._fill(read_part(indices), batch_size)
            try:
                return replace(batch, placed=self._place(batch))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                return batch  # the step will find out, and say what fits

        return read_and_place

    def _fill(self, batch: Batch, batch_size: int) -> Batch:
        return batch if batch.placed else self._shards.part(batch, batch_size)

    def _place(self, batch: Batch) -> Placed:
        """A batch of which this process has its part, filled up, on the devices."""
        place, given = self._shards.place, batch.input
        on_device = {}
        if isinstance(batch.features, RowsOnDevice):
            on_device["features"] = gather(self._shards, batch.features)
            del given["features"]
        given = self._shards.place_input(given) | on_device
        return Placed(given, place(batch.labels), place(batch.transitions))

    def step_bytes(self, batch: Batch, batch_size: int, *, training: bool) -> float:
        """See `Engine.step_bytes`; by the plan of the very program."""
        shaped = partial(_shaped, self._shards, batch_size)
        given = {name: shaped(array, name) for name, array in batch.input.items()}
        placed = Placed(given, shaped(batch.labels), shaped(batch.transitions))
        resident = self._trainable + self._fixed
        if training:
            resident = resident + self._state
            program = self._compiled_gradients
            arguments = self._gradient_arguments(placed, batch_size)
            waiting = (self.settings.accumulate - 1) * _bytes(self._trainable)
        else:
            program, arguments, waiting = self._compiled_score, self._score_arguments(placed), 0
        ahead = _PLACED_AHEAD * _bytes(jax.tree.leaves(placed)) // self.devices
        return planned_bytes(program, arguments, _bytes(resident)) + waiting + ahead

    def keep(self, rows: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> Any:
        return upload(self._shards, rows, shape, dtype)

    def wait(self) -> None:
        jax.block_until_ready((self._trainable, self._state, self._fixed, self._accumulated))

    def _scaled(self, loss: Any, state: Any) -> Any:
        """The loss times what the optimiser divides the gradients by again."""
        with keras.StatelessScope(zip(self.optimizer.variables, state, strict=True)):
            return self.optimizer.scale_loss(loss)

    def get_weights(self) -> LayerWeights:
        for variables, values in (
            (self.model.trainable_variables, self._trainable),
            (self.model.non_trainable_variables, self._fixed),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(np.asarray(value))
        return super().get_weights()

    def set_weights(self, weights: LayerWeights) -> None:
        super().set_weights(weights)
        self._take_state(optimizer=False)

    def _values(self) -> dict[str, list[Any]]:
        values = {"trainable": self._trainable, "fixed": self._fixed, "optimizer": self._state}
        return values | ({} if self._average is None else {"average": self._average})

    def _set_values(self, values: dict[str, list[np.ndarray]]) -> None:
        on_device = {name: list(map(self._to_device, arrays)) for name, arrays in values.items()}
        self._trainable, self._fixed = on_device["trainable"], on_device["fixed"]
        self._state, self._average = on_device["optimizer"], on_device.get("average")

    def _to_device(self, array: np.ndarray) -> Any:
        return self._shards.copy(array)

    def _take_state(self, optimizer: bool = True) -> None:
        """Copy the Keras variables: donated buffers must not be those of a variable."""
        copy = self._shards.copy
        self._trainable = [copy(v.value) for v in self.model.trainable_variables]
        self._fixed = [copy(v.value) for v in self.model.non_trainable_variables]
        if optimizer and self.optimizer is not None:
            self._state = [copy(v.value) for v in self.optimizer.variables]


def device_notice() -> str | None:
    """See `helixer_ft.engine.device_notice`."""
    devices, processes = jax.device_count(), jax.process_count()
    if devices == 1:
        return None
    kind = jax.local_devices()[0].device_kind
    where = f" of {processes} processes" if processes > 1 else ""
    return f"{devices} devices{where} share each batch ({kind})"


class JaxForward(Forward):
    """See `forward_function`.

    On a processor, whose cores can share the matrix products of a step but not the steps of a
    recurrence, a batch is cut into parts, and each core computes another one. The parts are the
    same whatever the number of cores, and so is the output.
    """

    def __init__(self, model: Any, devices: Devices) -> None:
        found = jax.devices() if devices == "all" else jax.local_devices()
        self._shards = Shards(found[:1] if devices == "one" else found)
        self.devices = self._shards.count
        self.memory = device_memory()
        self._most_in_part, self._threads = sys.maxsize, 1
        if self.devices == 1 and self.memory.is_host:
            self._most_in_part, self._threads = WINDOWS_OF_A_CORE, default_threads()
            self.most_on_host = WINDOWS_OF_A_CORE * min(MOST_CORES, max(2, self._threads))
        self._sizes: set[int] = set()
        self._trainable = [self._shards.copy(v.value) for v in model.trainable_variables]
        self._fixed = [self._shards.copy(v.value) for v in model.non_trainable_variables]

        def forward(trainable: Any, fixed: Any, given: Any) -> Any:
            inputs = network_input(given, 1)
            output, _ = model.stateless_call(trainable, fixed, inputs, training=False)
            return output

        # left where it is, nothing is exchanged: this may run in another thread than training
        lies = self._shards.whole if devices == "all" else self._shards.split
        self._compiled = self._shards.compile(forward, out_shardings=lies)

    def __call__(self, batch: Batch, size: int | None = None) -> np.ndarray:
        own = self._shards.part(batch, batch.n if size is None else size)
        each = self._part_size(len(own))
        parts = [own.part(i, i + each).filled(each) for i in range(0, len(own), each)]
        outputs = []
        if each not in self._sizes:  # several threads would each compile it
            outputs.append(self._compute(parts.pop(0)))
            self._sizes.add(each)
        if min(len(parts), self._threads) > 1:
            with ThreadPoolExecutor(self._threads, "part") as pool:
                outputs += pool.map(self._compute, parts)
        else:
            outputs += map(self._compute, parts)
        return np.concatenate(outputs)[: batch.n]

    def _compute(self, part: Batch) -> np.ndarray:
        given = self._shards.place_input(part.input)
        return np.asarray(self._compiled(self._trainable, self._fixed, given))

    def filled(self, size: int) -> int:
        each = self._part_size(size)
        return super().filled(-(-size // each) * each)

    def _part_size(self, size: int) -> int:
        """Windows in each part of a batch of `size`."""
        return -(-size // -(-size // self._most_in_part))

    def step_bytes(self, batch: Batch, size: int) -> float:
        """See `Engine.step_bytes`; by the plan of the very program."""
        each = self._part_size(size)
        shaped = partial(_shaped, self._shards, each)
        given = {name: shaped(array, name) for name, array in batch.input.items()}
        arguments = self._trainable, self._fixed, given
        of_a_part = planned_bytes(self._compiled, arguments, _bytes(self._trainable + self._fixed))
        n_parts = -(-size // each)
        if n_parts == 1:
            return of_a_part
        # the outputs of all parts wait for one another, and are copied into one array
        outputs = 2 * n_parts * _bytes([self._compiled.eval_shape(*arguments)])
        return of_a_part * min(self._threads, n_parts) + outputs

    def reading(self, read: Read, batch_size: int) -> Read:
        return self._shards.reading(read, batch_size)


def _shaped(shards: Shards, size: int, array: Any, name: str = "") -> Any:
    """What stands for an array over a batch of `size`, where only shapes count; see
    `Shards.place_input`.
    """
    if name == "table":
        return shards.copy(array)
    shape = (-(-size // shards.count) * shards.count, *array.shape[1:])
    return jax.ShapeDtypeStruct(shape, array.dtype, sharding=shards.split)


def _bytes(arrays: Iterable[Any]) -> int:
    """Size of arrays, or of what has their shapes."""
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in arrays)


ENGINE, FORWARD = JaxEngine, JaxForward
