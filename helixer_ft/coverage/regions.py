"""Which rows of which data files lie where in the genome."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import prefixes
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.hdf5 import find

LARGEST_REGION = 1 << 22
"""Bases that are counted at once; memory of a reading process grows with it."""
_SMALLEST_REGION = 1 << 16


class RowTable(DataFile):
    """A data file that tracks are added to, with or without labels.

    Attributes
    ----------
    with_genes
        (n,) bool: rows that may have genic bases; None where the file has no labels.
    prefixes
        Of the coverage that is in the file.

    Raises
    ------
    InputError
        No data file, or one whose rows are not as Helixer writes them.
    """

    _purpose = "to add coverage to. Make it with helixer-ft prepare."

    def __init__(self, path: Path) -> None:
        super().__init__(path, labels=False)
        sizes = np.abs(self.start_ends[:, 0] - self.start_ends[:, 1])
        if self.start_ends.min() < 0 or sizes.min() == 0 or sizes.max() > self.length:
            raise InputError(
                f"{path}: data/start_ends has a row of {sizes.max()} or {sizes.min()} bp, expected "
                f"1 to {self.length}, the subsequence length, and no negative coordinate. "
                "Make the file anew."
            )
        self.with_genes: np.ndarray | None = None
        with self.opened() as data:
            if data.has("y"):
                data.dataset("y")
                self.with_genes = np.ones(self.n_rows, bool)
                if data.has("fully_intergenic_samples"):
                    self.with_genes = ~data.flags("fully_intergenic_samples")
            evaluation = find(data.file, "evaluation")
            if evaluation is not None and not isinstance(evaluation, h5py.Group):
                raise InputError(f"{path}: 'evaluation' is a dataset, expected a group.")
            self.prefixes = prefixes(data.file)

    def genic(self, row: int) -> np.ndarray:
        """(n,) bool, in the order of the row, without padding: UTR, CDS or intron."""
        with self.opened() as data:
            labels: h5py.Dataset = data.file["data/y"]
            n = abs(int(self.start_ends[row, 0] - self.start_ends[row, 1]))
            return labels[row][:n, 1:].any(axis=1)


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


def sequence_ends(tables: Sequence[RowTable]) -> dict[str, int]:
    """Sequence -> the end of its last base in any of the files, in bp.

    Raises
    ------
    InputError
        Rows of more than one species: tracks belong to one genome.
    """
    species = sorted({name for table in tables for name in table.species})
    if len(species) > 1:
        raise InputError(
            f"the data are of {len(species)} species ({', '.join(species)}), but reads are aligned "
            "to one genome. Give the files of one species with --data, and those of another in a "
            "separate run, with the same --track-names."
        )
    names, codes = np.unique(np.concatenate([t.seqids for t in tables]), return_inverse=True)
    ends = np.zeros(len(names), np.int64)
    np.maximum.at(ends, codes, np.concatenate([t.start_ends.max(axis=1) for t in tables]))
    return dict(zip(names.tolist(), ends.tolist(), strict=True))


def regions_of(tables: Sequence[RowTable], largest: int = LARGEST_REGION) -> Iterator[Region]:
    """All rows, grouped by regions of at most `largest` bp (or one row)."""
    parts = []
    for i, table in enumerate(tables):
        low, high = np.sort(table.start_ends, axis=1).T
        backwards = table.start_ends[:, 0] > low
        parts.append(np.stack([np.full_like(low, i), np.arange(len(low)), low, high, backwards], 1))
    rows = np.concatenate(parts)
    names, codes = np.unique(np.concatenate([t.seqids for t in tables]), return_inverse=True)
    order = np.lexsort((rows[:, 3], rows[:, 2], codes))
    rows, codes = rows[order], codes[order]
    begin, end = rows[0, 2:4].tolist()
    firsts, ends = [0], []
    for i, (low, high) in enumerate(rows[1:, 2:4].tolist(), start=1):
        apart = codes[i] != codes[i - 1] or low > end
        if apart or max(end, high) - begin > largest:
            firsts.append(i)
            ends.append(end)
            begin, end = low, high
        end = max(end, high)
    bounds = pairwise([*firsts, len(rows)])
    for (first, last), reached in zip(bounds, [*ends, end], strict=True):
        yield Region(str(names[codes[first]]), int(rows[first, 2]), reached, rows[first:last])


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
