"""Find out what kind of Helixer file a file is, and what it contains."""

from pathlib import Path

import h5py

from helixer_ft.errors import InputError
from helixer_ft.formats.hdf5 import find, open_hdf5
from helixer_ft.inspection.data import DataContent, inspect_data
from helixer_ft.inspection.model import ModelContent, inspect_model
from helixer_ft.inspection.predictions import PredictionsContent, inspect_predictions
from helixer_ft.progress import Progress

WHAT = "a Helixer model, data file or predictions file (.h5)"
_SHOWN = 5

FileContent = ModelContent | DataContent | PredictionsContent


def inspect(path: Path, progress: Progress | None = None) -> FileContent:
    """Find out what a file is, and summarise it.

    Parameters
    ----------
    path
        The file.
    progress
        Receives how much of a large data file has been read.

    Raises
    ------
    InputError
        None of the three, or damaged.
    """
    with open_hdf5(path, WHAT) as file:
        # predictions carry the attribute model_config of their model as well
        if isinstance(find(file, "predictions"), h5py.Dataset):
            return inspect_predictions(path)
        is_model = "model_config" in file.attrs or find(file, "model_weights") is not None
        if not is_model and isinstance(find(file, "data/X"), h5py.Dataset):
            return inspect_data(file, path, progress or Progress())
        found = [
            *sorted(map(str, file.keys())),
            *(f"attribute {name}" for name in sorted(map(str, file.attrs))),
        ]
    if is_model:
        return inspect_model(path)
    shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    raise InputError(
        f"{path}: holds {shown or 'nothing'}, expected {WHAT}: a model has the attribute "
        "'model_config', data have 'data/X', predictions have 'predictions'."
    )
