"""The recurrence of a bidirectional LSTM in JAX, with its gradient written out.

Differentiating a scan step by step adds up the gradient of the recurrent weights inside the loop:
thousands of small products and additions. Here the loop carries what must be carried alone, and
the weights' gradient is one matrix product over all steps.
"""

from typing import Any

import jax
import jax.numpy as jnp


def bidirectional_lstm(inputs: Any, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> Any:
    """`(batch, steps, width)` -> `(batch, steps, 2 * units)`.

    Parameters
    ----------
    inputs
        The sequence.
    forward, backward
        Kernel `(width, 4 * units)`, recurrent kernel `(units, 4 * units)` and bias of each
        direction, gates in the order input, forget, cell, output.
    """
    steps_first = jnp.swapaxes(inputs, 0, 1)
    projected = [steps_first @ kernel + bias for kernel, _, bias in (forward, backward)]
    states = _recurrence(projected[0], projected[1][::-1], forward[1], backward[1])
    joined = jnp.concatenate([states[0], states[1][::-1]], axis=-1)
    return jnp.swapaxes(joined, 0, 1)


@jax.custom_vjp
def _recurrence(forward_inputs: Any, backward_inputs: Any, forward: Any, backward: Any) -> Any:
    """States `(steps, batch, units)` of both directions, run in one loop.

    The inputs are the projected gates `(steps, batch, 4 * units)`, each in the order in which its
    direction reads them; `forward` and `backward` are the recurrent kernels.
    """
    return _run(forward_inputs, backward_inputs, forward, backward)[0]


def _run(forward_inputs: Any, backward_inputs: Any, forward: Any, backward: Any) -> Any:
    _, batch, gates = forward_inputs.shape
    zero = jnp.zeros((batch, gates // 4), forward_inputs.dtype)

    def step(carry: Any, inputs: Any) -> Any:
        results = [
            _cell(projected + state @ kernel, cell)
            for (state, cell), projected, kernel in zip(
                carry, inputs, (forward, backward), strict=True
            )
        ]
        carry = tuple((state, cell) for state, cell, _ in results)
        return carry, tuple(results)

    start = ((zero, zero), (zero, zero))
    _, results = jax.lax.scan(step, start, (forward_inputs, backward_inputs))
    return tuple(states for states, _, _ in results), results


def _cell(gates: Any, cell: Any) -> tuple[Any, Any, Any]:
    """New state, new cell, activated gates."""
    entry, forget, candidate, output = jnp.split(gates, 4, axis=-1)
    entry, forget, output = (jax.nn.sigmoid(gate) for gate in (entry, forget, output))
    candidate = jnp.tanh(candidate)
    cell = forget * cell + entry * candidate
    activated = jnp.concatenate([entry, forget, candidate, output], axis=-1)
    return output * jnp.tanh(cell), cell, activated


def _forward(*arguments: Any) -> Any:
    states, results = _run(*arguments)
    return states, (results, arguments[2:])


def _backward(residuals: Any, gradients: Any) -> Any:
    results, kernels = residuals
    zero = jnp.zeros_like(results[0][0][0])

    def step(carry: Any, inputs: Any) -> Any:
        new, emitted = [], []
        for (d_state, d_cell), (d_output, cell, previous_cell, gates), kernel in zip(
            carry, inputs, kernels, strict=True
        ):
            entry, forget, candidate, output = jnp.split(gates, 4, axis=-1)
            d_state = d_state + d_output
            squashed = jnp.tanh(cell)
            d_cell = d_cell + d_state * output * (1 - squashed * squashed)
            d_gates = jnp.concatenate(
                [
                    d_cell * candidate * entry * (1 - entry),
                    d_cell * previous_cell * forget * (1 - forget),
                    d_cell * entry * (1 - candidate * candidate),
                    d_state * squashed * output * (1 - output),
                ],
                axis=-1,
            )
            new.append((d_gates @ kernel.T, d_cell * forget))
            emitted.append(d_gates)
        return tuple(new), tuple(emitted)

    def shifted(sequence: Any) -> Any:
        return jnp.concatenate([zero[None], sequence[:-1]])

    inputs = tuple(
        (d_output, cells, shifted(cells), gates)
        for d_output, (_, cells, gates) in zip(gradients, results, strict=True)
    )
    start = ((zero, zero), (zero, zero))
    _, d_inputs = jax.lax.scan(step, start, inputs, reverse=True)
    d_kernels = tuple(
        jnp.einsum("tbu,tbg->ug", shifted(states), d_gates)
        for (states, _, _), d_gates in zip(results, d_inputs, strict=True)
    )
    return (*d_inputs, *d_kernels)


_recurrence.defvjp(_forward, _backward)
