"""The state of an interrupted run: a record (JSON) and arrays in one HDF5 file, whole or refused.

HDF5's user block, the first 512 bytes, holds a hash of everything behind it.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.hdf5 import find, open_hdf5

WHAT = "the state of an interrupted run"
_USER_BLOCK = 512
_HEADING = b"helixer-ft state, BLAKE2b-256 of what follows this block: "
_KINDS = "biuf"
"""Of numbers that arrays may hold."""

Arrays = dict[str, np.ndarray]
"""Path below the group `arrays` -> array."""


def write_state_file(path: Path, record: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a record and its arrays atomically over what is there.

    Raises
    ------
    InputError, HelixerFtError
        As `helixer_ft.formats.atomic.write_bytes`.
    """
    text = json.dumps({"record": record, "arrays": sorted(arrays)})
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=_USER_BLOCK) as file:
        file["record"] = np.frombuffer(text.encode(), np.uint8)
        for name, array in arrays.items():
            file[f"arrays/{name}"] = array
    content = buffer.getbuffer()
    heading = _HEADING + _hash(content[_USER_BLOCK:])
    content[: len(heading)] = heading
    atomic.write_bytes(path, content, force=True)


def read_state_file(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Read what `write_state_file` wrote.

    Raises
    ------
    InputError
        Another file, or one that is damaged in any of its bytes.
    """
    _check_hash(path)
    with open_hdf5(path, WHAT) as file:
        content = _json(_array(file, "record", path), path)
        names = content.get("arrays")
        record = content.get("record")
        if not isinstance(record, dict) or not isinstance(names, list):
            raise damaged(path, "its record is of another form")
        return record, {str(name): _array(file, f"arrays/{name}", path) for name in names}


def damaged(path: Path, reason: str) -> InputError:
    """The error of a state that cannot be used."""
    return InputError(
        f"{path}: {reason}, expected {WHAT}. It cannot be resumed: start again with --force "
        "instead of --resume."
    )


def _check_hash(path: Path) -> None:
    try:
        if not path.is_file():
            raise damaged(path, "is not a file")
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise damaged(path, f"cannot be read ({error.strerror})") from error
    heading = _HEADING + _hash(content[_USER_BLOCK:])
    if bytes(content[: len(heading)]) != heading:
        raise damaged(path, "is damaged (its hash does not fit its content)")


def _hash(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=32).hexdigest().encode()


def _array(file: h5py.File, name: str, path: Path) -> np.ndarray:
    dataset = find(file, name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in _KINDS:
        raise damaged(path, f"has no numbers '{name}'")
    if dataset.chunks or dataset.nbytes > path.stat().st_size:  # unpacks to more than the file
        raise damaged(path, f"has '{name}' in another form")
    return np.asarray(dataset[()])


def _json(array: np.ndarray, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(array.astype(np.uint8).tobytes())
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its record is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise damaged(path, "its record is of another form")
    return content
