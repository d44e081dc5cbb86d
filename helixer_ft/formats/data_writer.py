"""Writes a data file row by row: any thread may compress rows; they are appended in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np

from helixer_ft.formats.data_h5 import LAYOUT
from helixer_ft.formats.hdf5 import GZIP_LEVEL, RowWriter, compressed_chunk
from helixer_ft.formats.label_source import KINDS, LabelSource, write_label_source


@dataclass(frozen=True)
class PackedRows:
    """Compressed rows.

    Attributes
    ----------
    chunks
        Dataset -> the bytes of each row's chunk.
    values
        Dataset with one value (`start_ends`: two) per row -> (k,) or (k, 2).
    """

    chunks: Mapping[str, list[bytes]]
    values: Mapping[str, np.ndarray]


def pack(datasets: Mapping[str, np.ndarray]) -> PackedRows:
    """Compress rows as HDF5's shuffle and gzip filters do; any thread may call this.

    zlib-ng and NumPy let other threads run in the meantime.

    Parameters
    ----------
    datasets
        Name (see `data_h5.LAYOUT`) -> its k rows.
    """
    chunks, values = {}, {}
    for name, array in datasets.items():
        if LAYOUT[name].per_base:
            chunks[name] = [_pack_row(row) for row in array]
        else:
            values[name] = array
    return PackedRows(chunks, values)


class DataWriter(RowWriter):
    """Writes a data file in Helixer's format: one chunk per row, gzip. See `RowWriter`.

    Parameters
    ----------
    path
        Where to write.
    n_rows
        Number of rows that will be appended.
    length
        Bases per row.
    labels
        Whether rows have labels; if not, `X`, `seqids`, `species` and `start_ends` are all.
    provenance
        Attributes to give the file.
    label_source
        Where the labels of all rows come from; None: the file says nothing, as of an annotation.
    shown
        What the file is called in messages; None: its name.
    """

    def __init__(
        self,
        path: Path,
        n_rows: int,
        length: int,
        *,
        labels: bool,
        provenance: Mapping[str, str] | None = None,
        label_source: LabelSource | None = None,
        shown: Path | None = None,
    ) -> None:
        super().__init__(path, n_rows, shown or Path(path.name))  # the folder is the staging one
        self.path = path
        self._label_source = label_source
        self._length = length
        written = [name for name, layout in LAYOUT.items() if labels or not layout.is_label]
        self._values: dict[str, list[np.ndarray]] = {
            name: [] for name in written if not LAYOUT[name].per_base
        }
        with self._creating():
            self._file.attrs.update(provenance or {})
            self._file.create_group("data")
            self._chunks = {name: self._create(name) for name in written if LAYOUT[name].per_base}

    def append(self, rows: PackedRows, seqid: str, species: str, is_annotated: bool) -> None:
        """Append rows of one sequence.

        Raises
        ------
        HelixerFtError
            The disk is full.
        """
        count = len(rows.values["start_ends"])
        names = {
            "seqids": np.full(count, seqid.encode()),
            "species": np.full(count, species.encode()),
            "is_annotated": np.full(count, is_annotated),
        }
        for name, parts in self._values.items():
            parts.append({**names, **rows.values}[name])
        with self._writing():
            for name, (dataset, within) in self._chunks.items():
                for i, chunk in enumerate(rows.chunks[name], start=self._done):
                    dataset.write_direct_chunk((i, *within), chunk)
        self._done += count

    def _finish(self) -> None:
        for name, parts in self._values.items():
            dtype = LAYOUT[name].dtype
            dataset, within = self._create(name)
            values = np.empty(LAYOUT[name].shape(self.n_rows, self._length), dtype)
            np.concatenate([values[:0], *parts], out=values, casting="unsafe")
            for i in range(self.n_rows):
                chunk = _pack_value(values[i : i + 1].tobytes(), dtype.itemsize if within else 1)
                dataset.write_direct_chunk((i, *within), chunk)
        if self._label_source is not None:
            code = KINDS.index(self._label_source.kind)
            codes = np.full(self.n_rows, code, np.uint8)
            write_label_source(self._file, self._label_source, codes)

    def _create(self, name: str) -> tuple[h5py.h5d.DatasetID, tuple[int, ...]]:
        """A new dataset, and the offset of a row's chunk along all axes but the first."""
        shape = LAYOUT[name].shape(self.n_rows, self._length)
        dataset = self._dataset(f"data/{name}", shape, LAYOUT[name].dtype)
        return dataset, (0,) * (len(shape) - 1)


def _pack_row(row: np.ndarray) -> bytes:
    """The chunk of one row (L, ...)."""
    first, probe = row[:1], row[:: len(row) // 8 + 1]
    if (probe == first).all() and (row == first).all():
        return _pack_uniform(first.tobytes(), len(row), row.itemsize)
    # labels shrink a hundredfold at any level; the lowest that looks back is four times as fast
    level = GZIP_LEVEL if row.dtype == np.float16 else 2
    return compressed_chunk(row.tobytes(), row.itemsize, level)


@lru_cache(maxsize=256)
def _pack_uniform(element: bytes, repeats: int, itemsize: int) -> bytes:
    """As `_pack_row` for a row of one value throughout, as most rows of a large genome are."""
    return compressed_chunk(element * repeats, itemsize)


@lru_cache(maxsize=1024)
def _pack_value(raw: bytes, itemsize: int) -> bytes:
    """The chunk of a row's single value; cached, as most values recur."""
    return compressed_chunk(raw, itemsize)
