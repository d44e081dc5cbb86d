"""Rows that are computed once and read again and again: in memory, on disk, or as far as they fit.

Files are read and written in place, not mapped: mapped pages count as memory of the job, and a
mapped file that vanishes or shrinks kills the process instead of raising an error.
"""

import contextlib
import fcntl
import io
import math
import os
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import HelixerFtError, first_line
from helixer_ft.progress import Progress

PREFIX, PARTIAL = ".helixer-ft-cache-", ".partial"
"""Begin and end of the name of a file that is to be kept, until it is complete."""

_ALIGNMENT = 64

Compute = Callable[[np.ndarray], np.ndarray]


class RowCache:
    """`n` rows, of which the first `kept` are stored and the others computed at each reading.

    Parameters
    ----------
    n
        Number of rows.
    compute
        Row numbers -> rows, first axis in their order.
    progress
        Reports stored rows that are lost.

    Attributes
    ----------
    was_read
        Whether `fill` has gone through all rows.
    """

    def __init__(self, n: int, compute: Compute, progress: Progress | None = None) -> None:
        self.n = n
        self.compute = compute
        self.kept = 0
        self.was_read = False
        self._progress = progress or Progress()
        self._storage: Storage | None = None

    def keep_in(self, storage: "Storage") -> None:
        """Store rows there, as they are computed by `fill`."""
        self._storage = storage
        self.kept = self.n if storage.complete else 0

    def forget(self) -> None:
        """Store nothing any more; a file that is not complete is removed."""
        self.kept, self.was_read, self._storage = 0, False, None

    def fill(
        self, at_once: int, read: Compute | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through all rows in order: (row numbers, rows). What there is room for stays.

        `read` takes the place of this cache's own where the rows are obtained in another way.
        """
        read = read or self.read
        for start in range(0, self.n, at_once):
            indices = np.arange(start, min(self.n, start + at_once))
            rows = read(indices)
            if self.kept == start:
                self._store(start, rows)
            yield indices, rows
        self.was_read = True

    def publish(self) -> None:
        """Leave complete rows for later runs, where that is asked for."""
        if self._storage is None or self.kept < self.n:
            return
        try:
            self._storage.publish()
        except (OSError, HelixerFtError) as error:
            self._progress.notice(f"the cache is not kept for later runs: {first_line(error)}")

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Rows by number, in the order given."""
        stored = indices < self.kept
        if not stored.any():
            return self.compute(indices)
        assert self._storage is not None, "rows are kept"
        try:
            found = self._storage.read(indices[stored])
        except OSError as error:
            self.kept = 0
            self._progress.notice(
                f"{self._storage.place}: could not be read ({first_line(error)}); what was kept "
                "there is computed each time from now on"
            )
            return self.compute(indices)
        if stored.all():
            return found
        rest = self.compute(indices[~stored])
        rows = np.empty((len(indices), *found.shape[1:]), found.dtype)
        rows[stored], rows[~stored] = found, rest
        return rows

    def _store(self, start: int, rows: np.ndarray) -> None:
        if self._storage is None:
            return
        rows = rows[: self._storage.capacity - start]
        if not len(rows):
            return
        try:
            self._storage.write(start, rows)
        except OSError as error:
            self._storage.capacity = start
            self._progress.notice(
                f"{self._storage.place}: could not be written ({first_line(error)}); {start:,} of "
                f"{self.n:,} subsequences are kept, the rest are computed each time"
            )
        else:
            self.kept = start + len(rows)


class Storage(ABC):
    """Room for rows.

    Attributes
    ----------
    capacity
        Rows there is room for.
    complete
        Whether all rows are there already.
    place
        For messages.
    """

    capacity: int
    complete: bool = False
    place: str

    @abstractmethod
    def write(self, start: int, rows: np.ndarray) -> None:
        """Store successive rows; OSError where that fails."""

    @abstractmethod
    def read(self, indices: np.ndarray) -> np.ndarray:
        """Rows by number; OSError where that fails."""

    def publish(self) -> None:  # noqa: B027 - memory has nothing to keep
        """Keep complete rows; OSError or HelixerFtError where that fails."""


class MemoryRows(Storage):
    """Rows in memory."""

    place = "memory"

    def __init__(self, capacity: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.capacity = capacity
        self._rows = aligned_empty((capacity, *shape), dtype)

    def write(self, start: int, rows: np.ndarray) -> None:
        self._rows[start : start + len(rows)] = rows

    def read(self, indices: np.ndarray) -> np.ndarray:
        first, n = indices[0], len(indices)
        if (indices == np.arange(first, first + n)).all():
            rows = self._rows[first : first + n]
            rows.flags.writeable = False  # nothing is copied
            return rows
        rows = aligned_empty((n, *self._rows.shape[1:]), self._rows.dtype)
        return np.take(self._rows, indices, axis=0, out=rows, mode="clip")


class DiskRows(Storage):
    """Rows in a `.npy` file without a name, which is gone when the process ends in any way;
    or in one that `keep_as` gives a lasting name when it is complete, and returns that.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int,
        shape: tuple[int, ...],
        dtype: np.dtype,
        keep_as: Callable[[str], Path] | None = None,
    ) -> None:
        self.capacity = capacity
        self.place = str(folder)
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._keep_as = keep_as
        self._file: Any
        if keep_as is None:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        else:
            descriptor, self._name = tempfile.mkstemp(PARTIAL, PREFIX, folder)
            self._file = os.fdopen(descriptor, "w+b")
            self._remove = weakref.finalize(self, _unlink, self._name)
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_EX)  # in use: CacheFolder leaves it alone
        self._file.write(self._header(capacity))
        self._file.flush()
        self._offset = self._file.tell()

    @classmethod
    def reopen(cls, path: Path, n: int, shape: tuple[int, ...], dtype: np.dtype) -> "DiskRows":
        """A complete file; OSError or ValueError where it is not the one expected."""
        rows = cls.__new__(cls)
        rows.capacity, rows.complete, rows.place = n, True, str(path)
        rows._shape, rows._dtype, rows._keep_as = shape, np.dtype(dtype), None
        rows._file = open(path, "rb")  # noqa: SIM115 - read until the process ends
        header = rows._header(n)
        rows._offset = len(header)
        size = rows._offset + n * rows._row_bytes
        if rows._file.read(len(header)) != header or size != os.fstat(rows._fd).st_size:
            raise ValueError("another type, shape or size")
        return rows

    def write(self, start: int, rows: np.ndarray) -> None:
        data = np.ascontiguousarray(rows, self._dtype).data.cast("B")
        position = self._offset + start * self._row_bytes
        while data:
            written = os.pwrite(self._fd, data, position)
            data, position = data[written:], position + written

    def read(self, indices: np.ndarray) -> np.ndarray:
        rows = aligned_empty((len(indices), *self._shape), self._dtype)
        for row, index in zip(rows, indices.tolist(), strict=True):
            data = row.data.cast("B")
            position = self._offset + index * self._row_bytes
            while data:
                found = os.preadv(self._fd, [data], position)
                if not found:
                    raise OSError("the file has become shorter")
                data, position = data[found:], position + found
        return rows

    def publish(self) -> None:
        if self._keep_as is not None:
            os.fsync(self._fd)
            self.place = str(self._keep_as(self._name))
            self._remove.detach()
            self._keep_as = None

    def _header(self, n: int) -> bytes:
        """The header of a `.npy` file of `n` rows."""
        header = io.BytesIO()
        shape = (n, *self._shape)
        content = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(header, content)
        return header.getvalue()

    @property
    def _fd(self) -> int:
        return int(self._file.fileno())

    @property
    def _row_bytes(self) -> int:
        return math.prod(self._shape) * self._dtype.itemsize


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty` at an address from which JAX computes on processors: others it copies first."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def _unlink(name: str) -> None:
    Path(name).unlink(missing_ok=True)
