"""Whether HDF5 survives a file: another process goes through it first.

On some damaged files HDF5 crashes, or never comes back. `hdf5_walker` then ends, and not the
command; it is started once, and takes milliseconds for a file.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from helixer_ft.formats import hdf5_walker

_Identity = tuple[int, int, int, int]


class Walker:
    """The process that goes through files, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._sound: set[_Identity] = set()

    def check(self, path: Path) -> str:
        """Return what is wrong with a file, "" if nothing is; a file is gone through once."""
        found = path.stat()
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        with self._lock:
            if identity in self._sound:
                return ""
            problem = self._ask(path)
            if not problem:
                self._sound.add(identity)
            return problem

    def close(self) -> int | None:
        """End the process and return its exit status; another is started when it is needed."""
        process, self._process = self._process, None
        if process is None:
            return None
        with process:  # closes its pipes and waits for it
            pass
        return process.returncode

    def _ask(self, path: Path) -> str:
        process = self._started()
        if process is None:
            return ""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(str(path.absolute())) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        if answer:
            return str(json.loads(answer))
        status = self.close()
        if status == -signal.SIGPROF:
            return "HDF5 does not finish reading it"
        return "HDF5 crashes on it" if status in _CRASHES else ""

    def _started(self) -> "subprocess.Popen[str] | None":
        """The process; None where none can be started."""
        if self._process is None or self._owner != os.getpid():
            try:
                self._process = subprocess.Popen(
                    # -P: nothing next to that file is imported
                    [sys.executable, "-P", hdf5_walker.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                    text=True,
                )
            except OSError:
                return None
            self._owner = os.getpid()
        return self._process


_CRASHES = {
    -number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE)
}  # not those by which others end it
_walker = Walker()


def damage(path: Path) -> str:
    """Say what HDF5 does on a file that it cannot survive; "" if it survives it.

    Where the other process cannot be started nothing is checked.
    """
    return _walker.check(path)
