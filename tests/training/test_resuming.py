"""A run that is interrupted and goes on comes to what it comes to in one go, bit for bit."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import add_coverage, random_rows, tiny_model

from helixer_ft.engine import engine_class
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.runtime.backend import BIT_IDENTICAL_GPU, FLOAT_TOLERANCE
from helixer_ft.settings import CacheSettings, TrainingOptions, TrainingSettings
from helixer_ft.training import fine_tune, record
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.outcome import Outcome
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder
from helixer_ft.training.run_state import RunState, read_run_state
from tests.data_files import write_data_file
from tests.plans import plan_whole
from tests.quick_engine import QuickEngine

SETTINGS = TrainingSettings(
    epochs=2,
    batch_size=4,  # three batches an epoch
    val_test_batch_size=8,  # one batch a set, but seven of the test data
    accumulate=2,
    learning_rate=0.01,
    check_every_nth_batch=2,
    save_every_check=True,
    patience=99,
)


class Stopping(TrainingProgress):
    """Asks to stop at the `after`th step of training and scoring; 0: never."""

    def __init__(self, after: int = 0) -> None:
        self.after = after
        self.steps = 0
        self.task = ""
        self.notices: list[str] = []
        self.checks: list[int] = []

    def start(self, task, total, unit="", done=0):
        self.task = task

    def notice(self, text):
        self.notices.append(text)

    def check(self, check):
        self.checks.append(check.number)

    def interrupted(self):
        if self.task.startswith("evaluating the frozen body"):
            return False
        self.steps += 1
        return self.steps == self.after


@pytest.fixture
def quick(monkeypatch) -> None:
    """Nothing is compiled: for tests of what is written when."""
    monkeypatch.setattr(fine_tune, "engine_class", lambda: QuickEngine)


@pytest.fixture
def request_(data_dir, model_path, test_path, tmp_path) -> FineTuneRequest:
    """A model with batch norm and dropout."""
    write_model_file(model_path, tiny_model(dropout=0.3).to_file({}), force=True)
    return FineTuneRequest(
        strategy=Whole(),
        load_model_path=model_path,
        data_dir=data_dir,
        test_data=(test_path,),
        save_model_path=tmp_path / "out" / "tuned.h5",
        settings=SETTINGS,
        command_line="helixer-ft whole",
    )


def start(request: FineTuneRequest, progress: TrainingProgress) -> Outcome:
    """A process of its own, as far as it matters."""
    request.save_model_path.parent.mkdir(exist_ok=True)
    return fine_tune.run(prepare_run(request, TrainingProgress()), progress)


def files(request: FineTuneRequest) -> dict[str, bytes]:
    folder = request.save_model_path.parent
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def uninterrupted(request: FineTuneRequest) -> tuple[Outcome, dict[str, bytes]]:
    """What the run comes to in one go; nothing is left of it."""
    outcome = start(request, Stopping())
    written = files(request)
    shutil.rmtree(request.save_model_path.parent)
    return outcome, written


def state_of(request: FineTuneRequest) -> RunState:
    return read_run_state(RunFolder(request.save_model_path).state_path)


def run_in_pieces(
    request: FineTuneRequest,
    pieces: Sequence[tuple[int, str]],
    look: Callable[[RunState], None] = lambda _: None,
) -> Outcome:
    """Interrupt the run after some steps, let it go on, and so on.

    `pieces` are the steps of each process, and where it then says that the run will go on; `look`
    is shown the state each time.
    """
    for i, (after, place) in enumerate(pieces):
        with pytest.raises(Interrupted, match=place):
            start(replace(request, resume=i > 0), Stopping(after))
        look(state_of(request))
    # what is written down is the command that started the run
    return start(replace(request, resume=True, command_line="helixer-ft again"), Stopping())


def assert_same(one: tuple[Outcome, dict[str, bytes]], other: tuple[Outcome, dict[str, bytes]]):
    assert one[1].keys() == other[1].keys()
    assert [name for name in one[1] if one[1][name] != other[1][name]] == []
    for name in ("validation", "test"):
        for which in ("baseline", "tuned"):
            a, b = (getattr(getattr(outcome, name), which) for outcome in (one[0], other[0]))
            np.testing.assert_array_equal(a.counts, b.counts)
            assert a.loss == b.loss
        assert getattr(one[0], name).interval == getattr(other[0], name).interval
    assert one[0].ended == other[0].ended
    assert (one[0].best.number, one[0].warnings) == (other[0].best.number, other[0].warnings)


def test_whole_wherever_it_is_interrupted(request_):
    """In scores of the untouched model, between two updates, in a check, at an epoch's end."""
    once = uninterrupted(request_)
    pieces = (
        (2, "after the scores of the untouched model"),
        (9, "after epoch 1, batch 1"),  # 8 steps of scoring before
        (2, "after epoch 1, batch 2"),  # in the scores of the check
        (4, "after epoch 1, batch 3"),  # in those of the check at the epoch's end
        (12, "after epoch 2, batch 3"),  # in those of the tuned model on test data
    )
    states: list[RunState] = []
    outcome = run_in_pieces(request_, pieces, states.append)
    assert [set(state.baseline) for state in states[:2]] == [
        {"training"}, {"training", "validation", "test"}
    ]  # fmt: skip
    between, in_check = (state.trainings["tuned"].position for state in states[1:3])
    ((n, gradients),) = between.engine.accumulated
    assert n == 4
    assert any(gradient.any() for gradient in gradients)
    assert (between.check_is_due, [n for n, _ in between.losses]) == (False, [4])
    assert (in_check.check_is_due, [n for n, _ in in_check.losses]) == (True, [4, 4])
    assert in_check.engine.accumulated == []
    assert states[2].trainings["tuned"].checks == []
    assert outcome.resumed_from == (2, 3)
    assert once[0].resumed_from is None
    assert_same(once, (outcome, files(request_)))
    names = set(once[1])
    assert {"tuned.h5", "tuned.run/history.csv", "tuned.run/config.toml"} < names
    assert len(names) == 3 + 4  # a model of every check, and no state any more


def test_the_default_recipe_wherever_it_is_interrupted(request_):
    """The learning rate goes on from update to update, and so does the average."""
    request_ = replace(request_, settings=replace(SETTINGS, recipe="default"))
    once = uninterrupted(request_)
    states: list[RunState] = []
    pieces = (
        (2 + 7 + 2, "after epoch 1, batch 2"),
        (4, "after epoch 1, batch 3"),
        (3, "after epoch 2, batch 1"),
    )
    outcome = run_in_pieces(request_, pieces, states.append)
    positions = [state.trainings["tuned"].position for state in states]
    assert [position.updates for position in positions] == [1, 2, 2]
    arrays = positions[1].engine.variables
    present = arrays["trainable"] + arrays["fixed"]
    assert len(arrays["average"]) == len(present)
    assert not all(map(np.array_equal, arrays["average"], present))
    assert_same(once, (outcome, files(request_)))


def test_interrupted_when_all_is_trained(request_, quick):
    """What is still to be done with the outcome is done when the run goes on."""
    progress, outcomes = TrainingProgress(), []

    def killed(outcome: Outcome) -> None:
        outcomes.append(outcome)
        raise KeyboardInterrupt

    request_.save_model_path.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        fine_tune.run(prepare_run(request_, progress), progress, killed)
    written = files(request_)
    assert state_of(request_).trainings["tuned"].ended
    resumed = prepare_run(replace(request_, resume=True), progress)
    outcomes.append(fine_tune.run(resumed, progress, outcomes.append))
    assert outcomes[1] is outcomes[2]
    assert outcomes[1].validation.interval == outcomes[0].validation.interval
    assert files(request_) == {name: written[name] for name in written if "state" not in name}


def test_a_new_hidden_layer_on_cached_features(request_):
    request_ = replace(request_, strategy=Freeze(post_coverage_hidden_layer=True))
    once = uninterrupted(request_)
    pieces = (
        (12, "after epoch 1, batch 2.*evaluate the frozen body again"),
        (6, "after epoch 2, batch 1"),
    )
    outcome = run_in_pieces(request_, pieces)
    assert_same(once, (outcome, files(request_)))


@pytest.mark.usefixtures("quick")
def test_both_trainings_of_a_head_with_coverage(request_, data_dir, test_path):
    check_both_trainings(request_, data_dir, test_path, cached=False)


def test_a_frozen_body_is_not_written_again_and_again(request_, quick):
    request_ = replace(request_, strategy=Freeze(), cache=CacheSettings(features=False))
    with pytest.raises(Interrupted):
        start(request_, Stopping(25))
    best = state_of(request_).trainings["tuned"].best
    assert best is not None
    assert [one.layer for one in best.weights] == ["dense"]
    start(replace(request_, resume=True), Stopping())
    written, base = (
        load_model(path).weights for path in (request_.save_model_path, request_.load_model_path)
    )
    assert written.keys() == base.keys()
    assert all(map(np.array_equal, written["conv1d"], base["conv1d"]))


@pytest.mark.slow
def test_both_trainings_of_a_head_with_coverage_on_cached_features(request_, data_dir, test_path):
    check_both_trainings(request_, data_dir, test_path, cached=True)


def check_both_trainings(request_, data_dir, test_path, *, cached):
    for path in (data_dir / "training_data.h5", data_dir / "validation_data.h5", test_path):
        add_coverage(path, "leaf")
    request_ = replace(
        request_,
        strategy=Freeze(input_coverage=True, ablate_coverage=True),
        cache=CacheSettings(features=cached),
    )
    once = uninterrupted(request_)
    pieces = (
        (11, "after epoch 1, batch 2 of the training without coverage"),
        (15, "after epoch 2, batch 3 of the training without coverage"),  # in its test scores
        (10, "after epoch 1, batch 2 of the training with coverage"),
        (22, "after epoch 2, batch 3 of the training with coverage"),  # with silenced tracks
    )
    outcome = run_in_pieces(request_, pieces)
    both = once[0].coverage, outcome.coverage
    assert both[0].checks == both[1].checks
    assert both[0].without.interval == both[1].without.interval
    np.testing.assert_array_equal(*(coverage.silenced.counts for coverage in both))
    assert "tuned.run/without_coverage.h5" in once[1]
    assert_same(once, (outcome, files(request_)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": Freeze()},
        {"strategy": Freeze(keep_head=True)},
        {"strategy": Freeze(), "cache": CacheSettings(features=False)},
        {"strategy": Whole(freeze_batchnorm=True)},
        {"settings": replace(SETTINGS, precision="mixed_float16")},
        {"settings": replace(SETTINGS, patience=1, learning_rate=0.5, epochs=20)},
    ],
)
def test_other_runs(request_, changes):
    request_ = replace(request_, **changes)
    once = uninterrupted(request_)
    outcome = run_in_pieces(request_, ((2 + 7 + 2, "epoch 1"), (4, "epoch"), (3, "epoch")))
    assert_same(once, (outcome, files(request_)))


# -- processes that die ------------------------------------------------------------------------


class Killed(BaseException):
    """Nothing handles it."""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("minutes", "resumed_from"), [(10.0, (1, 2)), (0.0, (1, 3))])
def test_checkpoint_minutes_is_what_a_killed_run_loses(
    request_, monkeypatch, minutes, resumed_from
):
    """The state is written at checks (batch 2), and, where no time may be lost, at every batch."""
    settings = replace(SETTINGS, checkpoint_minutes=minutes, check_every_nth_batch=2, batch_size=3)
    request_ = replace(request_, test_data=(), settings=settings)
    once = uninterrupted(request_)
    add_gradients, seen = QuickEngine.add_gradients, []

    def killed_in_the_fourth(self, batch, size):
        seen.append(batch)
        if len(seen) == 4:
            raise Killed
        return add_gradients(self, batch, size)

    with monkeypatch.context() as patch:
        patch.setattr(QuickEngine, "add_gradients", killed_in_the_fourth)
        with pytest.raises(Killed):
            start(request_, Stopping())
    outcome = start(replace(request_, resume=True), Stopping())
    assert outcome.resumed_from == resumed_from
    assert files(request_) == once[1]


@pytest.mark.usefixtures("quick")
def test_killed_between_a_model_and_the_state(request_, monkeypatch):
    """The files of the check that the state does not know of are made once more, the same."""
    request_ = replace(request_, test_data=())
    once = uninterrupted(request_)
    save = RunState.save

    def killed_after_the_second_check(self):
        if self.trainings and len(self.trainings["tuned"].checks) == 2:
            raise Killed
        save(self)

    with monkeypatch.context() as patch:
        patch.setattr(RunState, "save", killed_after_the_second_check)
        with pytest.raises(Killed):
            start(request_, Stopping())
    checks = request_.save_model_path.with_suffix(".run") / "checks"
    assert len(list(checks.iterdir())) == 2
    assert len(state_of(request_).trainings["tuned"].checks) == 1
    request_.save_model_path.unlink()  # nor is a file missed that is gone
    progress = Stopping(1)
    with pytest.raises(Interrupted):
        start(replace(request_, resume=True), progress)
    assert len(list(checks.iterdir())) == 1
    assert request_.save_model_path.exists()
    outcome = start(replace(request_, resume=True), Stopping())
    assert outcome.resumed_from == (1, 3)
    assert files(request_) == once[1]


@pytest.mark.usefixtures("quick")
def test_what_is_resumed_otherwise_promises_no_bits(request_, quick, monkeypatch):
    """As with `--deterministic` on a GPU at first, and without it then."""
    with monkeypatch.context() as patch:
        patch.setattr(record, "determinism", lambda: BIT_IDENTICAL_GPU)
        with pytest.raises(Interrupted):
            start(request_, Stopping(15))
        model = load_model(request_.save_model_path)
        assert model.file.provenance["determinism"] == BIT_IDENTICAL_GPU
    start(replace(request_, resume=True), Stopping())
    said = load_model(request_.save_model_path).file.provenance["determinism"]
    assert said == FLOAT_TOLERANCE


def test_numbers_chosen_from_the_data(request_, data_dir):
    """They are compared like those that are given; where the data changed, that is what is said."""
    auto = replace(request_, settings=TrainingOptions(val_test_batch_size=8))
    seven = replace(auto, settings=replace(auto.settings, epochs=7))
    with pytest.raises(Interrupted, match="after epoch 1"):
        start(seven, Stopping(12))
    with pytest.raises(InputError, match="--epochs was 7, now "):
        start(replace(auto, resume=True), Stopping())
    chosen = prepare_run(replace(seven, resume=True), TrainingProgress()).settings
    given = replace(seven, settings=chosen, resume=True)
    assert prepare_run(given, TrainingProgress()).resumed is not None
    write_data_file(data_dir / "training_data.h5", random_rows(60, seed=1, seqid="chr1"))
    with pytest.raises(InputError, match="training data have changed") as caught:
        start(replace(seven, resume=True), Stopping())
    assert "--patience" not in str(caught.value)
    assert start(replace(seven, force=True), Stopping()).resumed_from is None


# -- what a resumed run says -------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_checks_before_the_interruption_are_told_again_and_time_adds_up(request_):
    with pytest.raises(Interrupted):
        start(request_, Stopping(2 + 7 + 5))
    before = state_of(request_)
    progress = Stopping()
    state_file = RunFolder(request_.save_model_path).state_path
    before.seconds += 1000
    before.start_clock()
    before.save()
    outcome = start(replace(request_, resume=True), progress)
    assert "resuming after epoch 1, batch 3" in progress.notices
    assert progress.checks == [0, 1, 2, 3, 4]
    assert outcome.seconds > 1000
    assert not state_file.parent.exists()


def test_nothing_to_resume_is_said(request_, tmp_path):
    progress = Stopping()
    (tmp_path / "out").mkdir()
    prepared = prepare_run(replace(request_, resume=True), progress)
    assert prepared.resumed is None
    assert any(
        "there is no interrupted run, so a new one starts" in text for text in progress.notices
    )


def test_a_state_of_another_network_is_refused():
    model = tiny_model()
    plan = plan_whole(model)
    engine = engine_class()(model.architecture, model.weights, plan, SETTINGS)
    state = engine.state()
    engine.restore(state)
    state.variables["trainable"][0] = state.variables["trainable"][0][:-1]
    with pytest.raises(InputError, match=r"'trainable' of another network.*--force"):
        engine.restore(state)
    state = replace(engine.state(), accumulated=[(4, [np.zeros(3, np.float32)])])
    with pytest.raises(InputError, match="'gradients 0' of another network"):
        engine.restore(state)


@pytest.mark.usefixtures("quick")
def test_paths_of_the_data_may_change(request_, data_dir, tmp_path):
    with pytest.raises(Interrupted):
        start(request_, Stopping(2 + 7 + 1))
    moved = Path(shutil.move(data_dir, tmp_path / "moved"))
    prepared = prepare_run(replace(request_, resume=True, data_dir=moved), TrainingProgress())
    assert prepared.resumed.position == (1, 1)
