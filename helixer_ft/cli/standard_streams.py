"""Standard output and standard error as they may be: not of UTF-8, full, gone."""

import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

ERRORS = "backslashreplace"
"""What becomes of characters that the encoding of standard output has not: escapes."""


def prepare_streams() -> None:
    """Have this process print whatever it can, and go on where nobody reads its messages."""
    _open_closed_ones()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=ERRORS)
    assert sys.stderr is not None, "all are open"
    sys.stderr = Messages(sys.stderr)


def _open_closed_ones() -> None:
    """Lead streams that are closed (`>&-`) to nowhere: the next files that are opened would take
    their numbers, and get what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


class Messages:
    """Standard error that may break: a disk that is full, a connection or a `tee` that ended. What
    is computed matters more than what is said of it.

    Parameters
    ----------
    stream
        What it writes to; all else is the stream's.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """From now on, write to nowhere: what is buffered still would fail again."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
