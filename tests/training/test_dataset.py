"""Rows of several files as one set, read ahead in the background."""

import threading
import time

import numpy as np
import pytest
from conftest import random_rows

from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import write_data_file
from helixer_ft.training.dataset import batches, open_dataset, read_ahead


@pytest.fixture
def paths(tmp_path):
    result = []
    for i, windows in enumerate((3, 2)):
        rows = random_rows(windows, seed=i, seqid=f"chr{i}")
        rows["is_annotated"][1] = False
        rows["err_samples"][2] = False
        result.append(tmp_path / f"{i}.h5")
        write_data_file(result[-1], rows)
    return result


def test_rows_without_annotation_or_valid_base_are_left_out_of_training(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=True)
    assert dataset.rows.tolist() == [[0, 0], [0, 3], [0, 4], [0, 5], [1, 0], [1, 3]]


def test_test_data_have_every_row(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=False, all_rows=True)
    assert len(dataset) == 10


def test_any_order_across_files(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=True, all_rows=True)
    order = np.array([9, 0, 6, 2, 7, 1])
    together = dataset.read(order)
    for i, index in enumerate(order):
        alone = dataset.read(np.array([index]))
        for name in ("bases", "genic", "phase", "transitions", "valid"):
            assert np.array_equal(getattr(together, name)[i], getattr(alone, name)[0])


def test_labels_that_are_not_asked_for_are_not_read(paths):
    windows = open_dataset(paths, pool_size=9, phase=False, transitions=False).read(np.arange(2))
    assert windows.phase is None
    assert windows.transitions is None


def test_what_exceeds_the_last_pool_is_left_out_at_the_end(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=True)
    trimmed = open_dataset(paths, pool_size=8, phase=True, transitions=True)
    assert (dataset.length, trimmed.length) == (90, 88)
    whole, part = dataset.read(np.arange(6)), trimmed.read(np.arange(6))
    for name in ("bases", "genic", "phase", "transitions", "valid"):
        assert np.array_equal(getattr(whole, name)[:, :88], getattr(part, name))


def test_subset_keeps_its_rows(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=True)
    subset = dataset.subset(np.array([1, 4]))
    assert np.array_equal(subset.read(np.arange(2)).bases, dataset.read(np.array([1, 4])).bases)
    assert subset.regions == [dataset.regions[1], dataset.regions[4]]


def test_both_strands_share_a_region(tmp_path):
    path = tmp_path / "a.h5"
    write_data_file(path, random_rows(3))
    regions = open_dataset([path], pool_size=9, phase=True, transitions=True).regions
    assert regions == regions[::-1]
    assert regions[:3] == [("sim", "chr1", 0), ("sim", "chr1", 90), ("sim", "chr1", 180)]


def test_no_usable_row_is_an_error(tmp_path):
    rows = random_rows(2)
    rows["is_annotated"][:] = False
    write_data_file(tmp_path / "a.h5", rows)
    with pytest.raises(InputError, match="no annotated subsequence"):
        open_dataset([tmp_path / "a.h5"], pool_size=9, phase=True, transitions=True)


def test_batches_keep_the_smaller_last_one():
    assert [batch.tolist() for batch in batches(5, 2)] == [[0, 1], [2, 3], [4]]
    order = np.array([4, 2, 0, 1, 3])
    assert np.concatenate(list(batches(5, 2, order))).tolist() == order.tolist()


def test_read_ahead_is_map():
    assert list(read_ahead(lambda x: x * x, range(20))) == [x * x for x in range(20)]


def test_read_ahead_hands_errors_on_in_their_turn():
    def load(x):
        if x == 3:
            raise InputError("row 3 is damaged")
        return x

    results = read_ahead(load, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="row 3"):
        next(results)


def test_read_ahead_that_is_abandoned_ends_its_thread_and_reads_a_few_items_only():
    loaded = []
    results = read_ahead(lambda x: loaded.append(x) or x + 1, range(10**6))
    next(results)
    results.close()
    time.sleep(0.3)
    assert len(loaded) < 10
    assert not [t for t in threading.enumerate() if t.name == "read-ahead"]
