"""The few windows that a run shows: which, and what is in them."""

from pathlib import Path

import numpy as np
import pytest
from conftest import add_coverage, random_rows, tiny_model

from helixer_ft.dataset.dataset import Dataset, open_dataset
from helixer_ft.engine import engine_class
from helixer_ft.errors import InputError
from helixer_ft.metrics import Confusion
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.progress import Progress
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training import fine_tune
from helixer_ft.training.fine_tune import run
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.scoring import predict_windows, score_dataset
from helixer_ft.training.views import choose_windows, view_windows
from tests.data_files import write_data_file


def scored(errors: list[int], genic: list[bool] | None = None) -> Confusion:
    """Windows of 100 bases with so many of them wrong, all CDS or all intergenic."""
    counts = np.zeros((len(errors), 1, 4, 4), np.int64)
    for i, wrong in enumerate(errors):
        code = 2 if genic is None or genic[i] else 0
        counts[i, 0, code, code], counts[i, 0, code, 1] = 100 - wrong, wrong
    return Confusion(counts)


def test_the_best_the_median_and_the_worst_by_their_change_in_errors():
    before, after = [50, 50, 50, 50, 50], [40, 60, 10, 50, 30]
    chosen = choose_windows(scored(before), scored(after))
    assert chosen == {"best": 2, "typical": 0, "worst": 1}


def test_windows_without_genic_bases_are_not_chosen():
    genic = [True, False, True, True]
    chosen = choose_windows(scored([9, 9, 9, 9], genic), scored([8, 0, 7, 6], genic))
    assert chosen == {"best": 3, "typical": 2, "worst": 0}


@pytest.mark.parametrize(
    ("n", "expected"), [(0, {}), (1, {"best": 0}), (2, {"best": 0, "worst": 1})]
)
def test_each_window_is_chosen_once(n, expected):
    assert choose_windows(scored([5] * n), scored([5] * n)) == expected


@pytest.fixture(params=[90, 95])
def dataset(request, tmp_path) -> Dataset:
    """8 windows, two of them padded; of 95 bases the last 5 are left out."""
    path = tmp_path / "rows.h5"
    write_data_file(path, random_rows(4, request.param, seed=3, masked=5))
    return open_dataset([path], pool_size=9, phase=True, transitions=False)


def test_windows_without_padding_with_their_place(dataset):
    """On disk a padded minus-strand row has its padding at the end, in the network in front."""
    length = dataset.source.files[0].length
    rows = random_rows(4, length, seed=3, masked=5)
    chosen = {"best": 0, "typical": 3, "worst": 4}  # full; plus, padded; minus, padded
    guess = np.tile(np.arange(90, dtype=np.uint8) % 4, (3, 1))
    views = view_windows(chosen, dataset, 9, guess, 3 - guess)
    for view, row in zip(views, chosen.values(), strict=True):
        start, end = rows["start_ends"][row].tolist()
        padding = length - abs(end - start)
        in_front = padding if start > end else 0
        n = min(90, length - (0 if start > end else padding)) - in_front
        assert (view.species, view.sequence, view.start) == ("sim", "chr1", start)
        assert view.strand == ("-" if start > end else "+")
        assert view.end == (start - n if start > end else start + n)
        assert view.truth.tolist() == rows["y"][row, :n].argmax(axis=1).tolist()
        assert view.before.tolist() == guess[0, in_front : in_front + n].tolist()
        assert view.after.tolist() == (3 - view.before).tolist()
        kept = np.pad(rows["sample_weights"][row, : length - padding] != 0, (in_front, padding))
        kept = kept[:90].reshape(10, 9).all(axis=1).repeat(9)[in_front : in_front + n]
        assert view.valid.tolist() == kept.tolist()
        assert not view.valid.all()
        assert view.errors(view.before) == ((view.before != view.truth) & view.valid).sum()


def test_predicted_classes_are_those_that_were_scored(dataset):
    model = tiny_model()
    engine = engine_class()(model.architecture, model.weights)
    counts = score_dataset(engine, dataset, 3, Progress(), "").genic_counts
    classes = predict_windows(engine, dataset, np.arange(8), 3)
    assert classes.shape == (8, 90)
    views = view_windows(dict(enumerate(range(8))), dataset, 9, classes, classes)  # type: ignore[arg-type]
    for view, found in zip(views, counts, strict=True):
        expected = np.zeros((4, 4), int)
        np.add.at(expected, (view.truth[view.valid], view.before[view.valid]), 1)
        assert expected.tolist() == found.tolist()
    assert counts.sum() > counts.trace(axis1=1, axis2=2).sum() > 0


def request(model_path: Path, data_dir: Path, **options) -> FineTuneRequest:
    settings = TrainingSettings(epochs=1, batch_size=4, val_test_batch_size=8, learning_rate=0.01)
    return FineTuneRequest(
        load_model_path=model_path,
        data_dir=data_dir,
        save_model_path=data_dir.parent / "tuned.h5",
        settings=settings,
        **{"strategy": Freeze()} | options,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": Whole()},
        {"strategy": Freeze(post_coverage_hidden_layer=True)},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"strategy": Freeze(keep_head=True)}, marks=pytest.mark.slow),
        pytest.param({"cache": CacheSettings(features=False)}, marks=pytest.mark.slow),
        pytest.param(
            {"strategy": Freeze(input_coverage=True, ablate_coverage=True)}, marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_a_run_shows_windows_as_they_were_scored(model_path, data_dir, options):
    for path in data_dir.iterdir():
        add_coverage(path, "leaf")
    prepared = prepare_run(request(model_path, data_dir, **options), Progress())
    outcome = run(prepared, TrainingProgress())
    assert [view.kind for view in outcome.views] == ["best", "typical", "worst"]
    file = prepared.data.validation.source.files[0]
    compared = outcome.validation
    changes = []
    for view in outcome.views:
        minus = file.start_ends[:, 0] > file.start_ends[:, 1]
        here = (file.start_ends[:, 0] == view.start) & (minus == (view.strand == "-"))
        (row,) = np.flatnonzero(here)
        for predicted, score in ((view.before, compared.baseline), (view.after, compared.tuned)):
            counts = score.genic_counts[row]
            assert view.errors(predicted) == counts.sum() - np.trace(counts)
        changes.append(view.errors(view.after) - view.errors(view.before))
        assert not np.array_equal(view.before, view.after)
    assert changes == sorted(changes)


def test_a_run_ends_well_without_windows_to_show(model_path, data_dir, monkeypatch):
    """A data file may be gone by then."""

    def gone(*arguments: object) -> None:
        raise InputError("validation_data.h5: is gone.")

    class Told(TrainingProgress):
        def __init__(self) -> None:
            self.notices: list[str] = []

        def notice(self, text: str) -> None:
            self.notices.append(text)

    monkeypatch.setattr(fine_tune, "predict_windows", gone)
    told = Told()
    outcome = run(
        prepare_run(request(model_path, data_dir, strategy=Freeze(keep_head=True)), Progress()),
        told,
    )
    assert outcome.views == ()
    assert "no windows can be shown: validation_data.h5: is gone." in told.notices
