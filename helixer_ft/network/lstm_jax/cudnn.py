"""cuDNN's recurrence, both directions in one call: for NVIDIA GPUs alone.

JAX reserves about four times the memory that cuDNN asks for, and waits for the device in each call.
On other GPUs JAX passes the weights to MIOpen, whose gates have another order.
"""

from typing import Any

import jax.numpy as jnp
from jax.experimental import rnn


def bidirectional_lstm(x: Any, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> Any:
    """States `(batch, steps, 2 * units)`; see `helixer_ft.network.lstm_jax`."""
    batch, steps, width = x.shape
    units = len(forward[1])
    zero = jnp.zeros((2, batch, units), x.dtype)
    lengths = jnp.full((batch,), steps, jnp.int32)
    weights = _packed(forward, backward)
    return rnn.lstm(x, zero, zero, weights, lengths, width, units, 1, 0.0, True)[0]


def _packed(forward: tuple[Any, ...], backward: tuple[Any, ...]) -> Any:
    """As cuDNN has them: the matrices of both directions, then their biases, of which each has two.

    cuDNN adds one bias to the product with the input and one to that with the state.
    """
    both = (forward, backward)
    matrices = [matrix.T.ravel() for kernel, recurrent, _ in both for matrix in (kernel, recurrent)]
    biases = [part for *_, bias in both for part in (bias, jnp.zeros_like(bias))]
    return jnp.concatenate(matrices + biases)
