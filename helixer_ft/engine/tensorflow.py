"""The engine on TensorFlow: graph functions that serve every batch size."""

from typing import Any

import numpy as np
import tensorflow as tf

from helixer_ft.dataset.batch import TABLE_SIZE, Batch
from helixer_ft.engine.arithmetic import count_and_entropy, genic_classes, network_input
from helixer_ft.engine.base import Devices, Engine
from helixer_ft.engine.forward import Forward
from helixer_ft.engine.loss import losses, pooled_weights
from helixer_ft.network.architecture import BASES
from helixer_ft.runtime.resources import ProcessMemory

_CODES = tf.TensorSpec([None, None], tf.uint8)


def _bases(coverage_channels: int) -> dict[str, Any]:
    """Bases, and coverage where there is any, as `Batch.input` has them."""
    given = {"codes": _CODES, "table": tf.TensorSpec([TABLE_SIZE, 4], tf.float32)}
    if coverage_channels:
        given["coverage"] = tf.TensorSpec([None, None, coverage_channels], tf.float16)
    return given


class TensorFlowEngine(Engine):
    """Weights and optimiser state live in the Keras variables."""

    fills_batches = False

    def _prepare(self) -> None:
        self.memory = _memory()
        model, optimizer, training = self.model, self.optimizer, self.training_mode
        pool_size, settings = self.architecture.pool_size, self.settings

        def gradients(given: Any, labels: Any, transitions: Any) -> Any:
            weights = pooled_weights(labels, transitions, pool_size, settings)
            n = tf.cast(tf.shape(labels)[0], tf.float32)
            with tf.GradientTape() as tape:
                logits = model(network_input(given, pool_size), training=training)
                total, parts = losses(logits, labels, weights, n)
                scaled = optimizer.scale_loss(total)
            return total, parts, tape.gradient(scaled, [v.value for v in model.trainable_variables])

        def score(given: Any, labels: Any) -> Any:
            logits = model(network_input(given, pool_size), training=False)
            return *count_and_entropy(logits, labels), genic_classes(logits)

        def apply(grads: Any) -> None:
            optimizer.apply(grads)

        if self.from_features:
            # any float type: one graph for each that comes
            self._compiled_gradients = tf.function(gradients, reduce_retracing=True)
            self._compiled_score = tf.function(score, reduce_retracing=True)
        else:
            given = _bases(self.architecture.coverage_channels)
            self._compiled_gradients = tf.function(gradients, [given, _CODES, _CODES])
            self._compiled_score = tf.function(score, [given, _CODES])
        self._compiled_apply = tf.function(apply)

    def _gradients(self, batch: Batch, n: int) -> tuple[Any, Any, list[Any]]:
        total, parts, grads = self._compiled_gradients(batch.input, batch.labels, batch.transitions)
        return total.numpy(), parts.numpy(), grads

    def _apply(self, gradients: list[Any]) -> None:
        self._compiled_apply(gradients)

    def set_learning_rate(self, value: float) -> None:
        self.optimizer.learning_rate = value

    def _averaged_with(self, average: list[Any] | None, share: float) -> list[Any]:
        present = [tf.identity(variable.value) for variable in self._weights]
        if average is None:
            return present
        return [
            now + share * (before - now) if now.dtype.is_floating else now
            for before, now in zip(average, present, strict=True)
        ]

    def _exchange(self, values: list[Any]) -> list[Any]:
        before = [tf.identity(variable.value) for variable in self._weights]
        for variable, value in zip(self._weights, values, strict=True):
            variable.assign(value)
        return before

    @property
    def _weights(self) -> list[Any]:
        return self.model.trainable_variables + self.model.non_trainable_variables

    def _score(self, batch: Batch) -> tuple[Any, Any, Any]:
        return self._compiled_score(batch.input, batch.labels)

    def _values(self) -> dict[str, list[Any]]:
        values = {
            "trainable": self.model.trainable_variables,
            "fixed": self.model.non_trainable_variables,
            "optimizer": self.optimizer.variables,
        }
        return values | ({} if self._average is None else {"average": self._average})

    def _set_values(self, values: dict[str, list[np.ndarray]]) -> None:
        average = values.get("average")
        self._average = None if average is None else [tf.constant(array) for array in average]
        for name, variables in self._values().items():
            if name != "average":
                for variable, value in zip(variables, values[name], strict=True):
                    variable.assign(value)

    def _to_device(self, array: np.ndarray) -> Any:
        return tf.constant(array)


def _memory() -> ProcessMemory | None:
    """Memory of what computes: of a GPU, TensorFlow does not tell how much there is."""
    return None if tf.config.get_visible_devices("GPU") else ProcessMemory()


def device_notice() -> str | None:
    """See `helixer_ft.engine.device_notice`."""
    gpus = len(tf.config.get_visible_devices("GPU"))
    if gpus < 2:
        return None
    return (
        f"TensorFlow uses one of {gpus} GPUs. JAX uses all of them: pip install "
        '".[cuda]" in the repository of helixer-ft, and --backend jax'
    )


class TensorFlowForward(Forward):
    """See `forward_function`."""

    def __init__(self, model: Any, _devices: Devices) -> None:
        @tf.function(input_signature=[_bases(model.input_shape[-1] - BASES)])
        def compiled(given: Any) -> Any:
            return model(network_input(given, 1), training=False)

        self._compiled = compiled
        self.memory = _memory()

    def __call__(self, batch: Batch, size: int | None = None) -> np.ndarray:
        return np.asarray(self._compiled(batch.input).numpy())


ENGINE, FORWARD = TensorFlowEngine, TensorFlowForward
