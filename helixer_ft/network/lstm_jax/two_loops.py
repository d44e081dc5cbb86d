"""One loop for each direction, for CPUs.

Differentiating a scan step by step adds up the gradient of the recurrent weights inside the loop:
thousands of small products and additions. Here the loop carries what must be carried alone, and
the gradients of all weights are matrix products over all steps.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from helixer_ft.network.lstm_jax import cell as lstm_cell


def bidirectional_lstm(x: Any, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> Any:
    """States `(batch, steps, 2 * units)`; see `helixer_ft.network.lstm_jax`."""
    return jnp.concatenate([_lstm(x, forward, False), _lstm(x, backward, True)], axis=-1)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _lstm(x: Any, weights: tuple[Any, ...], reverse: bool) -> Any:
    """States `(batch, steps, units)` of one direction; `reverse`: from the last step on."""
    return _run(x, weights, reverse, keep=False)[0]


def _run(x: Any, weights: tuple[Any, ...], reverse: bool, *, keep: bool) -> tuple[Any, Any]:
    """The states and, to be kept for the gradient, the cells and the gates."""
    batch, steps, width = x.shape
    kernel, recurrent, bias = weights
    units = len(recurrent)
    projected = (x.reshape(-1, width) @ kernel).reshape(batch, steps, 4 * units)

    def step(n: Any, carry: Any) -> Any:
        state, cell, states, kept = carry
        t = steps - 1 - n if reverse else n
        gates = _at(projected, t) + bias + state @ recurrent
        state, cell, gates = lstm_cell.step(gates, cell)
        if keep:
            kept = _put(kept[0], cell, t), _put(kept[1], jnp.concatenate(gates, axis=-1), t)
        return state, cell, _put(states, state, t), kept

    def empty(width: int) -> Any:
        return jnp.zeros((batch, steps, width), x.dtype)

    zero = jnp.zeros((batch, units), x.dtype)
    kept = (empty(units), empty(4 * units)) if keep else ()
    _, _, states, kept = jax.lax.fori_loop(0, steps, step, (zero, zero, empty(units), kept))
    return states, kept


def _forward(x: Any, weights: tuple[Any, ...], reverse: bool) -> tuple[Any, Any]:
    states, kept = _run(x, weights, reverse, keep=True)
    return states, (x, weights, states, kept)


def _backward(reverse: bool, residuals: Any, d_states: Any) -> tuple[Any, tuple[Any, ...]]:
    x, weights, states, (cells, all_gates) = residuals
    batch, steps, width = x.shape
    kernel, recurrent, _ = weights
    units = len(recurrent)
    # the barrier has the transposed copy made once, not in every step
    transposed = jax.lax.optimization_barrier(recurrent.T)

    def step(n: Any, carry: Any) -> Any:
        d_state, d_cell, d_all_gates = carry
        t = n if reverse else steps - 1 - n
        gates = jnp.split(_at(all_gates, t), 4, axis=-1)
        d_state = d_state + _at(d_states, t)
        d_gates, d_cell = lstm_cell.gradient(d_state, d_cell, _at(cells, t), gates)
        return d_gates @ transposed, d_cell, _put(d_all_gates, d_gates, t)

    zero = jnp.zeros((batch, units), x.dtype)
    start = (zero, zero, jnp.zeros_like(all_gates))
    d_gates = jax.lax.fori_loop(0, steps, step, start)[2].reshape(-1, 4 * units)
    padding = ((0, 0), (0, 1), (0, 0)) if reverse else ((0, 0), (1, 0), (0, 0))
    before = jnp.pad(states[:, 1:] if reverse else states[:, :-1], padding).reshape(-1, units)
    d_weights = (x.reshape(-1, width).T @ d_gates, before.T @ d_gates, d_gates.sum(axis=0))
    d_x = (d_gates @ kernel.T).reshape(x.shape)
    return d_x, d_weights


_lstm.defvjp(_forward, _backward)


def _at(sequence: Any, t: Any) -> Any:
    return jax.lax.dynamic_index_in_dim(sequence, t, axis=1, keepdims=False)


def _put(sequence: Any, value: Any, t: Any) -> Any:
    return jax.lax.dynamic_update_index_in_dim(sequence, value, t, axis=1)
