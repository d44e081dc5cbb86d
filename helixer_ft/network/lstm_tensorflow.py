"""The recurrence of a bidirectional LSTM in TensorFlow, with its gradient written out.

TensorFlow differentiates a while loop by keeping every intermediate of every step and by adding
up the gradients of the weights inside the loop of the gradient. Here the loops carry what must be
carried alone; all else is done for all steps at once, before or after them.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def bidirectional_lstm(x: Any, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> Any:
    """`(batch, steps, width)` -> `(batch, steps, 2 * units)`, float32.

    Batch and steps may be unknown when a graph is traced.

    Parameters
    ----------
    x
        The sequence.
    forward, backward
        Kernel `(width, 4 * units)`, recurrent kernel `(units, 4 * units)` and bias of each
        direction, gates in the order input, forget, cell, output.
    """
    steps_first = tf.transpose(x, (1, 0, 2))
    states = _lstm(steps_first, *forward)
    reversed_states = _lstm(tf.reverse(steps_first, [0]), *backward)
    joined = tf.concat([states, tf.reverse(reversed_states, [0])], axis=-1)
    return tf.transpose(joined, (1, 0, 2))


@tf.custom_gradient
def _lstm(x: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Callable[[Any], Any]]:
    """States `(steps, batch, units)` of `x` `(steps, batch, width)`, and their gradient."""
    states, cells, gates = _run(x, kernel, recurrent, bias)

    def gradient(d_states: Any) -> tuple[Any, Any, Any, Any]:
        d_gates = _gates_gradient(d_states, cells, gates, recurrent)
        before = tf.concat([tf.zeros_like(states[:1]), states[:-1]], axis=0)
        d_x = tf.matmul(_rows(d_gates), kernel, transpose_b=True)
        return (
            tf.reshape(d_x, tf.shape(x)),
            tf.matmul(_rows(x), _rows(d_gates), transpose_a=True),
            tf.matmul(_rows(before), _rows(d_gates), transpose_a=True),
            tf.reduce_sum(d_gates, axis=(0, 1)),
        )

    return states, gradient


def _run(x: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any, Any]:
    """States, cells and gates of every step."""
    steps, batch = tf.shape(x)[0], tf.shape(x)[1]
    units = recurrent.shape[0]
    projected = _slices(tf.reshape(_rows(x) @ kernel + bias, (steps, batch, 4 * units)))

    def step(t: Any, state: Any, cell: Any, kept: tuple[Any, ...]) -> tuple[Any, ...]:
        entry, forget, candidate, output = _gates(projected.read(t) + state @ recurrent)
        entry, forget, output = tf.sigmoid(entry), tf.sigmoid(forget), tf.sigmoid(output)
        candidate = tf.tanh(candidate)
        cell = forget * cell + entry * candidate
        state = output * tf.tanh(cell)
        values = (state, cell, tf.concat([entry, forget, candidate, output], axis=-1))
        return t + 1, state, cell, tuple(k.write(t, v) for k, v in zip(kept, values, strict=True))

    zero = tf.zeros((batch, units))
    kept = tuple(_array(steps, width) for width in (units, units, 4 * units))
    start = (0, zero, zero, kept)
    *_, kept = tf.while_loop(lambda t, *_: t < steps, step, start, parallel_iterations=1)
    states, cells, gates = (array.stack() for array in kept)
    return states, cells, gates


def _gates_gradient(d_states: Any, cells: Any, gates: Any, recurrent: Any) -> Any:
    """Gradient of what the gates are the sigmoid or tanh of, `(steps, batch, 4 * units)`."""
    steps, batch, units = tf.shape(cells)[0], tf.shape(cells)[1], recurrent.shape[0]
    entry, forget, candidate, output = _gates(gates)
    squashed = tf.tanh(cells)
    added = entry * candidate  # what a step put into the cell; the rest was there before
    slopes = _slices(
        tf.concat(
            [
                added * (1 - entry),
                (cells - added) * (1 - forget),
                entry * (1 - candidate * candidate),
                squashed * output * (1 - output),
            ],
            axis=-1,
        )
    )
    cell_slopes = _slices(output * (1 - squashed * squashed))
    forget, d_states = _slices(forget), _slices(d_states)
    transposed = tf.transpose(recurrent)

    def step(t: Any, d_state: Any, d_cell: Any, kept: Any) -> tuple[Any, ...]:
        d_state = d_state + d_states.read(t)
        d_cell = d_cell + d_state * cell_slopes.read(t)
        d_gates = slopes.read(t) * tf.concat([d_cell, d_cell, d_cell, d_state], axis=-1)
        return t - 1, d_gates @ transposed, d_cell * forget.read(t), kept.write(t, d_gates)

    zero = tf.zeros((batch, units))
    start = (steps - 1, zero, zero, _array(steps, 4 * units))
    *_, kept = tf.while_loop(lambda t, *_: t >= 0, step, start, parallel_iterations=1)
    return kept.stack()


def _gates(gates: Any) -> list[Any]:
    """Input, forget, cell and output gate."""
    return tf.split(gates, 4, axis=-1)


def _rows(sequence: Any) -> Any:
    """`(steps, batch, width)` -> `(steps * batch, width)`."""
    return tf.reshape(sequence, (-1, sequence.shape[-1]))


def _slices(sequence: Any) -> Any:
    """The steps of a sequence, each of which is read once."""
    return tf.TensorArray(sequence.dtype, tf.shape(sequence)[0]).unstack(sequence)


def _array(steps: Any, width: int) -> Any:
    """Takes `(batch, width)` of every step."""
    return tf.TensorArray(tf.float32, steps, element_shape=(None, width))
