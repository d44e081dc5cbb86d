"""How much of a training is kept: by the validation data, between the untouched and tuned model."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import tiny_model

from helixer_ft.adaptation.record import original_of
from helixer_ft.adaptation.statistics import statistics_of
from helixer_ft.engine import ScoredBatch
from helixer_ft.errors import Interrupted
from helixer_ft.formats.model_h5 import BATCHNORM_ORIGINAL, read_model_file, write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training import fine_tune
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.partial_tuning import between
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from tests.adaptation.genomes import random_sequence, write_fasta
from tests.data_files import say_predictions
from tests.quick_engine import QuickEngine

SETTINGS = TrainingSettings(
    epochs=2, batch_size=4, val_test_batch_size=8, learning_rate=0.01, save_every_check=True,
    recipe="default",
)  # fmt: skip


class Peaked(QuickEngine):
    """Its first update moves a bias by 1, and the others nothing; it scores best where that bias is
    moved by `best_at`.
    """

    best_at: float
    start: float
    doubtful = False
    """Whether some windows lose by it nearly as much as the others gain."""

    @property
    def moved(self) -> float:
        return float(self.weights["dense"][1][0]) - self.start

    def update(self):
        kernel, bias = self.weights["dense"]
        self.weights = self.weights | {"dense": [kernel, bias - bias + self.start + 1]}

    def average(self, share):
        self.mean = self.weights["dense"]

    def score(self, batch, batch_size):
        counts = np.zeros((len(batch), 2, 4, 4), np.int64)
        counts[:, :, 1, 1] = 1000
        counts[:, :, 1, 2] = round(1000 * abs(self.moved - self.best_at))
        if self.doubtful:
            loses = batch.rows.astype(int).sum(axis=(1, 2)) % 8 == 2
            sign = np.where(loses, 0.9, -1.0)[:, None]
            counts[:, :, 1, 2] = 500 + 400 * sign * self.moved
        return ScoredBatch(counts, np.ones((len(batch), 2)))


@pytest.fixture
def request_(tmp_path, data_dir, model_path) -> FineTuneRequest:
    return FineTuneRequest(Whole(), model_path, data_dir, tmp_path / "tuned.h5", settings=SETTINGS)


def tuned(request, monkeypatch, best_at, **how):
    start = load_model(request.load_model_path).weights["dense"][1][0]
    monkeypatch.setattr(Peaked, "start", float(start), raising=False)
    monkeypatch.setattr(Peaked, "best_at", best_at, raising=False)
    monkeypatch.setattr(fine_tune, "engine_class", lambda: Peaked)
    return fine_tune.fine_tune(request, **how)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_share_that_is_best_on_the_validation_data_is_kept(request_, monkeypatch, share):
    """Its weights and scores, its provenance, and what is said of it."""
    outcome = tuned(request_, monkeypatch, share)
    assert outcome.share == outcome.to_dict()["best"]["tuning_share"] == share
    before, after = load_model(request_.load_model_path), load_model(request_.save_model_path)
    check = RunFolder(request_.save_model_path).check_model_path(outcome.best)
    expected = between(before.weights, load_model(check).weights, share)
    for name, arrays in after.weights.items():
        for found, wanted in zip(arrays, expected[name], strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert outcome.validation.tuned.genic_f1 == 1
    said = {0.0: "whose weights the saved model has", 1.0: ""}.get(share, f"has {share:.0%} of")
    assert said in outcome.share_text
    assert bool(outcome.share_text) == (share < 1)
    provenance = read_model_file(request_.save_model_path).provenance
    assert provenance.get("tuning_share") == (None if share == 1 else f"{share:g}")


def test_of_equal_shares_the_largest_is_kept(request_, monkeypatch):
    """Half way between two of them, and so between their scores."""
    assert tuned(request_, monkeypatch, 0.625).share == 0.75


def test_a_model_that_stays_untouched_is_no_better(request_, monkeypatch):
    """Not a single base of its predictions changes."""
    outcome = tuned(request_, monkeypatch, 0)
    assert outcome.verdict == "not better" or outcome.decisive.interval.blocks < 20
    assert outcome.decisive.interval.difference == 0
    before, after = (
        load_model(path) for path in (request_.load_model_path, request_.save_model_path)
    )
    for name, arrays in before.weights.items():
        assert all(map(np.array_equal, arrays, after.weights[name]))


def test_what_is_not_better_beyond_doubt_is_not_kept(request_, monkeypatch):
    """Although the mean is better after training."""
    monkeypatch.setattr(Peaked, "doubtful", True)
    outcome = tuned(request_, monkeypatch, 1)
    tuning = outcome.checks[outcome.best.number].validation
    assert tuning.genic_f1 > outcome.checks[0].validation.genic_f1
    assert outcome.share == 0
    assert "beyond doubt better on the validation data than the model as it was" in (
        outcome.share_text
    )


def test_of_an_adapted_model_the_genomes_statistics_stay(request_, monkeypatch, tmp_path):
    """Where none of the tuning is kept, the body is not that of the untouched model."""
    write_model_file(request_.load_model_path, tiny_model(convs=3).to_file({}), force=True)
    monkeypatch.setattr(Peaked, "doubtful", True)
    genome = write_fasta(tmp_path / "genome.fa", random_sequence(50_000, 0.3))
    asked = with_head(replace(request_, batchnorm_from=genome, batchnorm_mix=1.0))
    outcome = tuned(asked, monkeypatch, 1)
    assert outcome.share == 0
    assert "than the model with the genome's batch-norm statistics (" in outcome.share_text
    before, after = load_model(asked.load_model_path), load_model(asked.save_model_path)
    mean = after.weights["batch_normalization"][2]
    assert not np.array_equal(mean, before.weights["batch_normalization"][2])
    assert np.array_equal(after.weights["dense"][0], before.weights["dense"][0])


def test_statistics_that_stay_are_told_of_also_of_a_body_that_trained(
    request_, monkeypatch, tmp_path
):
    """So that a later `adapt` begins with those that the model came with."""
    write_model_file(request_.load_model_path, tiny_model(convs=3).to_file({}), force=True)
    genome = write_fasta(tmp_path / "genome.fa", random_sequence(50_000, 0.3))
    asked = replace(request_, batchnorm_from=genome, batchnorm_mix=1.0)
    before = load_model(asked.load_model_path)
    for share in (0.0, 0.5):
        path = tmp_path / f"{share}.h5"
        outcome = tuned(replace(asked, save_model_path=path), monkeypatch, share)
        assert outcome.share == share
        after = load_model(path)
        assert (BATCHNORM_ORIGINAL in after.file.provenance) == (share == 0)
        if share == 0:
            kept, own = original_of(after), statistics_of(before)
            assert all(np.array_equal(kept[name].mean, own[name].mean) for name in own)


def with_head(request, **strategy) -> FineTuneRequest:
    return replace(
        request,
        strategy=Freeze(**strategy),
        save_model_path=request.save_model_path.with_name("head.h5"),
        cache=CacheSettings(features=False),
    )


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_new_head_is_cut_short_to_the_head_that_was_there(request_, monkeypatch, share):
    """Not to the random one that its training began with."""
    asked = with_head(request_)
    outcome = tuned(asked, monkeypatch, share)
    assert outcome.share == share
    before, after = load_model(asked.load_model_path), load_model(asked.save_model_path)
    check = load_model(RunFolder(asked.save_model_path).check_model_path(outcome.best))
    assert not np.array_equal(check.weights["dense"][0], before.weights["dense"][0])
    expected = between(before.weights, check.weights, share)
    for name, arrays in after.weights.items():
        for found, wanted in zip(arrays, expected[name], strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_neither_the_originals_recipe_nor_further_layers_are_cut_short(request_, monkeypatch):
    """The model that was there has none of these layers, or others of the same names."""
    helixer = replace(request_, settings=replace(SETTINGS, recipe="helixer"))
    hidden = with_head(request_, post_coverage_hidden_layer=True)
    assert tuned(helixer, monkeypatch, 0).share == 1
    assert tuned(hidden, monkeypatch, 0).share == 1
    once_more = replace(hidden, load_model_path=hidden.save_model_path)
    once_more = replace(once_more, save_model_path=hidden.save_model_path.with_name("again.h5"))
    assert tuned(once_more, monkeypatch, 0).share == 1


def test_agreement_with_predictions_cuts_nothing_short(request_, monkeypatch):
    """Where the labels are predictions, they choose nothing."""
    for path in request_.data_dir.iterdir():
        say_predictions(path)
    assert tuned(request_, monkeypatch, 0).share == 1


class Stopping(TrainingProgress):
    """Asks to stop while a part of the tuning is scored."""

    task = ""

    def start(self, task, total, unit="", done=0):
        self.task = task

    def interrupted(self):
        return self.task.startswith("scoring 50% of the tuning")


def test_a_run_that_is_interrupted_then_ends_the_same(request_, monkeypatch, tmp_path):
    """The state was written with the last check."""
    whole = tuned(request_, monkeypatch, 0.25)
    other = replace(request_, save_model_path=tmp_path / "other.h5")
    with pytest.raises(Interrupted):
        tuned(other, monkeypatch, 0.25, progress=Stopping())
    resumed = tuned(replace(other, resume=True), monkeypatch, 0.25)
    assert (resumed.share, resumed.best.number) == (whole.share, whole.best.number)
    one, two = (load_model(run.prepared.request.save_model_path) for run in (whole, resumed))
    for name, arrays in one.weights.items():
        assert all(map(np.array_equal, arrays, two.weights[name]))
