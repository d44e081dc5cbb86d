"""Training that starts from the batch-norm statistics of a genome."""

import json
import tomllib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import tiny_model

from helixer_ft.adaptation.record import original_of
from helixer_ft.adaptation.statistics import statistics_of
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.model_h5 import BATCHNORM, BATCHNORM_ORIGINAL, write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training import adapted_base, fine_tune, scoring
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from tests.adaptation.genomes import random_sequence, write_fasta
from tests.quick_engine import QuickEngine

SETTINGS = TrainingSettings(epochs=1, batch_size=4, val_test_batch_size=8, learning_rate=0.01)
NORMS = ("batch_normalization", "batch_normalization_1")


@pytest.fixture
def request_(tmp_path, data_dir, model_path) -> FineTuneRequest:
    write_model_file(model_path, tiny_model(convs=3).to_file({}), force=True)
    return FineTuneRequest(
        strategy=Freeze(),
        load_model_path=model_path,
        data_dir=data_dir,
        save_model_path=tmp_path / "tuned.h5",
        settings=SETTINGS,
        batchnorm_from=write_fasta(tmp_path / "genome.fa", random_sequence(50_000, 0.3)),
        batchnorm_mix=1.0,
    )


@pytest.fixture
def quick(monkeypatch) -> None:
    """Nothing is compiled but the convolutions: for tests of what is written when."""
    monkeypatch.setattr(fine_tune, "engine_class", lambda: QuickEngine)


class Stopping(TrainingProgress):
    """Asks to stop at the `after`th step of training and scoring."""

    def __init__(self, after: int) -> None:
        self.after, self.steps, self.task = after, 0, ""

    def start(self, task, total, unit="", done=0):
        self.task = task

    def interrupted(self):
        if not self.task.startswith(("training", "epoch", "scoring", "validation")):
            return False
        self.steps += 1
        return self.steps == self.after


def test_a_frozen_body_stays_but_for_its_statistics(request_):
    outcome = fine_tune.fine_tune(request_)
    base, tuned = load_model(request_.load_model_path), load_model(request_.save_model_path)
    adaptation = outcome.prepared.adaptation
    for layer in base.architecture.body:
        pairs = zip(
            base.weights.get(layer.name, []), tuned.weights.get(layer.name, []), strict=True
        )
        same = [np.array_equal(*pair) for pair in pairs]
        assert same == ([True, True, False, False] if layer.name in NORMS else [True] * len(same))
    for name in NORMS:
        assert np.array_equal(statistics_of(tuned)[name].mean, adaptation.measured[name].mean)
        assert np.array_equal(original_of(tuned)[name].mean, statistics_of(base)[name].mean)
    assert json.loads(tuned.file.provenance[BATCHNORM])["mix"] == 1
    assert outcome.to_dict()["batchnorm"] == adaptation.to_dict()
    config = tomllib.loads(
        RunFolder(request_.save_model_path).path.joinpath("config.toml").read_text()
    )
    assert config["batchnorm_from"] == str(request_.batchnorm_from)
    assert config["batchnorm_mix"] == 1


@pytest.mark.parametrize(
    "strategy",
    [
        Freeze(),
        *(pytest.param(one, marks=pytest.mark.slow) for one in (Freeze(keep_head=True), Whole())),
    ],
    ids=str,
)
def test_the_baseline_is_the_untouched_model(request_, strategy, tmp_path):
    """With features cached or not, and where the network to train has the same layers."""
    request = replace(request_, strategy=strategy)
    found = fine_tune.fine_tune(request)
    plain = replace(request, save_model_path=tmp_path / "plain.h5")
    plain = replace(plain, batchnorm_from=None, batchnorm_mix="auto")
    expected = fine_tune.fine_tune(plain)
    for one, other in (
        (found.validation.baseline, expected.validation.baseline),
        (found.checks[0].subset, expected.checks[0].subset),
    ):
        assert one.loss == pytest.approx(other.loss, rel=1e-6)
        assert np.array_equal(one.counts, other.counts)
    assert found.best.validation.loss != pytest.approx(expected.best.validation.loss, rel=1e-6)
    # the windows of the page that both runs show, as the untouched model has them
    before = {(view.sequence, view.start, view.end): view.before for view in expected.views}
    for view in found.views:
        if (place := (view.sequence, view.start, view.end)) in before:
            assert np.array_equal(view.before, before[place])


def test_cached_features_are_those_of_the_adapted_body(request_, tmp_path):
    cached = fine_tune.fine_tune(request_)
    cache = CacheSettings(features=False)
    request = replace(request_, cache=cache, save_model_path=tmp_path / "plain.h5")
    computed = fine_tune.fine_tune(request)
    assert cached.prepared.caches_features
    assert cached.best.validation.loss == pytest.approx(computed.best.validation.loss, rel=1e-5)


def test_a_body_that_trains_keeps_no_statistics_of_before(request_):
    fine_tune.fine_tune(replace(request_, strategy=Whole()))
    tuned = load_model(request_.save_model_path)
    assert json.loads(tuned.file.provenance[BATCHNORM])["mix"] == 1
    assert BATCHNORM_ORIGINAL not in tuned.file.provenance


def test_a_head_on_an_adapted_model_says_so_too(request_, tmp_path, quick):
    request_ = replace(request_, cache=CacheSettings(features=False))
    fine_tune.fine_tune(request_)
    first = load_model(request_.save_model_path)
    request = replace(request_, batchnorm_from=None, batchnorm_mix="auto")
    request = replace(request, load_model_path=request_.save_model_path)
    for strategy, kept in ((Freeze(), True), (Whole(), False)):
        path = tmp_path / f"{strategy.command}.h5"
        fine_tune.fine_tune(replace(request, strategy=strategy, save_model_path=path))
        said = load_model(path).file.provenance
        for name in (BATCHNORM, BATCHNORM_ORIGINAL):
            assert said.get(name) == (first.file.provenance[name] if kept else None)


def test_auto_takes_the_best_mix_on_the_validation_data(request_, monkeypatch):
    monkeypatch.setattr(adapted_base, "is_better", lambda *_: True)
    request = replace(request_, batchnorm_mix="auto")
    outcome = fine_tune.fine_tune(request)
    adaptation = outcome.prepared.adaptation
    scores = adaptation.validation_f1
    assert tuple(scores) == adapted_base.MIXES
    assert scores[0] == outcome.validation.baseline.genic_f1
    assert adaptation.chosen_by == "validation"
    assert scores[adaptation.mix] == max(scores.values())


@pytest.mark.parametrize("doubtful", [True, False])
def test_the_models_own_statistics_stay_where_no_mix_is_better_beyond_doubt(
    request_, monkeypatch, doubtful
):
    """Although some mix has a better mean."""
    score, number = scoring.score_dataset, iter(range(len(adapted_base.MIXES)))

    def made_up(*arguments):
        """All is wrong, but in some mixes some windows, or all, are right."""
        found = score(*arguments)
        counts = np.zeros_like(found.counts)
        counts[..., 2, 0] = 10
        right = [0, 1 if doubtful else len(counts), 0, 0][next(number)]
        counts[:right, ..., 2, 0], counts[:right, ..., 2, 2] = 0, 10
        return replace(found, counts=counts)

    monkeypatch.setattr(adapted_base, "score_dataset", made_up)
    request = replace(request_, batchnorm_mix="auto")
    prepared = prepare_run(request, TrainingProgress(), dry=True)
    assert prepared.adaptation.validation_f1[0.25] > 0
    assert prepared.adaptation.mix == (0 if doubtful else 0.25)
    (said,) = adapted_base.batchnorm_notices(request, prepared.base, prepared.adaptation)
    assert ("none is better than 0 beyond doubt" in said) == doubtful
    assert said.startswith("batch norm starts from the statistics that the model came") == doubtful


@pytest.mark.parametrize(("strategy", "mix"), [(Freeze(), 1), (Freeze(), 0), (Whole(), 1)], ids=str)
def test_only_a_model_that_has_the_statistics_of_a_genome_is_said_to(
    request_, tmp_path, strategy, mix, quick
):
    """Not one whose mix was 0, nor one whose body has trained since."""
    cache = CacheSettings(features=False)
    fine_tune.fine_tune(replace(request_, strategy=strategy, batchnorm_mix=mix, cache=cache))
    plain = replace(request_, batchnorm_from=None, batchnorm_mix="auto")
    plain = replace(plain, load_model_path=request_.save_model_path)
    prepared = prepare_run(
        replace(plain, save_model_path=tmp_path / "again.h5"), TrainingProgress(), dry=True
    )
    said = "batch norm has the statistics of genome.fa (adapted before)"
    assert (said in prepared.notices) == (strategy == Freeze() and mix == 1)


def test_of_equal_mixes_the_smaller_one_is_taken(request_, monkeypatch):
    scores, scored = iter([0.2, 0.5, 0.5, 0.1]), []

    def score_dataset(engine, *_):
        scored.append(engine.get_weights()[NORMS[0]][2])
        return SimpleNamespace(genic_f1=next(scores))

    monkeypatch.setattr(adapted_base, "score_dataset", score_dataset)
    monkeypatch.setattr(adapted_base, "is_better", lambda *_: True)
    prepared = prepare_run(replace(request_, batchnorm_mix="auto"), TrainingProgress(), dry=True)
    adaptation = prepared.adaptation
    assert adaptation.mix == 0.25
    for mix, mean in zip(adapted_base.MIXES, scored, strict=True):
        expected = adaptation.with_mix(mix, "user").model.weights[NORMS[0]][2]
        assert np.array_equal(mean, expected)


@pytest.mark.parametrize("strategy", [Freeze(), Whole()], ids=str)
def test_an_earlier_adaptation_stays_where_no_mix_is_better_beyond_doubt(
    request_, tmp_path, quick, monkeypatch, strategy
):
    """And not the statistics from before that, which are what a mix of 0 means."""
    request_ = replace(request_, cache=CacheSettings(features=False))
    fine_tune.fine_tune(request_)
    adapted = load_model(request_.save_model_path)
    scored = []

    def score_dataset(engine, *_):
        scored.append(engine.get_weights()[NORMS[0]][2])
        return SimpleNamespace(genic_f1=0.5)

    monkeypatch.setattr(adapted_base, "score_dataset", score_dataset)
    monkeypatch.setattr(adapted_base, "is_better", lambda *_: False)
    asked = replace(
        request_, strategy=strategy, batchnorm_mix="auto", save_model_path=tmp_path / "again.h5",
        load_model_path=request_.save_model_path,
        settings=replace(SETTINGS, epochs=2, patience=9, checkpoint_minutes=0),
    )  # fmt: skip
    prepared = prepare_run(asked, TrainingProgress(), dry=True)
    assert prepared.adaptation is None
    assert len(scored) == len(adapted_base.MIXES) + 1
    assert np.array_equal(scored[-1], adapted.weights[NORMS[0]][2])
    for pair in zip(prepared.plan.model.weights[NORMS[0]], adapted.weights[NORMS[0]], strict=True):
        assert np.array_equal(*pair)
    assert any(
        "genome.fa (adapted before): on the validation data, none of those" in notice
        for notice in prepared.notices
    )

    interrupted(asked, 9)
    monkeypatch.setattr(adapted_base, "score_dataset", None)  # what was chosen then counts
    outcome = fine_tune.fine_tune(replace(asked, resume=True))
    assert outcome.resumed_from is not None
    assert outcome.prepared.adaptation is None
    said = load_model(asked.save_model_path).file.provenance
    kept = adapted.file.provenance[BATCHNORM] if strategy == Freeze() else None
    assert said.get(BATCHNORM) == kept


def interrupted(request, after):
    with pytest.raises(Interrupted):
        fine_tune.fine_tune(request, Stopping(after))
    assert RunFolder(request.save_model_path).is_interrupted


def test_a_resumed_run_equals_one_in_one_go(request_, tmp_path, monkeypatch):
    request = replace(
        request_,
        batchnorm_mix="auto",
        settings=replace(SETTINGS, epochs=2, patience=9, checkpoint_minutes=0),
    )
    whole = fine_tune.fine_tune(request)
    again = replace(request, save_model_path=tmp_path / "again.h5")
    interrupted(again, 12)
    # the mix was chosen by then: nothing is scored for it once more
    monkeypatch.setattr(adapted_base, "score_dataset", None)
    moved = tmp_path / "moved.fa"
    again.batchnorm_from.rename(moved)
    resumed = fine_tune.fine_tune(replace(again, batchnorm_from=moved, resume=True))
    assert resumed.resumed_from is not None
    assert resumed.prepared.adaptation.to_dict()["mix"] == whole.prepared.adaptation.mix
    for name, arrays in load_model(request.save_model_path).weights.items():
        found = load_model(again.save_model_path).weights[name]
        assert all(np.array_equal(*pair) for pair in zip(arrays, found, strict=True))


def test_another_genome_or_mix_is_another_run(request_, quick, tmp_path):
    request_ = replace(request_, cache=CacheSettings(features=False))
    interrupted(request_, 3)
    request = replace(request_, resume=True)
    with pytest.raises(InputError, match=r"--batchnorm-mix was 1\.0, now 0\.5"):
        fine_tune.fine_tune(replace(request, batchnorm_mix=0.5))
    other = write_fasta(tmp_path / "other.fa", random_sequence(50_000, 0.6))
    with pytest.raises(InputError, match=r"--batchnorm-from was \w+, now \w+"):
        fine_tune.fine_tune(replace(request, batchnorm_from=other))
    with pytest.raises(InputError, match=r"--batchnorm-from was \w+, now not given"):
        fine_tune.fine_tune(replace(request, batchnorm_from=None, batchnorm_mix="auto"))


def test_what_is_refused(request_, tmp_path):
    with pytest.raises(InputError, match="--batchnorm-mix requires --batchnorm-from"):
        replace(request_, batchnorm_from=None)
    with pytest.raises(InputError, match="--batchnorm-mix is 2"):
        replace(request_, batchnorm_mix=2)
    data = tmp_path / "elsewhere" / "training_data.h5"
    data.parent.mkdir()
    data.touch()
    for source in (data, data.parent):
        over = replace(request_, batchnorm_from=source, save_model_path=data, force=True)
        with pytest.raises(InputError, match=r"training_data\.h5: is read, and never overwritten"):
            fine_tune.fine_tune(over)
    with pytest.raises(InputError, match="no such file"):
        fine_tune.fine_tune(replace(request_, batchnorm_from=tmp_path / "none.fa"))
    write_model_file(request_.load_model_path, tiny_model(convs=1).to_file({}), force=True)
    with pytest.raises(InputError, match="has no batch normalisation"):
        fine_tune.fine_tune(request_)
