"""Training on labels that are predictions: what they may decide, and what is said of them."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from conftest import random_rows, tiny_model

from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.label_source import ANNOTATION, PREDICTIONS, LabelSource, SourceFile
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.settings import TrainingOptions, TrainingSettings
from helixer_ft.training import adapted_base, fine_tune
from helixer_ft.training.outcome import NOT_TRUSTED
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest
from tests.adaptation.genomes import random_sequence, write_fasta
from tests.data_files import PREDICTED, say_predictions, write_data_file
from tests.quick_engine import QuickEngine
from tests.training.test_resuming import Stopping, files, start

SETTINGS = TrainingSettings(
    epochs=3,
    batch_size=4,  # three batches an epoch
    val_test_batch_size=8,
    learning_rate=0.01,
    check_every_nth_batch=1,
    patience=99,
)
SETS = ("training", "validation")


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    """Nothing is compiled."""
    monkeypatch.setattr(fine_tune, "engine_class", lambda: QuickEngine)


@pytest.fixture
def request_(data_dir, model_path, tmp_path) -> FineTuneRequest:
    """Data whose labels are an annotation, as no file says otherwise."""
    return FineTuneRequest(
        strategy=Whole(),
        load_model_path=model_path,
        data_dir=data_dir,
        save_model_path=tmp_path / "out" / "tuned.h5",
        settings=SETTINGS,
    )


@pytest.fixture
def predicted(request_) -> FineTuneRequest:
    """The same data, their labels predictions."""
    for name in SETS:
        say_predictions(request_.data_dir / f"{name}_data.h5")
    return request_


def prepared(request: FineTuneRequest):
    request.save_model_path.parent.mkdir(exist_ok=True)
    return prepare_run(request, Stopping())


def history(request: FineTuneRequest) -> list[dict[str, str]]:
    path = request.save_model_path.with_suffix(".run") / "history.csv"
    return list(csv.DictReader(path.open()))


def place(request: FineTuneRequest) -> tuple[str, str]:
    """Epoch and batch of the model that is saved."""
    provenance = load_model(request.save_model_path).file.provenance
    return provenance["epoch"], provenance["batch"]


# -- what they decide --------------------------------------------------------------------------


def test_the_last_weights_are_kept_whatever_the_agreement(predicted):
    outcome = start(predicted, Stopping())
    f1 = [check.validation.genic_f1 for check in outcome.checks[1:]]
    assert len(f1) == 9
    assert max(f1) > f1[-1], "the last check is no better than others, or this shows nothing"
    assert place(predicted) == ("3", "3")
    assert outcome.best.number == 9
    assert [row["best"] for row in history(predicted)] == ["no"] + 9 * ["last"]
    assert outcome.ended == "all 3 epochs are done (--epochs)"
    assert not any(check.by_score for check in outcome.checks[1:])


def test_with_an_annotation_scores_decide(request_):
    outcome = start(request_, Stopping())
    rows = history(request_)[1:]
    f1 = [float(row["validation_genic_f1"]) for row in rows]
    best = max(range(9), key=lambda i: (f1[i], -float(rows[i]["validation_loss"])))
    assert outcome.best.number == best + 1 < 9
    assert place(request_) == (rows[best]["epoch"], rows[best]["batch"])
    assert {row["best"] for row in rows} == {"yes", "no"}


class Tasks(Stopping):
    """Keeps the names of the tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[str] = []

    def start(self, task, total, unit="", done=0):
        super().start(task, total, unit, done)
        self.tasks.append(task)


@pytest.mark.parametrize("are_predicted", [False, True])
def test_agreement_chooses_no_part_of_a_tuning(request_, are_predicted):
    if are_predicted:
        for name in SETS:
            say_predictions(request_.data_dir / f"{name}_data.h5")
    progress = Tasks()
    asked = replace(request_, settings=replace(SETTINGS, recipe="default"))
    outcome = start(asked, progress)
    parts = [task for task in progress.tasks if "of the tuning: validation data" in task]
    assert bool(parts) != are_predicted
    if are_predicted:
        assert outcome.share == 1
        assert outcome.best.number == 9


def test_patience_that_is_given_is_used(predicted):
    outcome = start(replace(predicted, settings=replace(SETTINGS, patience=1)), Stopping())
    assert outcome.ended == "no improvement in 1 checks (--patience)"
    checks = outcome.checks[1:]
    assert len(checks) < 9
    assert outcome.best.number == len(checks)
    assert checks[-1].failed_in_a_row == 1


def test_what_is_auto_is_chosen_for_predictions(predicted):
    asked = replace(predicted, settings=TrainingOptions(learning_rate=0.5))
    settings = prepared(asked).settings
    assert settings.epochs == settings.patience == 10
    assert settings.learning_rate == 0.5
    head = replace(asked, strategy=Freeze())
    assert prepared(head).settings.epochs == 10


def test_it_is_said_in_one_line(predicted, request_):
    run = prepared(predicted)
    assert run.notices[0] == (
        "labels: training predictions of teacher.h5; validation predictions of teacher.h5; "
        "agreement with predictions chooses nothing: the last weights are kept"
    )
    assert not [text for text in run.warnings if "predictions" in text]


def test_resumed_wherever_it_is_interrupted(predicted):
    once = start(predicted, Stopping())
    expected = files(predicted)
    shutil.rmtree(predicted.save_model_path.parent)
    for after in (9, 20):  # in the first and in the second epoch
        with pytest.raises(Interrupted):
            start(predicted, Stopping(after))
        resumed = start(replace(predicted, resume=True), Stopping())
        assert resumed.best.number == once.best.number == 9
        assert resumed.resumed_from[0] == (1 if after == 9 else 2)
        assert files(predicted) == expected
        shutil.rmtree(predicted.save_model_path.parent)


def test_a_run_is_not_resumed_on_labels_of_another_source(request_):
    with pytest.raises(Interrupted):
        start(request_, Stopping(12))
    say_predictions(request_.data_dir / "training_data.h5")
    say_predictions(request_.data_dir / "validation_data.h5")
    with pytest.raises(InputError, match="training data have changed"):
        prepare_run(replace(request_, resume=True), Stopping())


def test_agreement_chooses_no_mix_of_batch_norm_statistics(predicted, tmp_path, monkeypatch):
    monkeypatch.setattr(adapted_base, "engine_class", lambda: QuickEngine)
    write_model_file(predicted.load_model_path, tiny_model(convs=3).to_file({}), force=True)
    fasta = write_fasta(tmp_path / "genome.fa", random_sequence(50_000, 0.3))
    adaptation = prepared(replace(predicted, batchnorm_from=fasta)).adaptation
    assert adaptation.chosen_by == "shift"
    assert adaptation.mix == adaptation.recommended_mix
    assert adaptation.validation_f1 is None


# -- what is said of them ----------------------------------------------------------------------


def test_agreement_is_no_verdict(predicted):
    outcome = start(predicted, Stopping())
    assert not outcome.decisive.trusted
    assert outcome.verdict == "cannot tell"
    assert outcome.warnings[0].startswith(f"{NOT_TRUSTED}. Give data labelled by an annotation")
    said = " ".join(outcome.warnings)
    for word in ("optimistic", "overfitting", "genome blocks", "bases genic", "untouched model"):
        assert word not in said
    found = outcome.to_dict()
    assert found["verdict"] == "cannot tell"
    assert found["verdict_reason"] == NOT_TRUSTED
    assert found["data"]["training"]["label_sources"] == [
        {"kind": "predictions", "teachers": ["teacher.h5"]}
    ]


def test_trusted_test_data_give_the_verdict(predicted, test_path):
    outcome = start(replace(predicted, test_data=(test_path,)), Stopping())
    assert outcome.test.trusted
    assert not outcome.validation.trusted
    assert outcome.verdict == outcome.test.interval.verdict
    assert outcome.verdict_on == "test"
    assert outcome.best.number == 9
    found = outcome.to_dict()
    assert found["verdict_reason"] is None
    assert found["data"]["test"]["label_sources"] == [{"kind": "annotation", "teachers": []}]
    assert not [text for text in outcome.warnings if NOT_TRUSTED in text or "overfitting" in text]


def test_a_model_keeps_what_its_labels_were(predicted, test_path):
    source = replace(PREDICTED, fasta=SourceFile("g.fa", "0b"), seed=3, counts={"kept": 200})
    extra = predicted.data_dir / "training_data.more.h5"
    write_data_file(extra, random_rows(2, seed=5, seqid="chr5"))
    say_predictions(extra, source)
    start(replace(predicted, test_data=(test_path,)), Stopping())
    kept = json.loads(load_model(predicted.save_model_path).file.provenance["label_sources"])
    assert {name: list(map(LabelSource.from_dict, found)) for name, found in kept.items()} == {
        "training": [PREDICTED, source],
        "validation": [PREDICTED],
        "test": [LabelSource(ANNOTATION)],
    }


def test_a_model_of_an_annotation_says_nothing(request_):
    outcome = start(request_, Stopping())
    assert "label_sources" not in load_model(request_.save_model_path).file.provenance
    assert outcome.to_dict()["verdict_reason"] is None
    assert not [text for text in outcome.prepared.notices if "labels" in text]


# -- fingerprints ------------------------------------------------------------------------------


def fingerprint(request: FineTuneRequest) -> str:
    return prepared(request).summaries[0].fingerprint


def test_the_source_is_part_of_the_fingerprint(request_):
    path = request_.data_dir / "training_data.h5"
    original = path.read_bytes()
    found = {"nothing": fingerprint(request_)}
    asked = replace(request_, mix_label_sources=True)
    sources = {
        "annotation": (LabelSource(ANNOTATION), []),
        "predictions": (PREDICTED, slice(None)),
        "other": (replace(PREDICTED, seed=1), slice(None)),
        "half": (PREDICTED, slice(0, 6)),
    }
    for name, (source, rows) in sources.items():
        path.write_bytes(original)
        say_predictions(path, source, rows)
        found[name] = fingerprint(asked)
    assert found["annotation"] == found["nothing"]
    assert len(set(found.values())) == 4


def test_rows_that_are_not_used_do_not_count(request_, data_dir):
    """A row without a valid base neither trains nor makes the labels mixed."""
    rows = random_rows(6, seed=1, seqid="chr1")
    rows["err_samples"][:2] = False
    path = data_dir / "training_data.h5"
    write_data_file(path, rows)
    plain = fingerprint(request_)
    say_predictions(path, PREDICTED, slice(0, 2))
    run = prepared(request_)
    assert not run.summaries[0].is_predicted
    assert run.summaries[0].fingerprint == plain


# -- refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [Whole(), Freeze()])
def test_predicted_test_data_are_refused(request_, test_path, strategy):
    say_predictions(test_path, PREDICTED, [3])
    asked = replace(request_, strategy=strategy, test_data=(test_path,), mix_label_sources=True)
    with pytest.raises(InputError) as caught:
        prepared(asked)
    text = str(caught.value)
    assert text.startswith(f"{test_path}: its labels are predictions of teacher.h5 (in 1 of 50")
    assert "cannot judge a model" in text


@pytest.mark.parametrize(
    ("name", "rows"), [("training", slice(None)), ("validation", slice(None)), ("training", [0])]
)
def test_mixed_sources_are_refused_unless_asked_for(request_, name, rows):
    path = request_.data_dir / f"{name}_data.h5"
    say_predictions(path, PREDICTED, rows)
    with pytest.raises(InputError) as caught:
        prepared(request_)
    text = str(caught.value)
    assert "the labels of the training and validation data have different sources" in text
    assert f"predictions of teacher.h5: {path}" in text
    assert "annotation: " in text
    assert "--mix-label-sources" in text
    run = prepared(replace(request_, mix_label_sources=True))
    found = [text for text in run.warnings if "labels of different sources" in text]
    assert len(found) == 1
    assert "predictions of teacher.h5" in found[0]
    assert run.keeps_last == (name == "validation")


def test_where_nothing_is_mixed_the_option_says_so(request_, predicted):
    asked = replace(predicted, mix_label_sources=True)
    (said,) = [text for text in prepared(asked).notices if "--mix-label-sources" in text]
    assert "has no effect" in said
    assert "training predictions of teacher.h5; validation predictions of teacher.h5" in said
    path = request_.data_dir / "training_data.h5"
    write_data_file(path, random_rows(6, seed=1, seqid="chr1"))
    say_predictions(path, PREDICTED, [0])
    mixed = prepared(replace(request_, mix_label_sources=True))
    assert not [text for text in mixed.notices if "--mix-label-sources" in text]


def test_an_annotation_for_the_test_is_no_mixture(predicted, test_path):
    assert prepared(replace(predicted, test_data=(test_path,))).test is not None


def test_two_teachers_are_no_mixture(predicted, data_dir):
    extra = data_dir / "training_data.more.h5"
    write_data_file(extra, random_rows(2, seed=5, seqid="chr5"))
    say_predictions(extra, LabelSource(PREDICTIONS))
    run = prepared(predicted)
    assert run.summaries[0].labels_text == "predictions of teacher.h5, predictions"


def test_trusted_validation_data_choose_among_checks_of_predictions(request_):
    say_predictions(request_.data_dir / "training_data.h5")
    asked = replace(request_, mix_label_sources=True)
    outcome = start(asked, Stopping())
    assert outcome.decisive.trusted
    assert outcome.best.number < 9
    assert outcome.verdict == outcome.validation.interval.verdict


def test_the_permission_is_kept_with_the_options_and_binds_no_resumed_run(request_):
    say_predictions(request_.data_dir / "training_data.h5")
    asked = replace(request_, mix_label_sources=True)
    assert asked.options()["mix_label_sources"] is True
    assert "mix_label_sources" not in request_.options()
    with pytest.raises(Interrupted):
        start(asked, Stopping(12))
    assert start(replace(asked, resume=True), Stopping()).resumed_from is not None
