"""Where cached rows go: memory or disk, for this run or for later ones."""

import contextlib
import fcntl
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.dataset.row_cache import (
    PARTIAL,
    PREFIX,
    DiskRows,
    MemoryRows,
    Storage,
)
from helixer_ft.errors import HelixerFtError, InputError, first_line
from helixer_ft.formats import atomic
from helixer_ft.progress import Progress
from helixer_ft.runtime import resources
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import CacheSettings

CACHE_MEMORY_SHARE = 0.5
"""Share of the memory left to the job that a cache may take."""
DISK_SHARE = 0.9
"""Share of the free disk space, likewise."""

Fingerprint = Mapping[str, Any]


@dataclass(frozen=True)
class KeptFile:
    """A file that later runs may use: its name holds a hash of what it was computed from.

    The `.json` next to it says in full what that was, and is written last: a file without it, or
    with a different one, is never used.

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

    def publish(self, written: str) -> Path:
        """Give a written file its name."""
        os.replace(written, self.path)
        text = json.dumps({"fingerprint": self.fingerprint, "notes": self.tell_notes()})
        try:
            atomic.write_text(self._description, text + "\n", force=True)
        except HelixerFtError:
            self.path.unlink(missing_ok=True)  # never used without, and large
            raise
        return self.path

    def open(self, n: int, shape: tuple[int, ...], dtype: np.dtype) -> DiskRows | None:
        """The rows, where the file is there, complete and of this fingerprint."""
        try:
            if self.path.stat().st_uid != os.geteuid():  # anybody's, in a shared folder
                return None
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

    `--cache-dir`, else `$SLURM_TMPDIR` or `$TMPDIR`, else next to the model that is written.

    Parameters
    ----------
    settings
        What the user asked for.
    run_folder
        Folder of the run: kept files go to `features/` in it where no other place is given.
    progress
        Reports what cannot be used.
    processes
        The processes of the run: those on this machine share its room, and the first one alone
        leaves files for later runs.

    Raises
    ------
    InputError
        `--cache-dir` is not a folder and cannot be made one; it cannot be written to, and
        `--keep-cache` is asked for.
    """

    def __init__(
        self,
        settings: CacheSettings,
        run_folder: Path,
        progress: Progress,
        processes: Processes | None = None,
    ) -> None:
        processes = processes or Processes()
        self.progress = progress
        self.keep = settings.keep
        self.publishes = settings.keep and processes.is_first
        self.shared_by = processes.beside
        self.explicit = settings.folder is not None
        self._made: list[Path] = []
        if settings.folder is not None:
            self.path = settings.folder
        else:
            beside = run_folder / "features" if settings.keep else run_folder.parent
            self.path = local_folder(beside)
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

    def kept_file(
        self,
        kind: str,
        fingerprint: Callable[[], Fingerprint],
        tell_notes: Callable[[], dict[str, Any]] = dict,
    ) -> KeptFile | None:
        """The file of a kind that this run may reuse or leave; None where it would do neither.

        The fingerprint, which may take reading all data, is asked for only where it is needed.
        """
        if not self.keep and not self._has(kind):
            return None
        return KeptFile.of(self.path, kind, fingerprint(), tell_notes)

    def remove_if_empty(self) -> None:
        """Remove folders that were made here and are still empty."""
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _has(self, kind: str) -> bool:
        try:
            return any(self.path.glob(f"{kind}-*.json"))
        except OSError:
            return False

    def _make(self) -> None:
        try:
            self._made = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path}: the folder of the cache could not be made ({first_line(error)}). "
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
        self.memory = memory_for_cache(folder.shared_by)
        self.disk = 0
        if folder.writable:
            free = resources.available_disk(folder.path)
            self.disk = int(DISK_SHARE * free / folder.shared_by)
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
        keep_as = kept.publish if kept and self.folder.publishes and capacity == n else None
        try:
            return DiskRows(self.folder.path, capacity, shape, dtype, keep_as)
        except OSError as error:  # the folder vanished, say
            self.folder.progress.notice(
                f"{self.folder.path}: nothing can be cached there ({first_line(error)})"
            )
            return None


def memory_for_cache(shared_by: int) -> int:
    """Bytes of memory that a cache may take in each of the processes of this machine."""
    return int(CACHE_MEMORY_SHARE * resources.available_memory() / shared_by)


def _clear(folder: Path) -> None:
    """Remove what killed runs left behind; files of running ones are locked."""
    for path in folder.glob(f"{PREFIX}*{PARTIAL}"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def local_folder(otherwise: Path) -> Path:
    """`$SLURM_TMPDIR` or `$TMPDIR`, where one is set and can be written to."""
    given = [Path(os.environ.get(name, "")) for name in ("SLURM_TMPDIR", "TMPDIR")]
    usable = [path for path in given if path.is_absolute() and _writable(path)]
    return next(iter(usable), otherwise)


def _writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
