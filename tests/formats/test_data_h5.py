"""Data files: orientation, order, codes; and wrong files refused by the dataset's name."""

import h5py
import numpy as np
import pytest
from conftest import random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import NO_CLASS, DataFile
from tests.data_files import write_data_file

LENGTH = 12
PER_BASE = ("X", "y", "phases", "transitions", "sample_weights")


def rows(start_ends, codes=None):
    """Rows of `LENGTH` bases on which every base can be told apart by its datasets."""
    n = len(start_ends)
    generator = np.random.default_rng(1)
    codes = generator.integers(0, 4, (n, LENGTH)) if codes is None else codes
    y = np.eye(4, dtype=np.int8)[codes]
    datasets = {
        "X": (np.arange(1, n * LENGTH * 4 + 1) / 1000).reshape(n, LENGTH, 4).astype(np.float16),
        "y": y,
        "phases": y[..., [1, 2, 3, 0]],
        "transitions": generator.integers(0, 2, (n, LENGTH, 6)).astype(np.int8),
        "sample_weights": generator.integers(0, 2, (n, LENGTH)).astype(np.int8),
        "seqids": np.array([f"chr{i}" for i in range(n)], "S50"),
        "species": np.full(n, "Ärabidopsis".encode(), "S25"),
        "start_ends": np.array(start_ends, np.int64),
        "is_annotated": np.ones(n, bool),
        "err_samples": np.ones(n, bool),
    }
    for row, (start, end) in enumerate(datasets["start_ends"]):
        for name in PER_BASE:
            datasets[name][row, abs(start - end) :] = 0
    return datasets


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training_data.h5"


# -- reading -----------------------------------------------------------------------------------

PADDED = [(0, 12), (12, 20), (20, 12), (12, 0), (30, 31), (31, 30)]
"""Plus and minus rows: full, padded by 4, padded by 11."""


def test_padding_comes_first_on_minus_rows_and_last_on_plus_rows(path):
    stored = rows(PADDED)
    write_data_file(path, stored)
    windows = DataFile(path).read(range(6))
    for row, shift in enumerate([0, 0, 4, 0, 0, 11]):
        for name, read in (("X", windows.bases), ("sample_weights", windows.valid)):
            assert np.array_equal(read[row], np.roll(stored[name][row], shift, axis=0))
        for name, read in (("y", windows.genic), ("phases", windows.phase)):
            labelled = stored[name][row].any(-1)
            codes = np.where(labelled, stored[name][row].argmax(-1), NO_CLASS)
            assert np.array_equal(read[row], np.roll(codes, shift))
        bits = stored["transitions"][row] @ (1 << np.arange(6))
        assert np.array_equal(windows.transitions[row], np.roll(bits, shift))
    assert not windows.bases[2, :4].any()
    assert windows.bases[2, 4:].all()
    assert not windows.bases[1, 8:].any()
    assert windows.bases[1, :8].all()
    assert list(windows.genic[5, :11]) == [NO_CLASS] * 11
    assert windows.genic[5, 11] != NO_CLASS


def test_types_and_shapes(path):
    write_data_file(path, rows(PADDED))
    file = DataFile(path)
    windows = file.read([0, 3])
    assert (file.n_rows, file.length) == (6, LENGTH)
    assert windows.bases.shape == (2, LENGTH, 4)
    assert windows.bases.dtype == np.float16
    for array, dtype in (
        (windows.genic, np.uint8),
        (windows.phase, np.uint8),
        (windows.transitions, np.uint8),
        (windows.valid, bool),
    ):
        assert array.shape == (2, LENGTH)
        assert array.dtype == dtype


def test_rows_come_in_the_order_asked_for(path):
    stored = rows(PADDED)
    write_data_file(path, stored)
    file = DataFile(path)
    order = [3, 0, 5, 3, 1]
    some, every = file.read(order), file.read(range(6))
    for name in ("bases", "genic", "phase", "transitions", "valid"):
        assert np.array_equal(getattr(some, name), getattr(every, name)[order])
    assert len(np.unique(some.bases[:, :1], axis=0)) == 4  # four distinct rows, one twice
    assert file.read(iter([2])).bases.shape == (1, LENGTH, 4)
    assert file.read([]).bases.shape == (0, LENGTH, 4)


def test_numpy_rows_are_rows(path):
    write_data_file(path, rows(PADDED))
    file = DataFile(path)
    one = file.read(np.array([4, 1]))
    assert np.array_equal(one.bases, file.read([4, 1]).bases)


def test_phase_and_transitions_are_read_only_where_asked_for(path):
    stored = rows(PADDED)
    del stored["phases"], stored["transitions"]
    write_data_file(path, stored)
    windows = DataFile(path, phase=False, transitions=False).read([0])
    assert windows.phase is None
    assert windows.transitions is None
    with pytest.raises(InputError, match=r"data/phases is missing"):
        DataFile(path, transitions=False)
    with pytest.raises(InputError, match=r"data/transitions is missing"):
        DataFile(path, phase=False)


def test_without_labels_four_datasets_are_enough(path):
    stored = rows(PADDED)
    write_data_file(path, {name: stored[name] for name in ("X", "seqids", "species", "start_ends")})
    file = DataFile(path, labels=False)
    windows = file.read(range(6))
    write_data_file(path, stored)
    labelled = DataFile(path)
    assert np.array_equal(windows.bases, labelled.read(range(6)).bases)
    assert file.regions == labelled.regions
    assert not file.usable.any()
    for name in ("genic", "phase", "transitions", "valid"):
        assert getattr(windows, name) is None
    # and labels that are there are not read
    assert DataFile(path, labels=False).read([0]).genic is None
    with h5py.File(path, "a") as data:
        del data["data/start_ends"]
    with pytest.raises(InputError, match=r"start_ends is missing.*with helixer-ft prepare\.$"):
        DataFile(path, labels=False)


def test_shifts_are_what_read_rotates_by(path):
    stored = rows(PADDED)
    write_data_file(path, stored)
    file = DataFile(path)
    assert file.shifts.tolist() == [0, 0, 4, 0, 0, 11]
    seen = file.read(range(6)).bases
    back = [np.roll(row, -shift, axis=0) for row, shift in zip(seen, file.shifts, strict=True)]
    assert np.array_equal(back, stored["X"])


def test_the_row_table(path):
    stored = rows(PADDED)
    stored["seqids"][1] = b"chr\xff"
    stored["is_annotated"] = np.array([1, 1, 0, 0, 1, 1], bool)
    stored["err_samples"] = np.array([1, 0, 1, 0, 1, 1], bool)
    write_data_file(path, stored)
    file = DataFile(path)
    assert file.seqids == ["chr0", "chr\ufffd", "chr2", "chr3", "chr4", "chr5"]
    assert file.species == ["Ärabidopsis"] * 6
    assert file.usable.tolist() == [True, False, False, False, True, True]
    assert file.start_ends.tolist() == [list(pair) for pair in PADDED]
    assert file.regions[1:4] == [
        ("Ärabidopsis", "chr\ufffd", 12),
        ("Ärabidopsis", "chr2", 12),
        ("Ärabidopsis", "chr3", 0),
    ]


def test_names_may_be_strings_of_any_length(path):
    stored = rows(PADDED)
    del stored["seqids"]
    write_data_file(path, stored)
    with h5py.File(path, "a") as file:
        names = file.create_dataset("data/seqids", (6,), h5py.string_dtype())
        names[:] = ["a", "", "chr1 description", "ü", "b" * 100, "c"]
    assert DataFile(path).seqids[1:5] == ["", "chr1 description", "ü", "b" * 100]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=LENGTH, max_size=LENGTH),
    st.lists(st.integers(0, 63), min_size=LENGTH, max_size=LENGTH),
    st.booleans(),
)
def test_codes_and_bits_are_those_stored(tmp_path_factory, codes, bits, as_float):
    """Every class, no class, and every combination of transitions survives the way back."""
    stored = rows([(0, LENGTH)])
    stored["y"] = np.eye(5, 4, dtype=np.float32 if as_float else np.int8)[[codes]]
    stored["phases"] = np.eye(5, 4, dtype=np.int8)[[codes[::-1]]]
    stored["transitions"] = np.array([[[bit >> k & 1 for k in range(6)] for bit in bits]], np.int8)
    path = tmp_path_factory.mktemp("codes") / "data.h5"
    write_data_file(path, stored)
    windows = DataFile(path).read([0])
    assert windows.genic[0].tolist() == codes
    assert windows.phase[0].tolist() == codes[::-1]
    assert windows.transitions[0].tolist() == bits


def test_any_weight_above_zero_is_valid(path):
    stored = rows([(0, 12)])
    stored["sample_weights"] = np.array([[0, 1, 2, 127, 0, 1] * 2], np.int8)
    write_data_file(path, stored)
    assert DataFile(path).read([0]).valid[0].tolist() == [False, True, True, True, False, True] * 2


# -- refused -----------------------------------------------------------------------------------


def refused(path, *parts, read=False):
    with pytest.raises(InputError) as error:
        _ = DataFile(path).read(range(6)) if read else DataFile(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    for part in parts:
        assert part in text
    return text


def changed(path, name, **options):
    """A sound file of 6 rows with the dataset `name` replaced, or removed without `options`."""
    write_data_file(path, rows(PADDED))
    with h5py.File(path, "a") as file:
        del file["data"][name]
        if options:
            file["data"].create_dataset(name, **options)


@pytest.mark.parametrize("name", list(rows(PADDED)))
def test_missing_datasets(path, name):
    changed(path, name)
    refused(path, f"data/{name} is missing", "helixer-ft prepare")


@pytest.mark.parametrize("name", list(rows(PADDED)))
def test_a_group_in_place_of_a_dataset(path, name):
    changed(path, name)
    with h5py.File(path, "a") as file:
        file["data"].create_group(name)
    refused(path, f"data/{name} is missing")


@pytest.mark.parametrize("name", list(rows(PADDED)))
def test_null_datasets(path, name):
    changed(path, name, data=h5py.Empty("i1"))
    refused(path, f"data/{name} is of shape None")


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("X", (6, 12), "(rows, subsequence length, 4)"),
        ("X", (6, 12, 5), "(rows, subsequence length, 4)"),
        ("X", (6, 4, 12, 1), "(rows, subsequence length, 4)"),
        ("y", (5, 12, 4), "(6, 12, 4)"),
        ("y", (6, 13, 4), "(6, 12, 4)"),
        ("y", (6, 12, 3), "(6, 12, 4)"),
        ("phases", (6, 12), "(6, 12, 4)"),
        ("transitions", (6, 12, 4), "(6, 12, 6)"),
        ("sample_weights", (6, 12, 1), "(6, 12)"),
        ("seqids", (5,), "(6,)"),
        ("seqids", (6, 1), "(6,)"),
        ("start_ends", (6,), "(6, 2)"),
        ("start_ends", (6, 3), "(6, 2)"),
        ("is_annotated", (6, 1), "(6,)"),
        ("err_samples", (), "(6,)"),
    ],
)
def test_wrong_shapes(path, name, shape, expected):
    changed(path, name, shape=shape, dtype="S3" if name == "seqids" else "i1")
    refused(path, f"data/{name} is of shape {shape}", f"expected {expected}")


COMPOUND = np.dtype([("a", "i4")])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, dtype) for name in PER_BASE for dtype in ("S1", "c8", COMPOUND)),
        ("y", h5py.vlen_dtype(np.int8)),
        ("seqids", "i4"),
        ("species", COMPOUND),
        ("seqids", h5py.vlen_dtype(np.int8)),
        ("start_ends", "f8"),
        ("start_ends", "S5"),
        ("is_annotated", "f4"),
        ("err_samples", h5py.string_dtype()),
    ],
)
def test_wrong_types(path, name, dtype):
    shape = rows(PADDED)[name].shape
    changed(path, name, shape=shape, dtype=dtype)
    refused(path, f"data/{name} holds ", "expected")


@pytest.mark.parametrize("shape", [(0, 12, 4), (6, 0, 4)])
def test_no_subsequences(path, shape):
    changed(path, "X", shape=shape, dtype="f2")
    refused(path, "holds no subsequences")


@pytest.mark.parametrize("name", ["y", "phases"])
@pytest.mark.parametrize(
    "label",
    [[1, 1, 0, 0], [2, 0, 0, 0], [-1, 1, 1, 0], [0.5, 0.5, 0, 0], [np.nan, 0, 0, 0]],
    ids=str,
)
def test_labels_that_are_not_one_hot(path, name, label):
    stored = rows(PADDED)
    stored[name] = stored[name].astype(np.float32)
    stored[name][3, 7] = label
    write_data_file(path, stored)
    DataFile(path).read([0, 1, 2])
    refused(path, f"data/{name} has bases with more than one label", "one-hot", read=True)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8, 0.99])
def test_truncated_files(path, share):
    write_data_file(path, random_rows(10))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "damaged or truncated", "Helixer data file")


def test_damaged_values_are_found_when_they_are_read(path):
    write_data_file(path, random_rows(10))
    with h5py.File(path) as file:
        chunk = file["data/y"].id.get_chunk_info(15)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    file = DataFile(path)
    file.read([14])
    with pytest.raises(InputError, match="damaged or truncated"):
        file.read([15])


def test_a_file_that_goes_away_is_named(path):
    write_data_file(path, rows(PADDED))
    file = DataFile(path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        file.read([0])


def test_links_are_not_followed(path, tmp_path):
    other = tmp_path / "other.h5"
    write_data_file(other, rows(PADDED))
    changed(path, "y")
    with h5py.File(path, "a") as file:
        file["data/y"] = h5py.ExternalLink(str(other), "/data/y")
    refused(path, "data/y is a link to elsewhere")
