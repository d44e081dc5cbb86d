"""How the library tells its caller what it is doing; it never prints itself."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class Progress:
    """Callbacks that do nothing; the command line overrides what it shows."""

    def notice(self, text: str) -> None:
        """Something the user should know."""

    def warning(self, text: str) -> None:
        """Something that may spoil the result."""

    def start(self, task: str, total: int) -> None:
        """A long task of `total` steps begins."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Steps of the present task are done."""

    def finish(self) -> None:
        """The present task is done."""

    def track(self, task: str, total: int, items: Iterable[Item]) -> Iterator[Item]:
        """Go through `items` as a task of its own, one step each."""
        self.start(task, total)
        try:
            for item in items:
                yield item
                self.advance()
        finally:
            self.finish()
