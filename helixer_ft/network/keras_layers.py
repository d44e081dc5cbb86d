"""Keras layers of our own, where Keras' do not do what is needed here."""

from collections.abc import Callable
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
    options
        Of every Keras layer: name, dtype policy.
    """

    def __init__(self, units: int, seeds: tuple[int, int, int, int], **options: Any) -> None:
        super().__init__(**options)
        self.forward = self._lstm(units, seeds[:2], "forward_lstm", backwards=False)
        self.backward = self._lstm(units, seeds[2:], "backward_lstm", backwards=True)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.forward.build(input_shape)
        self.backward.build(input_shape)

    def call(self, inputs: Any) -> Any:
        recurrence = _own_recurrence() or self._keras_recurrence
        if keras.backend.backend() == "jax":
            from helixer_ft.network import lstm_jax

            recurrence = lstm_jax.on_each_device(recurrence)
        return recurrence(inputs, _weights(self.forward), _weights(self.backward))

    def _keras_recurrence(self, inputs: Any, *weights: tuple[Any, ...]) -> Any:
        """Keras' own; the weights are those of its layers, perhaps as one of several devices has
        them.
        """
        if keras.backend.backend() != "jax":
            return self._states(inputs)
        values = [
            (variable, value)
            for layer, of_layer in zip((self.forward, self.backward), weights, strict=True)
            for variable, value in zip(_variables(layer), of_layer, strict=True)
        ]
        with keras.StatelessScope(values):
            return self._states(inputs)

    def _states(self, inputs: Any) -> Any:
        # a backward LSTM returns its states in the order it computed them, last step first
        backward = ops.flip(self.backward(inputs), axis=1)
        return ops.concatenate([self.forward(inputs), backward], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], 2 * self.forward.units)

    def _lstm(self, units: int, seeds: tuple[int, ...], name: str, *, backwards: bool) -> Any:
        return keras.layers.LSTM(
            units,
            return_sequences=True,
            go_backwards=backwards,
            kernel_initializer=keras.initializers.GlorotUniform(seeds[0]),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seeds[1]),
            name=name,
            dtype=self.dtype_policy,
        )


def _own_recurrence() -> Callable[[Any, Any, Any], Any] | None:
    """Our recurrence, the fastest one on CPUs; None on GPUs, where Keras takes cuDNN's."""
    if keras.backend.backend() == "jax":
        import jax

        from helixer_ft.network import lstm_jax

        return lstm_jax.bidirectional_lstm if jax.default_backend() == "cpu" else None
    import tensorflow as tf

    from helixer_ft.network import lstm_tensorflow

    gpus = tf.config.get_visible_devices("GPU")
    return None if gpus else lstm_tensorflow.bidirectional_lstm


def _weights(lstm: Any) -> tuple[Any, ...]:
    return tuple(variable.value for variable in _variables(lstm))


def _variables(lstm: Any) -> tuple[Any, Any, Any]:
    return lstm.cell.kernel, lstm.cell.recurrent_kernel, lstm.cell.bias


class Logits(keras.layers.Dense):
    """The output layer: `(batch, steps, width)` -> `(batch, steps, classes, outputs, pool)`.

    A dense layer whose units lie in Helixer's files as (output, base of the pool, class). The
    classes come first here, so that what is computed over them runs over long rows of bases.

    Parameters
    ----------
    outputs, pool_size, classes
        The units.
    options
        Of Keras' layer.
    """

    def __init__(self, outputs: int, pool_size: int, classes: int, **options: Any) -> None:
        super().__init__(outputs * pool_size * classes, **options)
        self._shape = (classes, outputs, pool_size)

    def call(self, inputs: Any) -> Any:
        classes, outputs, pool_size = self._shape
        bases = outputs * pool_size
        kernel = ops.transpose(ops.reshape(self.kernel, (-1, bases, classes)), (0, 2, 1))
        bias = ops.transpose(ops.reshape(self.bias, (bases, classes)))
        units = ops.matmul(inputs, ops.reshape(kernel, (-1, self.units)))
        logits = ops.cast(units, "float32") + ops.cast(ops.reshape(bias, (-1,)), "float32")
        batch, steps, _ = ops.shape(inputs)
        return ops.reshape(logits, (batch, steps, *self._shape))

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor((*inputs.shape[:-1], *self._shape), "float32")


class BatchNorm(keras.layers.BatchNormalization):
    """Batch norm over `(batch, steps, width)` whose statistics can be fixed or leave out fillers.

    Parameters
    ----------
    fixed_statistics
        Use and keep the moving statistics in training too; scale and offset train.
    options
        Of Keras' layer.
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
