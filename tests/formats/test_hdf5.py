"""HDF5 files from elsewhere: broken ones are named, and no file leads into another."""

import os
import zipfile

import h5py
import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats import hdf5
from helixer_ft.formats.hdf5 import attribute, find, open_hdf5

WHAT = "a test file"
VALUES = np.arange(5000.0)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("group/values", data=VALUES, chunks=(500,), compression="gzip")
        file.create_dataset("other", data=VALUES)
    return path


def message(path):
    with pytest.raises(InputError) as error, open_hdf5(path, WHAT) as file:
        _ = [find(file, name)[()] for name in ("group/values", "other")]
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert text.count(WHAT) == 1
    return text


def test_a_sound_file_opens(path):
    with open_hdf5(path, WHAT) as file:
        assert np.array_equal(find(file, "group/values")[()], VALUES)
        assert isinstance(find(file, "group"), h5py.Group)
        assert find(file, "/group/values/").shape == (5000,)


@pytest.mark.parametrize("name", ["nothing", "group/nothing", "nothing/values", "other/below"])
def test_what_is_not_there_is_none(path, name):
    with open_hdf5(path, WHAT) as file:
        assert find(file, name) is None


def test_a_missing_file_is_named(tmp_path):
    assert "no such file" in message(tmp_path / "nowhere.h5")


def test_a_folder_is_named(tmp_path):
    assert "is a folder" in message(tmp_path)


def test_a_pipe_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in message(tmp_path / "pipe")


def test_too_long_a_name_is_named(tmp_path):
    assert "File name too long" in message(tmp_path / ("x" * 300))


def test_a_file_without_permission_is_named(path):
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    assert "Permission denied" in message(path)


def test_an_empty_file_is_named(tmp_path):
    path = tmp_path / "empty.h5"
    path.touch()
    assert "is empty" in message(path)


def test_a_zip_archive_is_named(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert "zip archive (a Keras 3 .keras file?)" in message(path)


def test_text_is_named(tmp_path):
    path = tmp_path / "genes.h5"
    path.write_text("##gff-version 3\n")
    assert "not an HDF5 file" in message(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_damaged(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "damaged or truncated" in message(path)


def test_damage_within_compressed_values_is_found(path):
    with h5py.File(path, "r") as file:
        chunk = file["group/values"].id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    middle = chunk.byte_offset + chunk.size // 2
    content[middle : middle + 20] = bytes(20)
    path.write_bytes(content)
    assert "damaged or truncated" in message(path)


def test_errors_of_the_reader_itself_pass_through(path):
    with pytest.raises(InputError, match=r"^my own$"), open_hdf5(path, WHAT):
        raise InputError("my own")
    with pytest.raises(ZeroDivisionError), open_hdf5(path, WHAT):
        _ = 1 / 0


# -- no way out of the file -------------------------------------------------------------------


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["values"] = VALUES
    return path


def refused(path, name):
    with open_hdf5(path, WHAT) as file, pytest.raises(InputError) as error:
        find(file, name)
    assert str(error.value).startswith(f"{path}: {name} ")
    return str(error.value)


@pytest.mark.parametrize("name", ["link", "link/values"])
def test_soft_links_are_refused(path, name):
    with h5py.File(path, "a") as file:
        file["link"] = h5py.SoftLink("/group")
    assert "SoftLink" in refused(path, name)


def test_a_soft_link_in_a_circle_is_refused(path):
    with h5py.File(path, "a") as file:
        file["link"] = h5py.SoftLink("/link")
    assert "SoftLink" in refused(path, "link/link/link")


@pytest.mark.parametrize("name", ["link", "link/values"])
def test_external_links_are_refused(path, secret, name):
    with h5py.File(path, "a") as file:
        file["link"] = h5py.ExternalLink(secret.name, "/")
    assert "ExternalLink" in refused(path, name)


def test_external_storage_is_refused(path, tmp_path):
    (tmp_path / "passwords").write_bytes(bytes(800))
    with h5py.File(path, "a") as file:
        file.create_dataset("out", (100,), "f8", external=[(str(tmp_path / "passwords"), 0, 800)])
    assert "another file" in refused(path, "out")


def test_virtual_datasets_are_refused(path, secret):
    layout = h5py.VirtualLayout((5000,), "f8")
    layout[:] = h5py.VirtualSource(secret, "values", (5000,))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("out", layout)
    assert "another file" in refused(path, "out")


def test_hard_links_are_data_of_the_file(path):
    with h5py.File(path, "a") as file:
        file["again"] = file["group"]
    with open_hdf5(path, WHAT) as file:
        assert np.array_equal(find(file, "again/values")[()], VALUES)


def test_a_type_without_counterpart_is_refused(path):
    with h5py.File(path, "a") as file:
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"times", h5py.h5t.UNIX_D32LE, space)
    assert "cannot be read" in refused(path, "times")


@pytest.mark.parametrize("shape", [(2**40, 90, 4), (10**8, 90), (2**62,)])
def test_a_shape_that_the_file_cannot_hold_is_refused(path, shape):
    with h5py.File(path, "a") as file:
        chunks = (1, *shape[1:])
        file.create_dataset("huge", shape, "i8", chunks=chunks, compression="gzip")
    assert "bytes, in a file of" in refused(path, "huge")


def test_what_packs_best_is_no_such_shape(tmp_path, monkeypatch):
    """Zeros, 1000:1 by gzip."""
    monkeypatch.setattr(hdf5, "_UNSUSPICIOUS", 0)
    path = tmp_path / "zeros.h5"
    with h5py.File(path, "w") as file:
        zeros = np.zeros((20, 10**6), np.int8)
        file.create_dataset("zeros", data=zeros, chunks=(1, 10**6), compression="gzip")
    assert 700 * path.stat().st_size < 20 * 10**6
    with open_hdf5(path, WHAT) as file:
        assert find(file, "zeros").shape == (20, 10**6)


def test_attributes(path):
    with h5py.File(path, "a") as file:
        file.attrs["text"] = "value"
        kind = h5py.h5t.UNIX_D32LE
        h5py.h5a.create(file.id, b"time", kind, h5py.h5s.create(h5py.h5s.SCALAR))
    with open_hdf5(path, WHAT) as file:
        assert attribute(file, "text") == "value"
        assert attribute(file, "none") is None
        with pytest.raises(InputError, match=r"the attribute 'time' of '/' cannot be read"):
            attribute(file, "time")


def test_errors_of_any_kind_that_h5py_raises_are_damage(path):
    with h5py.File(path, "a") as file:
        kind = h5py.h5t.UNIX_D32LE
        h5py.h5a.create(file.id, b"time", kind, h5py.h5s.create(h5py.h5s.SCALAR))
    with pytest.raises(InputError, match="damaged or truncated"), open_hdf5(path, WHAT) as file:
        _ = file.attrs["time"]
    with pytest.raises(TypeError), open_hdf5(path, WHAT) as file:
        _ = file["other"][()] + "not of h5py"
