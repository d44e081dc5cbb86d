"""Both directions in one loop, for devices on which starting a kernel costs more than its work.

A step of a sequence is a handful of tiny kernels, thousands of steps follow one another, and a GPU
spends its time on starting them. So both directions share each kernel (the backward one runs over
the reversed sequence), and each step keeps one row for the gradient, which is written out:
differentiating the loop would add up the gradients of the weights step by step, here they are
matrix products over all steps. Steps lie first in memory, so that a row is one piece.
"""

from typing import Any

import jax
import jax.numpy as jnp

from helixer_ft.network.lstm_jax import cell as lstm_cell

UNROLL = 4
"""Steps in each turn of a loop. The loop counts in a kernel of its own, and what follows from one
step to the next is merged into fewer: more than these four gain little and compile longer."""


@jax.custom_vjp
def bidirectional_lstm(x: Any, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> Any:
    """States `(batch, steps, 2 * units)`; see `helixer_ft.network.lstm_jax`."""
    states = _run(_both_ways(x), _stacked(forward, backward), keep=False)
    return _in_order(states)


def _forward(x: Any, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> tuple[Any, Any]:
    rows = _run(_both_ways(x), _stacked(forward, backward), keep=True)
    units = len(forward[1])
    return _in_order(rows[..., :units]), (x, forward, backward, rows)


def _backward(residuals: Any, d_states: Any) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    x, forward, backward, rows = residuals
    kernel, recurrent, _ = _stacked(forward, backward)
    units = recurrent.shape[1]
    d_gates = _gates_gradient(rows, _apart(d_states), recurrent)
    before = jnp.pad(rows[:-1, ..., :units], ((1, 0), (0, 0), (0, 0), (0, 0)))
    d_kernel = jnp.einsum("tdbi,tdbg->dig", _both_ways(x), d_gates)
    d_recurrent = jnp.einsum("tdbh,tdbg->dhg", before, d_gates)
    d_bias = d_gates.sum(axis=(0, 2))
    d_both = jnp.einsum("tdbg,dig->tdbi", d_gates, kernel)
    d_x = (d_both[:, 0] + d_both[::-1, 1]).transpose(1, 0, 2)
    d_forward, d_backward = ((d_kernel[d], d_recurrent[d], d_bias[d]) for d in range(2))
    return d_x, d_forward, d_backward


bidirectional_lstm.defvjp(_forward, _backward)


def _run(both: Any, weights: tuple[Any, ...], *, keep: bool) -> Any:
    """The states `(steps, 2, batch, units)`; to `keep`, each with its cell and gates:
    `(steps, 2, batch, 6 * units)`.
    """
    kernel, recurrent, bias = weights
    steps, _, batch, _ = both.shape
    units = recurrent.shape[1]
    projected = jnp.einsum("tdbi,dig->tdbg", both, kernel) + bias[None, :, None]

    def step(t: Any, carry: Any) -> Any:
        state, cell, rows = carry
        gates = _at(projected, t) + jnp.einsum("dbh,dhg->dbg", state, recurrent)
        state, cell, gates = lstm_cell.step(gates, cell)
        row = jnp.concatenate([state, cell, *gates], axis=-1) if keep else state
        return state, cell, _put(rows, row, t)

    zero = jnp.zeros((2, batch, units), both.dtype)
    rows = jnp.zeros((steps, 2, batch, 6 * units if keep else units), both.dtype)
    return jax.lax.fori_loop(0, steps, step, (zero, zero, rows), unroll=UNROLL)[2]


def _gates_gradient(rows: Any, d_states: Any, recurrent: Any) -> Any:
    """Gradient of what the gates are the sigmoid or tanh of, `(steps, 2, batch, 4 * units)`."""
    steps, _, batch, _ = rows.shape
    units = recurrent.shape[1]
    # the barrier has the transposed copy made once, not in every step
    transposed = jax.lax.optimization_barrier(recurrent.transpose(0, 2, 1))

    def step(n: Any, carry: Any) -> Any:
        d_state, d_cell, d_all_gates = carry
        t = steps - 1 - n
        _, cell, *gates = jnp.split(_at(rows, t), 6, axis=-1)
        d_gates, d_cell = lstm_cell.gradient(d_state + _at(d_states, t), d_cell, cell, gates)
        d_state = jnp.einsum("dbg,dgh->dbh", d_gates, transposed)
        return d_state, d_cell, _put(d_all_gates, d_gates, t)

    zero = jnp.zeros((2, batch, units), rows.dtype)
    d_all_gates = jnp.zeros((steps, 2, batch, 4 * units), rows.dtype)
    return jax.lax.fori_loop(0, steps, step, (zero, zero, d_all_gates), unroll=UNROLL)[2]


def _both_ways(x: Any) -> Any:
    """`(batch, steps, width)` -> `(steps, 2, batch, width)`, the second one reversed."""
    steps_first = x.transpose(1, 0, 2)
    return jnp.stack([steps_first, steps_first[::-1]], axis=1)


def _in_order(states: Any) -> Any:
    """`(steps, 2, batch, units)` -> `(batch, steps, 2 * units)`, both in the sequence's order."""
    return jnp.concatenate([states[:, 0], states[::-1, 1]], axis=-1).transpose(1, 0, 2)


def _apart(states: Any) -> Any:
    """What `_in_order` undoes."""
    forward, backward = jnp.split(states.transpose(1, 0, 2), 2, axis=-1)
    return jnp.stack([forward, backward[::-1]], axis=1)


def _stacked(forward: tuple[Any, ...], backward: tuple[Any, ...]) -> tuple[Any, ...]:
    """Kernel, recurrent kernel and bias of both directions, `(2, ...)`."""
    return tuple(jnp.stack(pair) for pair in zip(forward, backward, strict=True))


def _at(sequence: Any, t: Any) -> Any:
    return jax.lax.dynamic_index_in_dim(sequence, t, axis=0, keepdims=False)


def _put(sequence: Any, value: Any, t: Any) -> Any:
    return jax.lax.dynamic_update_index_in_dim(sequence, value, t, axis=0)
