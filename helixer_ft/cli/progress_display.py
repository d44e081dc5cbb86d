"""How progress looks: bars and a live table on a terminal, plain lines in a log."""

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from helixer_ft.cli import check_table
from helixer_ft.progress import duration_text, size_text
from helixer_ft.training.history import Check

LINE_SECONDS = 60
"""In a log, a line of progress this often."""
_WINDOW_SECONDS = 60
"""The rate is that of the last minute: the first steps are slow (compilation)."""
_LEAST_NAME, _LEAST_BAR, _BAR = 12, 8, 20
_SHOWN_CHECKS = 8
_OTHER_LINES = 8
"""Lines of a terminal that are not for checks: heading, untouched and best model, bar, prompt."""
_AMOUNTS: dict[str, tuple[Callable[[float], str], str]] = {
    "bytes": (size_text, ""),
    "bases": (lambda bases: f"{bases / 1e6:,.1f}", "Mb"),
}
"""Unit of a task -> how an amount of it is written, and what follows."""
_DIGITS = re.compile(r"\d+")


@dataclass
class Task:
    """A long step, and how far it is.

    Attributes
    ----------
    name
        What is done.
    total
        Steps in all; 0: not known.
    unit
        Unit of the steps: "bytes", "bases", a plural ("windows"), or "" for a task without a rate.
    done
        Steps done.
    note
        Details from the step.
    """

    name: str
    total: int
    unit: str = ""
    done: int = 0
    note: str = ""
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._seen.append((time.monotonic(), self.done))

    def advance(self, steps: int, note: str) -> None:
        """Steps are done."""
        self.done += steps
        self.note = note
        now = time.monotonic()
        if now - self._seen[-1][0] >= 1:
            self._seen.append((now, self.done))
        while len(self._seen) > 1 and self._seen[1][0] <= now - _WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def speed(self) -> float:
        """Steps per second over the last minute; 0 before the first."""
        started, before = self._seen[0]
        return (self.done - before) / max(time.monotonic() - started, 1e-3)

    @property
    def amount(self) -> str:
        """ "1,204 of 3,000 windows"; without a total what is done."""
        text, unit = _AMOUNTS.get(self.unit, ("{:,}".format, self.unit))
        of = f" of {text(self.total)}" if self.total else ""
        return f"{text(self.done)}{of} {unit}".rstrip()

    @property
    def percent(self) -> str:
        """ "40%", or "" without a total."""
        return f"{min(self.done / self.total, 1):.0%}" if self.total else ""

    @property
    def rate(self) -> str:
        """ "3.2 windows/s", or "" where it is not known."""
        speed = self.speed
        if not self.unit or not speed:
            return ""
        if self.unit == "bytes":
            return f"{size_text(speed)}/s"
        if self.unit == "bases":
            return f"{speed / 1e6:.3f} Mb/s"
        return f"{speed:.2f} {self.unit}/s" if speed < 10 else f"{speed:,.0f} {self.unit}/s"

    @property
    def left(self) -> str:
        """ "12 min left", or "" where it is not known."""
        speed = self.speed
        if not self.total or not speed:
            return ""
        return f"{duration_text(max(self.total - self.done, 0) / speed)} left"


def bar_line(task: Task, width: int, *, ascii_only: bool = False) -> Text:
    """A task in one line of at most `width` columns; what matters less is left out first."""
    room = width - min(len(task.name), _LEAST_NAME)
    parts = {"percent": task.percent, "left": task.left, "rate": task.rate, "note": task.note}
    if task.total != 1:
        parts["amount"] = task.amount
    shown = {}
    for key, text in parts.items():
        if text and len(text) + 2 <= room:
            shown[key] = text
            room -= len(text) + 2
    name = task.name
    longest = room + min(len(name), _LEAST_NAME)
    if len(name) > longest:
        name = name[: longest - 1] + ("~" if ascii_only else "…")
    room = longest - len(name)
    line = Text(name, no_wrap=True, overflow="crop")
    size = min(_BAR, room - 2)
    if task.total and size >= _LEAST_BAR:
        full = min(size, round(size * task.done / task.total))
        line.append("  ")
        line.append(("#" if ascii_only else "━") * full, style="green")
        line.append(("." if ascii_only else "─") * (size - full), style="dim")
    for key in ("percent", "amount", "rate", "left", "note"):
        if key in shown:
            line.append(f"  {shown[key]}")
    return line


class Display:
    """Shows nothing (--quiet), but keeps the task that is under way."""

    _task: Task | None = None

    def start(self, task: Task) -> None:
        """A task begins."""
        self._task = task

    def advance(self, steps: int, note: str) -> None:
        """Steps of it are done."""
        if self._task is not None:
            self._task.advance(steps, note)

    def finish(self) -> None:
        """It is done."""
        self._task = None

    def check(self, check: Check) -> None:
        """A check of the model in training."""

    def close(self) -> None:
        """The work ends."""


class TerminalDisplay(Display):
    """A live region at the end of the terminal: the last checks, and under them the bar.

    It is gone when its task is done; the checks stay until `close`, which leaves them all as text.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._checks: list[Check] = []

    def start(self, task: Task) -> None:
        super().start(task)
        self._show()

    def finish(self) -> None:
        super().finish()
        if not self._checks:
            self._hide()

    def check(self, check: Check) -> None:
        """Add a check to the table; where numbers start over, another training has begun."""
        if self._checks and check.number <= self._checks[-1].number:
            untouched = [one for one in self._checks if one.number == 0]
            self.close()
            self._checks = untouched if check.number else []
        self._checks.append(check)
        self._show()

    def close(self) -> None:
        """Take the live region away and leave the whole table of checks as text."""
        self._task = None
        self._hide()
        if self._checks:
            for text in check_table.table(self._checks, self._console.width):
                self._console.print(text, markup=False)
            self._checks = []

    def _show(self) -> None:
        if self._live is None:
            self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,  # results go where the user sent them
                vertical_overflow="crop",
            )
            self._live.start(refresh=True)
        else:
            self._live.refresh()

    def _hide(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._live = None

    def _render(self) -> Group:
        """The region as it is now. Rich calls this in another thread, so what it shows may change
        meanwhile.
        """
        task, checks = self._task, list(self._checks)
        width, height = self._console.size
        lines: list[Text] = []
        if checks:
            last = max(1, min(_SHOWN_CHECKS, height - _OTHER_LINES))
            texts = check_table.table(checks, width, last=last)
            lines = [Text(text[:width], no_wrap=True, overflow="crop") for text in texts]
        if task is not None:
            ascii_only = self._console.options.ascii_only
            lines.append(bar_line(task, width - 1, ascii_only=ascii_only))
        return Group(*lines)


class LogDisplay(Display):
    """Lines without control characters: each check, the first task of a kind, and a line a minute
    during a task.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_line = 0.0
        self._kinds: set[str] = set()

    def start(self, task: Task) -> None:
        super().start(task)
        self._last_line = time.monotonic()
        kind = _DIGITS.sub("", task.name)
        if kind not in self._kinds:
            self._kinds.add(kind)
            whole = Task(task.name, 0, task.unit, task.total).amount
            self._print(f"{task.name} ({whole})" if task.unit and task.total else task.name)

    def advance(self, steps: int, note: str) -> None:
        super().advance(steps, note)
        task = self._task
        if task is None or time.monotonic() - self._last_line < LINE_SECONDS:
            return
        self._last_line = time.monotonic()
        amount = f"{task.amount} ({task.percent})" if task.total else task.amount
        parts = [amount, task.rate, task.note, task.left]
        self._print(f"{task.name}: {', '.join(part for part in parts if part)}")

    def check(self, check: Check) -> None:
        """A line; before the first the heading."""
        if check.number == 0:
            self._print(check_table.heading(check_table.WIDE))
        self._print(check_table.line(check, check_table.WIDE, best=check.improved))

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False)
