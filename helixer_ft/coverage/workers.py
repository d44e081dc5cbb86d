"""Reading tracks in several processes."""

import os
import signal as signals
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from helixer_ft.coverage.alignments import (
    AlignmentSource,
    RegionCounts,
    count_region,
    open_alignments,
)
from helixer_ft.coverage.regions import Region
from helixer_ft.coverage.request import BigWigs
from helixer_ft.coverage.signal import (
    RegionSignal,
    SignalHeader,
    SignalSource,
    read_header,
    read_region,
)
from helixer_ft.errors import HelixerFtError
from helixer_ft.runtime.parallel import ahead
from helixer_ft.runtime.tied_process import end_with

Values = Sequence[RegionCounts | RegionSignal]
"""Of the regions of a task."""


@dataclass(frozen=True)
class TrackTask:
    """Some regions of one track, to be read.

    Attributes
    ----------
    track
        Its place in the order of tracks.
    source
        Its file.
    batch
        The regions.
    """

    track: int
    source: AlignmentSource | SignalSource
    batch: tuple[Region, ...]


class Workers:
    """Reads tasks ahead, in order.

    A context manager. Signals are always read in other processes: the library that reads them
    ends its process when a file is damaged.

    Parameters
    ----------
    processes
        Reading at a time.
    isolate
        Use another process even where there is only one.
    """

    def __init__(self, processes: int, *, isolate: bool) -> None:
        self._processes = processes
        self._pool = None
        if processes > 1 or isolate:
            # fresh processes: a copy of this one would have its HDF5 files open
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(
                processes, context, initializer=_begin, initargs=(os.getpid(),)
            )

    def read(self, tasks: Sequence[TrackTask]) -> Iterator[tuple[TrackTask, Values]]:
        """Each task, and what its regions hold."""
        if self._pool is None:
            yield from ((task, read_task(task)) for task in tasks)
            return
        with _losses():
            yield from ahead(self._pool, read_task, tasks, budget=2 * self._processes)

    def headers(self, files: BigWigs) -> list[SignalHeader]:
        """The headers of bigWig files."""
        assert self._pool is not None
        with _losses():
            return list(self._pool.map(read_header, files))

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def read_task(task: TrackTask) -> Values:
    """What the regions of a task hold."""
    source = task.source
    if isinstance(source, SignalSource):
        return [read_region(source, part.seqid, part.start, part.end) for part in task.batch]
    with open_alignments(source.path, source.index) as file:
        return [
            count_region(file, source.strandedness, part.seqid, part.start, part.end)
            for part in task.batch
        ]


def _begin(parent: int) -> None:
    """Ctrl-C is the business of the parent, which this process does not outlive."""
    signals.signal(signals.SIGINT, signals.SIG_IGN)
    end_with(parent)


@contextmanager
def _losses() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise HelixerFtError(
            "a process that read the tracks was ended from outside (out of memory? Try fewer "
            "--threads), or by a damaged bigWig file (copy it again)."
        ) from error
