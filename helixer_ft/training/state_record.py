"""Dataclasses as a record (JSON) and arrays, and back: how the state of a run is written.

The types of the fields say how. Arrays are kept apart, by where they belong:
`trainings/0/engine/trainable/3`. A list of arrays leaves its length in the record; an array of its
own, which in a state holds confusion counts, leaves nothing.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from helixer_ft.formats.state_h5 import Arrays, damaged, read_state_file, write_state_file

_PLACES = {
    "position": "",
    "check": "",
    "variables": "",
    "accumulated": "gradients",
    "gradients": "",
    "arrays": "",
}
"""Field -> the name under which its arrays lie, where that is another; "": that of what has it."""


def write_record(path: Path, version: int, kinds: Mapping[str, Any], values: Any) -> None:
    """Write values, each of its type, as a state file of a version.

    Raises
    ------
    HelixerFtError
        Writing failed; the file before is there still.
    """
    arrays: Arrays = {}
    record = {name: to_record(kind, values[name], name, arrays) for name, kind in kinds.items()}
    write_state_file(path, {"format": version} | record, arrays)


def read_record(path: Path, version: int, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The values that `write_record` wrote.

    Raises
    ------
    InputError
        A damaged file, or one of another version.
    """
    record, arrays = read_state_file(path)
    if record.get("format") != version:
        raise damaged(path, f"has format {record.get('format')}, which is not {version}")
    try:
        return {name: from_record(kind, record[name], name, arrays) for name, kind in kinds.items()}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, f"has unexpected content ({type(error).__name__}: {error})") from error


def to_record(kind: Any, value: Any, place: str, arrays: Arrays) -> Any:
    """A value of a type as JSON; its arrays go to `arrays`, under names that begin with `place`."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is np.ndarray:
        arrays[place] = value
        return None
    if kind == list[np.ndarray]:
        arrays |= {f"{place}/{i}": array for i, array in enumerate(value)}
        return len(value)
    if origin is UnionType:
        return None if value is None else to_record(args[0], value, place, arrays)
    if origin is dict:
        return {key: to_record(args[1], value[key], f"{place}/{key}", arrays) for key in value}
    if origin in (list, tuple):
        items = enumerate(zip(_items(kind, len(value)), value, strict=True))
        return [to_record(one, item, f"{place}/{i}", arrays) for i, (one, item) in items]
    if not (members := _members(kind)):
        return value
    values = value if isinstance(value, tuple) else [getattr(value, name) for name in members]
    record = {
        name: to_record(members[name], item, _below(place, name), arrays)
        for name, item in zip(members, values, strict=True)
    }
    return {name: item for name, item in record.items() if members[name] is not np.ndarray}


def from_record(kind: Any, record: Any, place: str, arrays: Arrays) -> Any:
    """The value that `to_record` wrote.

    Raises
    ------
    LookupError, TypeError, ValueError, AttributeError
        The record is of something else.
    """
    origin, args = get_origin(kind), get_args(kind)
    if kind is np.ndarray:
        return _counts(arrays[place], place)
    if kind == list[np.ndarray]:
        return [arrays[f"{place}/{i}"] for i in range(record)]
    if origin is UnionType:
        return None if record is None else from_record(args[0], record, place, arrays)
    if origin is dict:
        return {
            key: from_record(args[1], item, f"{place}/{key}", arrays)
            for key, item in record.items()
        }
    if origin in (list, tuple):
        items = enumerate(zip(_items(kind, len(record)), record, strict=True))
        return origin(from_record(one, item, f"{place}/{i}", arrays) for i, (one, item) in items)
    if members := _members(kind):
        return kind(
            **{
                name: from_record(one, record.get(name), _below(place, name), arrays)
                for name, one in members.items()
            }
        )
    if kind is not Any and not isinstance(record, (int, float) if kind is float else kind):
        raise TypeError(f"{place} is {record!r}, expected {kind.__name__}")
    return float(record) if kind is float else record


@cache
def _members(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass or named tuple and their types; of anything else none."""
    names: Iterable[str] = getattr(kind, "__dataclass_fields__", getattr(kind, "_fields", ()))
    hints = get_type_hints(kind) if names else {}
    return {name: hints[name] for name in names}


def _items(kind: Any, n: int) -> tuple[Any, ...]:
    """The types of the items of a list or tuple of `n`."""
    args = get_args(kind)
    return (args[0],) * n if get_origin(kind) is list or args[-1] is Ellipsis else args


def _below(place: str, name: str) -> str:
    name = _PLACES.get(name, name)
    return f"{place}/{name}" if name else place


def _counts(counts: np.ndarray, place: str) -> np.ndarray:
    if counts.ndim != 4 or counts.shape[2:] != (4, 4) or counts.dtype != np.int64:
        raise ValueError(f"{place} is {counts.dtype} of shape {counts.shape}")
    return counts
