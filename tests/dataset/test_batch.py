"""Rows of three bytes per base hold exactly what the file holds."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import batch_of, random_rows

from helixer_ft.dataset.batch import BaseTable, BaseVectorError, Batch, pack, unpack
from helixer_ft.dataset.dataset import Dataset, open_dataset
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import NO_CLASS, DataFile, Windows
from tests.data_files import write_data_file

N, LENGTH = 3, 20


@pytest.fixture
def windows() -> Windows:
    """Every combination of labels, all 64 of transitions, and bases of every kind."""
    generator = np.random.default_rng(4)
    kinds = np.array(
        [
            [0, 0, 0, 0],
            *np.eye(4),
            [0.25] * 4,
            [0.5, 0, 0.5, 0],  # R, Y and their like
            [0, 0.5, 0.5, 0],
            [0.33, 0.33, 0.33, 0],  # V, B and their like: not a third in float16
            [0, 0.33, 0.33, 0.33],
            generator.random(4),
            [1e-7, 1, 0.999, 6e-5],  # subnormal in float16
        ],
        np.float16,
    )
    some = np.concatenate([np.arange(len(kinds)), generator.integers(0, len(kinds), 48)])
    labels = np.arange(60) % 50
    return Windows(
        bases=kinds[generator.permutation(some)].reshape(N, LENGTH, 4),
        genic=(labels % 5).astype(np.uint8).reshape(N, LENGTH),
        phase=(labels // 5 % 5).astype(np.uint8).reshape(N, LENGTH),
        transitions=np.linspace(0, 63, 60).astype(np.uint8).reshape(N, LENGTH),
        valid=(labels >= 25).reshape(N, LENGTH),
    )


def bases_of(batch: Batch) -> np.ndarray:
    codes, table = batch.input.values()
    return table[codes]


def test_a_row_gives_back_what_was_packed(windows):
    batch = batch_of(windows)
    assert batch.rows.shape == (N, 3, LENGTH)
    assert batch.rows.dtype == np.uint8
    bases = bases_of(batch)
    assert bases.dtype == np.float32
    assert bases.astype(np.float16).tobytes() == windows.bases.tobytes()
    assert np.array_equal(bases, windows.bases.astype(np.float32))
    labels = unpack(batch.labels)
    assert len({*zip(*(codes.ravel().tolist() for codes in labels), strict=True)}) == 50
    assert np.array_equal(labels.genic, windows.genic)
    assert np.array_equal(labels.phase, windows.phase)
    assert np.array_equal(labels.valid, windows.valid)
    assert np.array_equal(batch.transitions, windows.transitions)


def test_tensors_are_unpacked_as_arrays_are(windows):
    from keras import ops

    labels = batch_of(windows).labels
    for ours, expected in zip(unpack(ops.convert_to_tensor(labels)), unpack(labels), strict=True):
        assert np.array_equal(ops.convert_to_numpy(ours), expected)


def test_labels_that_were_not_read_are_zero(windows):
    batch = batch_of(replace(windows, phase=None, transitions=None))
    labels = unpack(batch.labels)
    assert np.array_equal(labels.genic, windows.genic)
    assert np.array_equal(labels.valid, windows.valid)
    assert not labels.phase.any()
    assert not batch.transitions.any()


def test_minus_zero_is_zero():
    table = BaseTable()
    codes = table.encode(np.array([[[-0.0, -0.0, -0.0, -0.0], [-0.0, 1, -0.0, 0]]], np.float16))
    assert len(table.vectors) == len(BaseTable().vectors)
    assert not np.signbit(table.padded()[codes]).any()
    assert table.padded()[codes].tolist() == [[[0, 0, 0, 0], [0, 1, 0, 0]]]


def test_codes_stay_what_they_are_as_new_vectors_come(windows):
    table = BaseTable()
    first = table.encode(windows.bases[:1, :4])
    before = table.padded()
    everything = table.encode(windows.bases)
    assert np.array_equal(everything[:1, :4], first)
    known = len(np.unique(first))
    assert known < len(np.unique(everything))
    used = np.unique(first)
    assert np.array_equal(table.padded()[used], before[used])
    again = BaseTable(table.vectors)
    assert np.array_equal(again.encode(windows.bases), everything)
    assert np.array_equal(again.padded(), table.padded())


def test_a_table_has_room_for_256_vectors_and_no_more():
    table = BaseTable()
    left = 256 - len(table.vectors)
    many = np.zeros((2, left, 4), np.float16)
    many[0, :, 0] = many[1, :, 0] = np.arange(1, left + 1) / 1024
    codes = table.encode(many)
    assert codes.max() == 255
    assert np.array_equal(table.padded()[codes], many.astype(np.float32))
    many[1, 3, 1] = 0.7
    with pytest.raises(BaseVectorError, match="above 256") as caught:
        table.encode(many)
    assert caught.value.window == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01])
def test_what_is_no_share_is_refused(windows, value):
    bases = windows.bases.copy()
    bases[2, 7, 1] = value
    with pytest.raises(BaseVectorError, match="not between 0 and 1") as caught:
        pack(replace(windows, bases=bases), BaseTable())
    assert caught.value.window == 2


# -- from files --------------------------------------------------------------------------------


def dataset_with(tmp_path, change) -> Dataset:
    """Two files of eight rows each, `change`d bases in the second one."""
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for i, path in enumerate(paths):
        rows = random_rows(4, seed=i)
        if i == 1:
            change(rows["X"])
        write_data_file(path, rows)
    return open_dataset(paths, pool_size=9, phase=True, transitions=True)


def test_bases_from_files_are_those_of_the_files(tmp_path):
    def blur(x):
        x[1, 2], x[1, 3], x[6, 4] = [0.5, 0.5, 0, 0], [0.33, 0, 0.33, 0.33], [0.1, 0.2, 0.3, 0.4]

    dataset = dataset_with(tmp_path, blur)
    batch = dataset.read(np.arange(16))
    windows = [DataFile(file.path).read(range(8)) for file in dataset.source.files]
    for name in ("bases", "genic", "phase", "transitions", "valid"):
        expected = np.concatenate([getattr(one, name) for one in windows])
        ours = {
            "bases": bases_of(batch).astype(np.float16),
            "transitions": batch.transitions,
            **unpack(batch.labels)._asdict(),
        }[name]
        assert np.array_equal(ours, expected), name
    assert (unpack(batch.labels).genic == NO_CLASS).any()
    assert len(dataset.source.table.vectors) == len(BaseTable().vectors) + 3


@pytest.mark.parametrize("value", [np.nan, -1.0, 2.0])
def test_a_bad_base_is_named_with_file_and_row(tmp_path, value):
    dataset = dataset_with(tmp_path, lambda x: x.__setitem__((5, 11, 2), value))
    with pytest.raises(InputError, match=r"b\.h5: data/X row 5 .*not between 0 and 1"):
        dataset.read(np.array([15, 13, 3]))
    dataset.read(np.array([15, 3]))  # the others are sound


def test_too_many_base_vectors_are_named_with_file_and_row(tmp_path):
    def noise(x):
        x[6] = np.random.default_rng(0).random((90, 4))
        x[2:4] = np.random.default_rng(1).random((2, 90, 4))

    dataset = dataset_with(tmp_path, noise)
    with pytest.raises(InputError, match=r"b\.h5: data/X row [236] .*above 256"):
        dataset.read(np.arange(16))


# -- filling up --------------------------------------------------------------------------------


def test_a_batch_is_filled_with_nothing(windows):
    batch = batch_of(windows)
    filled = batch.filled(5)
    assert len(filled) == 5
    assert np.array_equal(filled.rows[:N], batch.rows)
    assert not bases_of(filled)[N:].any()
    assert not unpack(filled.labels).valid[N:].any()
    assert filled.features is None
    assert filled.base_table is batch.base_table
    assert batch.filled(N) is batch
    assert batch.filled(2) is batch


def test_features_are_filled_too(windows):
    features = np.random.default_rng(0).random((N, 4, 6)).astype(np.float16)
    batch = replace(batch_of(windows), features=features)
    assert [array is features for array in batch.input.values()] == [True]
    filled = batch.filled(4)
    assert filled.rows.shape == (4, 3, LENGTH)
    assert filled.features.dtype == np.float16
    assert np.array_equal(filled.features[:N], features)
    assert not filled.features[N:].any()


def test_a_shifted_subsequence_begins_later_and_ends_in_padding(windows):
    batch = batch_of(windows)
    length = batch.rows.shape[2]
    coverage = np.random.default_rng(1).random((len(batch), length, 2)).astype(np.float16)
    batch = replace(batch, coverage=coverage)
    before, offsets = batch.rows.copy(), np.arange(len(batch)) % 9
    shifted = batch.shifted(offsets)
    for i, offset in enumerate(offsets):
        assert np.array_equal(shifted.rows[i, :, : length - offset], before[i, :, offset:])
        assert not shifted.rows[i, :, length - offset :].any()  # padding, which is not valid
        assert np.array_equal(shifted.coverage[i, : length - offset], coverage[i, offset:])
        assert np.array_equal(
            shifted.coverage[i, length - offset :], coverage[i, length - offset :]
        )
    assert np.array_equal(batch.rows, before)


def test_features_belong_to_the_subsequences_as_they_are(windows):
    batch = replace(batch_of(windows), features=np.ones((2, 3, 4), np.float32))
    assert batch.shifted(np.array([3, 5])) is batch
