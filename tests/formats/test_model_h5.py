"""Model files: read and written bit for bit, and refused by name where they are not whole."""

import hashlib
import json
import os
from dataclasses import replace

import h5py
import numpy as np
import pytest
from conftest import tiny_architecture

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats import model_h5
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.model_h5 import (
    ModelFile,
    read_model_file,
    write_model_file,
)
from tests.network.builders import random_model

KERNEL = "model_weights/conv1d/conv1d/kernel:0"


def model_file(**options) -> ModelFile:
    return random_model(tiny_architecture(**options), seed=3).to_file({"strategy": "whole"})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.h5"
    write_model_file(path, model_file())
    return path


def refused(path, *parts):
    with pytest.raises(InputError) as error:
        read_model_file(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    for part in parts:
        assert part in text
    return text


def same_weights(one, other):
    assert list(one) == list(other)
    for group in one:
        assert list(one[group]) == list(other[group])
        for name in one[group]:
            assert one[group][name].dtype == other[group][name].dtype == np.float32
            assert one[group][name].tobytes() == other[group][name].tobytes(), name
            assert one[group][name].shape == other[group][name].shape


# -- round trip --------------------------------------------------------------------------------


def test_a_written_file_reads_back_bit_for_bit(tmp_path):
    file = model_file(dropout=0.1, lstms=2)
    odd = np.array([-0.0, 1e-45, np.finfo("f4").max, np.nextafter(np.float32(1), 2)], "f4")
    file.weights["conv1d"]["conv1d/bias:0"] = odd
    file = replace(
        file,
        keras_version="2.12.0",
        backend="tensorflow-x",
        provenance={"base_model": "/über/plant.h5", "settings": '{"seed": 0}', "empty": ""},
    )
    path = tmp_path / "model.h5"
    write_model_file(path, file)
    read = read_model_file(path)
    assert read.config == file.config
    same_weights(read.weights, file.weights)
    assert (read.keras_version, read.backend) == ("2.12.0", "tensorflow-x")
    assert read.provenance == file.provenance
    assert read.path == path


def test_reading_and_writing_again_gives_the_same_content(path, tmp_path):
    again = tmp_path / "again.h5"
    write_model_file(again, read_model_file(path))

    def content(file):
        found = {"": dict(file.attrs)}
        file.visititems(
            lambda name, node: found.update(
                {name: (dict(node.attrs), node[()] if isinstance(node, h5py.Dataset) else None)}
            )
        )
        return repr(found)

    with h5py.File(path) as one, h5py.File(again) as other:
        assert content(one) == content(other)
        assert len(content(one)) > 1000


def test_the_order_is_that_of_the_names_not_of_the_alphabet(tmp_path):
    arrays = {f"z/{name}:0": np.full(2, i, "f4") for i, name in enumerate("cab")}
    file = ModelFile({}, {"z": arrays, "a": {}, "m": {"m/x:0": np.zeros((1, 3), "f4")}})
    path = tmp_path / "model.h5"
    write_model_file(path, file)
    read = read_model_file(path).weights
    assert list(read) == ["z", "a", "m"]
    assert list(read["z"]) == ["z/c:0", "z/a:0", "z/b:0"]
    assert [array[0] for array in read["z"].values()] == [0, 1, 2]


def test_the_hash_is_of_the_bytes_on_disk(path):
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_model_file(path).sha256 == file_sha256(path) == expected


def test_provenance_is_plain_attributes_with_a_prefix(path):
    with h5py.File(path) as file:
        assert file.attrs["helixer_ft_strategy"] == "whole"
        assert set(file.attrs) == {
            "model_config", "keras_version", "backend", "helixer_ft_strategy",
        }  # fmt: skip


def test_a_file_of_keras_has_no_provenance(path):
    with h5py.File(path, "a") as file:
        del file.attrs["helixer_ft_strategy"]
    assert read_model_file(path).provenance == {}


def test_the_layout_is_what_keras_2_reads(path):
    """`load_weights_from_hdf5_group`: names in attributes, values below, no other group."""
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])
        names = [layer["name"] for layer in config["config"]["layers"]]
        root = file["model_weights"]
        assert list(root.attrs["layer_names"]) == names
        assert set(root) == {*names, "top_level_model_weights"}
        assert root.attrs["keras_version"] == "2.15.0"
        assert root.attrs["backend"] == "tensorflow"
        assert list(root["dense"].attrs["weight_names"]) == ["dense/kernel:0", "dense/bias:0"]
        assert root["dense/dense/kernel:0"].dtype == np.float32
        assert list(root["reshape"].attrs["weight_names"]) == []


def test_large_configurations_and_provenance_fit(tmp_path):
    """HDF5 keeps at most 64 KiB in an attribute itself."""
    file = replace(model_file(), provenance={"data": "x" * 300_000})
    file.config["note"] = "y" * 300_000
    path = tmp_path / "model.h5"
    write_model_file(path, file)
    read = read_model_file(path)
    assert read.config["note"] == "y" * 300_000
    assert read.provenance["data"] == "x" * 300_000


# -- what other writers do ---------------------------------------------------------------------


def test_names_in_chunks_are_joined_in_order(path):
    before = read_model_file(path)
    with h5py.File(path, "a") as file:
        for group, attribute in (
            (file["model_weights"], "layer_names"),
            (file["model_weights/bidirectional"], "weight_names"),
        ):
            names = list(group.attrs[attribute])
            del group.attrs[attribute]
            for i in range(3):
                group.attrs[f"{attribute}{i}"] = names[2 * i : 2 * i + 2 if i < 2 else None]
    same_weights(read_model_file(path).weights, before.weights)


def test_fixed_length_bytes_are_names_and_configuration_too(path):
    before = read_model_file(path)
    with h5py.File(path, "a") as file:
        for group in (file["model_weights"], *file["model_weights"].values()):
            for attribute in ("layer_names", "weight_names"):
                if attribute in group.attrs:
                    group.attrs[attribute] = np.array(group.attrs[attribute], "S60")
        file.attrs["model_config"] = np.bytes_(json.dumps(before.config))
        file.attrs["keras_version"] = np.bytes_("2.6.0")
    read = read_model_file(path)
    same_weights(read.weights, before.weights)
    assert read.config == before.config
    assert read.keras_version == "2.6.0"


def test_what_keras_adds_for_training_is_ignored(path):
    before = read_model_file(path)
    with h5py.File(path, "a") as file:
        file.attrs["training_config"] = "{}"
        file["optimizer_weights/values"] = np.full(3, np.nan)
        file["model_weights"].attrs["layer_names"] = [
            *file["model_weights"].attrs["layer_names"],
            "top_level_model_weights",
        ]
    read = read_model_file(path)
    same_weights(read.weights, before.weights)
    assert read.config == before.config


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f4"])
def test_other_floating_point_types_become_float32(path, dtype):
    values = np.arange(80).reshape(5, 4, 4).astype(dtype) / 8
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file[KERNEL] = values
    kernel = read_model_file(path).weights["conv1d"]["conv1d/kernel:0"]
    assert kernel.dtype == np.float32
    assert np.array_equal(kernel, values)


# -- refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(path, value):
    with h5py.File(path, "a") as file:
        file[KERNEL][0, 0, :2] = value
    refused(path, "'conv1d/kernel:0' of layer 'conv1d' has 2 values", "earlier checkpoint")


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_weights_beyond_float32(path):
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file[KERNEL] = np.full((5, 4, 4), 1e300)
    refused(path, "'conv1d/kernel:0'", "80 values that are not finite")


@pytest.mark.parametrize(
    "values",
    [
        np.ones((5, 4, 4), "i4"),
        np.ones((5, 4, 4), bool),
        np.full((5, 4, 4), b"x"),
        np.ones((5, 4, 4), "c8"),
        h5py.Empty("f4"),
    ],
    ids=["integers", "booleans", "text", "complex", "null"],
)
def test_weights_that_are_no_numbers_of_a_layer(path, values):
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file[KERNEL] = values
    refused(path, "'conv1d/kernel:0' of layer 'conv1d' is", "expected floating-point numbers")


def test_a_weight_of_a_size_that_no_layer_has_is_not_read(path):
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (2**31 + 1,), "f4", chunks=(2**20,))
    refused(path, KERNEL, "(2147483649,)", "8,589,934,596 bytes, in a file of")


def test_weights_that_take_more_memory_than_a_model_are_not_read(path, monkeypatch):
    monkeypatch.setattr(model_h5, "_MAX_WEIGHT_BYTES", 2**20)
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file.create_dataset(
            KERNEL, data=np.zeros(2**18 + 1, np.float32), chunks=True, compression="gzip"
        )
    refused(path, "'conv1d/kernel:0'", "(262145,)", "of a layer's size")


def test_a_missing_weight(path):
    with h5py.File(path, "a") as file:
        del file[KERNEL]
    refused(path, "'conv1d/kernel:0' of layer 'conv1d' is missing")


def test_a_missing_layer(path):
    with h5py.File(path, "a") as file:
        del file["model_weights/dense"]
    refused(path, "weights of layer 'dense' are missing")


@pytest.mark.parametrize(
    ("group", "attribute"),
    [("model_weights", "layer_names"), ("model_weights/dense", "weight_names")],
)
def test_missing_names(path, group, attribute):
    with h5py.File(path, "a") as file:
        del file[group].attrs[attribute]
    refused(path, f"'/{group}'", f"no attribute '{attribute}'")


def test_weights_alone(path):
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    refused(path, "no attribute 'model_config'", "rather than as weights alone")


def test_architecture_alone(path):
    with h5py.File(path, "a") as file:
        del file["model_weights"]
    refused(path, "'model_weights' is missing")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"class_name": "Functional"', "not valid JSON"),
        ("", "not valid JSON"),
        (np.bytes_(b"\xff\xfe{}"), "not valid JSON"),
        ("[1, 2]", "a JSON list"),
        ("null", "a JSON NoneType"),
        ("NaN", "a JSON float"),
        (np.arange(3), "not valid JSON"),
        (h5py.Empty("S1"), "not valid JSON"),
        ("[" * 200_000, "not valid JSON"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested more than 64 levels"),
        ('{"a":[' * 100 + "1" + "]}" * 100, "nested more than 64 levels"),
    ],
)
def test_broken_configurations(path, text, part):
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = text
    refused(path, "'model_config'", part)


def test_nesting_up_to_the_limit_is_read_and_written(path, tmp_path):
    text = '{"a":' * 63 + "{}" + "}" * 63
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = text
    read = read_model_file(path)
    assert json.dumps(read.config).replace(" ", "") == text
    write_model_file(tmp_path / "again.h5", read)
    assert read_model_file(tmp_path / "again.h5").config == read.config


@pytest.mark.parametrize("names", [[b"\xff\xfe"], np.arange(3.0), [b".."], [b"."], 3])
def test_odd_layer_names_are_not_there(path, names):
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = names
    refused(path).encode()  # printable: no lone surrogates


@pytest.mark.parametrize("link", ["soft", "external"])
@pytest.mark.parametrize("name", ["model_weights", "model_weights/conv1d", KERNEL])
def test_links_are_not_followed(path, tmp_path, link, name):
    other = tmp_path / "other.h5"
    write_model_file(other, model_file())
    with h5py.File(path, "a") as file:
        file.move(name, "elsewhere")
        file[name] = (
            h5py.SoftLink("/elsewhere")
            if link == "soft"
            else h5py.ExternalLink(str(other), f"/{name}")
        )
    refused(path, "is a link to elsewhere", "Links are not followed")


def test_values_in_other_files_are_not_read(path, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(320))
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (5, 4, 4), "f4", external=[(str(tmp_path / "raw"), 0, 320)])
    refused(path, "keeps its values in another file")


def test_virtual_values_are_not_read(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["k"] = np.zeros((5, 4, 4), "f4")
    layout = h5py.VirtualLayout((5, 4, 4), "f4")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "k", (5, 4, 4))
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file.create_virtual_dataset(KERNEL, layout)
    refused(path, "keeps its values in another file")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_files(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "damaged or truncated")


# -- writing -----------------------------------------------------------------------------------


def test_nothing_is_overwritten_without_force(path):
    before = path.read_bytes()
    with pytest.raises(InputError, match="--force"):
        write_model_file(path, model_file(convs=1))
    assert path.read_bytes() == before
    write_model_file(path, model_file(convs=1), force=True)
    assert "conv1d_1" not in read_model_file(path).weights


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_model(path, tmp_path, monkeypatch, function):
    before = path.read_bytes()

    def fail(*_):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(HelixerFtError, match="Disk quota exceeded"):
        write_model_file(path, model_file(convs=1), force=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["model.h5"]


def test_a_changed_bit_of_a_weight_is_found(path):
    """Without a checksum it would be another weight."""
    with h5py.File(path) as file:
        chunk = file[KERNEL].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
    refused(path, "damaged or truncated")
