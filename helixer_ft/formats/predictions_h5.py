"""Predictions: Helixer's HDF5 file of class probabilities per base, one row per subsequence.

Rows lie as those of `data/X` do: in the same order, padding at the end on both strands, which is
where HelixerPost reads (Helixer itself writes the padding of minus-strand rows first).
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.hdf5 import (
    RowWriter,
    attribute,
    compressed_chunk,
    find,
    open_hdf5,
)

WHAT = "a predictions file (.h5)"
DATASETS = ("predictions", "predictions_phase")
"""Of the outputs of a model, in their order; one without phase has the first alone."""
CLASSES = 4


class PredictionsFile:
    """A predictions file, of helixer-ft or of Helixer, its probabilities read on demand.

    Parameters
    ----------
    path
        The `.h5` file.

    Attributes
    ----------
    shapes, dtypes
        Dataset (see `DATASETS`) -> its shape (rows, L, 4), and type.
    attributes
        Of the file, as HDF5 has them.

    Raises
    ------
    InputError
        Not HDF5, truncated, or a dataset missing or of another shape.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_hdf5(path, WHAT) as file:
            found = {name: find(file, name) for name in DATASETS}
            there = {
                name: self._checked(name, dataset)
                for name, dataset in found.items()
                if dataset is not None or name == DATASETS[0]
            }
            self.shapes = {name: dataset.shape for name, dataset in there.items()}
            self.dtypes = {name: str(dataset.dtype) for name, dataset in there.items()}
            self.attributes = {name: attribute(file, name) for name in file.attrs}

    @property
    def n_rows(self) -> int:
        """Rows, both strands together."""
        return int(self.shapes[DATASETS[0]][0])

    def read(self, start: int, end: int, names: Sequence[str] | None = None) -> np.ndarray:
        """(n, outputs, L, 4) probabilities of the rows from `start` to before `end`, of some
        datasets; None: of all that there are.

        They lie as in the file: of helixer-ft as the rows of the data file do, of Helixer itself
        with the padding of minus-strand rows first.

        Raises
        ------
        InputError
            Damaged data.
        """
        with open_hdf5(self.path, WHAT) as file:
            return np.stack([file[name][start:end] for name in names or self.shapes], axis=1)

    def _checked(self, name: str, dataset: h5py.Group | h5py.Dataset | None) -> h5py.Dataset:
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 3 or dataset.shape[2] != 4:
            state = "missing" if dataset is None else "a group"
            if isinstance(dataset, h5py.Dataset):
                state = f"of shape {dataset.shape}"
            raise InputError(
                f"{self.path}: {name} is {state}, expected (windows, subsequence length, 4) as "
                "Helixer and helixer-ft write predictions."
            )
        return dataset


def pack(row: np.ndarray) -> list[bytes]:
    """The chunks of one row, (outputs, L, 4) probabilities; any thread may."""
    stored = row.astype(np.float16)
    return [compressed_chunk(output.tobytes(), stored.itemsize) for output in stored]


class PredictionsWriter(RowWriter):
    """Writes one predictions file: one chunk per row, float16, gzip, shuffle. See `RowWriter`.

    Parameters
    ----------
    path
        Where to write.
    n_rows, length
        N, rows that will be appended, and L, their bases.
    outputs
        Of the model: 1, or 2 with phase.
    attributes
        Of the file; text or numbers.
    shown
        What the file is called in messages.
    """

    def __init__(
        self,
        path: Path,
        n_rows: int,
        length: int,
        outputs: int,
        attributes: Mapping[str, str | int],
        shown: Path,
    ) -> None:
        super().__init__(path, n_rows, shown)
        with self._creating():
            self._file.attrs.update(attributes)
            self._datasets = [
                self._dataset(name, (n_rows, length, CLASSES), np.float16)
                for name in DATASETS[:outputs]
            ]

    def append(self, packed: Sequence[bytes]) -> None:
        """Write the next row, see `pack`.

        Raises
        ------
        HelixerFtError
            The disk is full.
        """
        with self._writing():
            for dataset, chunk in zip(self._datasets, packed, strict=True):
                dataset.write_direct_chunk((self._done, 0, 0), chunk)
        self._done += 1


def helixer_attributes(
    model_config: Mapping[str, Any],
    *,
    n_bases_removed: int,
    test_data_path: Path,
    model_path: Path,
    model_md5sum: str,
) -> dict[str, str | int]:
    """The attributes that Helixer gives such a file."""
    return {
        "model_config": json.dumps(model_config),
        "n_bases_removed": n_bases_removed,
        "test_data_path": str(test_data_path),
        "model_path": str(model_path),
        "timestamp": str(datetime.datetime.now()),
        "model_md5sum": model_md5sum,
    }
