"""Predicted rows, kept on disk until all are there: a journal for each span that a process has.

The journal of the rows from 0 on has the name of the output and `.journal`, and is the lock on the
output; the others have the number of their first row appended. So any number of processes resumes
what any other number left.

A record is a row, its parts the compressed chunks that go to the predictions file. Headers say what
the rows follow from, how many windows the network saw at once, and the attributes of the file,
which are those of the first start.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.journal import Journal
from helixer_ft.inference.request import PredictRequest


@dataclass(frozen=True)
class Kept:
    """What an interrupted run left.

    Attributes
    ----------
    header
        Of its journals; None where there are no rows.
    parts
        First row of each journal -> number of its rows.
    """

    header: dict[str, Any] | None = None
    parts: dict[int, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.parts.values())

    def missing(self, n_rows: int) -> np.ndarray:
        """(rows,) bool: those that are not there."""
        missing = np.ones(n_rows, bool)
        for first, rows in self.parts.items():
            missing[first : first + rows] = False
        return missing

    def part_for(self, row: int) -> int:
        """First row of the journal that a row is appended to; the row itself: a new one."""
        ends = {first + rows: first for first, rows in self.parts.items()}
        return ends.get(row, row)

    def to_json(self) -> str:
        """For the other processes."""
        return json.dumps({"header": self.header, "parts": list(self.parts.items())})

    @classmethod
    def from_json(cls, text: str) -> "Kept":
        """See `to_json`."""
        values = json.loads(text)
        return cls(values["header"], dict(values["parts"]))


def part_path(request: PredictRequest, first: int) -> Path:
    """The journal of the rows from `first` on."""
    path = request.journal_path
    return path.with_name(f"{path.name}.{first}") if first else path


def open_part(request: PredictRequest, first: int) -> Journal:
    """The same, opened for this process alone."""
    return Journal(part_path(request, first), request.output)


def other_parts(request: PredictRequest) -> dict[int, Path]:
    """Those that are there, by their first row, in order; without the one from row 0 on."""
    start = f"{request.journal_path.name}."
    found = request.output.parent.glob(f"{escape(start)}*")
    names = [path.name.removeprefix(start) for path in found]
    firsts = sorted(int(name) for name in names if name.isascii() and name.isdigit())
    return {first: part_path(request, first) for first in firsts if first}


def are_there(request: PredictRequest) -> bool:
    """Whether an interrupted run left any."""
    return request.journal_path.exists() or bool(other_parts(request))


class Parts:
    """All journals of a run, as the first of its processes has them.

    A context manager: closes what is open; journals without rows are removed.

    Parameters
    ----------
    request
        The request of the run.

    Attributes
    ----------
    main
        The journal of the rows from 0 on.
    kept
        What was there at the start.

    Raises
    ------
    InputError
        Another process has one of them, or a file in the place of one is none.
    """

    def __init__(self, request: PredictRequest) -> None:
        self._request = request
        self._open = ExitStack()
        self.main = self._open.enter_context(open_part(request, 0))
        try:
            self.kept = self._found()
        except BaseException:
            self._open.close()
            raise

    def _found(self) -> Kept:
        header, parts = self.main.header, {0: self.main.records}
        for first in other_parts(self._request):
            with open_part(self._request, first) as part:
                parts[first] = part.records
                header = header if sum(parts.values()) > part.records else part.header
        return Kept(header if any(parts.values()) else None, {f: n for f, n in parts.items() if n})

    def begin(self, header: dict[str, Any]) -> None:
        """Begin anew; what was there is gone."""
        for path in other_parts(self._request).values():
            path.unlink(missing_ok=True)
        self.main.begin(header)

    def read(self, parts: dict[int, int], n_rows: int) -> Iterator[list[bytes]]:
        """The chunks of every row, in order, when all are there.

        Parameters
        ----------
        parts
            First row of each journal -> number of its rows.
        n_rows
            All there are.

        Raises
        ------
        HelixerFtError
            Rows are missing: a journal was changed meanwhile; the disk failed.
        """
        done = 0
        for first in sorted(parts):
            with ExitStack() as stack:
                part = self.main
                if first:
                    part = stack.enter_context(open_part(self._request, first))
                if first != done or part.records != parts[first]:
                    break
                yield from part.read()
                done += part.records
        if done != n_rows:
            raise HelixerFtError(
                f"{self._request.output}: {done:,} of {n_rows:,} rows are in its journals "
                f"({self.main.path.name}, ...), which were changed while it was made. If several "
                "machines work on it, all must see the same folder. Start again with --force."
            )

    def remove(self) -> None:
        """Remove the files: there is nothing left to resume."""
        for path in other_parts(self._request).values():
            path.unlink(missing_ok=True)
        self.main.remove()

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()


def check_kept(kept: Kept, n_rows: int, request: PredictRequest) -> None:
    """Refuse journals whose rows overlap, or are more than there are.

    Raises
    ------
    InputError
        They do not belong together.
    """
    if int((~kept.missing(n_rows)).sum()) != kept.rows:
        raise InputError(
            f"{request.output}: the rows in its journals ({request.journal_path.name}, ...) do not "
            "fit together. Start again with --force."
        )
