"""Which windows a range is predicted in.

A range is what a strand of a sequence is cut into: rows of L bases, as the network sees them, one
after the other. Windows of L bases start every `offset` bases; one flush with the end is added
where they do not reach it. Of every window the middle counts, `core` bases; at the very start and
the very end of the range everything. What remains is averaged with equal weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Overlap:
    """How windows overlap.

    Attributes
    ----------
    length
        L, bases of a row and of a window.
    offset
        Bases from the start of a window to that of the next.
    core
        Bases in the middle of a window that count.
    removed
        Bases at the end of a window that the network does not predict (L mod pool size).
    """

    length: int
    offset: int
    core: int
    removed: int = 0

    @property
    def trim(self) -> int:
        """Bases at each end of a window that do not count."""
        return (self.length - self.core) // 2

    def starts(self, n_rows: int) -> Iterator[int]:
        """Where the windows of a range of so many rows start, in bases from its start."""
        last = (n_rows - 1) * self.length
        yield from range(0, last + 1, self.offset)
        if last % self.offset:
            yield last

    def count(self, n_rows: int) -> int:
        """Number of windows of a range of so many rows."""
        last = (n_rows - 1) * self.length
        return 1 + -(-last // self.offset)
