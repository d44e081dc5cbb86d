"""Threads take memory from one heap, unless the user says otherwise."""

import ctypes
import gc
import os
import re
import subprocess
import sys

import pytest

from helixer_ft.runtime.heap import all_that_is_made_stays

HEAPS = """
import ctypes, sys, threading
from helixer_ft.runtime.backend import select_backend

if sys.argv[1] == "select":
    select_backend("tensorflow")
together = threading.Barrier(6)

def work():
    kept = [ctypes.create_string_buffer(1000) for _ in range(100)]
    together.wait()

threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def heaps(what: str, **variables: str) -> int:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", HEAPS, what],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return len(re.findall("<heap nr=", done.stdout))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc alone has heaps")
def test_threads_share_a_heap_once_a_backend_is_chosen():
    assert heaps("leave") > 1
    assert heaps("select") == 1
    assert heaps("select", MALLOC_ARENA_MAX="3") == 3


def test_no_garbage_is_looked_for_while_all_that_is_made_stays():
    with all_that_is_made_stays():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with all_that_is_made_stays():
            pass
        assert not gc.isenabled()  # as it was
    finally:
        gc.enable()
