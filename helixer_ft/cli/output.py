"""Results to standard output; progress, notices and warnings to standard error."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.table import Table

from helixer_ft.cli.printable import PlainConsole, one_line
from helixer_ft.cli.progress_display import Display, LogDisplay, Task, TerminalDisplay
from helixer_ft.formats.released_models import model_folder
from helixer_ft.metrics import matrix_rows
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.interruption import Stop
from helixer_ft.training.history import Check, TrainingProgress

if TYPE_CHECKING:
    import numpy as np


_WIDEST = 10_000


class TextConsole(PlainConsole):
    """Wraps lines at the width of a terminal, but never within a word (paths); in a file or a pipe
    lines stay as they are.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """See rich."""
        if self.is_terminal:
            objects = tuple(self._wrapped(one) if isinstance(one, str) else one for one in objects)
        super().print(*objects, **({"soft_wrap": True} | options))

    def _wrapped(self, text: str) -> str:
        return "\n".join(
            textwrap.fill(line, self.width, break_long_words=False, break_on_hyphens=False)
            for line in text.split("\n")
        )


class Printer(TrainingProgress):
    """Shows progress: bars with time left on a terminal, plain lines in a log; nothing if quiet."""

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        self.quiet = quiet
        self.as_json = as_json
        self.out = TextConsole()
        self.err = TextConsole(stderr=True)
        self.stop = Stop()
        self._display = Display()
        if not quiet:
            live = self.err.file.isatty() and not self.err.is_dumb_terminal
            self._display = TerminalDisplay(self.err) if live else LogDisplay(self.err)

    def __enter__(self) -> "Printer":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Turn the live display into text: before results, and after an error."""
        self._display.close()

    def notice(self, text: str) -> None:
        if not self.quiet:
            self.err.print(f"Note: {one_line(text)}")

    def model(self, path: Path) -> None:
        """Say which file it is, if a lineage was (or may have been) given instead."""
        if model_folder() in path.parents:
            self.notice(f"model: {path}")

    def backend(self, backend: Backend) -> None:
        """Say what computes, and warn if an accelerator of this machine is not used."""
        self.notice(f"Keras backend: {backend.name} ({backend.reason})")
        if backend.warning:
            self.warning(backend.warning)

    def warning(self, text: str) -> None:
        self.err.print(f"Warning: {one_line(text)}", style="yellow")

    def json(self, outcome: dict[str, Any]) -> None:
        """Print a result as JSON, to standard output."""
        self.out.file.write(json.dumps(outcome, indent=2) + "\n")

    def lines(self, *lines: str, style: str = "") -> None:
        """Print lines of a result to standard output."""
        for line in lines:
            self.out.print(one_line(line), style=style)

    def table(self, table: Table) -> None:
        """Print a table to standard output.

        On a terminal that is too narrow it is split into parts, one below the other, each with the
        first column; nothing is cut off.
        """
        if table.title is not None:
            self.out.print(table.title, markup=False, style="table.title")
        width = self.out.width if self.out.is_terminal else _WIDEST
        whole = PlainConsole(file=self.out.file, width=_WIDEST)
        for part in _parts(table, width):
            whole.print(part)

    def start(self, task: str, total: int, unit: str = "", done: int = 0) -> None:
        self._display.start(Task(one_line(task), total, unit, done))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._display.advance(steps, note)

    def finish(self) -> None:
        self._display.finish()

    def check(self, check: Check) -> None:
        self._display.check(check)

    def interrupted(self) -> bool:
        return self.stop.requested()


def matrix_table(
    name: str, matrix: "np.ndarray", classes: Sequence[str], *, shares: bool = False
) -> Table:
    """A confusion matrix; with `shares` also each count's share of its row."""
    rows = [
        (label, *(f"{n:,} ({share:.1%})" if shares else f"{n:,}" for n, share in row))
        for label, row in matrix_rows(matrix, classes)
    ]
    return plain_table(name, ("reference \\ predicted", *classes), rows)


def _parts(table: Table, width: int) -> Iterator[Table]:
    """Tables of as many columns as fit into `width`, at least one besides the first."""
    first, *others = table.columns
    sizes = [
        max(cell_len(str(text)) for text in (column.header, *column.cells)) + 2
        for column in table.columns
    ]
    while True:
        n, room = 0, width - sizes[0] + 2
        while n < len(others) and (n == 0 or sizes[1 + n] <= room):
            room -= sizes[1 + n]
            n += 1
        shown = [first, *others[:n]]
        rows = zip(*(map(str, column.cells) for column in shown), strict=True)
        yield plain_table(None, [str(column.header) for column in shown], rows)
        others, sizes = others[n:], [sizes[0], *sizes[1 + n :]]
        if not others:
            return


def plain_table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table: text in the first column, numbers in the others."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def percents(shares: "np.ndarray") -> list[str]:
    """Shares as text: "12.3%"."""
    return [f"{share:.1%}" for share in shares]
