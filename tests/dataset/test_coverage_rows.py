"""Coverage on its way from the file to the network."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from conftest import add_coverage, random_rows, tiny_model

from helixer_ft.dataset.dataset import open_dataset
from helixer_ft.engine import engine_class
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.training.features import Body
from tests.data_files import write_data_file
from tests.plans import plan_freeze

TWO = CoverageInput("rnaseq", "log", (Track("leaf"), Track("root")))


@pytest.fixture
def path(tmp_path):
    """Eight subsequences, two of them padded, with two tracks."""
    path = tmp_path / "rows.h5"
    write_data_file(path, random_rows(4))
    add_coverage(path, "leaf", "root")
    return path


def test_padding_moves_to_the_front_of_minus_rows_with_the_bases(path):
    file = DataFile(path, coverage_prefix="rnaseq")
    assert file.tracks == TWO.tracks
    windows = file.read([0, 3, 4])
    assert windows.coverage.dtype == np.float32
    assert windows.coverage.shape == (3, 90, 4)
    assert ((windows.coverage == -1).all(axis=2) == ~windows.bases.any(axis=2)).all()
    assert (windows.coverage[1, 60:] == -1).all()  # plus
    assert (windows.coverage[2, :30] == -1).all()  # minus
    genic = windows.genic
    for track in range(2):  # coverage of every track, then spliced coverage of every track
        assert (windows.coverage[..., track] == 30 + track)[(genic == 1) | (genic == 2)].all()
        assert (windows.coverage[..., 2 + track] == 30 + track)[genic == 3].all()
        assert (windows.coverage[..., track] == 0)[(genic == 0) | (genic == 3)].all()
    assert np.array_equal(file.read_coverage([3, 0]), windows.coverage[[1, 0]])
    assert file.read([0], coverage=False).coverage is None
    assert DataFile(path).read([0]).coverage is None
    assert DataFile(path).tracks == ()


def test_damaged_coverage(path):
    with h5py.File(path, "r+") as file:
        values = file["evaluation/rnaseq_coverage"][:]
        del file["evaluation/rnaseq_coverage"]
        file["evaluation/rnaseq_coverage"] = values[:, :80]
    with pytest.raises(InputError, match=r"rnaseq_coverage is of shape \(8, 80, 2\)"):
        DataFile(path, coverage_prefix="rnaseq")


def opened(path, pool_size=9):
    dataset = open_dataset(
        [path], pool_size=pool_size, phase=True, transitions=True, coverage_prefix="rnaseq"
    )
    return dataset.with_coverage(TWO)


def test_bases_beyond_the_last_pool_are_left_out_alike(path):
    batch = opened(path, pool_size=8).read(np.arange(8))
    assert batch.coverage.shape == (8, 88, 4)
    whole = TWO.normalize(DataFile(path, coverage_prefix="rnaseq").read_coverage(range(8)))
    assert np.array_equal(batch.coverage, whole[:, :88])


def test_one_network_s_coverage_is_not_that_of_another(path):
    """Two networks that normalise differently may read the same files in turn."""
    log = opened(path)
    as_before = log.read(np.arange(8)).coverage
    linear = log.with_coverage(replace(TWO, normalization="linear"))
    assert not np.array_equal(linear.read(np.arange(8)).coverage, as_before)
    assert np.array_equal(log.read(np.arange(8)).coverage, as_before)


def test_a_part_of_the_data_keeps_its_coverage(path):
    dataset = opened(path)
    part = dataset.subset(np.array([5, 2])).read(np.array([1, 0]))
    assert np.array_equal(part.coverage, dataset.read(np.array([2, 5])).coverage)
    assert dataset.without_coverage().read(np.arange(2)).coverage is None
    assert set(part.input) == {"codes", "table", "coverage"}


def test_silence_is_no_coverage_on_every_base(path):
    dataset = opened(path)
    batch = dataset.silenced().read(np.arange(8))
    padded = batch.rows[:, 0] == 0
    assert padded.sum() == 2 * 30
    assert (batch.coverage[padded] == np.float16(np.log(0.1))).all()
    assert (batch.coverage[~padded] == np.float16(np.log(1.1))).all()


def test_a_head_on_features_scores_as_the_network(path):
    """Coverage beside the features, pooled base by base, is what the network makes of it."""
    plan = plan_freeze(tiny_model(dropout=0.3), coverage=TWO, hidden_layer=True)
    batch = opened(path).read(np.arange(8))
    features = Body(plan.model, "float32", 8).features(batch)
    given = plan.model.architecture, plan.model.weights
    whole = engine_class()(*given).score(batch, 8)
    head = engine_class()(*given, from_features=True)
    from_features = head.score(replace(batch, features=features), 8)
    assert from_features.entropy == pytest.approx(whole.entropy, rel=1e-5)
    assert np.array_equal(from_features.counts, whole.counts)
    # a track's place matters
    swapped = replace(batch, features=features, coverage=batch.coverage[..., [1, 0, 2, 3]])
    assert head.score(swapped, 8).entropy != pytest.approx(whole.entropy, rel=1e-5)
    assert head.score(replace(batch, features=features).first(3), 8).entropy == pytest.approx(
        whole.entropy[:3], rel=1e-5
    )
