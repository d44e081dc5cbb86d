"""The engine on JAX: pure functions over lists of arrays, compiled once per batch shape."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from helixer_ft.network.weights import LayerWeights
from helixer_ft.training.batch import Batch
from helixer_ft.training.engine.base import (
    Engine,
    count_and_entropy,
    genic_classes,
    network_input,
)
from helixer_ft.training.loss import losses, pooled_weights
from helixer_ft.training.resources import ProcessMemory


class JaxEngine(Engine):
    """Holds weights and optimiser state as JAX arrays; the Keras variables follow on demand."""

    fills_batches = True
    _trainable: list[Any]
    _fixed: list[Any]
    _state: list[Any]

    def _prepare(self) -> None:
        model, optimizer, training = self.model, self.optimizer, self.training_mode
        pool_size, settings = self.architecture.pool_size, self.settings
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

        self._compiled_gradients = jax.jit(gradients)
        self._compiled_apply = jax.jit(apply, donate_argnums=(0, 1))
        self._compiled_score = jax.jit(score)

    def _gradients(self, batch: Batch, n: int) -> tuple[Any, Any, list[Any]]:
        total, parts, self._fixed, grads = self._compiled_gradients(
            self._trainable,
            self._fixed,
            self._state,
            batch.input,
            batch.labels,
            batch.transitions,
            np.float32(n),
        )
        return total, parts, grads

    def _apply(self, gradients: list[Any]) -> None:
        self._trainable, self._state = self._compiled_apply(self._trainable, self._state, gradients)

    def _score(self, batch: Batch) -> tuple[Any, Any, Any]:
        return self._compiled_score(self._trainable, self._fixed, batch.input, batch.labels)

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

    def _take_state(self, optimizer: bool = True) -> None:
        """Copy the Keras variables: donated buffers must not be those of a variable."""
        self._trainable = [jnp.array(v.value) for v in self.model.trainable_variables]
        self._fixed = [jnp.array(v.value) for v in self.model.non_trainable_variables]
        if optimizer and self.optimizer is not None:
            self._state = [jnp.array(v.value) for v in self.optimizer.variables]


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
    """See `helixer_ft.training.engine.device_memory`."""
    return _DeviceMemory() if jax.local_devices()[0].memory_stats() else ProcessMemory()


def forward(model: Any) -> Callable[[Batch], np.ndarray]:
    """See `forward_function`."""
    trainable = [v.value for v in model.trainable_variables]
    fixed = [v.value for v in model.non_trainable_variables]

    @jax.jit
    def compiled(trainable: Any, fixed: Any, given: Any) -> Any:
        output, _ = model.stateless_call(trainable, fixed, network_input(given, 1), training=False)
        return output

    return lambda batch: np.asarray(compiled(trainable, fixed, batch.input))
