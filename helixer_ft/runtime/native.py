"""What native libraries do to one of several processes: abort it, print, and take its signals."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

_HANDLERS: list[Any] = []


def silence_libraries() -> None:
    """Keep what native libraries print to standard output (Gloo does) out of the results."""
    sys.stdout.flush()
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    before = sys.stdout
    sys.stdout = os.fdopen(out, "w", encoding=before.encoding, errors=before.errors)


def on_abort(act: Callable[[], None]) -> None:
    """Have `act` called where JAX aborts this process, which is how it tells of a lost one."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    handler = kind(lambda _: act())
    _HANDLERS.append(handler)  # C holds no reference
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, kind], ctypes.c_void_p
    libc.signal(signal.SIGABRT, handler)


def leave_signals_to_python() -> None:
    """Keep JAX from taking SIGTERM, when it connects processes, for a service of its own."""
    import jax

    jax.config.update("jax_enable_preemption_service", False)
