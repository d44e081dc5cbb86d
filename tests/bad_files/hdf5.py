"""Mutations of models, data files and predictions."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.bad_files.kinds import ANY_FILE, Kind, Mutation, piece


def truncate(path: Path, generator: random.Random) -> Kind:
    content = path.read_bytes()
    path.write_bytes(content[: generator.randrange(1, len(content))])
    return Kind.BROKEN


def flip_bits(path: Path, generator: random.Random) -> Kind:
    content = bytearray(path.read_bytes())
    for _ in range(generator.choice([1, 1, 4, 32])):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)
    return Kind.OTHER


def overwrite(path: Path, generator: random.Random) -> Kind:
    content = bytearray(path.read_bytes())
    place = piece(len(content), generator)
    size = place.stop - place.start
    content[place] = generator.choice([bytes(size), b"\xff" * size, generator.randbytes(size)])
    path.write_bytes(content)
    return Kind.OTHER


def append(path: Path, generator: random.Random) -> Kind:
    with open(path, "ab") as file:
        file.write(generator.randbytes(100))
    return Kind.HARMLESS


# -- datasets ----------------------------------------------------------------------------------


def _edit(change: Callable[[h5py.File, str, random.Random], Kind]) -> Mutation:
    """A mutation of one dataset that is there; its path is given."""

    def mutate(path: Path, generator: random.Random) -> Kind:
        with h5py.File(path, "r+") as file:
            names: list[str] = []
            file.visititems(lambda name, node: names.append(name) if _is_data(node) else None)
            return change(file, generator.choice(sorted(names)), generator)

    mutate.__name__ = change.__name__
    return mutate


def _is_data(node: object) -> bool:
    return isinstance(node, h5py.Dataset)


def _replace(file: h5py.File, name: str, *arguments: Any, **options: Any) -> Kind:
    del file[name]
    file.create_dataset(name, *arguments, **options)
    return Kind.BROKEN


@_edit
def drop(file: h5py.File, name: str, generator: random.Random) -> Kind:
    del file[name]
    # data without labels are sound to some commands
    return Kind.OTHER if name == "data/y" else Kind.BROKEN


@_edit
def retype(file: h5py.File, name: str, generator: random.Random) -> Kind:
    shape = file[name].shape
    dtype = generator.choice(
        ["c8", "V3", h5py.string_dtype(), [("a", "i4"), ("b", "f4")], "b1", "S3", "u8", "f8"]
    )
    text_before = h5py.check_string_dtype(file[name].dtype) is not None
    numbers = dtype in ("b1", "u8", "f8") and not text_before
    _replace(file, name, shape, dtype)
    # numbers of another type may be taken as they are: they are all zero then
    return Kind.OTHER if numbers or dtype in ("S3",) else Kind.BROKEN


@_edit
def reshape(file: h5py.File, name: str, generator: random.Random) -> Kind:
    values = file[name][()]
    variants = [values[:-1], values[None], values.reshape(-1)[:-1], values[:0]]
    return _replace(file, name, data=generator.choice(variants))


@_edit
def scalar_or_null(file: h5py.File, name: str, generator: random.Random) -> Kind:
    value = generator.choice([0, 1.5, b"text", h5py.Empty("f4"), h5py.Empty("S5")])
    return _replace(file, name, data=value)


@_edit
def not_a_number(file: h5py.File, name: str, generator: random.Random) -> Kind:
    values = file[name][()]
    if values.dtype.kind != "f":
        del file[name]
        return Kind.BROKEN
    flat = values.reshape(-1)
    flat[generator.randrange(flat.size)] = generator.choice([np.nan, np.inf, -np.inf])
    file[name][...] = values
    return Kind.BROKEN


@_edit
def huge_shape(file: h5py.File, name: str, generator: random.Random) -> Kind:
    old = file[name]
    rows = generator.choice([10**9, 2**40, 2**60])
    shape, chunks = (rows, *old.shape[1:]), (1, *old.shape[1:])
    return _replace(file, name, shape, old.dtype, chunks=chunks, compression="gzip")


@_edit
def absurd_numbers(file: h5py.File, name: str, generator: random.Random) -> Kind:
    values = file[name][()]
    if values.dtype.kind not in "iuf":
        del file[name]
        return Kind.BROKEN
    info = np.finfo(values.dtype) if values.dtype.kind == "f" else np.iinfo(values.dtype)
    flat = values.reshape(-1)
    for _ in range(3):
        flat[generator.randrange(flat.size)] = generator.choice([info.min, info.max])
    file[name][...] = values
    return Kind.OTHER


@_edit
def group_instead(file: h5py.File, name: str, generator: random.Random) -> Kind:
    del file[name]
    file.create_group(name)
    return Kind.BROKEN


# -- ways out of the file ----------------------------------------------------------------------


@_edit
def soft_link(file: h5py.File, name: str, generator: random.Random) -> Kind:
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink(generator.choice(["/elsewhere", f"/{name}", "/nowhere"]))
    return Kind.BROKEN


@_edit
def external_link(file: h5py.File, name: str, generator: random.Random) -> Kind:
    del file[name]
    file[name] = h5py.ExternalLink(generator.choice(["sound.h5", "/dev/zero", "nowhere"]), name)
    return Kind.BROKEN


@_edit
def external_storage(file: h5py.File, name: str, generator: random.Random) -> Kind:
    old = file[name]
    shape, dtype = old.shape, old.dtype
    place = generator.choice(["sound.h5", "/dev/zero", "/etc/hostname"])
    return _replace(file, name, shape, dtype, external=[(place, 0, h5py.h5f.UNLIMITED)])


@_edit
def virtual_dataset(file: h5py.File, name: str, generator: random.Random) -> Kind:
    old = file[name]
    layout = h5py.VirtualLayout(old.shape, old.dtype)
    layout[...] = h5py.VirtualSource("sound.h5", name, old.shape)
    del file[name]
    file.create_virtual_dataset(name, layout)
    return Kind.BROKEN


# -- attributes --------------------------------------------------------------------------------


def _attribute(change: Callable[[h5py.AttributeManager, str, random.Random], Kind]) -> Mutation:
    """A mutation of one attribute; where there is none, of one that nobody asks for."""

    def mutate(path: Path, generator: random.Random) -> Kind:
        with h5py.File(path, "r+") as file:
            nodes: list[h5py.Group] = [file]
            file.visititems(lambda _, node: nodes.append(node) if len(node.attrs) else None)
            node = generator.choice(nodes)
            name = generator.choice(sorted(node.attrs) or ["nobody_asks"])
            return change(node.attrs, name, generator)

    mutate.__name__ = change.__name__
    return mutate


@_attribute
def odd_attribute(attrs: h5py.AttributeManager, name: str, generator: random.Random) -> Kind:
    values = [
        0, -1.5, np.nan, h5py.Empty("f4"), b"\xff\xfe", "", "x" * 50_000, np.zeros(3), np.bool_(1),
        np.array([["a", "b"]], dtype=h5py.string_dtype()), np.void(b"abc"), 1 + 2j,
    ]  # fmt: skip
    attrs.create(name, generator.choice(values))
    return Kind.OTHER


@_attribute
def reference_attribute(attrs: h5py.AttributeManager, name: str, generator: random.Random) -> Kind:
    attrs.create("nobody_asks", generator.choice([h5py.Reference(), h5py.RegionReference()]))
    return Kind.OTHER


@_attribute
def drop_attribute(attrs: h5py.AttributeManager, name: str, generator: random.Random) -> Kind:
    with suppress(KeyError):
        del attrs[name]
    return Kind.OTHER


# -- the JSON of a model -----------------------------------------------------------------------


def deep_json(path: Path, generator: random.Random) -> Kind:
    depth = generator.choice([65, 1000, 50_000])
    opening, closing = generator.choice([("[", "]"), ('{"a":', "}")])
    text = f'{{"class_name": {opening * depth}1{closing * depth}}}'
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = text
    return Kind.BROKEN


def cut_json(path: Path, generator: random.Random) -> Kind:
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        file.attrs["model_config"] = text[: generator.randrange(len(text))]
    return Kind.BROKEN


def odd_json(path: Path, generator: random.Random) -> Kind:
    """One value of the config becomes another."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        owner, key = generator.choice(list(_places(config)))
        values = [
            None, True, 0, -1, 10**30, 1e308, float("nan"), float("inf"), "", "\x1b[2J", "../../x",
            "Lambda", [], {}, [[]], [-1, 10**9], "x" * 10_000,
        ]  # fmt: skip
        owner[key] = generator.choice(values)
        file.attrs["model_config"] = json.dumps(config)
    return Kind.OTHER


def _places(value: Any) -> Any:
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


HDF5: tuple[Mutation, ...] = (
    *ANY_FILE, truncate, truncate, flip_bits, flip_bits, flip_bits, overwrite, overwrite, append,
    drop, retype, reshape, scalar_or_null, not_a_number, huge_shape, absurd_numbers, group_instead,
    soft_link, external_link, external_storage, virtual_dataset, odd_attribute, reference_attribute,
    drop_attribute,
)  # fmt: skip
MODEL: tuple[Mutation, ...] = (*HDF5, deep_json, cut_json, odd_json, odd_json, odd_json)
