"""How the C library hands out memory to the threads of a process, and Python collects objects."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def share_one_heap() -> None:
    """Let all threads take memory from one heap, as far as they have not taken any yet.

    glibc gives threads heaps of their own, eight for each processor. What one has freed is of no
    use to the others: a training, whose batches are read by one thread after another, would take
    the more memory the longer it runs. Nothing changes where `MALLOC_ARENA_MAX` is set, or with
    another C library.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return memory that was freed to the system (glibc), which otherwise keeps counting."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def all_that_is_made_stays() -> Iterator[None]:
    """Within, Python does not look for garbage: among millions of objects that are all in use, it
    would look through them again and again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
