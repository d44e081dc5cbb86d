"""One process at a time works on a run."""

import contextlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.locks import open_locked
from helixer_ft.progress import Progress

LOCK = "lock"


@contextmanager
def run_lock(folder: Path, progress: Progress, option: str = "--save-model-path") -> Iterator[None]:
    """Hold the run folder, which is made where it is missing, against other processes.

    The kernel releases it when the process ends, for whatever reason.

    Parameters
    ----------
    folder
        The folder of the run. Where it cannot be made or written to, nothing is held: the checks of
        the run report that.
    progress
        Notified where the file system has no locks.
    option
        What names the folder on the command line.

    Raises
    ------
    InputError
        Another process works there.
    """
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        file, locked = open_locked(folder / LOCK)
    except BlockingIOError:
        raise InputError(
            f"{folder}: is in use by {_holder(folder / LOCK)}. Wait for it to end, or give another "
            f"{option}."
        ) from None
    except OSError:
        yield
        return
    if not locked:
        progress.notice(
            f"{folder}: the file system has no locks, so nothing keeps a second process from "
            "working on the same run"
        )
    try:
        with contextlib.suppress(OSError):  # the lock holds on a full disk too
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n".encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
            if made:
                folder.rmdir()  # where nothing was written
        file.close()


def _holder(path: Path) -> str:
    """What the other process wrote there."""
    with contextlib.suppress(OSError):
        if text := path.read_text(errors="replace").strip():
            return text
    return "another process"
