"""How the library tells its caller what it is doing; it never prints itself."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from helixer_ft.errors import Interrupted

Item = TypeVar("Item")


class Progress:
    """Callbacks that do nothing; the command line overrides what it shows.

    Attributes
    ----------
    agree
        Where several processes work together: whether any of them has a flag set.
    """

    agree: Callable[[bool], bool] = staticmethod(bool)

    def notice(self, text: str) -> None:
        """Something the user should know."""

    def warning(self, text: str) -> None:
        """Something that may spoil the result."""

    def start(self, task: str, total: int, unit: str = "", done: int = 0) -> None:
        """A long task begins.

        Parameters
        ----------
        task
            Its name.
        total
            Steps in all; 0 where that is not known.
        unit
            What a step is, for the rate: "bytes", "bases" or a plural ("windows"); "": not worth
            one.
        done
            Steps that were done before, in another go at the same task.
        """

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Steps of the present task are done."""

    def finish(self) -> None:
        """The present task is done."""

    def interrupted(self) -> bool:
        """Whether the work is asked to stop where it can be resumed later."""
        return False

    def stop_if_interrupted(self) -> None:
        """Called between two steps of a long task: raises `Interrupted` where it should stop."""
        if self.agree(self.interrupted()):
            raise Interrupted("nothing was trained yet, so the run will start from the beginning.")

    def track(
        self,
        task: str,
        total: int,
        items: Iterable[Item],
        unit: str = "",
        size: Callable[[Item], int] = lambda item: 1,
        *,
        stops: bool = True,
    ) -> Iterator[Item]:
        """Go through `items` as a separate task, `size` steps each, which `stops` between two of
        them where the work is asked to.
        """
        self.start(task, total, unit)
        try:
            for item in items:
                yield item
                self.advance(size(item))
                if stops:
                    self.stop_if_interrupted()
        finally:
            self.finish()


class Relayed(Progress):
    """Passes everything on; subclasses change some of it.

    Parameters
    ----------
    progress
        What it is passed on to.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def notice(self, text: str) -> None:
        self._progress.notice(text)

    def warning(self, text: str) -> None:
        self._progress.warning(text)

    def start(self, task: str, total: int, unit: str = "", done: int = 0) -> None:
        self._progress.start(task, total, unit, done)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.advance(steps, note)

    def finish(self) -> None:
        self._progress.finish()

    def interrupted(self) -> bool:
        return self._progress.interrupted()


def size_text(size: float) -> str:
    """Bytes as text: "219 MB"."""
    unit, name = next(
        (unit, name)
        for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))
        if size >= unit or unit == 1
    )
    value = size / unit
    return f"{value:.1f} {name}" if value < 10 and unit > 1 else f"{value:.0f} {name}"


def duration_text(seconds: float) -> str:
    """Seconds as text: "4.2 s", "35 min", "2.5 h"."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
