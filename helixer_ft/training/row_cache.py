"""Rows that are computed once and read again and again: in memory, on disk, or as far as they fit.

Files are read and written in place, not mapped: mapped pages count as memory of the job, and a
mapped file that vanishes or shrinks kills the process instead of raising an error.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import math
import os
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats import atomic
from helixer_ft.progress import Progress
from helixer_ft.training import resources
from helixer_ft.training.settings import CacheSettings

MEMORY_SHARE = 0.5
"""Of the memory that the job may still take, the share that a cache may have."""
DISK_SHARE = 0.9
"""Of the free disk space, likewise."""
_PREFIX, _PARTIAL = ".helixer-ft-cache-", ".partial"

Compute = Callable[[np.ndarray], np.ndarray]
Fingerprint = Mapping[str, Any]


class RowCache:
    """`n` rows, of which the first `kept` are stored and the others computed at each reading.

    Parameters
    ----------
    n
        Number of rows.
    compute
        Row numbers -> rows, first axis in their order.
    progress
        Told when stored rows are lost.
    """

    def __init__(self, n: int, compute: Compute, progress: Progress | None = None) -> None:
        self.n = n
        self.compute = compute
        self.kept = 0
        self._progress = progress or Progress()
        self._storage: Storage | None = None

    def keep_in(self, storage: "Storage") -> None:
        """Store rows there, as they are computed by `fill`."""
        self._storage = storage
        self.kept = self.n if storage.complete else 0

    def forget(self) -> None:
        """Store nothing any more; a file that is not complete is removed."""
        self.kept, self._storage = 0, None

    def fill(self, at_once: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through all rows in order: (row numbers, rows). What there is room for stays."""
        for start in range(0, self.n, at_once):
            indices = np.arange(start, min(self.n, start + at_once))
            rows = self.read(indices)
            if self.kept == start:
                self._store(start, rows)
            yield indices, rows

    def publish(self) -> None:
        """Leave complete rows for later runs, where that is asked for."""
        if self._storage is None or self.kept < self.n:
            return
        try:
            self._storage.publish()
        except (OSError, HelixerFtError) as error:
            self._progress.notice(f"the cache is not kept for later runs: {_reason(error)}")

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Rows by number, in the order given."""
        stored = indices < self.kept
        if not stored.any():
            return self.compute(indices)
        try:
            assert self._storage is not None, "rows are kept"
            found = self._storage.read(indices[stored])
        except OSError as error:
            self.kept = 0
            assert self._storage is not None
            self._progress.notice(
                f"{self._storage.place}: could not be read ({_reason(error)}); what was kept there "
                "is computed each time from now on"
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
                f"{self._storage.place}: could not be written ({_reason(error)}); {start:,} of "
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

    @abstractmethod
    def publish(self) -> None:
        """Keep complete rows; OSError or HelixerFtError where that fails."""


class MemoryRows(Storage):
    """Rows in memory."""

    place = "memory"

    def __init__(self, capacity: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.capacity = capacity
        self._rows = np.empty((capacity, *shape), dtype)

    def write(self, start: int, rows: np.ndarray) -> None:
        self._rows[start : start + len(rows)] = rows

    def read(self, indices: np.ndarray) -> np.ndarray:
        return np.asarray(self._rows[indices])

    def publish(self) -> None:
        pass


class DiskRows(Storage):
    """Rows in a `.npy` file without a name, which is gone when the process ends, however it does;
    or in one that gets its name, `keep_as`, when it is complete.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int,
        shape: tuple[int, ...],
        dtype: np.dtype,
        keep_as: "KeptFile | None" = None,
    ) -> None:
        self.capacity = capacity
        self.place = str(folder)
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._keep_as = keep_as
        self._file: Any
        if keep_as is None:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        else:
            descriptor, self._name = tempfile.mkstemp(_PARTIAL, _PREFIX, folder)
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
        rows = np.empty((len(indices), *self._shape), self._dtype)
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
            self._keep_as.publish(self._name)
            self._remove.detach()
            self.place, self._keep_as = str(self._keep_as.path), None

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


@dataclass(frozen=True)
class KeptFile:
    """A file that later runs may use: its name holds a hash of what it was computed from.

    The `.json` beside it says in full what that was, and is written last: a file without it, or
    with another content, is never used.

    Attributes
    ----------
    path
        The `.npy` file.
    fingerprint
        What the rows follow from.
    tell_notes, notes
        What else is needed to read the rows: asked for when they are complete, and as it was read.
    """

    path: Path
    fingerprint: Fingerprint
    tell_notes: Callable[[], dict[str, Any]] = dict
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        folder: Path,
        kind: str,
        fingerprint: Fingerprint,
        tell_notes: Callable[[], dict[str, Any]] = dict,
    ) -> "KeptFile":
        """The file of this kind (`decoded`, `features`) and fingerprint in a folder."""
        text = json.dumps(fingerprint, sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        return cls(folder / f"{kind}-{digest}.npy", json.loads(text), tell_notes)

    @property
    def _description(self) -> Path:
        return self.path.with_suffix(".json")

    def publish(self, written: str) -> None:
        """Give a written file its name."""
        os.replace(written, self.path)
        text = json.dumps({"fingerprint": self.fingerprint, "notes": self.tell_notes()})
        try:
            atomic.write_text(self._description, text + "\n", force=True)
        except HelixerFtError:
            self.path.unlink(missing_ok=True)  # never used without, and large
            raise

    def open(self, n: int, shape: tuple[int, ...], dtype: np.dtype) -> DiskRows | None:
        """The rows, where the file is there, complete and of this fingerprint."""
        try:
            description = json.loads(self._description.read_text())
            notes = description["notes"]
            if (
                description["fingerprint"] != self.fingerprint
                or not self.tell_notes().keys() <= notes.keys()
            ):
                return None
            rows = DiskRows.reopen(self.path, n, shape, dtype)
            self.notes.update(notes)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None
        return rows


class CacheFolder:
    """Where caches go on disk.

    `--cache-dir`, else `$SLURM_TMPDIR` or `$TMPDIR`, else beside the model that is written.

    Parameters
    ----------
    settings
        What the user asked for.
    run_folder
        Folder of the run: kept files go to `features/` in it where no other place is given.
    progress
        Told of what cannot be used.

    Raises
    ------
    InputError
        `--cache-dir` is not a folder and cannot be made one; it cannot be written to, and
        `--keep-cache` is asked for.
    """

    def __init__(self, settings: CacheSettings, run_folder: Path, progress: Progress) -> None:
        self.progress = progress
        self.keep = settings.keep
        self.explicit = settings.folder is not None
        self._made: list[Path] = []
        if settings.folder is not None:
            self.path = settings.folder
        else:
            given = [Path(os.environ.get(name, "")) for name in ("SLURM_TMPDIR", "TMPDIR")]
            usable = [path for path in given if path.is_absolute() and _writable(path)]
            beside = run_folder / "features" if settings.keep else run_folder.parent
            self.path = next(iter(usable), beside)
        if self.explicit or settings.keep:
            self._make()
        self.writable = _writable(self.path)
        if not self.writable:
            if settings.keep:
                raise InputError(
                    f"{self.path}: is not writable, so --keep-cache has nowhere to keep the cache. "
                    "Give another --cache-dir."
                )
            progress.notice(f"{self.path}: is not writable, so nothing is cached on disk")
        elif self.explicit or settings.keep:
            _clear(self.path)

    def has_kept(self, kind: str) -> bool:
        """Whether files of this kind are there; worth computing a fingerprint for."""
        try:
            return any(self.path.glob(f"{kind}-*.json"))
        except OSError:
            return False

    def remove_if_empty(self) -> None:
        """Take away folders that were made here, where nothing came to be in them."""
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _make(self) -> None:
        try:
            self._made = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path}: the folder of the cache could not be made ({_reason(error)}). "
                "Give another --cache-dir."
            ) from error


class Room:
    """Room for caches of so many bytes in all: in memory where they fit, else on disk, else as
    many rows as fit where there is more room.

    Parameters
    ----------
    wanted
        Bytes of all rows that will be asked for.
    folder
        Where disk may be used; on disk always where the user named the folder or keeps the cache.
    """

    def __init__(self, wanted: int, folder: CacheFolder) -> None:
        self.folder = folder
        self.wanted = wanted
        self.memory = int(MEMORY_SHARE * resources.available_memory())
        self.disk = 0
        if folder.writable:
            self.disk = int(DISK_SHARE * resources.available_disk(folder.path))
        disk_asked_for = folder.writable and (folder.explicit or folder.keep)
        self.on_disk = disk_asked_for or (
            wanted > self.memory and (wanted <= self.disk or self.disk > self.memory)
        )
        self.left = self.disk if self.on_disk else self.memory

    @property
    def is_enough(self) -> bool:
        """Whether everything fits."""
        return self.wanted <= self.left

    @property
    def place(self) -> str:
        """For messages."""
        return f"on disk in {self.folder.path}" if self.on_disk else "in memory"

    def storage(
        self, n: int, shape: tuple[int, ...], dtype: np.dtype, kept: KeptFile | None
    ) -> Storage | None:
        """Storage for as many of `n` rows as there is room for; None where there is none.

        Parameters
        ----------
        n, shape, dtype
            The rows.
        kept
            The file that may hold them already, and gets them where the cache is kept.
        """
        if kept is not None and (found := kept.open(n, shape, dtype)):
            return found
        row_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        capacity = min(n, self.left // row_bytes)
        if capacity == 0:
            return None
        self.left -= capacity * row_bytes
        if not self.on_disk:
            return MemoryRows(capacity, shape, dtype)
        keep_as = kept if self.folder.keep and capacity == n else None
        try:
            return DiskRows(self.folder.path, capacity, shape, dtype, keep_as)
        except OSError as error:  # the folder vanished, say
            self.folder.progress.notice(
                f"{self.folder.path}: nothing can be cached there ({_reason(error)})"
            )
            return None


def _clear(folder: Path) -> None:
    """Remove what killed runs left behind; files of running ones are locked."""
    for path in folder.glob(f"{_PREFIX}*{_PARTIAL}"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _unlink(name: str) -> None:
    Path(name).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
