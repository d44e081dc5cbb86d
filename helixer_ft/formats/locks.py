"""Files that one process at a time works with."""

import errno
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def held_folder(path: Path) -> Iterator[None]:
    """Hold a folder for this process alone; where the file system has no locks for folders, do
    nothing.

    Raises
    ------
    BlockingIOError
        Another process has it.
    OSError
        It cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # NFS, which locks no file that is open for reading alone, has others
            pass
        yield
    finally:
        os.close(descriptor)


def open_locked(path: Path) -> tuple[io.FileIO, bool]:
    """Open a file, made where it is missing, for this process alone.

    The kernel lets go of it when the file is closed or the process ends, however it does.

    Returns
    -------
    tuple
        The file, for reading and writing; whether it is locked: some file systems have no locks.

    Raises
    ------
    BlockingIOError
        Another process has it.
    OSError
        It cannot be opened.
    """
    while True:
        file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return file, False
            file.close()
            raise
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                return file, True
        file.close()  # the process before removed it meanwhile
