"""One process at a time works on a run."""

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from helixer_ft.errors import InputError
from helixer_ft.progress import Progress

LOCK = "lock"


@contextmanager
def run_lock(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the run folder, which is made where it is missing, against other processes.

    The kernel lets go of it when the process ends, however it does.

    Parameters
    ----------
    folder
        Of the run. Where it cannot be made or written to, nothing is held: it is for the checks of
        the run to say so.
    progress
        Told where the file system has no locks.

    Raises
    ------
    InputError
        Another process works there.
    """
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        file = _open_locked(folder / LOCK, progress)
    except OSError:
        yield
        return
    try:
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
            if made:
                folder.rmdir()  # where nothing was written
        file.close()


def _open_locked(path: Path, progress: Progress) -> IO[str]:
    """The lock file, empty, locked."""
    while True:
        file = open(path, "a+")  # noqa: SIM115 - held for the time of the run
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.readline().strip() or "another process"
            file.close()
            raise InputError(
                f"{path.parent}: is in use by {holder}. Wait for its end, or give another "
                "--save-model-path."
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                file.close()
                raise
            progress.notice(
                f"{path.parent}: the file system has no locks, so nothing keeps a second process "
                "from working on the same run"
            )
            return file
        if _is_at(file, path):
            file.truncate(0)
            return file
        file.close()  # the process before removed it meanwhile


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
