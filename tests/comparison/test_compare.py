"""Several strategies in one process: what each comes to alone, and no work done twice."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import add_coverage, random_rows, tiny_model

from helixer_ft.adaptation import adapt as adaptation
from helixer_ft.adaptation.adapt import adapt
from helixer_ft.adaptation.request import AdaptRequest
from helixer_ft.comparison import compare as library
from helixer_ft.comparison.candidates import ADAPTED, CANDIDATES, NAMES
from helixer_ft.comparison.compare import compare
from helixer_ft.comparison.folder import CompareFolder
from helixer_ft.comparison.outcome import CompareOutcome
from helixer_ft.comparison.progress import CompareProgress
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.comparison.time_limit import TimeLimit
from helixer_ft.dataset.dataset import FileRows
from helixer_ft.engine import EngineState
from helixer_ft.errors import HelixerFtError, InputError, Interrupted
from helixer_ft.formats.model_h5 import BATCHNORM, write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.settings import TrainingSettings
from helixer_ft.training import fine_tune
from helixer_ft.training.estimate import Estimate
from helixer_ft.training.features import Body
from helixer_ft.training.loop import Position
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_state import RunState, Training
from tests.data_files import write_data_file
from tests.quick_engine import use_quick

SETTINGS = TrainingSettings(
    epochs=2, batch_size=4, val_test_batch_size=8, learning_rate=0.01, patience=99
)


class Watching(CompareProgress):
    """Keeps what it is told; asks to stop at the `after`th step of its tasks (0: never)."""

    def __init__(self, after: int = 0) -> None:
        self.after = after
        self.steps = 0
        self.tasks: list[str] = []
        self.notices: list[str] = []
        self.warnings: list[str] = []
        self.trainings: list[tuple[int, int, str]] = []
        self.results: dict[str, str] = {}

    def notice(self, text):
        self.notices.append(text)

    def warning(self, text):
        self.warnings.append(text)

    def start(self, task, total, unit="", done=0):
        self.tasks.append(task)

    def training(self, number, total, name, strategy):
        self.trainings.append((number, total, name))

    def trained(self, name, text):
        self.results[name] = text

    def interrupted(self):
        self.steps += 1
        return self.steps == self.after


@pytest.fixture
def quick(monkeypatch) -> None:
    """Nothing is compiled: for tests of what is done when."""
    use_quick(monkeypatch)


@pytest.fixture
def request_(data_dir, model_path, test_path, tmp_path) -> CompareRequest:
    return CompareRequest(
        load_model_paths=(model_path,),
        data_dir=data_dir,
        out_dir=tmp_path / "new" / "out",
        test_data=(test_path,),
        settings=SETTINGS,
        command_line="helixer-ft compare",
    )


def with_reads(request: CompareRequest) -> CompareRequest:
    for path in (*request.data_dir.glob("*.h5"), *request.test_data):
        add_coverage(path, "leaf")
    return request


def scores(outcome: CompareOutcome) -> dict[str, list]:
    """Everything that a result consists of, time aside."""
    return {
        row.name: [
            *(row.strategy, row.model, str(row.path), row.trainable_parameters, row.verdict),
            *((on, score.counts.tolist(), score.loss) for on, score in row.scores.items()),
            *(compared.intervals for compared in row.compared.values()),
        ]
        for row in outcome.rows
    }


# -- the same as alone, and nothing twice -------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("hidden-layer-coverage", "head-then-whole"),
        pytest.param(tuple(name for name in NAMES if name != ADAPTED), marks=pytest.mark.slow),
    ],
)
def test_each_strategy_comes_to_what_it_comes_to_alone(request_, tmp_path, names):
    request_ = with_reads(request_)
    outcome = compare(replace(request_, strategies=names))
    assert [row.name for row in outcome.rows] == ["base", *names]
    assert outcome.complete
    candidates = [one for one in CANDIDATES if one.name in names]
    for candidate, row in zip(candidates, outcome.rows[1:], strict=True):
        start = request_.load_model_paths[0]
        if candidate.from_best_head:
            start = outcome.request.out_dir / f"{outcome.trained[row.name].started_from}.h5"
        alone = tmp_path / "alone" / f"{candidate.name}.h5"
        alone.parent.mkdir(exist_ok=True)
        single = fine_tune.fine_tune(
            FineTuneRequest(
                candidate.strategy,
                load_model_path=start,
                data_dir=request_.data_dir,
                test_data=request_.test_data,
                save_model_path=alone,
                settings=SETTINGS,
            )
        )
        histories = [
            (RunFolder(path).path / "history.csv").read_text() for path in (alone, row.path)
        ]
        assert histories[0] == histories[1], candidate.name
        one, other = load_model(alone).weights, load_model(row.path).weights
        assert one.keys() == other.keys()
        for name in one:
            for a, b in zip(one[name], other[name], strict=True):
                np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(
            single.test.tuned.counts, row.compared["test"].tuned.counts, candidate.name
        )
        if not candidate.from_best_head:  # which is compared with the head there
            assert single.test.intervals == row.compared["test"].intervals
        assert not (RunFolder(row.path).path / "without_coverage.h5").exists()
    heads = [
        row for row in outcome.rows if outcome.trained.get(row.name) and "freeze" in row.strategy
    ]
    best = max(heads, key=lambda row: row.validation_f1)
    assert outcome.trained["head-then-whole"].started_from == best.name


def test_nothing_is_read_decoded_or_computed_twice(request_, monkeypatch):
    request_ = with_reads(request_)
    counted: Counter[str] = Counter()

    def counting(owner, name, key):
        plain = getattr(owner, name)

        def call(self, *arguments):
            counted[key] += len(arguments[-1])
            return plain(self, *arguments)

        monkeypatch.setattr(owner, name, call)

    counting(FileRows, "decode", "decoded")
    counting(FileRows, "read_coverage", "coverage")
    counting(Body, "features", "body")
    progress = Watching()
    compare(replace(request_, strategies=("head", "kept-head", "head-coverage", "whole")), progress)
    n = 12 + 8 + 50
    assert counted == {"decoded": n, "coverage": n, "body": n}
    untouched = [task for task in progress.tasks if "untouched" in task]
    assert untouched == [
        f"base: scoring the untouched model: {name} data"
        for name in ("training", "validation", "test")
    ]
    assert [task for task in progress.tasks if "frozen body" in task] == [
        f"base: evaluating the frozen body: {name} data"
        for name in ("validation", "training", "test")
    ]


def test_the_output_of_the_body_is_freed_before_other_layers_train(request_, quick, monkeypatch):
    """So that a comparison takes no more memory than a single run."""
    kept = {}
    plain = library.fine_tune

    def watched(asked, *arguments, workbench, **options):
        outcome = plain(asked, *arguments, workbench=workbench, **options)
        kept[asked.save_model_path.stem] = workbench._features is not None
        return outcome

    monkeypatch.setattr(library, "fine_tune", watched)
    compare(replace(request_, strategies=("head", "kept-head", "whole", "head-then-whole")))
    assert kept == {"head": True, "kept-head": True, "whole": False, "head-then-whole": False}


# -- what is written, and what is said ----------------------------------------------------------


def test_files_and_progress(request_, quick):
    progress, pages = Watching(), []
    outcome = compare(
        replace(request_, strategies=("whole", "head")),
        progress,
        page=lambda found, path: pages.append((found, path)),
    )
    folder = request_.out_dir
    assert {path.name for path in folder.iterdir()} == {
        *("head.h5", "head.run", "whole.h5", "whole.run", "compare.json")
    }
    assert json.loads((folder / "compare.json").read_text()) == json.loads(
        json.dumps(outcome.to_dict())
    )
    assert pages == [(outcome, folder / "report.html")]
    assert progress.trainings == [(1, 2, "head"), (2, 2, "whole")]
    assert list(progress.results) == ["head", "whole"]
    assert progress.results["head"] == outcome.rows[1].text
    assert "head: epoch 1" in progress.tasks
    assert "whole: epoch 2" in progress.tasks
    row = outcome.to_dict()["models"][1]
    assert row["test"]["genic_f1"] == outcome.rows[1].scores["test"].genic_f1
    assert row["difference"]["test"]["f1"].keys() == outcome.rows[1].scores["test"].scores.keys()


def test_a_page_that_fails_is_a_warning(request_, quick):
    def page(*_):
        raise RuntimeError("no fonts")

    progress = Watching()
    outcome = compare(replace(request_, strategies=("kept-head",)), progress, page=page)
    assert outcome.complete
    assert "report.html: the report could not be written: no fonts" in progress.warnings[-1]


# -- what cannot be trained ---------------------------------------------------------------------


def test_what_the_data_or_the_model_do_not_allow_is_left_out(request_, model_path, quick):
    write_model_file(model_path, tiny_model(convs=1).to_file({}), force=True)
    outcome = compare(request_)
    assert [row.name for row in outcome.rows[1:]] == [
        *("head", "hidden-layer", "kept-head", "whole", "head-then-whole")
    ]
    assert list(outcome.left_out) == [
        *("adapted", "head-coverage", "hidden-layer-coverage", "whole-batchnorm")
    ]
    assert "no batch normalisation" in outcome.left_out["adapted"]
    assert "rnaseq" in outcome.left_out["head-coverage"]
    assert "no batch normalisation" in outcome.left_out["whole-batchnorm"]
    assert outcome.complete
    assert outcome.to_dict()["left_out"] == dict(outcome.left_out)


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        (("head", "head-coverage"), "--strategies head-coverage: .*rnaseq"),
        (("whole-batchnorm",), "--strategies whole-batchnorm: .*no batch normalisation"),
    ],
)
def test_what_was_asked_for_by_name_is_refused(request_, model_path, strategies, message):
    write_model_file(model_path, tiny_model(convs=1).to_file({}), force=True)
    with pytest.raises(InputError, match=message):
        compare(replace(request_, strategies=strategies))
    assert not request_.out_dir.parent.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"strategies": ("heads",)},
            "--strategies has heads, expected names among adapted, head, hidden",
        ),
        ({"strategies": ("head-then-whole",)}, "starts from the best head, but no head"),
        ({"load_model_paths": ()}, "no --load-model-path"),
        ({"load_model_paths": (Path("a"), Path("./a"))}, "given twice"),
        ({"time_limit": 0.0}, "--time-limit is 0 s"),
    ],
)
def test_requests_that_make_no_sense(request_, changes, message):
    with pytest.raises(InputError, match=message):
        replace(request_, **changes)


def test_bad_data_end_the_work_before_anything_is_written(request_):
    rows = random_rows(4, seed=2, seqid="chr2")
    rows["sample_weights"][:] = 0
    write_data_file(request_.data_dir / "validation_data.h5", rows)
    with pytest.raises(InputError, match="validation data have no valid base"):
        compare(request_)
    assert not request_.out_dir.parent.exists()


def test_a_training_that_fails_does_not_keep_the_others_from_theirs(request_, quick, monkeypatch):
    plain, broken = library.fine_tune, ["kept-head"]

    def failing(asked, *arguments, **options):
        if asked.save_model_path.stem in broken:
            raise HelixerFtError("the loss is not a number.")
        return plain(asked, *arguments, **options)

    monkeypatch.setattr(library, "fine_tune", failing)
    request_ = replace(request_, strategies=("head", "kept-head", "whole"))
    progress = Watching()
    outcome = compare(request_, progress)
    assert [row.name for row in outcome.rows] == ["base", "head", "whole"]
    assert outcome.failed == {"kept-head": "the loss is not a number."}
    assert progress.warnings == ["kept-head: the loss is not a number. The others go on."]
    assert not outcome.complete
    broken.clear()
    again = Watching()
    outcome = compare(replace(request_, resume=True), again)
    assert [name for _, _, name in again.trainings] == ["kept-head"]
    assert outcome.complete
    assert outcome.failed == {}


# -- several models -----------------------------------------------------------------------------


@pytest.fixture
def two_models(request_, tmp_path) -> CompareRequest:
    """The second one is the better one, by QuickEngine's arithmetic or another."""
    other = tmp_path / "other.h5"
    write_model_file(other, tiny_model(3).to_file({}))
    return replace(
        request_,
        load_model_paths=(*request_.load_model_paths, other),
        strategies=("head", "kept-head"),
    )


def test_of_several_models_the_best_untouched_one_is_tuned(two_models, quick):
    outcome = compare(two_models)
    untouched = {row.name: row.validation_f1 for row in outcome.rows if not row.is_tuned}
    assert list(untouched) == ["base", "other"]
    best = max(untouched, key=untouched.get)
    assert untouched["base"] != untouched["other"]
    assert outcome.chosen_models == (best,)
    assert [(row.name, row.model) for row in outcome.rows[2:]] == [
        *(("head", best), ("kept-head", best))
    ]
    (note,) = outcome.notes()
    assert f"Tuned: {best}, the best" in note
    assert "--train-all-models" in note


def test_all_models_can_be_tuned(two_models, quick):
    outcome = compare(replace(two_models, train_all_models=True))
    assert [row.name for row in outcome.rows] == [
        *("base", "other", "base.head", "base.kept-head", "other.head", "other.kept-head")
    ]
    assert all(row.path.is_file() for row in outcome.rows)
    assert outcome.notes() == []


def test_models_of_one_name_are_told_apart(two_models, model_path, tmp_path, quick):
    folder = tmp_path / "b"
    folder.mkdir()
    twin = (tmp_path / "other.h5").rename(folder / "base.h5")
    outcome = compare(replace(two_models, load_model_paths=(model_path, twin)))
    assert [row.name for row in outcome.rows[:2]] == ["1-base", "2-base"]


def test_a_model_that_cannot_be_loaded_does_not_keep_the_others_from_theirs(two_models, quick):
    broken = two_models.load_model_paths[1]
    broken.write_bytes(b"not a model")
    progress = Watching()
    outcome = compare(two_models, progress)
    assert list(outcome.failed) == ["other"]
    assert "other.h5" in outcome.failed["other"]
    assert [row.name for row in outcome.rows] == ["base", "head", "kept-head"]
    assert any(text.startswith("other: ") for text in progress.warnings)
    assert outcome.complete


def test_where_no_model_can_be_loaded_the_first_error_is_raised(two_models):
    for path in two_models.load_model_paths:
        path.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"base\.h5"):
        compare(two_models)


# -- interrupted and resumed --------------------------------------------------------------------


@pytest.mark.slow
def test_resumed_wherever_it_is_interrupted(request_, quick, tmp_path):
    request_ = replace(request_, strategies=("head", "whole", "head-then-whole"))
    once = compare(request_)
    whole = Watching()
    compare(replace(request_, out_dir=tmp_path / "counted"), whole)
    trained: list[list[str]] = []
    for after in range(4, whole.steps + 1, 9):
        again = replace(request_, out_dir=tmp_path / f"again{after}")
        with pytest.raises(Interrupted) as caught:
            compare(again, Watching(after))
        progress = Watching()
        outcome = compare(replace(again, resume=True), progress)
        trained.append([name for _, _, name in progress.trainings])
        if "nothing was" not in str(caught.value):
            assert "Done before: " in str(caught.value)
        found, expected = scores(outcome), scores(once)
        for name in expected:  # but for the paths
            found[name].pop(2), expected[name].pop(2)
        assert found == expected
        assert not CompareFolder(again).is_unfinished
        for name in request_.strategies:
            one, other = (
                (RunFolder(folder.out_dir / f"{name}.h5").path / "history.csv").read_text()
                for folder in (request_, again)
            )
            assert one == other
    assert trained[0] == list(request_.strategies)
    assert ["whole", "head-then-whole"] in trained
    assert ["head-then-whole"] in trained


def test_a_training_is_resumed_where_it_was(request_, quick):
    request_ = replace(request_, strategies=("whole",))
    with pytest.raises(Interrupted, match=r"whole: .*after epoch 1, batch 2.*Done before: 0 of 1"):
        compare(request_, Watching(6 + 9 + 2))
    progress = Watching()
    compare(replace(request_, resume=True), progress)
    assert "whole: resuming after epoch 1, batch 2" in progress.notices


def test_what_is_refused_in_the_folder_of_another_comparison(request_, quick, model_path):
    request_ = replace(request_, strategies=("head", "kept-head"))
    with pytest.raises(Interrupted):
        compare(request_, Watching(36))
    with pytest.raises(InputError, match=r"unfinished comparison\. Resume it with --resume"):
        compare(request_)
    again = replace(request_, resume=True)
    other = replace(again, settings=replace(SETTINGS, learning_rate=0.5))
    with pytest.raises(InputError, match=r"--learning-rate was 0\.01, now 0\.5"):
        compare(other)
    with pytest.raises(InputError, match="test data are missing now"):
        compare(replace(again, test_data=()))
    model = model_path.read_bytes()
    write_model_file(model_path, tiny_model(5).to_file({}), force=True)
    with pytest.raises(InputError, match=r"model base \(-l\) has changed"):
        compare(again)
    model_path.write_bytes(model)
    write_data_file(request_.data_dir / "training_data.h5", random_rows(6, seed=9))
    with pytest.raises(InputError, match="training data have changed"):
        compare(again)
    write_data_file(request_.data_dir / "training_data.h5", random_rows(6, seed=1, seqid="chr1"))
    outcome = compare(again)
    assert outcome.complete
    with pytest.raises(InputError, match="complete: there is nothing to resume"):
        compare(again)
    with pytest.raises(InputError, match=r"is there already.*--force"):
        compare(request_)
    assert scores(compare(replace(request_, force=True))) == scores(outcome)


def test_a_model_with_phase_and_one_without(request_, quick, model_path):
    """Each reads what it needs of the data, and both are compared and resumed."""
    plain = model_path.with_name("plain.h5")
    write_model_file(plain, tiny_model(phase=False).to_file({}))
    request_ = replace(
        request_, load_model_paths=(model_path, plain), strategies=("head",), train_all_models=True
    )
    with pytest.raises(Interrupted):
        compare(request_, Watching(45))
    outcome = compare(replace(request_, resume=True))
    assert outcome.complete
    assert not outcome.failed
    assert {row.model for row in outcome.rows} == {"base", "plain"}


def test_a_model_that_is_read_is_never_overwritten(request_, model_path):
    request_.out_dir.mkdir(parents=True)
    path = request_.out_dir / "head.h5"
    path.write_bytes(model_path.read_bytes())
    with pytest.raises(InputError, match=r"head.h5: is read.*--out-dir"):
        compare(replace(request_, load_model_paths=(path,), force=True))


def test_nor_is_what_statistics_are_taken_of(request_, enough):
    request_.out_dir.mkdir(parents=True)
    path = request_.out_dir / "adapted.h5"
    path.write_bytes(request_.test_data[0].read_bytes())
    with pytest.raises(InputError, match=r"adapted.h5: is read.*--out-dir"):
        compare(replace(request_, batchnorm_from=path, force=True))


def test_a_tuned_model_that_is_gone_is_made_again(request_, quick):
    request_ = replace(request_, strategies=("head", "kept-head"))
    with pytest.raises(Interrupted):
        compare(request_, Watching(55))
    (request_.out_dir / "head.h5").unlink()
    progress = Watching()
    compare(replace(request_, resume=True, force=True), progress)
    assert progress.trainings[0][2] == "head"


# -- the time limit -----------------------------------------------------------------------------


def test_of_an_interrupted_training_the_rest_has_to_fit(monkeypatch):
    one_epoch = Estimate(0.0, 1000.0, 0.0, 0, None, None, None, 8, None)
    monkeypatch.setattr("helixer_ft.comparison.time_limit.estimate", lambda _: one_epoch)
    position = Position(epoch=8, batch=1, engine=EngineState({}, []))
    state = RunState(Path(), {}, {}, trainings={"tuned": Training("tuned", {}, position=position)})
    whole = next(one for one in CANDIDATES if one.name == "whole")
    for resumed, late in ((state, False), (None, True)):
        prepared = SimpleNamespace(settings=SimpleNamespace(epochs=9), resumed=resumed)
        assert TimeLimit(2500.0).is_exceeded_by(prepared, whole) == late


def test_what_does_not_fit_into_the_time_is_not_begun(request_, quick, monkeypatch):
    seconds = {"freeze + new head": 10.0, "whole network": 1000.0}
    asked = []

    def estimated(prepared):
        asked.append(prepared.request.save_model_path.stem)
        one = seconds[prepared.plan.strategy]
        return Estimate(1.0, one, 0.0, 0, None, None, None, 8, None)

    monkeypatch.setattr("helixer_ft.comparison.time_limit.estimate", estimated)
    names = ("head", "whole", "head-then-whole")
    request_ = replace(request_, strategies=names, time_limit=1500.0)
    outcome = compare(request_)
    assert asked == ["head", "whole"]  # what comes later is not even tried
    assert outcome.not_begun == ("whole", "head-then-whole")
    assert not outcome.complete
    assert "Not begun" in outcome.notes()[-1]
    seconds["whole network"] = 100.0  # two epochs, as --epochs has it
    outcome = compare(replace(request_, resume=True))
    assert outcome.complete
    assert [row.name for row in outcome.rows[1:]] == list(names)


def test_an_expired_limit_is_seen_without_an_estimate(request_, quick, monkeypatch):
    monkeypatch.setattr("helixer_ft.comparison.time_limit.estimate", None)
    outcome = compare(replace(request_, strategies=("head",), time_limit=1e-9))
    assert outcome.not_begun == ("head",)
    assert outcome.recommendation.row.name == "base"
    assert outcome.recommendation.reasons == ("Nothing was tuned.",)


# -- the adapted model --------------------------------------------------------------------------


@pytest.fixture
def enough(monkeypatch) -> None:
    """However little sequence there is, it is enough to adapt to."""
    monkeypatch.setattr(adaptation, "count_bases", lambda source: 10**6)


def batchnorm_of(path: Path) -> dict | None:
    """What a file says of its batch-norm statistics."""
    found = load_model(path).file.provenance.get(BATCHNORM)
    return None if found is None else json.loads(found)


@pytest.mark.parametrize("better", [True, False])
def test_the_adapted_model_is_a_row_and_heads_start_from_it_where_it_helps(
    request_, tmp_path, monkeypatch, enough, better
):
    monkeypatch.setattr(library.Comparing, "_adapted_is_better", lambda self, label: better)
    names = ("adapted", "head", "whole")
    request_ = replace(request_, strategies=names, batchnorm_mix=0.5)
    outcome = compare(request_)
    assert [row.name for row in outcome.rows] == ["base", *names]
    untouched, adapted, *_ = outcome.rows
    assert (adapted.trainable_parameters, adapted.strategy) == (0, "batch norm of the data")
    assert adapted.scores["test"].loss != untouched.scores["test"].loss
    alone = tmp_path / "alone.h5"
    source = request_.data_dir
    adapt(AdaptRequest(request_.load_model_paths[0], source, alone, batchnorm_mix=0.5))
    ours, theirs = (load_model(path).weights for path in (adapted.path, alone))
    for name, arrays in theirs.items():
        assert all(map(np.array_equal, arrays, ours[name]))
    folder = CompareFolder(request_)
    assert batchnorm_of(folder.model("adapted"))["mix"] == 0.5
    started = batchnorm_of(folder.model("head"))
    assert (started or {}).get("mix") == (0.5 if better else None)
    assert batchnorm_of(folder.model("whole")) is None


def test_other_statistics_are_another_comparison(request_, quick, enough, tmp_path):
    """By what the file holds, wherever it lies."""
    genome = tmp_path / "genome.h5"
    genome.write_bytes(request_.test_data[0].read_bytes())
    request_ = replace(request_, strategies=("adapted", "head"), batchnorm_from=genome)
    with pytest.raises(Interrupted):
        compare(request_, Watching(30))
    assert CompareFolder(request_).model("adapted").exists()
    moved = genome.rename(tmp_path / "moved.h5")
    again = replace(request_, batchnorm_from=moved, resume=True)
    whole = moved.read_bytes()
    write_data_file(moved, random_rows(6, seed=9))
    with pytest.raises(InputError, match=r"--batchnorm-from was \w+, now \w+"):
        compare(again)
    moved.write_bytes(whole)
    assert compare(again).complete


def test_the_adapted_model_is_better_by_validation_data(request_, quick, enough):
    outcome = compare(replace(request_, strategies=("adapted", "head")))
    untouched, adapted, _ = outcome.rows
    better = adapted.validation_f1 > untouched.validation_f1
    started = batchnorm_of(CompareFolder(request_).model("head"))
    assert (started is not None) == better


def test_with_little_sequence_the_adapted_model_is_left_out_unless_it_was_asked_for(
    request_, quick
):
    outcome = compare(request_)
    assert "expected at least 100,000" in outcome.left_out["adapted"]
    assert outcome.complete
    assert not outcome.failed
    asked = replace(request_, strategies=("adapted", "head"), force=True)
    assert "expected at least 100,000" in compare(asked).failed["adapted"]


def test_what_the_adapted_model_is_made_of(request_, tmp_path, enough):
    """The data, or what --batchnorm-from names."""
    found = []
    for source in (None, request_.test_data[0]):
        asked = replace(
            request_, strategies=("adapted",), batchnorm_from=source, batchnorm_mix=1.0, force=True
        )
        compare(asked)
        found.append(batchnorm_of(CompareFolder(request_).model("adapted"))["sources"])
    assert len(found[0]) == 2
    assert len(found[1]) == 1
    assert not found[0].keys() & found[1].keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": ("head",)}, "which --strategies leaves out. Add adapted to it"),
        ({}, "expected at least 100,000 of both strands"),
    ],
)
def test_batchnorm_from_is_checked_before_anything_is_done(request_, changes, message):
    with pytest.raises(InputError, match=message):
        compare(replace(request_, batchnorm_from=request_.test_data[0], **changes))
    assert not request_.out_dir.parent.exists()


def test_statistics_are_measured_once_for_all_heads(request_, quick, monkeypatch, enough):
    """Once for the adapted model, once for all that start from it."""
    measured, own = [], adaptation.measure
    monkeypatch.setattr(
        adaptation, "measure", lambda *arguments: (measured.append(1), own(*arguments))[1]
    )
    monkeypatch.setattr(library.Comparing, "_adapted_is_better", lambda self, label: True)
    names = ("adapted", "head", "hidden-layer", "kept-head")
    outcome = compare(replace(request_, strategies=names, batchnorm_mix=0.5))
    assert len(measured) == 2
    folder = CompareFolder(request_)
    assert {batchnorm_of(folder.model(name))["mix"] for name in names} == {0.5}
    assert outcome.complete
