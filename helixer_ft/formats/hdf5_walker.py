"""A program that goes through HDF5 files, so that HDF5 crashes or hangs here and not elsewhere.

Run by `hdf5_check`: reads a path (JSON) per line of standard input and answers each with a line:
what is wrong (JSON), "" if nothing is. It imports nothing of helixer-ft. How it ends is an
answer, too.
"""

import json
import resource
import signal
import sys
from contextlib import suppress
from math import prod

import h5py

CPU_SECONDS = 5
"""For one object; more means that HDF5 goes in circles."""
MEMORY = 2**31
"""Bytes beyond what the process has at its start."""
MOST_PACKED = 1100
"""Times that a chunk is larger than what is stored of it; gzip reaches 1,032."""
_MOST_TEXTS = 10**6


def walk(path: str) -> str:
    """Have HDF5 read all of a file but its numbers, along hard links; return what is wrong."""
    try:
        with h5py.File(path, "r") as file:
            open_ends: list[h5py.Group | h5py.Dataset] = [file]
            seen = set()
            while open_ends:
                node = open_ends.pop()
                address = h5py.h5o.get_info(node.id).addr
                if address not in seen:
                    seen.add(address)
                    open_ends += _read(node)
    except MemoryError:
        return "it asks for more memory than there is"
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _read(node: h5py.Group | h5py.Dataset) -> list[h5py.Group | h5py.Dataset]:
    """Read what belongs to a node, and return its children."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    unknown_type = suppress(TypeError, ValueError)  # whoever needs it will be told
    for name in list(node.attrs):
        with unknown_type:
            _ = node.attrs[name]
    if isinstance(node, h5py.Dataset):
        with unknown_type:
            if node.chunks and node.id.get_num_chunks():
                _check_chunk(node)
            is_text = h5py.check_string_dtype(node.dtype) is not None
            inside = not node.external and not node.is_virtual
            if is_text and inside and node.size and node.size <= _MOST_TEXTS:
                _ = node[()]
    if not isinstance(node, h5py.Group):
        return []
    names = [name for name in node if isinstance(node.get(name, getlink=True), h5py.HardLink)]
    return [node[name] for name in names]


def _check_chunk(dataset: h5py.Dataset) -> None:
    """Refuse values larger than their chunks can be unpacked: HDF5 reads beyond them."""
    size = prod(dataset.chunks) * dataset.dtype.itemsize
    stored = dataset.id.get_chunk_info(0).size
    if size > MOST_PACKED * stored:
        raise OSError(f"{dataset.name}: a chunk of {stored} bytes cannot hold {size:,}")


def _limit_memory() -> None:
    with suppress(OSError, ValueError), open("/proc/self/statm") as file:
        present = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (present + MEMORY,) * 2)


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()
    for line in sys.stdin:
        answer = walk(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
