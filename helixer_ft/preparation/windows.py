"""Sequences and their labels -> the rows of a data file, a few at a time.

Per region first the windows of the plus strand 5' to 3', then those of the minus strand 5' to 3':
the same windows in reverse order, so that a short one comes last on plus and first on minus. A
row reads in its strand's direction; padding is at its end on both strands.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from helixer_ft.formats.data_writer import PackedRows, pack
from helixer_ft.genome.complement import COMPLEMENTS

if TYPE_CHECKING:
    from helixer_ft.preparation.labels import SequenceLabels, StrandLabels

PADDING = 4
"""Code of a base without class."""
_PADDED = {"genic": PADDING, "phase": PADDING}

_ROWS_AT_ONCE = 8
_SHARES = {
    "C": (1, 0, 0, 0), "A": (0, 1, 0, 0), "T": (0, 0, 1, 0), "G": (0, 0, 0, 1),
    "R": (0, 0.5, 0, 0.5), "Y": (0.5, 0, 0.5, 0), "S": (0.5, 0, 0, 0.5), "W": (0, 0.5, 0.5, 0),
    "K": (0, 0, 0.5, 0.5), "M": (0.5, 0.5, 0, 0),
    "B": (0.33, 0, 0.33, 0.33), "D": (0, 0.33, 0.33, 0.33),
    "H": (0.33, 0.33, 0.33, 0), "V": (0.33, 0.33, 0, 0.33),
    "N": (0.25, 0.25, 0.25, 0.25),
}  # fmt: skip
"""Letter of the IUPAC code -> shares of C, A, T, G, as Helixer rounds them."""


def _shares_table() -> np.ndarray:
    """(256,) uint64: the four float16 of each ASCII letter, side by side; 0 for all others."""
    table = np.zeros((256, 4), np.float16)
    for letter, shares in _SHARES.items():
        table[ord(letter)] = shares
    return table.view(np.uint64)[:, 0]


_X = _shares_table()
_ONE_HOT = np.vstack([np.eye(4, dtype=np.int8), np.zeros((1, 4), np.int8)]).view(np.uint32)[:, 0]
_BITS = ((np.arange(64)[:, None] >> np.arange(6)) & 1).astype(np.int8)


@dataclass(frozen=True)
class Rows:
    """A few rows, as codes, in reading direction, padding at the end.

    Attributes
    ----------
    bases
        (k, L) uint8, ASCII; 0 padding.
    start_ends
        (k, 2) int64, bp; start > end on the minus strand.
    labels
        With arrays of (k, L); `PADDING` in `genic` and `phase`, 0 in all others, is padding. None:
        without labels.
    """

    bases: np.ndarray
    start_ends: np.ndarray
    labels: "StrandLabels | None" = None


def count_rows(region_length: int, length: int) -> int:
    """Number of rows of a region of so many bp, both strands together."""
    return 2 * -(-region_length // length)


def rows_of(
    bases: np.ndarray,
    labels: "SequenceLabels | None",
    length: int,
    region: tuple[int, int] | None = None,
) -> Iterator[Rows]:
    """Cut a sequence, or a region of it, into rows.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case.
    labels
        Of the whole sequence; None: rows without labels.
    length
        L, of a row.
    region
        (start, end) in bp; windows are counted from `start`. None: the whole sequence.

    Yields
    ------
    Rows
        Copies: `bases` and `labels` may go once the next rows are not asked for.
    """
    start, end = region or (0, len(bases))
    bounds = [(a, min(a + length, end)) for a in range(start, end, length)]
    for strand, windows in (("plus", bounds), ("minus", bounds[::-1])):
        own = None if labels is None else getattr(labels, strand)
        for i in range(0, len(windows), _ROWS_AT_ONCE):
            yield _rows(bases, own, windows[i : i + _ROWS_AT_ONCE], length, strand == "minus")


def to_datasets(rows: Rows) -> dict[str, np.ndarray]:
    """The datasets of a data file that follow from bases and labels (see docs/formats.md)."""
    shape, labels = (*rows.bases.shape, 4), rows.labels
    result = {
        "X": _X.take(rows.bases).view(np.float16).reshape(shape),
        "start_ends": rows.start_ends,
    }
    if labels is None:
        return result
    return result | {
        "y": _ONE_HOT.take(labels.genic).view(np.int8).reshape(shape),
        "phases": _ONE_HOT.take(labels.phase).view(np.int8).reshape(shape),
        "transitions": _BITS.take(labels.transitions, axis=0),
        "sample_weights": labels.valid.astype(np.int8),
        "gene_lengths": labels.gene_lengths,
        "err_samples": np.asarray(labels.valid.any(axis=1)),
        "fully_intergenic_samples": np.asarray(~labels.genic.any(axis=1)),
    }


def pack_rows(rows: Rows) -> PackedRows:
    """The rows as `DataWriter.append` takes them; any thread may."""
    return pack(to_datasets(rows))


def _rows(
    bases: np.ndarray,
    labels: "StrandLabels | None",
    windows: list[tuple[int, int]],
    length: int,
    backwards: bool,
) -> Rows:
    def gather(array: np.ndarray, padding: int = 0) -> np.ndarray:
        result = np.full((len(windows), length), padding, array.dtype)
        for row, (start, end) in zip(result, windows, strict=True):
            piece = array[start:end]
            row[: end - start] = piece[::-1] if backwards else piece
        return result

    letters = gather(bases)
    start_ends = np.array(windows, np.int64)
    if backwards:
        letters = COMPLEMENTS[letters]
        start_ends = start_ends[:, ::-1]
    if labels is not None:
        arrays = {name: gather(array, _PADDED.get(name, 0)) for name, array in vars(labels).items()}
        labels = replace(labels, **arrays)
    return Rows(letters, start_ends, labels)
