"""Signals that ask a command to stop where it can be resumed later."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
"""A scheduler's ends (SLURM: `--signal`), and Ctrl-C."""


class Stop:
    """Whether the work should stop; asked between two of its steps, through `Progress`."""

    def __init__(self) -> None:
        self._requested = False

    def request(self) -> None:
        """Ask the work to stop."""
        self._requested = True

    def requested(self) -> bool:
        """Whether it was asked to."""
        return self._requested


@contextmanager
def stop_on_signals(tell: Callable[[str], None] = lambda _: None) -> Iterator[Stop]:
    """Within the block, `SIGNALS` ask to stop instead of ending the process.

    Signals that the process was started to ignore (nohup; `&` in a script) stay ignored.
    Ctrl-C after another signal, or a second one, raises `KeyboardInterrupt` at once. Outside the
    main thread, where Python lets nobody handle signals, they do as before.

    Parameters
    ----------
    tell
        Called with the name of each signal as it arrives, between any two instructions of the main
        thread: it must not use what may be in use there (locks, buffered files).
    """
    stop = Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.requested() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.request()
        tell(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def leave(status: int) -> NoReturn:
    """End the process at once, whatever its threads do; what was printed is shown."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # also one that is closed
            if stream is not None:
                stream.flush()
    os._exit(status)
