"""Which rows of which data files lie where in the genome."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import prefixes
from helixer_ft.formats.data_h5 import WHAT
from helixer_ft.formats.hdf5 import find, open_hdf5

LARGEST_REGION = 1 << 22
"""Bases that are counted at once; memory of a reading process grows with it."""
_SMALLEST_REGION = 1 << 16


@dataclass(frozen=True)
class RowTable:
    """The rows of one data file.

    Attributes
    ----------
    path
        The file.
    length
        L, of a row, padding included.
    seqids, species
        (n,) bytes.
    start_ends
        (n, 2) int64, bp; start > end on the minus strand.
    with_genes
        (n,) bool: rows that may have genic bases; None where the file has no labels.
    prefixes
        Of the coverage that is in the file.
    """

    path: Path
    length: int
    seqids: np.ndarray
    species: np.ndarray
    start_ends: np.ndarray
    with_genes: np.ndarray | None
    prefixes: tuple[str, ...]

    def seqid(self, row: int) -> str:
        """The sequence of a row."""
        return _text(self.seqids[row])


@dataclass(frozen=True)
class Region:
    """A stretch of a sequence and the rows within it.

    Attributes
    ----------
    seqid
        Of the sequence.
    start, end
        In bp.
    rows
        (n, 5) int64: file, row, start and end in bp, 1 on the minus strand.
    """

    seqid: str
    start: int
    end: int
    rows: np.ndarray


def read_row_table(path: Path) -> RowTable:
    """Read what says where the rows of a data file lie.

    Raises
    ------
    InputError
        No data file, or one whose rows are not as Helixer writes them.
    """
    with open_hdf5(path, WHAT) as file:
        bases = find(file, "data/X")
        if (
            not isinstance(bases, h5py.Dataset)
            or bases.dtype.kind not in "biuf"
            or bases.ndim != 3
            or 0 in bases.shape
        ):
            found = _found(bases)
            raise InputError(
                f"{path}: data/X is {found}, expected (rows, subsequence length, 4): this is not "
                f"{WHAT}. Make it with helixer-ft prepare."
            )
        count, length = bases.shape[:2]
        seqids = _table(file, path, "seqids", (count,), "S")
        species = _table(file, path, "species", (count,), "S")
        start_ends = _table(file, path, "start_ends", (count, 2), "iu").astype(np.int64)
        sizes = np.abs(start_ends[:, 0] - start_ends[:, 1])
        if start_ends.min() < 0 or sizes.min() == 0 or sizes.max() > length:
            raise InputError(
                f"{path}: data/start_ends has a row of {sizes.max()} or {sizes.min()} bp, expected "
                f"1 to {length}, the subsequence length, and no negative coordinate. "
                "Make the file anew."
            )
        with_genes = None
        if find(file, "data/y") is not None:
            _dataset(file, path, "y", (count, length, 4), "biuf")
            with_genes = np.ones(count, bool)
            if find(file, "data/fully_intergenic_samples") is not None:
                intergenic = _table(file, path, "fully_intergenic_samples", (count,), "bu")
                with_genes = ~intergenic.astype(bool)
        evaluation = find(file, "evaluation")
        if evaluation is not None and not isinstance(evaluation, h5py.Group):
            raise InputError(f"{path}: 'evaluation' is a dataset, expected a group.")
        return RowTable(path, length, seqids, species, start_ends, with_genes, prefixes(file))


def sequence_ends(tables: Sequence[RowTable]) -> dict[str, int]:
    """Sequence -> the end of its last base in any of the files, in bp.

    Raises
    ------
    InputError
        Rows of more than one species: tracks belong to one genome.
    """
    species = sorted({bytes(name) for table in tables for name in np.unique(table.species)})
    if len(species) > 1:
        listed = ", ".join(name.decode(errors="replace") for name in species)
        raise InputError(
            f"the data are of {len(species)} species ({listed}), but reads are aligned to one "
            "genome. Give the files of one species with --data, and those of another in a run of "
            "their own, with the same --track-names."
        )
    names, codes = np.unique(np.concatenate([t.seqids for t in tables]), return_inverse=True)
    ends = np.zeros(len(names), np.int64)
    np.maximum.at(ends, codes, np.concatenate([t.start_ends.max(axis=1) for t in tables]))
    return {_text(name): end for name, end in zip(names.tolist(), ends.tolist(), strict=True)}


def regions_of(tables: Sequence[RowTable], largest: int = LARGEST_REGION) -> Iterator[Region]:
    """All rows, grouped by regions of at most `largest` bp (or one row)."""
    parts = []
    for i, table in enumerate(tables):
        count = len(table.seqids)
        parts.append(
            np.column_stack(
                [
                    np.full(count, i),
                    np.arange(count),
                    table.start_ends.min(axis=1),
                    table.start_ends.max(axis=1),
                    table.start_ends[:, 0] > table.start_ends[:, 1],
                ]
            ).astype(np.int64)
        )
    rows = np.concatenate(parts)
    names, codes = np.unique(np.concatenate([t.seqids for t in tables]), return_inverse=True)
    order = np.lexsort((rows[:, 3], rows[:, 2], codes))
    rows, codes = rows[order], codes[order]
    first, end = 0, 0
    for i in range(len(rows) + 1):
        ends_here = i == len(rows) or (
            i > first
            and (
                codes[i] != codes[first]
                or rows[i, 2] > end
                or max(end, rows[i, 3]) - rows[first, 2] > largest
            )
        )
        if ends_here:
            seqid = _text(names[codes[first]])
            yield Region(seqid, int(rows[first, 2]), int(end), rows[first:i])
            first = i
        if i < len(rows):
            end = int(rows[i, 3]) if i == first else max(end, int(rows[i, 3]))


def batches_of(tables: Sequence[RowTable], threads: int) -> list[tuple[Region, ...]]:
    """Regions in batches of work of about the same size; how many never changes a result."""
    total = sum(int(np.abs(np.diff(table.start_ends)).sum()) for table in tables) // 2
    size = min(LARGEST_REGION, max(_SMALLEST_REGION, total // (4 * threads)))
    result, batch, used = [], [], 0
    for region in regions_of(tables, size):
        batch.append(region)
        used += region.end - region.start
        if used >= size:
            result.append(tuple(batch))
            batch, used = [], 0
    if batch:
        result.append(tuple(batch))
    return result


def _text(name: bytes) -> str:
    return bytes(name).decode(errors="replace")


def _table(
    file: h5py.File, path: Path, name: str, shape: tuple[int, ...], kinds: str
) -> np.ndarray:
    dataset = _dataset(file, path, name, shape, kinds)
    values = dataset[()]
    return np.array([bytes(v) for v in values]) if dataset.dtype.kind == "O" else values


def _dataset(
    file: h5py.File, path: Path, name: str, shape: tuple[int, ...], kinds: str
) -> h5py.Dataset:
    """A dataset of a shape, of one of numpy's `kinds`; of text with "S" among them."""
    dataset = find(file, f"data/{name}")
    if isinstance(dataset, h5py.Dataset) and dataset.shape == shape:
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        if "S" in kinds if is_text else dataset.dtype.kind in kinds.replace("S", ""):
            return dataset
    raise InputError(
        f"{path}: data/{name} is {_found(dataset)}, expected shape {shape} as Helixer writes it "
        "(see docs/formats.md). Make the file anew."
    )


def _found(node: h5py.Group | h5py.Dataset | None) -> str:
    if isinstance(node, h5py.Dataset):
        return f"{node.dtype} of shape {node.shape}"
    return "missing" if node is None else "a group"
