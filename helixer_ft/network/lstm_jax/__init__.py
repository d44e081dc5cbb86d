"""The recurrence of a bidirectional LSTM on JAX: one meaning, a form for each kind of device.

Every form takes float32 arrays, `x` `(batch, steps, width)` and for each direction the kernel
`(width, 4 * units)`, the recurrent kernel `(units, 4 * units)` and the bias, gates in the order
input, forget, cell, output; and returns the states `(batch, steps, 2 * units)`, forward and then
backward ones, both in the order of the sequence. Keras' own recurrence is not used on JAX: on GPUs,
the order of its backward states depends on its version.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

from helixer_ft.network.lstm_jax import one_loop, two_loops

BATCH_AXIS = "batch"
"""Axis of the devices that share the work on a batch."""

Recurrence = Callable[[Any, tuple[Any, ...], tuple[Any, ...]], Any]
"""Sequence, weights of the forward and of the backward direction -> states."""

ON_CPU: Recurrence = two_loops.bidirectional_lstm
ON_ACCELERATOR: Recurrence = one_loop.bidirectional_lstm
"""`cudnn.bidirectional_lstm` is the other one for NVIDIA GPUs; `benchmarks/recurrence.py` compares
them."""

_devices: ContextVar[Mesh | None] = ContextVar("devices", default=None)


def recurrence_for(platform: str) -> Recurrence:
    """The form for devices of a platform, as JAX names it: "cpu", "gpu", "cuda", ..."""
    return ON_CPU if platform == "cpu" else ON_ACCELERATOR


def bidirectional_lstm(x: Any, forward: tuple[Any, ...], backward: tuple[Any, ...]) -> Any:
    """The states, from the form for the devices that this is computed on.

    In `split_over` those are the devices given, each of which computes its own sequences from the
    first step to the last one: XLA would look for a way to split the loop, and cannot split
    cuDNN's. Elsewhere JAX's default device computes.
    """
    mesh = _devices.get()
    if mesh is None:
        return recurrence_for(jax.default_backend())(x, forward, backward)
    recurrence = recurrence_for(mesh.devices.flat[0].platform)
    if mesh.size > 1:
        split, whole = PartitionSpec(BATCH_AXIS), PartitionSpec()
        recurrence = jax.shard_map(
            recurrence, mesh=mesh, in_specs=(split, whole, whole), out_specs=split, check_vma=False
        )
    return recurrence(x, forward, backward)


@contextmanager
def split_over(devices: Mesh) -> Iterator[None]:
    """What is traced within the block is for these devices, which share a batch (`BATCH_AXIS`)."""
    token = _devices.set(devices)
    try:
        yield
    finally:
        _devices.reset(token)
