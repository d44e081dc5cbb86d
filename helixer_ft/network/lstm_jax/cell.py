"""One step of an LSTM, and its gradient; gates in the order input, forget, cell, output."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp


def step(gates: Any, cell: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """State, cell and activated gates, from gates before activation and the cell before."""
    entry, forget, candidate, output = jnp.split(gates, 4, axis=-1)
    entry, forget, output = (jax.nn.sigmoid(gate) for gate in (entry, forget, output))
    candidate = jnp.tanh(candidate)
    cell = forget * cell + entry * candidate
    return output * jnp.tanh(cell), cell, (entry, forget, candidate, output)


def gradient(d_state: Any, d_cell: Any, cell: Any, gates: Sequence[Any]) -> tuple[Any, Any]:
    """Gradients of the gates before activation, and of the cell before, from those of the state and
    the cell after the step, that cell and its activated gates.
    """
    entry, forget, candidate, output = gates
    squashed = jnp.tanh(cell)
    d_cell = d_cell + d_state * output * (1 - squashed * squashed)
    added = entry * candidate  # what the step put into the cell; the rest was there before
    d_gates = [
        d_cell * added * (1 - entry),
        d_cell * (cell - added) * (1 - forget),
        d_cell * entry * (1 - candidate * candidate),
        d_state * squashed * output * (1 - output),
    ]
    return jnp.concatenate(d_gates, axis=-1), d_cell * forget
