"""The engine on TensorFlow: graph functions that serve every batch size."""

from typing import Any

import numpy as np
import tensorflow as tf

from helixer_ft.training.engine.base import Engine, count_and_entropy
from helixer_ft.training.loss import losses


class TensorFlowEngine(Engine):
    """Weights and optimiser state live in the Keras variables."""

    def _prepare(self) -> None:
        model, optimizer, training = self.model, self.optimizer, self.training_mode

        def bases_like(*shape: int | None) -> Any:
            return tf.TensorSpec([None, None, *shape], tf.float16)

        codes = tf.TensorSpec([None, None], tf.uint8)
        phases = codes if self.architecture.has_phase else None
        bases_spec = bases_like(self.architecture.input_width)

        @tf.function(
            input_signature=[bases_spec, codes, phases, tf.TensorSpec([None, None], tf.float32)]
        )
        def gradients(bases: Any, genic: Any, phase: Any, weights: Any) -> Any:
            with tf.GradientTape() as tape:
                logits = model(tf.cast(bases, tf.float32), training=training)
                total, parts = losses(logits, genic, phase, weights)
            return total, parts, tape.gradient(total, [v.value for v in model.trainable_variables])

        @tf.function
        def apply(grads: Any) -> None:
            optimizer.apply(grads)

        @tf.function(
            input_signature=[bases_spec, codes, phases, tf.TensorSpec([None, None], tf.bool)]
        )
        def score(bases: Any, genic: Any, phase: Any, valid: Any) -> Any:
            logits = model(tf.cast(bases, tf.float32), training=False)
            return count_and_entropy(logits, genic, phase, valid)

        self._compiled_gradients, self._compiled_apply = gradients, apply
        self._compiled_score = score

    def _gradients(
        self, bases: np.ndarray, genic: np.ndarray, phase: np.ndarray | None, weights: np.ndarray
    ) -> tuple[Any, Any, list[Any]]:
        total, parts, grads = self._compiled_gradients(bases, genic, phase, weights)
        return total.numpy(), parts.numpy(), grads

    def _apply(self, gradients: list[Any]) -> None:
        self._compiled_apply(gradients)

    def _score(
        self, bases: np.ndarray, genic: np.ndarray, phase: np.ndarray | None, valid: np.ndarray
    ) -> tuple[Any, Any]:
        counts, entropy = self._compiled_score(bases, genic, phase, valid)
        return counts.numpy(), entropy.numpy()
