"""Rows of several files as one set, read ahead in the background."""

import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import batch_of, random_rows

from helixer_ft.dataset.batch import BaseTable, unpack
from helixer_ft.dataset.cache_folder import CacheFolder
from helixer_ft.dataset.dataset import Dataset, FileRows, batches, keep_rows, open_dataset
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.progress import Progress
from helixer_ft.runtime import resources
from helixer_ft.runtime.parallel import read_ahead
from helixer_ft.settings import CacheSettings
from helixer_ft.training.data_checks import summarise
from tests.data_files import write_data_file


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
    assert dataset.source.rows.tolist() == [[0, 0], [0, 3], [0, 4], [0, 5], [1, 0], [1, 3]]


def test_test_data_have_every_row(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=False, all_rows=True)
    assert len(dataset) == 10


def test_any_order_across_files(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=True, all_rows=True)
    order = np.array([9, 0, 6, 2, 7, 1])
    together = dataset.read(order)
    for i, index in enumerate(order):
        file, row = dataset.source.rows[index]
        alone = batch_of(DataFile(paths[file]).read([row]))
        assert np.array_equal(together.rows[i], alone.rows[0])
        assert np.array_equal(together.base_table, alone.base_table)


def test_labels_that_are_not_asked_for_are_not_read(paths):
    for path in paths:
        with h5py.File(path, "a") as file:
            del file["data/phases"], file["data/transitions"]
    batch = open_dataset(paths, pool_size=9, phase=False, transitions=False).read(np.arange(2))
    assert not unpack(batch.labels).phase.any()
    assert not batch.transitions.any()


def test_what_exceeds_the_last_pool_is_left_out_at_the_end(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=True)
    trimmed = open_dataset(paths, pool_size=8, phase=True, transitions=True)
    assert (dataset.length, trimmed.length) == (90, 88)
    whole, part = dataset.read(np.arange(6)), trimmed.read(np.arange(6))
    assert np.array_equal(whole.rows[:, :, :88], part.rows)


def test_subset_keeps_its_rows(paths):
    dataset = open_dataset(paths, pool_size=9, phase=True, transitions=True)
    subset = dataset.subset(np.array([1, 4]))
    assert np.array_equal(subset.read(np.arange(2)).rows, dataset.read(np.array([1, 4])).rows)
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


# -- decoded rows that are kept ----------------------------------------------------------------


class Notices(Progress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, text: str) -> None:
        self.texts.append(text)


def kept(paths, folder, *, keep=False, notices=None, **options) -> Dataset:
    """A set whose decoded rows are kept in a folder (None: in memory), before it is read."""
    labels = {"phase": True, "transitions": True} | options
    dataset = open_dataset(paths, pool_size=9, **labels)
    notices = notices or Notices()
    cache = CacheFolder(CacheSettings(folder=folder, keep=keep), folder or Path("t.run"), notices)
    keep_rows([dataset], cache, notices)
    return dataset


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """The subsequences that were decoded, as they come."""
    seen: list[int] = []
    decode = FileRows.decode

    def counting(self, indices):
        seen.extend(indices.tolist())
        return decode(self, indices)

    monkeypatch.setattr(FileRows, "decode", counting)
    return seen


def blur(path) -> None:
    """Ambiguous bases, of which the table of base vectors knows some only from the file."""
    with h5py.File(path, "a") as file:
        file["data/X"][0, 4] = [0.5, 0.5, 0, 0]
        file["data/X"][3, 5] = [0.33, 0, 0.33, 0.33]


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_the_files_are_decoded_once(paths, tmp_path, decoded, place):
    expected = open_dataset(paths, pool_size=9, phase=True, transitions=True).read(np.arange(6))
    decoded.clear()
    dataset = kept(paths, None if place == "memory" else tmp_path / "cache")
    first = summarise(dataset, "training", 9, Progress())
    assert decoded == list(range(6))
    for path in paths:
        path.unlink()
    assert np.array_equal(dataset.read(np.arange(6)).rows, expected.rows)
    assert summarise(dataset, "training", 9, Progress()).fingerprint == first.fingerprint
    assert dataset.subset(np.array([4, 1])).read(np.array([1])).rows[0].tobytes() == (
        expected.rows[1].tobytes()
    )
    assert decoded == list(range(6))


def test_a_kept_file_spares_the_next_run_the_decoding(paths, tmp_path, decoded):
    blur(paths[0])
    folder = tmp_path / "cache"
    first = kept(paths, folder, keep=True)
    summary = summarise(first, "training", 9, Progress())
    assert len(decoded) == 6
    assert not list(folder.glob("decoded-*"))  # only what is known to be in order is kept
    first.decoded.publish()
    for keep in (True, False):
        again = kept(paths, folder, keep=keep)
        again_summary = summarise(again, "training", 9, Progress())
        assert len(decoded) == 6
        assert again_summary.fingerprint == summary.fingerprint
        assert np.array_equal(again_summary.valid_bases, summary.valid_bases)
        one, other = (dataset.read(np.array([5, 0, 1])) for dataset in (first, again))
        assert np.array_equal(one.rows, other.rows)
        assert np.array_equal(one.base_table, other.base_table)
        assert len(again.source.table.vectors) == len(BaseTable().vectors) + 2


@pytest.mark.parametrize("change", ["bases", "masks", "files", "rows", "phase", "transitions"])
def test_a_kept_file_of_other_data_is_not_used(paths, tmp_path, decoded, change):
    folder = tmp_path / "cache"
    first = kept(paths, folder, keep=True)
    summarise(first, "training", 9, Progress())
    first.decoded.publish()
    decoded.clear()
    options = {"rows": {"all_rows": True}, "phase": {"phase": False}}.get(change, {})
    if change == "transitions":
        options = {"transitions": False}
    if change == "files":
        paths = paths[:1]
    with h5py.File(paths[0], "a") as file:
        if change == "bases":
            file["data/X"][0, 4] = [0.5, 0.5, 0, 0]
        if change == "masks":
            file["data/sample_weights"][0, 4] = 0
    dataset = kept(paths, folder, **options)
    summarise(dataset, "training", 9, Progress())
    assert len(decoded) == len(dataset) == {"rows": 10, "files": 4}.get(change, 6)
    fresh = open_dataset(paths, pool_size=9, **({"phase": True, "transitions": True} | options))
    order = np.arange(len(dataset))
    assert np.array_equal(dataset.read(order).rows, fresh.read(order).rows)


def test_data_that_fit_nowhere_are_decoded_again_and_said(paths, tmp_path, decoded, monkeypatch):
    monkeypatch.setattr(resources, "available_memory", lambda: 2 * 3 * 270)
    monkeypatch.setattr(resources, "available_disk", lambda folder: 0)
    notices = Notices()
    dataset = kept(paths, None, notices=notices)
    (text,) = notices.texts
    assert "fit neither in memory nor on disk" in text
    assert "--cache-dir" in text
    summarise(dataset, "training", 9, Progress())
    decoded.clear()
    dataset.read(np.arange(6))
    assert decoded == [3, 4, 5]


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
