"""Predictions files: what is packed is what is read, and errors end in one message."""

import h5py
import numpy as np
import pytest

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.predictions_h5 import PredictionsFile, PredictionsWriter, pack


def write(path, rows: np.ndarray, **attributes) -> None:
    n, outputs, length, _ = rows.shape
    with PredictionsWriter(path, n, length, outputs, attributes, shown=path) as writer:
        for row in rows:
            writer.append(pack(row))


@pytest.mark.parametrize("outputs", [1, 2])
def test_rows_arrive_as_float16(tmp_path, outputs):
    rows = np.random.default_rng(0).random((5, outputs, 7, 4))
    write(tmp_path / "p.h5", rows, n_bases_removed=3, model_path="ä.h5")
    with h5py.File(tmp_path / "p.h5") as file:
        assert sorted(file) == ["predictions", "predictions_phase"][:outputs]
        assert dict(file.attrs) == {"n_bases_removed": 3, "model_path": "ä.h5"}
        for i, dataset in enumerate(file.values()):
            assert np.array_equal(dataset[()], rows[:, i].astype(np.float16))
            assert dataset.maxshape == (None, 7, 4)
            assert dataset.chunks == (1, 7, 4)


def test_too_few_rows_are_a_fault(tmp_path):
    with (
        pytest.raises(AssertionError, match="1 of 2 rows are there"),
        PredictionsWriter(tmp_path / "p.h5", 2, 7, 1, {}, shown=tmp_path / "p.h5") as writer,
    ):
        writer.append(pack(np.zeros((1, 7, 4))))


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(HelixerFtError, match=r"out\.h5: could not be written .*disk space"):
        PredictionsWriter(tmp_path / "no" / "p.h5", 1, 7, 1, {}, shown=tmp_path / "out.h5")


@pytest.mark.parametrize("outputs", [1, 2])
def test_what_is_written_is_read(tmp_path, outputs):
    rows = np.random.default_rng(0).random((5, outputs, 7, 4))
    write(tmp_path / "p.h5", rows, n_bases_removed=3)
    file = PredictionsFile(tmp_path / "p.h5")
    assert (file.n_rows, len(file.shapes)) == (5, outputs)
    assert set(file.dtypes.values()) == {"float16"}
    assert file.attributes == {"n_bases_removed": 3}
    assert np.array_equal(file.read(1, 4), rows[1:4].astype(np.float16))


@pytest.mark.parametrize(
    ("name", "shape", "state"),
    [
        ("predictions", (5, 7), "of shape (5, 7)"),
        ("predictions", (5, 7, 3), "of shape (5, 7, 3)"),
        ("other", (5, 7, 4), "missing"),
    ],
)
def test_other_files_are_refused(tmp_path, name, shape, state):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file[name] = np.zeros(shape, np.float16)
    with pytest.raises(InputError) as refused:
        PredictionsFile(tmp_path / "p.h5")
    assert f"p.h5: predictions is {state}, expected (windows" in str(refused.value)
