"""From rows to batches of windows, as the network takes them."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from helixer_ft.dataset.batch import BaseTable, Batch, rows_named
from helixer_ft.inference.overlap import join_windows, row_of_window
from helixer_ft.inference.source import Source
from helixer_ft.inference.windows import Overlap


def window_batches(
    source: Source, overlap: Overlap, batch_size: int, skip: int = 0, end: int | None = None
) -> Iterator[Batch]:
    """The windows of all ranges, `batch_size` at a time; a batch may hold windows of several.

    The first `skip` windows are left out, and those from `end` on.

    Raises
    ------
    InputError
        Damaged data, bases that are not shares, coverage that cannot be normalised.
    """
    table = BaseTable()
    ranges = source.ranges
    waiting: list[np.ndarray] = []
    rows = _encoded_rows(source, table, row_of_window(ranges, overlap, skip))
    windows = join_windows(rows, ranges, overlap, skip)
    for window in islice(windows, None if end is None else end - skip):
        waiting.append(window[: overlap.length - overlap.removed])
        if len(waiting) == batch_size:
            yield _batch(waiting, table)
            waiting = []
    if waiting:
        yield _batch(waiting, table)


def _encoded_rows(source: Source, table: BaseTable, first: int) -> Iterator[np.ndarray]:
    """Each row from the first one on as the network's input, (L,) records of a base: its `code`,
    and normalised `coverage`, of no values where the network takes none.
    """
    coverage = source.coverage
    channels = 0 if coverage is None else coverage.channels
    base = np.dtype([("code", np.uint8), ("coverage", np.float16, (channels,))])
    done = first
    for rows in source.read(first):
        with rows_named(source.path, range(done, done + len(rows.bases))):
            codes = table.encode(rows.bases)
        encoded = np.zeros(codes.shape, base)
        encoded["code"] = codes
        if coverage is not None and rows.coverage is not None:
            encoded["coverage"] = coverage.normalize_data(rows.coverage, source.path)
        yield from encoded
        done += len(codes)


def _batch(windows: list[np.ndarray], table: BaseTable) -> Batch:
    bases = np.stack(windows)
    coverage = np.ascontiguousarray(bases["coverage"])
    return Batch(
        np.ascontiguousarray(bases["code"])[:, None],
        table.padded(),
        coverage=coverage if coverage.shape[-1] else None,
    )
