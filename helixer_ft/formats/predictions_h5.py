"""Predictions: Helixer's HDF5 file of class probabilities per base, one row per subsequence.

Rows lie as those of `data/X` do: in the same order, padding at the end on both strands, which is
where HelixerPost reads (Helixer itself writes the padding of minus-strand rows first).
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from helixer_ft.formats.hdf5 import GZIP_LEVEL, compressed_chunk, disk_errors

DATASETS = ("predictions", "predictions_phase")
"""Of the outputs of a model, in their order; one without phase has the first alone."""
CLASSES = 4


def pack(row: np.ndarray) -> list[bytes]:
    """The chunks of one row, (outputs, L, 4) probabilities; any thread may."""
    stored = row.astype(np.float16)
    return [compressed_chunk(output.tobytes(), stored.itemsize) for output in stored]


class PredictionsWriter:
    """Writes one predictions file: one chunk per row, float16, gzip, shuffle.

    A context manager. The path is one that may be left half-written if the block fails (see
    `atomic.staged_file`): nothing is renamed here.

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
        self.n_rows = n_rows
        self._shown = shown
        self._done = 0
        with disk_errors(shown):
            self._file = h5py.File(path, "w")
            self._file.attrs.update(attributes)
            self._datasets = [
                self._file.create_dataset(
                    name,
                    shape=(n_rows, length, CLASSES),
                    maxshape=(None, length, CLASSES),
                    chunks=(1, length, CLASSES),
                    dtype=np.float16,
                    compression="gzip",
                    compression_opts=GZIP_LEVEL,
                    shuffle=True,
                ).id
                for name in DATASETS[:outputs]
            ]

    def append(self, packed: Sequence[bytes]) -> None:
        """Write the next row, see `pack`.

        Raises
        ------
        HelixerFtError
            The disk is full.
        """
        with disk_errors(self._shown):
            for dataset, chunk in zip(self._datasets, packed, strict=True):
                dataset.write_direct_chunk((self._done, 0, 0), chunk)
        self._done += 1

    def __enter__(self) -> "PredictionsWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            with suppress(OSError, RuntimeError):
                self._file.close()
            return
        assert self._done == self.n_rows, f"{self._done} of {self.n_rows} rows were appended"
        with disk_errors(self._shown):
            self._file.close()


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
