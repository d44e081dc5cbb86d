"""`--val-test-batch-size auto`: how many windows at once, where no result depends on it."""

from collections.abc import Callable, Sequence

from helixer_ft.dataset.batch import even_batch_size
from helixer_ft.runtime.memory import MAX_SUGGESTION, largest_batch, room_for_batch
from helixer_ft.runtime.resources import ProcessMemory

MAX_ON_HOST = 8
"""Most windows at once on processors: more gain nothing."""
MAX_OF_HEAD_ON_HOST = 32
"""The same where the network is a head alone, whose steps are short."""
UNTOLD = 32
"""Most where the memory of the device cannot be asked for."""


def windows_at_once(
    sets: Sequence[int],
    memory: ProcessMemory | None,
    bytes_of: Callable[[int], float],
    *,
    devices: int = 1,
    most_on_host: int = MAX_ON_HOST,
    filled: Callable[[int], int] = lambda size: size,
    agree: Callable[[int], int] = lambda n: n,
) -> int:
    """The most windows that fit, in batches that leave little to be filled up.

    Parameters
    ----------
    sets
        Windows of each set that is gone through.
    memory
        Memory of each device; None: unknown.
    bytes_of
        What a number of windows take there; see `largest_batch`.
    devices
        How many share a batch.
    most_on_host
        Most at once on processors.
    filled
        See `Forward.filled`.
    agree
        This process's number of bytes -> the least of all processes of the run.

    Returns
    -------
    int
        0 where not even one fits.
    """
    if memory is None:
        return even_batch_size(sets, UNTOLD, filled)
    most = most_on_host if memory.is_host else MAX_SUGGESTION * devices
    most = even_batch_size(sets, most, filled)
    fits = largest_batch(bytes_of, agree(room_for_batch(memory)), most, most)
    return most if fits >= most else fits and even_batch_size(sets, fits, filled)
