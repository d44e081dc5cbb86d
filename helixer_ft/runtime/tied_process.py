"""Processes that end when the one that started them does, even by SIGKILL.

Run as a script it becomes another program: `tied_process.py PARENT PROGRAM ARGUMENT...`. A function
between fork and exec would do too, but the threads of a backend can make that hang.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Let this process end when its parent does (on Linux; elsewhere it may stay).

    Parameters
    ----------
    parent
        Process number of the parent, which may have ended already.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _become(parent: str, *command: str) -> None:
    end_with(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"it could not be run ({error.strerror})")


if __name__ == "__main__":
    _become(*sys.argv[1:])
