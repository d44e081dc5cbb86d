"""A batch over several devices on JAX: each computes its part, the result is that of the whole.

The compiled functions see whole arrays. Those over the batch are split along their first axis, all
others are the same on every device; XLA adds what has to be exchanged (sums of losses, gradients
and batch-norm statistics).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from helixer_ft.dataset.batch import Batch
from helixer_ft.engine.base import Read
from helixer_ft.network.lstm_jax import BATCH_AXIS, split_over


class Shards:
    """Devices that share the work on a batch.

    Parameters
    ----------
    devices
        Those of a process follow one another.

    Attributes
    ----------
    count
        Number of devices.
    """

    def __init__(self, devices: Sequence[Any]) -> None:
        self.count = len(devices)
        self._mesh = Mesh(np.array(devices), (BATCH_AXIS,))
        self.split = NamedSharding(self._mesh, PartitionSpec(BATCH_AXIS))
        """How arrays over the batch lie."""
        self.whole = NamedSharding(self._mesh, PartitionSpec())
        """How all others lie."""
        process = jax.process_index()
        here = [i for i, device in enumerate(devices) if device.process_index == process]
        self._first, self._n_own = here[0], len(here)

    def reading(self, read: Read, size: int) -> Read:
        """`read` (indices -> batch) for batches of `size`, of what this process computes alone."""
        if self._n_own == self.count:
            return read
        own = self._own(size)

        def read_part(indices: np.ndarray) -> Batch:
            wanted = indices[own]
            batch = read(wanted if len(wanted) else indices[:1]).first(len(wanted))
            return replace(batch, whole=len(indices))

        return read_part

    def part(self, batch: Batch, size: int) -> Batch:
        """What this process computes of a batch of at most `size`, filled up.

        The batch holds all subsequences, or those that `reading` leaves.
        """
        own = self._own(size)
        if batch.whole is None:
            batch = replace(batch.part(own.start, own.stop), whole=len(batch))
        return batch.filled(own.stop - own.start)

    def place(self, array: np.ndarray) -> Any:
        """An array over the batch, of which this process has its part, on the devices."""
        shape = (len(array) // self._n_own * self.count, *array.shape[1:])
        return jax.make_array_from_process_local_data(self.split, array, shape)

    def place_input(self, given: dict[str, np.ndarray]) -> dict[str, Any]:
        """`Batch.input` on the devices."""
        return {
            name: self.copy(array) if name == "table" else self.place(array)
            for name, array in given.items()
        }

    def copy(self, value: Any) -> Any:
        """A value that is the same in all processes, copied to every device."""
        host = np.array(value)
        return jax.make_array_from_process_local_data(self.whole, host, host.shape)

    def compile(self, function: Callable[..., Any], **options: Any) -> Any:
        """`jax.jit`, with results that are whole on every device unless told otherwise."""

        def on_mesh(*arguments: Any) -> Any:
            with split_over(self._mesh):
                return function(*arguments)

        return jax.jit(on_mesh, **{"out_shardings": self.whole, **options})

    def _own(self, size: int) -> slice:
        each = -(-size // self.count)
        return slice(self._first * each, (self._first + self._n_own) * each)
