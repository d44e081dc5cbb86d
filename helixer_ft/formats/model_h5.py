"""Trained models: Keras 2 whole-model HDF5 files, as Helixer writes and loads them.

The file is data: its JSON is parsed, its arrays are read, nothing in it is ever executed.
What the JSON means is the business of `helixer_ft.network.config_reader`.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.hdf5 import as_text, attribute, find, open_hdf5
from helixer_ft.formats.input_file import file_sha256

WHAT = "a trained Helixer model (Keras 2 .h5)"
PROVENANCE_PREFIX = "helixer_ft_"
BATCHNORM, BATCHNORM_ORIGINAL = "batchnorm", "batchnorm_original"
"""Provenance of adapted batch-norm statistics: the outcome, and the statistics there were before.
"""
LABEL_SOURCES = "label_sources"
"""Provenance: where the labels of each set came from, where any were predictions."""
_MAX_WEIGHT_BYTES = 2**29
"""Of all weights; Helixer's largest models have some 10 MB."""
_MAX_CONFIG = 2**24
"""Characters of `model_config`; Helixer's have some 20,000."""
_MAX_NESTING = 64
"""Levels of `model_config`; Helixer's have ten. Deeper ones only exhaust the stack."""

Weights = dict[str, dict[str, np.ndarray]]
"""Group (a layer, or a nested model) -> weight name -> array, both in file order."""


@dataclass(frozen=True)
class ModelFile:
    """The content of one model file.

    Attributes
    ----------
    config
        `model_config`, parsed.
    weights
        Per layer group the named arrays, in the order of `weight_names`.
    keras_version, backend
        Of the writer; Keras 2 chooses its loading rules by them.
    provenance
        What helixer-ft recorded when it wrote the file (attribute names without the prefix).
    path, sha256
        Where it was read from, and the hash of that file; empty for a new model.
    """

    config: dict[str, Any]
    weights: Weights
    keras_version: str = "2.15.0"
    backend: str = "tensorflow"
    provenance: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None
    sha256: str = ""


def read_model_file(path: Path) -> ModelFile:
    """Read a Keras 2 whole-model `.h5`.

    Raises
    ------
    InputError
        Not HDF5, truncated, no `model_config`, broken JSON, a weight missing, not numeric or
        not finite.
    """
    with open_hdf5(path, WHAT) as file:
        config = _read_config(file, path)
        root = find(file, "model_weights")
        if not isinstance(root, h5py.Group):
            raise InputError(
                f"{path}: has no weights (group 'model_weights' is missing), expected {WHAT}. "
                "A file with weights or architecture alone is not enough."
            )
        names = _names(root, "layer_names", path)
        weights: Weights = {}
        left = _MAX_WEIGHT_BYTES
        for name in names:
            weights[name] = _read_group(file, name, path, left)
            left -= sum(array.nbytes for array in weights[name].values())
        return ModelFile(
            config=config,
            weights=weights,
            keras_version=as_text(attribute(file, "keras_version") or "2.15.0"),
            backend=as_text(attribute(file, "backend") or "tensorflow"),
            provenance={
                key.removeprefix(PROVENANCE_PREFIX): as_text(attribute(file, key))
                for key in map(as_text, file.attrs)
                if key.startswith(PROVENANCE_PREFIX)
            },
            path=path,
            sha256=file_sha256(path),
        )


def write_model_file(path: Path, model: ModelFile, *, force: bool = False) -> None:
    """Write a file that Keras 2.15's `load_model` opens, atomically.

    Raises
    ------
    InputError, HelixerFtError
        As `helixer_ft.formats.atomic.write_bytes`.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["model_config"] = json.dumps(model.config)
        file.attrs["keras_version"] = model.keras_version
        file.attrs["backend"] = model.backend
        for key, text in model.provenance.items():
            file.attrs[PROVENANCE_PREFIX + key] = text
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = _string_array(list(model.weights))
        root.attrs["keras_version"] = model.keras_version
        root.attrs["backend"] = model.backend
        for name, arrays in model.weights.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = _string_array(list(arrays))
            for weight_name, array in arrays.items():
                # with a checksum for each: HDF5 then finds damage when it reads
                group.create_dataset(weight_name, data=array, fletcher32=array.size > 0)
        root.create_group("top_level_model_weights").attrs["weight_names"] = _string_array([])
    atomic.write_bytes(path, buffer.getbuffer(), force=force)


def _read_config(file: h5py.File, path: Path) -> dict[str, Any]:
    if "model_config" not in file.attrs:
        raise InputError(
            f"{path}: has no attribute 'model_config', so its architecture is unknown; "
            f"expected {WHAT}, saved whole rather than as weights alone."
        )
    try:
        text = as_text(attribute(file, "model_config"))
        if len(text) > _MAX_CONFIG:
            raise ValueError(f"{len(text):,} characters")
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: its attribute 'model_config' is not valid JSON ({error}); expected {WHAT}. "
            "The file is damaged: copy it again."
        ) from error
    if not isinstance(config, dict):
        raise InputError(
            f"{path}: its 'model_config' is a JSON {type(config).__name__}, expected an object."
        )
    if _nested_deeper(config, _MAX_NESTING):
        raise InputError(
            f"{path}: its 'model_config' is nested more than {_MAX_NESTING} levels deep, expected "
            f"that of {WHAT}."
        )
    return config


def _nested_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            item
            for outer in layer
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(layer)


def _read_group(file: h5py.File, name: str, path: Path, most_bytes: int) -> dict[str, np.ndarray]:
    group = find(file, f"model_weights/{name}")
    if not isinstance(group, h5py.Group):
        raise InputError(f"{path}: the weights of layer '{name}' are missing; expected {WHAT}.")
    arrays = {}
    for weight_name in _names(group, "weight_names", path):
        dataset = find(file, f"model_weights/{name}/{weight_name}")
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(
                f"{path}: the weight '{weight_name}' of layer '{name}' is missing. "
                "The file is damaged: copy it again."
            )
        fits = dataset.dtype.kind == "f" and dataset.shape is not None
        if not fits or dataset.nbytes > most_bytes:
            raise InputError(
                f"{path}: the weight '{weight_name}' of layer '{name}' is {dataset.dtype} of shape "
                f"{dataset.shape}, expected floating-point numbers of a layer's size."
            )
        most_bytes -= dataset.nbytes
        with np.errstate(over="ignore"):
            array = dataset[()].astype(np.float32)
        if not np.isfinite(array).all():
            count = int(np.size(array) - np.isfinite(array).sum())
            raise InputError(
                f"{path}: the weight '{weight_name}' of layer '{name}' has {count} values that are "
                "not finite (NaN or infinite). A training run went wrong there: use an earlier "
                "checkpoint."
            )
        arrays[weight_name] = array
    return arrays


def _names(group: h5py.Group, name: str, path: Path) -> list[str]:
    """A list-of-names attribute; Keras splits long ones into `<name>0`, `<name>1`, ..."""
    if name in group.attrs:
        chunks = [attribute(group, name)]
    else:
        chunks = []
        while f"{name}{len(chunks)}" in group.attrs:
            chunks.append(attribute(group, f"{name}{len(chunks)}"))
        if not chunks:
            raise InputError(
                f"{path}: group '{group.name}' has no attribute '{name}'; expected {WHAT}."
            )
    names = [as_text(one) for chunk in chunks for one in np.asarray(chunk).ravel()]
    return [one for one in names if one != "top_level_model_weights"]


def _string_array(names: list[str]) -> np.ndarray:
    return np.array(names, dtype=h5py.string_dtype())
