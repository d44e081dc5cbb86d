"""The engine on JAX: pure functions over lists of arrays, compiled once per batch shape."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from helixer_ft.network.weights import LayerWeights
from helixer_ft.training.engine.base import Engine, count_and_entropy
from helixer_ft.training.loss import losses


class JaxEngine(Engine):
    """Holds weights and optimiser state as JAX arrays; the Keras variables follow on demand."""

    _trainable: list[Any]
    _fixed: list[Any]
    _state: list[Any]

    def _prepare(self) -> None:
        model, optimizer, training = self.model, self.optimizer, self.training_mode
        self._take_state()

        def gradients(
            trainable: Any, fixed: Any, bases: Any, genic: Any, phase: Any, weights: Any
        ) -> Any:
            def loss(trainable: Any) -> tuple[Any, Any]:
                logits, updated = model.stateless_call(
                    trainable, fixed, jnp.asarray(bases, jnp.float32), training=training
                )
                total, parts = losses(logits, genic, phase, weights)
                return total, (parts, updated)

            (total, (parts, updated)), grads = jax.value_and_grad(loss, has_aux=True)(trainable)
            return total, parts, updated, grads

        def apply(trainable: Any, state: Any, grads: Any) -> Any:
            return optimizer.stateless_apply(state, grads, trainable)

        def score(
            trainable: Any, fixed: Any, bases: Any, genic: Any, phase: Any, valid: Any
        ) -> Any:
            logits, _ = model.stateless_call(
                trainable, fixed, jnp.asarray(bases, jnp.float32), training=False
            )
            return count_and_entropy(logits, genic, phase, valid)

        self._compiled_gradients = jax.jit(gradients)
        self._compiled_apply = jax.jit(apply, donate_argnums=(0, 1))
        self._compiled_score = jax.jit(score)

    def _gradients(
        self, bases: np.ndarray, genic: np.ndarray, phase: np.ndarray | None, weights: np.ndarray
    ) -> tuple[Any, Any, list[Any]]:
        total, parts, self._fixed, grads = self._compiled_gradients(
            self._trainable, self._fixed, bases, genic, phase, weights
        )
        return total, parts, grads

    def _apply(self, gradients: list[Any]) -> None:
        self._trainable, self._state = self._compiled_apply(self._trainable, self._state, gradients)

    def _score(
        self, bases: np.ndarray, genic: np.ndarray, phase: np.ndarray | None, valid: np.ndarray
    ) -> tuple[Any, Any]:
        return self._compiled_score(self._trainable, self._fixed, bases, genic, phase, valid)

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
