"""A command in a terminal of its own, and what stands there afterwards."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

_CONTROL = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class Screen:
    """Lines of a terminal that never scrolls away; it knows what rich sends.

    Attributes
    ----------
    lines
        What is left on it.
    wrapped
        Lines that did not fit.
    colours
        The codes of styles and colours that came (SGR).
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines = [""]
        self.wrapped: list[str] = []
        self.colours: set[str] = set()
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        """Take in what was written to the terminal."""
        place = 0
        while place < len(text):
            match = _CONTROL.match(text, place)
            if match:
                self._control(match)
                place = match.end()
                continue
            self._put(text[place])
            place += 1

    def _control(self, match: re.Match[str]) -> None:
        private, values, kind = match.groups()
        if kind == "m":
            self.colours |= set(values.split(";"))
        elif kind == "A":
            self._row = max(0, self._row - int(values or 1))
        elif kind == "K":
            assert values == "2"
            self.lines[self._row] = ""
        else:
            assert private + kind in ("?h", "?l"), f"unknown control sequence {match[0]!r}"

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row += 1
            if self._row == len(self.lines):
                self.lines.append("")
        else:
            assert character.isprintable(), f"control character {character!r}"
            if self._column == self.width:
                self.wrapped.append(self.lines[self._row])
                self._put("\r")
                self._put("\n")
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
            self._column += 1


def in_terminal(
    arguments: list[object], width: int, cwd: Path, **environment: str
) -> tuple[int, Screen, str]:
    """Run Python with a terminal of 24 lines: its exit status, the screen, all that came."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM")
    inherited = {key: value for key, value in os.environ.items() if key not in unset}
    root = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=slave, stdout=slave, stderr=slave, cwd=cwd,
        env=inherited | {"TERM": "xterm-256color", "PYTHONPATH": root} | environment,
    )  # fmt: skip
    os.close(slave)
    written, ends = b"", time.monotonic() + 300
    try:
        while time.monotonic() < ends:
            if select.select([master], [], [], 1)[0]:
                try:
                    part = os.read(master, 2**16)
                except OSError:  # the other end is closed
                    break
                if not part:
                    break
                written += part
        else:
            pytest.fail(f"not done in 5 minutes: {written[-500:]!r}")
        status = child.wait(timeout=60)
    finally:
        child.kill()
        child.wait()
        os.close(master)
    text = written.decode()
    screen = Screen(width)
    screen.feed(text)
    return status, screen, text
