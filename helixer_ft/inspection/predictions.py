"""What is in a predictions file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.hdf5 import as_text
from helixer_ft.formats.predictions_h5 import PredictionsFile
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


def inspect_predictions(path: Path) -> PredictionsContent:
    """Summarise a predictions file.

    Raises
    ------
    InputError
        A dataset of another shape.
    """
    file = PredictionsFile(path)
    attributes = {as_text(name): _text(value) for name, value in file.attributes.items()}
    return PredictionsContent(
        path=path,
        shapes=file.shapes,
        dtypes=file.dtypes,
        model_summary=_summary(attributes.pop(_CONFIG, ""), path),
        attributes=attributes,
    )


def _summary(config: str, path: Path) -> str:
    try:
        return parse_config(json.loads(config), str(path)).summary()
    except (ValueError, RecursionError, InputError):
        return ""


def _text(value: object) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return ", ".join(map(_text, value.tolist()))
    return as_text(value)
