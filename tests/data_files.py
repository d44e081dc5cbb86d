"""Data files as Helixer writes them, for tests to read."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np


def write_data_file(path: Path, datasets: Mapping[str, np.ndarray]) -> None:
    """Write group `data`, one chunk per row, gzip; what is there is replaced.

    `datasets` is name below `data/` (`X`, `y`, ...) -> array, first axis rows.
    """
    with h5py.File(path, "w") as file:
        group = file.create_group("data")
        for name, array in datasets.items():
            group.create_dataset(
                name, data=array, chunks=(1, *array.shape[1:]), compression="gzip", shuffle=True
            )
