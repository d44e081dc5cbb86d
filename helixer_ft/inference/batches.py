"""From rows to batches of windows, as the network takes them."""

from collections.abc import Iterator

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.inference.overlap import join_windows
from helixer_ft.inference.source import Source
from helixer_ft.inference.windows import Overlap
from helixer_ft.training.batch import BaseTable, BaseVectorError, Batch


def window_batches(source: Source, overlap: Overlap, batch_size: int) -> Iterator[Batch]:
    """The windows of all ranges, `batch_size` at a time; a batch may hold windows of several.

    Raises
    ------
    InputError
        Damaged data, bases that are not shares.
    """
    table = BaseTable()
    ranges = source.ranges
    waiting: list[np.ndarray] = []
    for window in join_windows(_encoded_rows(source, table), ranges, overlap):
        waiting.append(window[: overlap.length - overlap.removed])
        if len(waiting) == batch_size:
            yield _batch(waiting, table)
            waiting = []
    if waiting:
        yield _batch(waiting, table)


def _encoded_rows(source: Source, table: BaseTable) -> Iterator[np.ndarray]:
    """Each row as the network's input per base, (L,) base codes.

    Models that take coverage need it here, per base beside the codes, and in `_batch`.
    """
    done = 0
    for rows in source.read():
        try:
            codes = table.encode(rows.bases)
        except BaseVectorError as error:
            raise InputError(f"{source.path}: data/X row {done + error.window} {error}") from error
        yield from codes
        done += len(codes)


def _batch(windows: list[np.ndarray], table: BaseTable) -> Batch:
    return Batch(np.stack(windows)[:, None], table.padded())
