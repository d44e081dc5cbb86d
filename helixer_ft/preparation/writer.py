"""Writing one data file row by row: rows are compressed anywhere, and appended in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np

from helixer_ft.formats.hdf5 import GZIP_LEVEL, RowWriter, compressed_chunk
from helixer_ft.preparation.windows import Rows, to_datasets

_FEATURES = {"X": 4}
_LABELS = {
    "y": 4,
    "phases": 4,
    "transitions": 6,
    "sample_weights": 0,
    "gene_lengths": 0,
}
_DTYPES = {"X": np.float16, "gene_lengths": np.uint32}
_ROW_DTYPES: dict[str, np.dtype] = {
    "seqids": np.dtype("S50"),
    "species": np.dtype("S25"),
    "start_ends": np.dtype(np.int64),
    "is_annotated": np.dtype(bool),
    "err_samples": np.dtype(bool),
    "fully_intergenic_samples": np.dtype(bool),
}
_UNLABELLED_ROWS = ("seqids", "species", "start_ends")


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


def pack(rows: Rows) -> PackedRows:
    """Compress rows as HDF5's shuffle and gzip filters do; any thread may.

    zlib and numpy let other threads run meanwhile.
    """
    chunks, values = {}, {}
    for name, array in to_datasets(rows).items():
        if name in _ROW_DTYPES:
            values[name] = array
        else:
            chunks[name] = [_pack_row(row) for row in array]
    return PackedRows(chunks, values)


class DataWriter(RowWriter):
    """Writes one data file of Helixer's form: one chunk per row, gzip. See `RowWriter`.

    Parameters
    ----------
    path
        Where to write.
    n_rows
        Rows that will be appended.
    length
        L, bases of a row.
    labels
        Whether rows have labels; without, `X`, `seqids`, `species` and `start_ends` are written.
    provenance
        Attributes of the file.
    """

    def __init__(
        self,
        path: Path,
        n_rows: int,
        length: int,
        *,
        labels: bool,
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(path, n_rows, Path(path.name))  # the folder is the staging one
        self.path = path
        self._values: dict[str, list[np.ndarray]] = {
            name: [] for name in (_ROW_DTYPES if labels else _UNLABELLED_ROWS)
        }
        with self._creating():
            self._file.attrs.update(provenance or {})
            group = self._file.create_group("data")
            shapes = {
                name: (n_rows, length, *([width] if width else []))
                for name, width in (_FEATURES | (_LABELS if labels else {})).items()
            }
            # h5py's low-level objects: asking its datasets for anything costs as much as a chunk
            self._chunks = {
                name: (_create(group, name, shape).id, (0,) * (len(shape) - 1))
                for name, shape in shapes.items()
            }

    def append(self, rows: PackedRows, seqid: str, species: str, is_annotated: bool) -> None:
        """Write rows of one sequence after those that are there.

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
            dtype = _ROW_DTYPES[name]
            pair = (2,) if name == "start_ends" else ()
            values = np.concatenate([np.empty((0, *pair), dtype), *parts]).astype(dtype)
            dataset = _create(self._file["data"], name, (self.n_rows, *pair), dtype).id
            for i in range(self.n_rows):
                chunk = _pack_value(values[i : i + 1].tobytes(), 8 if pair else 1)
                dataset.write_direct_chunk((i, *[0] * len(pair)), chunk)


def _create(
    group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype | None = None
) -> h5py.Dataset:
    """An empty dataset of this shape, as Helixer makes them."""
    return group.create_dataset(
        name,
        shape=shape,
        maxshape=(None, *shape[1:]),
        chunks=(1, *shape[1:]),
        dtype=dtype or _DTYPES.get(name, np.int8),
        compression="gzip",
        compression_opts=GZIP_LEVEL,
        shuffle=len(shape) > 1,
    )


def _pack_row(row: np.ndarray) -> bytes:
    """The chunk of one row (L, ...)."""
    first, probe = row[:1], row[:: len(row) // 8 + 1]
    if (probe == first).all() and (row == first).all():
        return _pack_uniform(first.tobytes(), len(row), row.itemsize)
    # labels shrink a hundredfold at any level, at the lowest four times faster
    level = GZIP_LEVEL if row.dtype == np.float16 else 1
    return compressed_chunk(row.tobytes(), row.itemsize, level)


@lru_cache(maxsize=256)
def _pack_uniform(element: bytes, repeats: int, itemsize: int) -> bytes:
    """As `_pack_row` for a row of one value throughout: most rows of a large genome."""
    return compressed_chunk(element * repeats, itemsize)


@lru_cache(maxsize=1024)
def _pack_value(raw: bytes, itemsize: int) -> bytes:
    """The chunk of one value per row: most recur."""
    return compressed_chunk(raw, itemsize)
