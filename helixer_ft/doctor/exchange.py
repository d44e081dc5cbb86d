"""The exchange between devices and processes in training, tried on a sum of gradient size."""

import time
from dataclasses import dataclass

import numpy as np

from helixer_ft.runtime.devices import local_devices

VALUES = 2_100_000
"""Float32 numbers in a sum: parameters of a full-size network."""


@dataclass(frozen=True)
class Exchange:
    """Sums over all devices of all processes.

    Attributes
    ----------
    devices, processes
        How many took part.
    library
        What carried the numbers: NCCL between NVIDIA GPUs, Gloo between processes on processors.
    seconds
        Time of one sum.
    correct
        Whether the result was correct everywhere.
    """

    devices: int
    processes: int
    library: str
    seconds: float
    correct: bool


def exchange() -> Exchange | None:
    """Sum numbers over all devices; all processes call this together. None: there is only one."""
    import keras

    if keras.backend.backend() != "jax":
        return None
    import jax

    from helixer_ft.engine.shards import Shards

    devices, processes = jax.device_count(), jax.process_count()
    if devices == 1:
        return None
    shards = Shards(jax.devices())
    here = len(jax.local_devices())
    first = [device.process_index for device in jax.devices()].index(jax.process_index())
    ramp = np.arange(VALUES, dtype=np.float32) % 1000
    rows = np.stack([ramp + first + i for i in range(here)])
    placed = shards.place(rows)
    add = shards.compile(lambda values: values.sum(axis=0))
    expected = devices * ramp + devices * (devices - 1) / 2
    correct = all(
        np.array_equal(np.asarray(part.data), expected) for part in add(placed).addressable_shards
    )
    started = time.perf_counter()
    for _ in range(3):
        jax.block_until_ready(add(placed))
    seconds = (time.perf_counter() - started) / 3
    accelerated = local_devices().accelerated
    library = "NCCL" if accelerated else "Gloo" if processes > 1 else "memory"
    return Exchange(devices, processes, library, seconds, correct)
