"""What one run leaves for the next."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import add_coverage, random_rows

from helixer_ft.dataset.dataset import FileRows
from helixer_ft.errors import InputError
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.prepared import PreparedRun, prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.workbench import Workbench
from tests.data_files import write_data_file


@pytest.fixture
def prepare(data_dir, model_path, test_path, tmp_path) -> Callable[..., PreparedRun]:
    """Prepare runs of one workbench, on data with coverage."""
    for path in (*data_dir.glob("*.h5"), test_path):
        add_coverage(path, "leaf")
    workbench = Workbench()

    def run(strategy, **options) -> PreparedRun:
        request = FineTuneRequest(
            strategy,
            load_model_path=model_path,
            data_dir=data_dir,
            test_data=(test_path,),
            save_model_path=tmp_path / "tuned.h5",
        )
        asked = replace(request, **options)
        return prepare_run(asked, TrainingProgress(), workbench=workbench)

    return run


@pytest.fixture
def decoded(monkeypatch) -> list[Path]:
    """The first file of each batch of rows that is decoded."""
    found = []
    plain = FileRows.decode

    def decode(self, indices):
        found.append(self.files[0].path)
        return plain(self, indices)

    monkeypatch.setattr(FileRows, "decode", decode)
    return found


def same(one: PreparedRun, other: PreparedRun) -> None:
    """The same content, as the network takes it."""
    assert [vars(a).keys() for a in one.summaries] == [vars(b).keys() for b in other.summaries]
    for a, b in zip(one.summaries, other.summaries, strict=True):
        assert (a.fingerprint, a.coverage_fingerprint) == (b.fingerprint, b.coverage_fingerprint)
        assert a.silent_tracks == b.silent_tracks
        np.testing.assert_array_equal(a.valid_bases, b.valid_bases)
    for name, dataset in one.scored.items():
        batches = [of.read(np.arange(3)) for of in (dataset, other.scored[name])]
        np.testing.assert_array_equal(batches[0].rows, batches[1].rows)
        assert (batches[0].coverage is None) == (batches[1].coverage is None)
        if batches[0].coverage is not None:
            np.testing.assert_array_equal(batches[0].coverage, batches[1].coverage)


def test_runs_with_and_without_coverage_share_what_is_decoded(prepare, decoded):
    first = prepare(Freeze())
    n = len(decoded)
    assert n > 0
    with_coverage = prepare(Freeze(input_coverage=True))
    without = prepare(Whole())
    assert len(decoded) == n
    assert [bool(one.coverage_fingerprint) for one in with_coverage.summaries] == [True] * 3
    same(first, without)
    same(with_coverage, prepare_run(with_coverage.request, TrainingProgress()))


def test_what_a_run_does_not_use_is_dropped(prepare, decoded, test_path):
    prepare(Freeze())
    before = decoded.count(test_path)
    prepare(Freeze(), test_data=())
    prepare(Freeze())
    assert decoded.count(test_path) == 2 * before


def test_other_files_and_other_labels_are_decoded_anew(prepare, decoded, tmp_path):
    first = prepare(Freeze())
    n = len(decoded)
    settings = replace(first.request.settings, transition_weights=None)
    prepare(Freeze(), settings=settings)  # the training data without transitions
    assert len(decoded) > n
    other = tmp_path / "other.h5"
    write_data_file(other, random_rows(25, seed=8, seqid="chr9"))
    found = prepare(Freeze(), test_data=(other,))
    assert found.summaries[2].fingerprint != first.summaries[2].fingerprint


def test_data_that_cannot_be_used_leave_nothing_behind(prepare, decoded, data_dir):
    rows = random_rows(4, seed=2, seqid="chr2")
    good = (data_dir / "validation_data.h5").read_bytes()
    rows["sample_weights"][:] = 0
    write_data_file(data_dir / "validation_data.h5", rows)
    with pytest.raises(InputError, match="validation data have no valid base"):
        prepare(Freeze())
    (data_dir / "validation_data.h5").write_bytes(good)
    same(prepare(Freeze()), prepare_run(prepare(Freeze()).request, TrainingProgress()))


def test_scores_of_another_model_or_other_data_are_not_taken(prepare, data_dir):
    first = prepare(Whole())
    first.untouched_scores["validation"] = None
    assert "validation" in prepare(Freeze(keep_head=True)).untouched_scores
    assert prepare(Whole(), test_data=()).untouched_scores == {}
    settings = replace(first.request.settings, seed=5)  # another training subset
    assert prepare(Whole(), settings=settings).untouched_scores == {}
