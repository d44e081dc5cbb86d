"""Data files as Helixer writes them, for tests to read, and some figures of its own."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from helixer_ft.formats.data_names import CHECK_DATA, CHECK_JUNCTIONS
from helixer_ft.formats.label_source import (
    PREDICTIONS,
    LabelSource,
    Teacher,
    write_label_source,
)

HELIXER = Path(__file__).with_name("helixer")
"""Figures of Helixer's own; see its README.md."""
PREDICTED = LabelSource(PREDICTIONS, teachers=(Teacher("teacher.h5", "0a"),))
"""Labels that a model of that name predicted."""


def helixer_config(name: str) -> dict[str, Any]:
    """The attribute `model_config` of a model that Helixer saved."""
    return json.loads(gzip.decompress((HELIXER / "model_configs.json.gz").read_bytes()))[name]


def helixer_scores() -> dict[str, dict[str, Any]]:
    """Data -> confusion matrices and the scores that Helixer printed for them."""
    return json.loads((HELIXER / "scores.json").read_text(encoding="utf-8"))


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


def say_predictions(path: Path, source: LabelSource = PREDICTED, rows: Any = slice(None)) -> None:
    """Say of some rows of a data file that their labels are predictions."""
    with h5py.File(path, "r+") as file:
        codes = np.zeros(len(file["data/X"]), np.uint8)
        codes[rows] = 1
        write_label_source(file, source, codes)


def say_predictions_with_check(folder: Path, check: Mapping[str, np.ndarray]) -> None:
    """Say of a folder of data that its labels are predictions, and give it check sequences: rows of
    `chr9`, of which reads support one intron.
    """
    for name in ("training", "validation"):
        say_predictions(folder / f"{name}_data.h5")
    bare = {name: check[name] for name in ("X", "seqids", "species", "start_ends")}
    write_data_file(folder / CHECK_DATA, bare)
    (folder / CHECK_JUNCTIONS).write_text("seqid\tstart\tend\tstrand\treads\nchr9\t5\t40\t+\t3\n")
