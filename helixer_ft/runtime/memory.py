"""How many subsequences there is memory for, and what to say where there were too many."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from helixer_ft.errors import HelixerFtError, is_out_of_memory
from helixer_ft.runtime.resources import ProcessMemory

MEMORY_SHARE = 0.8
"""Share of the memory limit that a suggested batch size may take."""
MAX_SUGGESTION = 256


class OutOfMemoryError(HelixerFtError):
    """There is no memory for a batch."""


@contextmanager
def batch_in_memory(
    memory: ProcessMemory, n: int, one: Callable[[], object] | None, advice: Callable[[int], str]
) -> Iterator[None]:
    """Where the block has no memory for a batch, say how large a one it would have memory for.

    Parameters
    ----------
    memory
        Of the device that computes.
    n
        Subsequences in the batch.
    one
        Does with a single one what the block does with all; None where that cannot be tried, as
        other processes would have to take part in it.
    advice
        Number that fits -> how to ask for that.

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
        fits = _fitting(memory, n, one)
        text = f"out of memory with {n} subsequence{'s' if n > 1 else ''} at once. "
        if fits:
            text += f"About {fits} would fit: {advice(fits)}."
        else:
            text += (
                "Not even one fits: give the job more memory, or prepare data with a smaller "
                "--subsequence-length."
            )
        raise OutOfMemoryError(text) from error


def scoring_in_memory(
    memory: ProcessMemory, n: int, one: Callable[[], object] | None
) -> AbstractContextManager[None]:
    """The same for batches that are scored, or go through the frozen body."""
    return batch_in_memory(
        memory, n, one, lambda fits: f"give --val-test-batch-size {fits}, which changes no result"
    )


def largest_batch(limit: int, idle: int, taken: float, devices: int = 1) -> int:
    """Subsequences for which there is room on all devices together, at most `MAX_SUGGESTION`.

    Parameters
    ----------
    limit
        Bytes that may be used on a device.
    idle
        Bytes in use there without any.
    taken
        Bytes that one takes.
    devices
        How many there are.
    """
    if taken <= 0:  # too little to be seen
        return MAX_SUGGESTION
    return max(0, min(MAX_SUGGESTION, int((MEMORY_SHARE * limit - idle) / taken) * devices))


def _fitting(memory: ProcessMemory, n: int, one: Callable[[], object] | None) -> int:
    """Subsequences that fit where `n` did not."""
    if n == 1 or one is None:
        return n // 2
    idle = memory.in_use()
    limit = idle + memory.available()
    try:
        one()  # compiles
        memory.reset_peak()
        one()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return 0
    fits = largest_batch(limit, idle, memory.peak() - idle)
    return fits if fits < n else n // 2
