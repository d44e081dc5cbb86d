"""Keras layers of our own, where Keras' do not do what is needed here."""

from typing import Any

import keras
from keras import ops


class BidirectionalLSTM(keras.layers.Layer):
    """`(batch, steps, width)` -> `(batch, steps, 2 * units)`: forward, then backward states.

    Computes what `keras.layers.Bidirectional(LSTM(return_sequences=True))` does, with the same
    weights in the same order. Keras' wrapper serialises its layers when it is made, which imports
    TensorFlow even where JAX is the backend.

    Parameters
    ----------
    units
        Of each direction.
    seeds
        (kernel, recurrent kernel) initialisation seeds of the forward and the backward LSTM.
    name
        Of the layer.
    """

    def __init__(self, units: int, seeds: tuple[int, int, int, int], name: str) -> None:
        super().__init__(name=name)
        self.forward = self._lstm(units, seeds[:2], "forward_lstm", backwards=False)
        self.backward = self._lstm(units, seeds[2:], "backward_lstm", backwards=True)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.forward.build(input_shape)
        self.backward.build(input_shape)

    def call(self, inputs: Any) -> Any:
        if _jax_on_cpu():
            from helixer_ft.network.lstm_jax import bidirectional_lstm

            return bidirectional_lstm(inputs, _weights(self.forward), _weights(self.backward))
        # a backward LSTM returns its states in the order it computed them, last step first
        backward = ops.flip(self.backward(inputs), axis=1)
        return ops.concatenate([self.forward(inputs), backward], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], 2 * self.forward.units)

    @staticmethod
    def _lstm(units: int, seeds: tuple[int, ...], name: str, *, backwards: bool) -> Any:
        return keras.layers.LSTM(
            units,
            return_sequences=True,
            go_backwards=backwards,
            kernel_initializer=keras.initializers.GlorotUniform(seeds[0]),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seeds[1]),
            name=name,
        )


def _jax_on_cpu() -> bool:
    """Whether our own recurrence is the fastest one; on GPUs Keras takes cuDNN's."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return bool(jax.default_backend() == "cpu")


def _weights(lstm: Any) -> tuple[Any, Any, Any]:
    return lstm.cell.kernel.value, lstm.cell.recurrent_kernel.value, lstm.cell.bias.value


class FixedStatisticsBatchNorm(keras.layers.BatchNormalization):
    """Batch norm that uses and keeps its moving statistics in training; scale and offset train."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)
