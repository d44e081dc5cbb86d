"""Keras layers of our own, where Keras' do not do what is needed here."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

TILE = 64
"""Bases that are added up in float32."""
UNKNOWN_SHARE = 0.25
"""Of each base, in N."""


class BidirectionalLSTM(keras.layers.Layer):
    """`(batch, steps, width)` -> `(batch, steps, 2 * units)`: forward, then backward states.

    Computes what `keras.layers.Bidirectional(LSTM(return_sequences=True))` does, with the same
    weights in the same order. Keras' wrapper serialises its layers when it is made, which imports
    TensorFlow even where JAX is the backend.

    Everything is float32, whatever the precision of the network: errors add up over thousands of
    steps, and the gradients of the weights, sums over all of them, exceed what float16 can hold.

    Parameters
    ----------
    units
        Units of each direction.
    seeds
        (kernel, recurrent kernel) initialisation seeds of the forward and the backward LSTM; None:
        the weights will be set.
    name
        Name of the layer.
    """

    def __init__(self, units: int, seeds: tuple[int, int, int, int] | None, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.forward = _lstm(units, seeds and seeds[:2], "forward_lstm")
        self.backward = _lstm(units, seeds and seeds[2:], "backward_lstm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.forward.build(input_shape)
        self.backward.build(input_shape)

    def call(self, inputs: Any) -> Any:
        recurrence = _own_recurrence()
        if recurrence is None:
            return self._keras_states(inputs)
        return recurrence(inputs, _weights(self.forward), _weights(self.backward))

    def _keras_states(self, inputs: Any) -> Any:
        """From Keras' LSTM layers. Both go forwards, one of them over the reversed sequence: in
        which order `go_backwards` returns its states has changed between Keras' versions.
        """
        backward = ops.flip(self.backward(ops.flip(inputs, axis=1)), axis=1)
        return ops.concatenate([self.forward(inputs), backward], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], 2 * self.forward.units)


class SumsOverBases(keras.layers.Layer):
    """Bases `(batch, L, 4)` and values `(batch, L, channels)` -> `(batch, tiles, 2 * channels)`:
    sums of the values, and of their squares, over the bases of each tile. Padding and N are none.

    Tiles are short, so that float32 does; whoever adds them up takes more.
    """

    def call(self, bases: Any, values: Any) -> Any:
        is_base = ops.any(bases != 0, axis=-1) & ops.any(bases != UNKNOWN_SHARE, axis=-1)
        values = values * ops.cast(is_base[..., None], values.dtype)
        n, length, width = ops.shape(values)
        padded = ops.pad(values, ((0, 0), (0, -length % TILE), (0, 0)))
        tiles = ops.reshape(padded, (n, -1, TILE, width))
        return ops.concatenate([ops.sum(tiles, axis=2), ops.sum(tiles * tiles, axis=2)], axis=-1)

    def compute_output_shape(
        self, bases_shape: tuple[int | None, ...], values_shape: tuple[int, ...]
    ) -> tuple[int | None, ...]:
        return bases_shape[0], None, 2 * values_shape[-1]


def _lstm(units: int, seeds: tuple[int, ...] | None, name: str) -> Any:
    """Holds the weights of one direction."""
    initial: dict[str, Any]
    if seeds is None:
        initial = unset("kernel", "recurrent", "bias") | {"unit_forget_bias": False}
    else:
        initial = {
            "kernel_initializer": keras.initializers.GlorotUniform(seeds[0]),
            "recurrent_initializer": keras.initializers.Orthogonal(seed=seeds[1]),
        }
    return keras.layers.LSTM(units, return_sequences=True, name=name, dtype="float32", **initial)


def unset(*weights: str) -> dict[str, Any]:
    """Options of a Keras layer whose weights will be set: on JAX, each initial value that Keras
    draws is a program of its own to compile.
    """
    return {f"{name}_initializer": _zeros for name in weights}


def _zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.zeros(shape, dtype)


def _own_recurrence() -> Callable[[Any, Any, Any], Any] | None:
    """Our recurrence; None on TensorFlow's GPUs, where Keras calls cuDNN's."""
    if keras.backend.backend() == "jax":
        from helixer_ft.network import lstm_jax

        return lstm_jax.bidirectional_lstm
    import tensorflow as tf

    from helixer_ft.network import lstm_tensorflow

    gpus = tf.config.get_visible_devices("GPU")
    return None if gpus else lstm_tensorflow.bidirectional_lstm


def _weights(lstm: Any) -> tuple[Any, Any, Any]:
    return lstm.cell.kernel.value, lstm.cell.recurrent_kernel.value, lstm.cell.bias.value


class Conv1D(keras.layers.Conv1D):
    """Keras' layer, which adds its bias in float32 in every precision.

    The gradient of a bias is a sum over all positions of a batch, for which 16 bits have too few
    digits and float16 too little range.
    """

    def call(self, inputs: Any) -> Any:
        if self.compute_dtype == "float32":
            return super().call(inputs)
        return _add_bias(self, self.convolution_op(inputs, self.kernel))


class Dense(keras.layers.Dense):
    """Keras' layer, which adds its bias in float32 as `Conv1D` does."""

    def call(self, inputs: Any) -> Any:
        if self.compute_dtype == "float32":
            return super().call(inputs)
        return _add_bias(self, ops.matmul(inputs, self.kernel))


def _add_bias(layer: Any, product: Any) -> Any:
    biased = ops.cast(product, "float32") + ops.cast(layer.bias, "float32")
    return ops.cast(layer.activation(biased), layer.compute_dtype)


class Logits(keras.layers.Dense):
    """The output layer: `(batch, steps, width)` -> `(batch, classes, outputs, pool, steps)`.

    A dense layer whose units lie in Helixer's files as (output, base of the pool, class). The
    classes come first here and the steps last, so that what is computed over the classes runs over
    long rows of numbers that lie side by side.

    Parameters
    ----------
    outputs, pool_size, classes
        The units.
    options
        Options of Keras' layer.
    """

    def __init__(self, outputs: int, pool_size: int, classes: int, **options: Any) -> None:
        super().__init__(outputs * pool_size * classes, **options)
        self._shape = (classes, outputs, pool_size)

    def call(self, inputs: Any) -> Any:
        classes, outputs, pool_size = self._shape
        bases = outputs * pool_size
        kernel = ops.transpose(ops.reshape(self.kernel, (-1, bases, classes)), (2, 1, 0))
        bias = ops.transpose(ops.reshape(self.bias, (bases, classes)))
        batch, steps, width = ops.shape(inputs)
        # a product per subsequence: of one over all of them XLA makes one with the units last
        kernels = ops.broadcast_to(
            ops.reshape(kernel, (self.units, -1)), (batch, self.units, width)
        )
        units = ops.matmul(kernels, ops.transpose(inputs, (0, 2, 1)))
        logits = ops.cast(units, "float32") + ops.cast(ops.reshape(bias, (-1, 1)), "float32")
        return ops.reshape(logits, (batch, *self._shape, steps))

    def compute_output_spec(self, inputs: Any) -> Any:
        batch, steps, _ = inputs.shape
        return keras.KerasTensor((batch, *self._shape, steps), "float32")


class BatchNorm(keras.layers.BatchNormalization):
    """Batch norm over `(batch, steps, width)` whose statistics can be fixed or leave out fillers.

    Parameters
    ----------
    fixed_statistics
        Use and keep the moving statistics in training too; scale and offset train.
    options
        Options of Keras' layer.
    """

    def __init__(self, *, fixed_statistics: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.fixed_statistics = fixed_statistics

    def call(self, inputs: Any, present: Any = None, training: bool | None = None) -> Any:
        """Normalise; `present` is `(batch,)`, 0 for a sequence that only fills up the batch."""
        training = training and not self.fixed_statistics
        if present is None or not training:
            return super().call(inputs, training=training)
        x = ops.cast(inputs, "float32")
        weight = ops.cast(present, "float32")[:, None, None]
        n = ops.sum(weight) * ops.shape(x)[1]
        mean = ops.sum(x * weight, axis=(0, 1)) / n
        variance = ops.sum(ops.square(x - mean) * weight, axis=(0, 1)) / n
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        normalised = ops.batch_normalization(
            x,
            mean=mean,
            variance=variance,
            axis=-1,
            offset=ops.cast(self.beta, "float32"),
            scale=ops.cast(self.gamma, "float32"),
            epsilon=self.epsilon,
        )
        return ops.cast(normalised, self.compute_dtype)
