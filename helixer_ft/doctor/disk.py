"""Free space and speed of the folder for caches."""

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.runtime.resources import available_disk

_PIECE = 16 * 2**20
_SECONDS = 2.0
"""Longest time to write, and to read."""
_MOST = 1 << 30


@dataclass(frozen=True)
class FolderSpeed:
    """A folder that caches may go to.

    Attributes
    ----------
    folder
        Where.
    free
        Bytes that can be written there.
    write, read
        Bytes per second, reading bypassing the page cache as far as the system allows it; 0 where
        nothing could be written.
    problem
        Why it cannot be used; "".
    """

    folder: Path
    free: int = 0
    write: float = 0.0
    read: float = 0.0
    problem: str = ""


def folder_speed(folder: Path) -> FolderSpeed:
    """Write a file of up to a GiB there for two seconds at most, read it, remove it."""
    try:
        free = available_disk(folder)
        if free < 2 * _PIECE:
            return FolderSpeed(folder, free, problem="there is not enough space")
        return FolderSpeed(folder, free, *_speed(folder, min(_MOST, free // 2)))
    except OSError as error:
        return FolderSpeed(folder, problem=error.strerror or str(error))


def _speed(folder: Path, size: int) -> tuple[float, float]:
    """Bytes per second, written and read."""
    piece = os.urandom(_PIECE)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        started, written = time.perf_counter(), 0
        while written < size and time.perf_counter() - started < _SECONDS:
            written += file.write(piece)
        os.fsync(file.fileno())
        write = written / (time.perf_counter() - started)
        with contextlib.suppress(OSError, AttributeError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < _SECONDS and (part := file.read(_PIECE)):
            done += len(part)
        return write, done / (time.perf_counter() - started)
