"""Rows of several data files as one indexed set, and batches of them read ahead."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile, Windows

_READ_AHEAD = 2
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Dataset:
    """Subsequences of one or more data files.

    Attributes
    ----------
    files
        The files, all of one subsequence length.
    rows
        (n, 2) int: file and row within it, per subsequence.
    length
        Bases of each subsequence that are used: the length in the files, less what is left over
        after the last full pool.
    """

    files: tuple[DataFile, ...]
    rows: np.ndarray
    length: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def regions(self) -> list[tuple[str, str, int]]:
        """Per subsequence (species, sequence, lower coordinate); both strands share it."""
        return [self.files[file].regions[row] for file, row in self.rows]

    def subset(self, indices: np.ndarray) -> "Dataset":
        """Some of the subsequences."""
        return Dataset(self.files, self.rows[indices], self.length)

    def read(self, indices: np.ndarray) -> Windows:
        """Read subsequences by index, in the order given."""
        wanted = self.rows[indices]
        parts, order = [], []
        for file in np.unique(wanted[:, 0]):
            chosen = np.flatnonzero(wanted[:, 0] == file)
            parts.append(self.files[file].read(wanted[chosen, 1].tolist()))
            order.append(chosen)
        back = np.argsort(np.concatenate(order), kind="stable")
        joined: dict[str, Any] = {
            field.name: self._join(parts, field.name, back) for field in fields(Windows)
        }
        return Windows(**joined)

    def _join(self, parts: Sequence[Windows], name: str, order: np.ndarray) -> np.ndarray | None:
        arrays = [getattr(part, name) for part in parts]
        if any(array is None for array in arrays):
            return None
        joined = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)[order]
        return joined[:, : self.length]


def open_dataset(
    paths: Sequence[Path],
    *,
    pool_size: int,
    phase: bool,
    transitions: bool,
    all_rows: bool = False,
) -> Dataset:
    """Open data files as one set.

    Parameters
    ----------
    paths
        The files.
    pool_size
        Of the network; what exceeds the last full pool is left out.
    phase, transitions
        Whether these labels are needed.
    all_rows
        Every row (test data), not only annotated rows with a valid base.

    Raises
    ------
    InputError
        A file that cannot be used, differing subsequence lengths, no usable row.
    """
    files = tuple(DataFile(path, phase=phase, transitions=transitions) for path in paths)
    check_lengths(files)
    length = files[0].length // pool_size * pool_size
    if length == 0:
        raise InputError(
            f"{files[0].path}: its subsequences have {files[0].length} bases, fewer than the "
            f"{pool_size} bases that the model pools."
        )
    rows = [
        (i, row)
        for i, file in enumerate(files)
        for row in (range(file.n_rows) if all_rows else np.flatnonzero(file.usable).tolist())
    ]
    if not rows:
        raise InputError(
            f"{', '.join(str(path) for path in paths)}: no annotated subsequence with a valid "
            "base, so there is nothing to learn from or to score on. Check that sequence names in "
            "the annotation match those of the genome, and how many bases are masked."
        )
    return Dataset(files, np.array(rows, dtype=np.int64), length)


def check_lengths(files: Sequence[DataFile]) -> None:
    """Refuse files of differing subsequence lengths."""
    by_length: dict[int, list[str]] = {}
    for file in files:
        by_length.setdefault(file.length, []).append(str(file.path))
    if len(by_length) > 1:
        found = "; ".join(f"{length}: {', '.join(paths)}" for length, paths in by_length.items())
        raise InputError(
            f"the data files have different subsequence lengths ({found}), expected one. "
            "Make them again with the same --subsequence-length."
        )


def batches(n: int, batch_size: int, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Indices of successive batches; the smaller last one is kept."""
    order = np.arange(n) if order is None else order
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def read_ahead(
    load: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    """`map(load, items)`, a few items ahead in a background thread; errors arrive in their turn."""
    results: queue.Queue[Result | BaseException | None] = queue.Queue(_READ_AHEAD)
    stop = threading.Event()

    def put(result: Result | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return results.put(result, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(load(item))
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # handed on to the consumer, whatever it is
            put(error)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (result := results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        thread.join()
