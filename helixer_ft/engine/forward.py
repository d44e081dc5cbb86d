"""What prediction and the frozen body ask of a backend."""

from abc import ABC, abstractmethod

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.engine.base import Read
from helixer_ft.engine.windows_at_once import MAX_ON_HOST
from helixer_ft.runtime.memory import (
    MAX_SUGGESTION,
    largest_batch,
    measured_bytes,
    room_for_batch,
)
from helixer_ft.runtime.resources import ProcessMemory


class Forward(ABC):
    """A Keras model compiled for inference; see `forward_function`."""

    memory: ProcessMemory | None
    """Memory of the device that computes; None where the backend does not tell."""
    devices: int = 1
    """How many share a batch."""
    most_on_host: int = MAX_ON_HOST
    """Windows of a batch, on processors, beyond which more gain nothing."""
    _taken_by_one: float | None = None

    @abstractmethod
    def __call__(self, batch: Batch, size: int | None = None) -> np.ndarray:
        """The model's output for a batch: its bases, and coverage where the model takes it.

        Parameters
        ----------
        batch
            All subsequences, or what `reading` leaves of them.
        size
            At least as many as there are in all; None: as many.
        """

    def filled(self, size: int) -> int:
        """Windows that are computed where a batch has `size`, those that fill it up included."""
        return -(-size // self.devices) * self.devices

    def reading(self, read: Read, batch_size: int) -> Read:
        """See `Engine.reading`."""
        return read

    def step_bytes(self, batch: Batch, size: int) -> float:
        """See `Engine.step_bytes`."""
        assert self.memory is not None, "the backend tells of its memory"
        if self._taken_by_one is None:
            self._taken_by_one = measured_bytes(self.memory, lambda: self(batch.first(1)))
        return size * self._taken_by_one

    def fitting(self, batch: Batch, size: int) -> int | None:
        """See `Engine.fitting`."""
        if self.memory is None:
            return None
        room = room_for_batch(self.memory)
        return largest_batch(lambda n: self.step_bytes(batch, n), room, size, MAX_SUGGESTION)
