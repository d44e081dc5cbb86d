"""How many subsequences there is memory for, and what to say where there were too many."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from helixer_ft.errors import HelixerFtError, is_out_of_memory
from helixer_ft.runtime.heap import give_back
from helixer_ft.runtime.resources import ProcessMemory

MEMORY_SHARE = 0.8
"""Share of the memory limit that a batch may take. The rest is for what no plan counts: memory in
pieces, the libraries' own, and what else the process does meanwhile.
"""
MAX_SUGGESTION = 256
_TRIES = 4

Fitting = Callable[[], int | None]
"""How many subsequences fit at once; None: that cannot be told."""


class OutOfMemoryError(HelixerFtError):
    """There is no memory for a batch."""


@contextmanager
def batch_in_memory(n: int, fitting: Fitting, advice: Callable[[int], str]) -> Iterator[None]:
    """Where the block has no memory for a batch, say how large a one it would have memory for.

    Parameters
    ----------
    n
        Subsequences in the batch.
    fitting
        Asked where the memory is not enough.
    advice
        Number to try -> how to ask for that.

    Raises
    ------
    OutOfMemoryError
        There is no memory.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(_message(n, fitting(), advice)) from error


def scoring_in_memory(n: int, fitting: Fitting) -> AbstractContextManager[None]:
    """The same for batches that are scored, or go through the frozen body."""
    return batch_in_memory(
        n, fitting, lambda size: f"give --val-test-batch-size {size}, which changes no result"
    )


def _message(n: int, fits: int | None, advice: Callable[[int], str]) -> str:
    text = f"out of memory with {n} subsequence{'s' if n > 1 else ''} at once. "
    if n == 1 or fits == 0:
        return (
            f"{text}Not even one fits: give the job more memory, or prepare data with a smaller "
            "--subsequence-length."
        )
    if fits is None or fits >= n:  # something else has the memory
        return f"{text}Half as many may fit: {advice(n // 2)}."
    return f"{text}About {fits} would fit: {advice(fits)}."


def room_for_batch(memory: ProcessMemory) -> int:
    """Bytes that a batch may take on top of what is in use."""
    in_use = memory.in_use()
    return int(MEMORY_SHARE * (in_use + memory.available()) - in_use)


def largest_batch(bytes_of: Callable[[int], float], room: int, start: int, most: int) -> int:
    """The most subsequences that fit, 0 where not even one does.

    What they take is nearly a constant and so much for each: two sizes tell the number, and a third
    one, the number itself, that it is right.

    Parameters
    ----------
    bytes_of
        What a number of subsequences take; infinity where they are too many for that to be told.
    room
        Bytes that they may take.
    start
        A number to begin with.
    most
        No more than these.
    """
    start = min(start, most)
    while (taken := bytes_of(start)) == float("inf") and start > 1:
        start //= 2
    if taken <= room and start == most:
        return most
    if (one := taken if start == 1 else bytes_of(1)) > room:
        return 0
    if start == 1:
        start, taken = 2, bytes_of(2)
    each = max((taken - one) / (start - 1), 1e-9)
    n = max(1, int(min(most, 1 + (room - one) / each)))
    for _ in range(_TRIES):
        if n == 1 or (taken := bytes_of(n)) <= room:
            return n
        n = max(1, min(n - 1, int(n * room / taken)))
    return n if bytes_of(n) <= room else 1


def measured_bytes(memory: ProcessMemory, run: Callable[[], object]) -> float:
    """Bytes that a run of something takes, for memory whose peak can be reset; infinity where it
    finds not enough.
    """
    give_back()  # what was freed is no part of what the run takes, and would hide it
    idle = memory.in_use()
    try:
        run()  # compiles
        memory.reset_peak()
        run()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return float("inf")
    return max(0, memory.peak() - idle)
