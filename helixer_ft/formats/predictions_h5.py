"""Predictions: Helixer's HDF5 file of class probabilities per base, one row per subsequence.

Rows lie as those of `data/X` do: in the same order, padding at the end on both strands, which is
where HelixerPost reads (Helixer itself writes the padding of minus-strand rows first).
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.formats.hdf5 import GZIP_LEVEL, RowWriter, compressed_chunk

DATASETS = ("predictions", "predictions_phase")
"""Of the outputs of a model, in their order; one without phase has the first alone."""
CLASSES = 4


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
