"""Files that one process at a time works with."""

import errno
import fcntl
import io
import os
from contextlib import suppress
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


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
