"""The engine on JAX: pure functions over lists of arrays, compiled once per batch shape."""

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.engine.base import (
    Devices,
    Engine,
    Forward,
    Read,
    count_and_entropy,
    genic_classes,
    network_input,
)
from helixer_ft.engine.loss import losses, pooled_weights
from helixer_ft.engine.shards import Shards
from helixer_ft.network.weights import LayerWeights
from helixer_ft.runtime.resources import ProcessMemory


class JaxEngine(Engine):
    """Holds weights and optimiser state as JAX arrays; the Keras variables follow on demand.

    The work on a batch is shared by all devices of all processes of a run.
    """

    fills_batches = True
    _trainable: list[Any]
    _fixed: list[Any]
    _state: list[Any]

    def _prepare(self) -> None:
        model, optimizer, training = self.model, self.optimizer, self.training_mode
        pool_size, settings = self.architecture.pool_size, self.settings
        self._shards = Shards(jax.devices())
        self.devices = self._shards.count
        self.alone = jax.process_count() == 1
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

        self._compiled_gradients = self._shards.compile(gradients)
        self._compiled_apply = self._shards.compile(apply, donate_argnums=(0, 1))
        self._compiled_score = self._shards.compile(score)

    def _gradients(self, batch: Batch, n: int) -> tuple[Any, Any, list[Any]]:
        total, parts, self._fixed, grads = self._compiled_gradients(
            self._trainable,
            self._fixed,
            self._state,
            self._shards.place_input(batch.input),
            self._shards.place(batch.labels),
            self._shards.place(batch.transitions),
            self._shards.copy(np.float32(n)),
        )
        return total, parts, grads

    def _apply(self, gradients: list[Any]) -> None:
        self._trainable, self._state = self._compiled_apply(self._trainable, self._state, gradients)

    def _score(self, batch: Batch) -> tuple[Any, Any, Any]:
        given, labels = self._shards.place_input(batch.input), self._shards.place(batch.labels)
        return self._compiled_score(self._trainable, self._fixed, given, labels)

    def reading(self, read: Read, batch_size: int) -> Read:
        return self._shards.reading(read, batch_size)

    def _fill(self, batch: Batch, batch_size: int) -> Batch:
        return self._shards.part(batch, batch_size)

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
        return {"trainable": self._trainable, "fixed": self._fixed, "optimizer": self._state}

    def _set_values(self, values: dict[str, list[np.ndarray]]) -> None:
        self._trainable, self._fixed, self._state = (
            [self._to_device(array) for array in values[name]]
            for name in ("trainable", "fixed", "optimizer")
        )

    def _to_device(self, array: np.ndarray) -> Any:
        return self._shards.copy(array)

    def _take_state(self, optimizer: bool = True) -> None:
        """Copy the Keras variables: donated buffers must not be those of a variable."""
        copy = self._shards.copy
        self._trainable = [copy(v.value) for v in self.model.trainable_variables]
        self._fixed = [copy(v.value) for v in self.model.non_trainable_variables]
        if optimizer and self.optimizer is not None:
            self._state = [copy(v.value) for v in self.optimizer.variables]


class _DeviceMemory(ProcessMemory):
    """Memory of the first accelerator; its peak cannot be reset."""

    def in_use(self) -> int:
        return self._statistic("bytes_in_use")

    def available(self) -> int:
        return self._statistic("bytes_limit") - self.in_use()

    def peak(self) -> int:
        return self._statistic("peak_bytes_in_use")

    def reset_peak(self) -> None:
        pass

    @staticmethod
    def _statistic(name: str) -> int:
        return int(jax.local_devices()[0].memory_stats().get(name, 0))


def device_memory() -> ProcessMemory:
    """See `helixer_ft.engine.device_memory`."""
    return _DeviceMemory() if jax.local_devices()[0].memory_stats() else ProcessMemory()


def device_notice() -> str | None:
    """See `helixer_ft.engine.device_notice`."""
    devices, processes = jax.device_count(), jax.process_count()
    if devices == 1:
        return None
    kind = jax.local_devices()[0].device_kind
    where = f" of {processes} processes" if processes > 1 else ""
    return f"{devices} devices{where} share each batch ({kind})"


class JaxForward(Forward):
    """See `forward_function`."""

    def __init__(self, model: Any, devices: Devices) -> None:
        found = jax.devices() if devices == "all" else jax.local_devices()
        self._shards = Shards(found[:1] if devices == "one" else found)
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
        part = self._shards.part(batch, batch.n if size is None else size)
        given = self._shards.place_input(part.input)
        return np.asarray(self._compiled(self._trainable, self._fixed, given))[: batch.n]

    def reading(self, read: Read, batch_size: int) -> Read:
        return self._shards.reading(read, batch_size)
