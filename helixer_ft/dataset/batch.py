"""Subsequences as training takes them: three bytes per base, unpacked on the device.

A decoded subsequence is a row of `(3, L)` uint8: the code of the base (a place in a table of base
vectors), the labels (genic class, phase and validity in one byte), and the kinds of transition.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.data_h5 import Windows

PLANES = 3
"""Bytes per base: base code, labels, transitions."""
TABLE_SIZE = 256
PADDING = 0
"""Base code of padding."""
UNKNOWN = 5
"""Base code of N."""
_PHASE, _VALID = 8, 64
"""Packed labels are genic + 8 phase + 64 valid."""
# padding, the four bases (order C A T G) and N; codes of ambiguous bases are added as they come
_C, _A, _T, _G = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
_STANDARD = ((0, 0, 0, 0), _C, _A, _T, _G, (0.25, 0.25, 0.25, 0.25))


@dataclass(frozen=True)
class RowsOnDevice:
    """Some of the rows of an array that lies on the devices.

    Attributes
    ----------
    values
        (all, ...) the array.
    numbers
        (n,) which of its rows, counted from 1; 0 is a row of zeros.
    """

    values: Any
    numbers: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the rows, as an array."""
        return len(self.numbers), *self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Type of the array."""
        return np.dtype(self.values.dtype)


@dataclass(frozen=True)
class Batch:
    """Subsequences of one step.

    Attributes
    ----------
    rows
        (n, 3, L) uint8, see the module.
    base_table
        (256, 4) float32: the vector of each base code.
    features
        (n, L / pool, width) float32 or float16 output of the body where it is at hand, in memory or
        on the devices, or None.
    coverage
        (n, L, 2 * tracks) float16, normalised, where the network takes coverage, or None.
    whole
        Subsequences of the batch where these are one process's part of it; None: these are all.
    placed
        What an engine placed on its devices of exactly these subsequences, ahead of the step; None:
        nothing.
    """

    rows: np.ndarray
    base_table: np.ndarray
    features: np.ndarray | RowsOnDevice | None = None
    coverage: np.ndarray | None = None
    whole: int | None = None
    placed: Any = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n(self) -> int:
        """Subsequences of the whole batch, without those that fill it up."""
        return len(self.rows) if self.whole is None else self.whole

    @property
    def input(self) -> dict[str, Any]:
        """What the network is fed: `features`, or base `codes` and their `table`; `coverage`."""
        given: dict[str, Any]
        if self.features is not None:
            given = {"features": self.features}
        else:
            given = {"codes": self.rows[:, 0], "table": self.base_table}
        return given if self.coverage is None else given | {"coverage": self.coverage}

    @property
    def labels(self) -> np.ndarray:
        """(n, L) packed labels; see `unpack`."""
        return self.rows[:, 1]

    @property
    def transitions(self) -> np.ndarray:
        """(n, L) bit k set where a transition of kind k is marked."""
        return self.rows[:, 2]

    def first(self, n: int) -> "Batch":
        """The first `n` subsequences."""
        return self.part(0, n)

    def part(self, start: int, stop: int) -> "Batch":
        """Some of the subsequences that follow one another."""
        return self._with(lambda array: array[start:stop])

    def shifted(self, offsets: np.ndarray) -> "Batch":
        """Each subsequence without its first bases, `(n,)` of them, and with as much padding behind
        its end; where there are features, which were computed of it as it is, unchanged.
        """
        if self.features is not None:
            return self
        rows, coverage = self.rows.copy(), None if self.coverage is None else self.coverage.copy()
        for i, offset in enumerate(offsets.tolist()):
            if offset:
                rows[i, :, :-offset] = rows[i, :, offset:].copy()
                rows[i, :, -offset:] = PADDING
                if coverage is not None:  # its last bases stay: they are not scored
                    coverage[i, :-offset] = coverage[i, offset:].copy()
        return replace(self, rows=rows, coverage=coverage)

    def filled(self, size: int) -> "Batch":
        """The batch with subsequences without bases and labels added, up to `size`."""
        missing = size - len(self)
        if missing <= 0:
            return self

        def fill(array: np.ndarray) -> np.ndarray:
            return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])

        return self._with(fill)

    def _with(self, change: Callable[[np.ndarray], np.ndarray]) -> "Batch":
        """The batch with every array over its subsequences changed."""
        features = self.features
        if isinstance(features, RowsOnDevice):
            features = replace(features, numbers=change(features.numbers))
        elif features is not None:
            features = change(features)
        return replace(
            self,
            rows=change(self.rows),
            features=features,
            coverage=None if self.coverage is None else change(self.coverage),
            placed=None,
        )


class Labels(NamedTuple):
    """Labels of a batch, unpacked.

    Attributes
    ----------
    genic, phase
        (n, L) codes: 0-3, and 4 for a base without label.
    valid
        (n, L) 1 where the base is neither masked nor padding, else 0.
    """

    genic: Any
    phase: Any
    valid: Any


def unpack(labels: Any) -> Labels:
    """Packed labels `(n, L)` uint8, numpy or tensor -> codes, by integer arithmetic alone."""
    return Labels(labels % _PHASE, labels // _PHASE % _PHASE, labels // _VALID)


def scored_bases(labels: np.ndarray, pool_sizes: Sequence[int]) -> np.ndarray:
    """(n, L) bool: bases in steps of which every base is valid, with every one of the pool sizes.

    `labels` are packed, `(n, L)`. What exceeds the last full step does not count.
    """
    valid = unpack(labels).valid != 0
    n, length = valid.shape
    result = np.ones_like(valid)
    for pool in pool_sizes:
        used = length // pool * pool
        steps = valid[:, :used].reshape(n, -1, pool).all(axis=-1)
        result[:, :used] &= np.repeat(steps, pool, axis=1)
        result[:, used:] = False
    return result


class BaseTable:
    """The base vectors met so far; each has a code from its place in the table."""

    def __init__(self, vectors: np.ndarray | None = None) -> None:
        standard = np.array(_STANDARD, np.float16) if vectors is None else vectors
        self._keys = [int(key) for key in _keys(standard.astype(np.float16))]

    @property
    def vectors(self) -> np.ndarray:
        """(codes, 4) float16."""
        return np.array(self._keys, np.uint64).view(np.float16).reshape(-1, 4)

    def padded(self) -> np.ndarray:
        """(256, 4) float32: the vectors, zeros after the last one."""
        table = np.zeros((TABLE_SIZE, 4), np.float32)
        table[: len(self._keys)] = self.vectors
        return table

    def encode(self, bases: np.ndarray) -> np.ndarray:
        """(n, L, 4) float16 -> (n, L) uint8 codes; a new vector is added to the table.

        Raises
        ------
        BaseVectorError
            A vector that is not one of shares between 0 and 1, or too many different ones.
        """
        keys = _keys(bases)
        codes = np.zeros(keys.shape, np.uint8)
        known = np.zeros(keys.shape, bool)
        for code, key in enumerate(self._keys):
            here = keys == key
            codes[here] = code
            known |= here
            if known.all():
                return codes
        for key in np.unique(keys[~known]).tolist():
            vector = np.array([key], np.uint64).view(np.float16)
            here = keys == key
            if not ((vector >= 0) & (vector <= 1)).all():
                raise BaseVectorError(
                    int(np.flatnonzero(here.any(axis=1))[0]),
                    "holds values that are not between 0 and 1 (NaN?), expected a share of each "
                    "base. Make the file anew.",
                )
            if len(self._keys) == TABLE_SIZE:
                raise BaseVectorError(
                    int(np.flatnonzero(here.any(axis=1))[0]),
                    f"brings the number of different base vectors above {TABLE_SIZE}, expected the "
                    "letters of a genome: A, C, G, T and the codes of ambiguous bases.",
                )
            codes[here] = len(self._keys)
            self._keys.append(key)
        return codes


class BaseVectorError(HelixerFtError):
    """A base that cannot be encoded, and the number of its subsequence among those given."""

    def __init__(self, window: int, message: str) -> None:
        super().__init__(message)
        self.window = window


@contextmanager
def rows_named(path: Path, rows: Sequence[int]) -> Iterator[None]:
    """A `BaseVectorError` becomes an `InputError` that names the file and its row.

    `rows` are the numbers of the subsequences that are encoded.
    """
    try:
        yield
    except BaseVectorError as error:
        raise InputError(f"{path}: data/X row {rows[error.window]} {error}") from error


def pack(windows: Windows, table: BaseTable) -> np.ndarray:
    """Rows `(n, 3, L)` uint8 of subsequences as read from a file."""
    assert windows.genic is not None
    assert windows.valid is not None, "read without labels"
    rows = np.zeros((len(windows.bases), PLANES, windows.bases.shape[1]), np.uint8)
    rows[:, 0] = table.encode(windows.bases)
    rows[:, 1] = windows.genic + _VALID * windows.valid.astype(np.uint8)
    if windows.phase is not None:
        rows[:, 1] += _PHASE * windows.phase
    if windows.transitions is not None:
        rows[:, 2] = windows.transitions
    return rows


def _keys(bases: np.ndarray) -> np.ndarray:
    """(..., 4) float16 -> (...) uint64, the bits of each vector; -0 is 0."""
    return np.ascontiguousarray(bases + np.float16(0)).view(np.uint64)[..., 0]


def even_batch_size(
    sizes: Sequence[int], limit: int, filled: Callable[[int], int] = lambda size: size
) -> int:
    """The batch size, from half the limit to the limit, that leaves least to be filled up.

    `sizes` are the windows of each set; `filled` is what a batch of a size comes to.
    """

    def computed(size: int) -> int:
        return sum(math.ceil(n / size) * filled(size) for n in sizes)

    candidates = range(min(limit, max(sizes)), max(1, limit // 2) - 1, -1)
    return min(candidates, key=computed, default=max(sizes))
