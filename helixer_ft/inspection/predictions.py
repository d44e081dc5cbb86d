"""What is in a predictions file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.hdf5 import attribute, find
from helixer_ft.formats.predictions_h5 import DATASETS
from helixer_ft.network.config_reader import parse_config

_CONFIG = "model_config"


@dataclass(frozen=True)
class PredictionsContent:
    """A predictions file.

    Attributes
    ----------
    path
        The file.
    shapes, dtypes
        Dataset -> its shape (windows, subsequence length, 4), and type.
    model_summary
        The network that predicted, in one line; empty where the file does not say.
    attributes
        The file's other attributes: model, data, time, ...
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    model_summary: str
    attributes: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "kind": "predictions",
            "path": str(self.path),
            "datasets": {
                name: {"shape": list(shape), "dtype": self.dtypes[name]}
                for name, shape in self.shapes.items()
            },
            "model": self.model_summary,
            "attributes": dict(self.attributes),
        }


def inspect_predictions(file: h5py.File, path: Path) -> PredictionsContent:
    """Read what is to be said of a predictions file.

    Raises
    ------
    InputError
        A dataset of another shape.
    """
    datasets = {name: find(file, name) for name in DATASETS}
    there = {name: found for name, found in datasets.items() if found is not None}
    for name, found in there.items():
        if not isinstance(found, h5py.Dataset) or found.ndim != 3 or found.shape[2] != 4:
            state = f"of shape {found.shape}" if isinstance(found, h5py.Dataset) else "a group"
            raise InputError(
                f"{path}: {name} is {state}, expected (windows, subsequence length, 4) as Helixer "
                "and helixer-ft write predictions."
            )
    return PredictionsContent(
        path=path,
        shapes={name: found.shape for name, found in there.items()},
        dtypes={name: str(found.dtype) for name, found in there.items()},
        model_summary=_summary(file, path),
        attributes={
            _text(name): _text(attribute(file, name)) for name in file.attrs if name != _CONFIG
        },
    )


def _summary(file: h5py.File, path: Path) -> str:
    if _CONFIG not in file.attrs:
        return ""
    try:
        return parse_config(json.loads(_text(attribute(file, _CONFIG))), str(path)).summary()
    except (ValueError, RecursionError, InputError):
        return ""


def _text(value: object) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return ", ".join(map(_text, value.tolist()))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
