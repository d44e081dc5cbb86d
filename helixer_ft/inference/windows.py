"""Which windows a range is predicted in.

A range is what a strand of a sequence is cut into: rows of L bases, as the network sees them, one
after the other. Windows of L bases start every `offset` bases; one flush with the end is added
where they do not reach it. Of every window the middle counts, `core` bases; at the very start and
the very end of the range everything. What remains is averaged with equal weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from helixer_ft.errors import InputError


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

    def first_over(self, row: int) -> int:
        """Number of the first window of a range that reaches into a row, or lies beyond it."""
        return (row - 1) * self.length // self.offset + 1 if row else 0

    def needed_before(self, row: int) -> int:
        """Number of windows of a range of which some base that counts lies before a row, not the
        range's last.
        """
        return -(-(row * self.length - self.trim) // self.offset) if row else 0

    def count(self, n_rows: int) -> int:
        """Number of windows of a range of so many rows."""
        last = (n_rows - 1) * self.length
        return 1 + -(-last // self.offset)


class Windowed:
    """A request with options for its windows: without `overlap`, each row is a window; the others
    are in bp, None for 1/2 and 3/4 of the length of a row.
    """

    overlap: bool = True
    overlap_offset: int | None = None
    core_length: int | None = None
    pool_offsets: bool = False

    def windows(self, length: int, pool_size: int) -> Overlap:
        """How windows overlap where rows have `length` bases, for a network of this pool size.

        Raises
        ------
        InputError
            An offset or core that does not fit this length; a length that the network cannot pool.
        """
        if length < pool_size:
            raise InputError(
                f"the subsequences have {length} bases, fewer than the {pool_size} bases that the "
                "model pools into one step. Make longer ones."
            )
        removed = length % pool_size
        if not self.overlap:
            return Overlap(length, length, length, removed)
        offset = self.overlap_offset or max(1, length // 2)
        if self.pool_offsets:
            offset = _between_steps(offset, pool_size)
        core = self.core_length or max(1, length * 3 // 4)
        if core > length:
            raise InputError(
                f"--core-length is {core}, expected at most the subsequence length, {length}."
            )
        if offset > core:
            raise InputError(
                f"the overlap offset is {offset} and the core length {core}, expected an offset of "
                "at most the core: bases between two cores would not be predicted. Give a smaller "
                "--overlap-offset or a larger --core-length."
            )
        if self.overlap_offset is not None and length % offset:
            raise InputError(
                f"--overlap-offset is {offset}, expected a divisor of the subsequence length, "
                f"{length}, so that every base is predicted equally often. Take "
                f"{_divisor(length, offset)}."
            )
        return Overlap(length, offset, core, removed)


def _between_steps(offset: int, pool_size: int) -> int:
    """The largest offset up to this one by which windows are half a pooled step out of phase."""
    phase = pool_size // 2
    return max(1, (offset - phase) // pool_size * pool_size + phase)


def _divisor(length: int, near: int) -> int:
    """The largest divisor of a length that is at most `near`."""
    return next(n for n in range(near, 0, -1) if length % n == 0)
