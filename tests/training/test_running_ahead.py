"""An accelerator does not wait for the host: batches are placed ahead, losses and scores are read
late, features stay on the device. Nothing of that changes a result.

The CPU stands in for the accelerator: what makes the difference is whose memory is used.
"""

import io
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.dataset.batch import Batch, RowsOnDevice
from helixer_ft.dataset.dataset import open_dataset
from helixer_ft.dataset.row_cache import RowCache
from helixer_ft.engine import engine_class
from helixer_ft.errors import Interrupted
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.strategies import Freeze, Whole
from helixer_ft.runtime.memory import MEMORY_SHARE
from helixer_ft.runtime.resources import ProcessMemory
from helixer_ft.settings import TrainingSettings
from helixer_ft.training import fine_tune
from helixer_ft.training.device_features import keep_features_on_device
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.loop import (
    LOSSES_WAITING,
    LossNotFiniteError,
    TrainingData,
    train,
)
from helixer_ft.training.prepared import prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.scoring import BATCHES_WAITING, score_dataset
from tests.data_files import write_data_file

if keras.backend.backend() != "jax":
    pytest.skip("TensorFlow reads its results at once", allow_module_level=True)

from helixer_ft.engine import jax as module
from helixer_ft.engine.device_rows import gather, upload
from helixer_ft.engine.shards import Shards

SETTINGS = TrainingSettings(
    epochs=2, batch_size=2, accumulate=2, learning_rate=0.01, check_every_nth_batch=4, patience=9
)
OUT_OF_MEMORY = RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")


class Device(ProcessMemory):
    """A device of so many bytes."""

    is_host = False

    def __init__(self, limit: int = 2**40) -> None:
        self.limit = limit

    def in_use(self) -> int:
        return 0

    def available(self) -> int:
        return self.limit


@pytest.fixture
def device(monkeypatch):
    """Makes JAX compute on a device of its own memory."""

    def make(limit: float = 2**40) -> None:
        monkeypatch.setattr(module, "device_memory", lambda: Device(int(limit)))

    return make


class Late:
    """A result on its way, which is looked at late."""

    def __init__(self, value, log, name) -> None:
        self.value, self.log, self.name = value, log, name

    def __float__(self) -> float:
        self.log.append(("read", self.name))
        return float(self.value)


class Stopping(TrainingProgress):
    """Asks to stop at one of the steps; 0: never."""

    def __init__(self, after: int = 0) -> None:
        self.after, self.steps = after, 0
        self.notices: list[str] = []

    def notice(self, text):
        self.notices.append(text)

    def interrupted(self):
        self.steps += 1
        return self.steps == self.after


@pytest.fixture
def request_(data_dir, model_path, tmp_path) -> FineTuneRequest:
    """A model with batch norm and dropout."""
    write_model_file(model_path, tiny_model(dropout=0.3).to_file({}), force=True)
    return FineTuneRequest(
        strategy=Whole(),
        load_model_path=model_path,
        data_dir=data_dir,
        save_model_path=tmp_path / "out" / "tuned.h5",
        settings=SETTINGS,
    )


def results(request: FineTuneRequest, progress: TrainingProgress) -> dict[str, bytes]:
    """The files of a run."""
    folder = request.save_model_path.parent
    folder.mkdir(exist_ok=True)
    fine_tune.run(prepare_run(request, TrainingProgress()), progress)
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def alike(found: dict[str, bytes], expected: dict[str, bytes]) -> bool:
    """Whether two runs left the same, but for the rounding of weights and losses."""
    with (
        h5py.File(io.BytesIO(found["tuned.h5"])) as ours,
        h5py.File(io.BytesIO(expected["tuned.h5"])) as theirs,
    ):
        names: list[str] = []
        theirs.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        weights = all(np.allclose(ours[name], theirs[name], atol=1e-5) for name in names)
    histories = [
        np.genfromtxt(io.BytesIO(one["history.csv"]), delimiter=",", skip_header=1)
        for one in (found, expected)
    ]
    others = found.keys() - {"tuned.h5", "history.csv"}
    return (
        weights
        and np.allclose(*histories, atol=1e-4, equal_nan=True)
        and {name: found[name] for name in others} == {name: expected[name] for name in others}
    )


@pytest.mark.parametrize("command", [pytest.param("whole", marks=pytest.mark.slow), "freeze"])
def test_the_same_result(request_, device, command):
    """In one go, and interrupted where losses are still to be read. `whole` to the bit; with
    `freeze`, which takes its features from the device, other programs may round otherwise.
    """
    request = replace(request_, strategy=Whole() if command == "whole" else Freeze())
    expected = results(request, Stopping())
    assert {"tuned.h5", "history.csv"} < expected.keys()
    device()
    for stops in ((), (5 + 3, 2)):
        again = replace(request, force=True)
        for i, after in enumerate(stops):
            with pytest.raises(Interrupted):
                results(replace(again, resume=i > 0, force=i == 0), Stopping(after))
            again = replace(request, resume=True)
        progress = Stopping()
        found = results(again, progress)
        assert found == expected if command == "whole" else alike(found, expected)
        kept = "the body's output for training and validation data stays on the device"
        assert any(kept in text for text in progress.notices) == (command == "freeze")


# -- losses --------------------------------------------------------------------------------------


class CheckedError(Exception):
    """A check has begun, which is enough."""


@dataclass
class Scripted:
    """An engine that hands out losses before they are known."""

    losses: list[float]
    log: list
    windows_at_once = 8
    alone = True

    def reading(self, read, batch_size):
        return read

    def add_gradients(self, batch, batch_size):
        step = sum(kind == "step" for kind, _ in self.log) + 1
        self.log.append(("step", step))
        return Late(self.losses[step - 1], self.log, step), None

    def update(self):
        self.log.append(("update", 0))

    def score(self, batch, batch_size):
        self.log.append(("score", 0))
        raise CheckedError


@pytest.fixture
def data(tmp_path) -> TrainingData:
    path = tmp_path / "training.h5"
    write_data_file(path, random_rows(5, seed=1))
    dataset = open_dataset([path], pool_size=9, phase=True, transitions=True)
    return TrainingData(dataset, dataset.subset(np.arange(2)), dataset.subset(np.arange(4)))


def steps_of(data, losses) -> list:
    log: list = []
    settings = TrainingSettings(batch_size=1)
    with pytest.raises((LossNotFiniteError, CheckedError)) as caught:
        train(Scripted(losses, log), data, settings, TrainingProgress(), lambda *_: None)
    return [*log, caught.value]


def test_losses_are_read_when_later_steps_are_handed_over(data):
    log = steps_of(data, [1.0] * 10)
    for step in range(1, 10 - LOSSES_WAITING):
        assert log.index(("read", step)) > log.index(("step", step + LOSSES_WAITING))
    # all of them before the check
    assert log.index(("score", 0)) > log.index(("read", 10))


@pytest.mark.parametrize("bad", range(1, 11))
def test_a_loss_that_is_not_finite_is_found_a_few_steps_late_at_most(data, bad):
    log = steps_of(data, [1.0] * (bad - 1) + [float("nan")] * 99)
    assert f"became nan in epoch 1, batch {bad}:" in str(log[-1])
    assert ("score", 0) not in log
    assert sum(kind == "step" for kind, _ in log[:-1]) == min(10, bad + LOSSES_WAITING)


def test_scores_are_read_when_later_batches_are_handed_over(data, device, monkeypatch):
    device()
    model = tiny_model()
    expected = score_dataset(
        engine_class()(model.architecture, model.weights), data.training, 3, TrainingProgress(), ""
    )
    begun, waiting = [], []
    score = module.JaxEngine.score
    monkeypatch.setattr(
        module.JaxEngine, "score", lambda *given: (begun.append(1), score(*given))[1]
    )

    class Looking(TrainingProgress):
        done = 0

        def advance(self, n=1, note=""):
            self.done += 1
            waiting.append(len(begun) - self.done)

    engine = engine_class()(model.architecture, model.weights)
    found = score_dataset(engine, data.training, 3, Looking(), "")
    assert len(begun) == 4
    assert waiting == [2, 2, 1, 0]
    assert BATCHES_WAITING == 2
    assert np.array_equal(found.counts, expected.counts)
    assert found.loss == expected.loss


# -- errors that come late -----------------------------------------------------------------------


def some(n: int = 4) -> Batch:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(1, 5, (n, 90)), rng.integers(64, 68, (n, 90)), np.zeros((n, 90))])
    table = np.zeros((256, 4), np.float32)
    table[1:5] = np.eye(4)
    return Batch(np.ascontiguousarray(rows.transpose(1, 0, 2).astype(np.uint8)), table)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_step_that_fails_while_it_is_computed_can_be_done_again(device, monkeypatch, ahead):
    """Its error arrives when its loss is read: nothing has changed by then."""
    if ahead:
        device()
    plan = Whole().plan(tiny_model(dropout=0.3))

    class Failing:
        def __float__(self) -> float:
            raise OUT_OF_MEMORY

    def make():
        return engine_class()(plan.model.architecture, plan.model.weights, plan, SETTINGS)

    def train_on(engine, size: int) -> None:
        engine.add_gradients(some(size), size)
        engine.update()

    engine, other = make(), make()
    other.restore(engine.state())
    for one in (engine, other):
        train_on(one, 2)
    before, compiled = engine.state(), engine._compiled_gradients

    def failing(*arguments):
        _, parts, fixed, grads = compiled(*arguments)
        return Failing(), parts, [value + 1 for value in fixed], grads

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_compiled_gradients", failing)
        with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
            engine.add_gradients(some(4), 4)
    assert_same(engine.state(), before)
    for one in (engine, other):
        train_on(one, 4)
    assert_same(engine.state(), other.state())


def assert_same(one, other) -> None:
    assert len(one.accumulated) == len(other.accumulated)
    for name, arrays in one.variables.items():
        for a, b in zip(arrays, other.variables[name], strict=True):
            assert np.array_equal(a, b), name


# -- placed ahead --------------------------------------------------------------------------------


@pytest.mark.parametrize("accelerated", [True, False])
def test_where_batches_are_placed(data, device, monkeypatch, accelerated):
    """On an accelerator while it computes; on processors that would slow down the computation."""
    if accelerated:
        device()
    threads = set()
    place = module.JaxEngine._place

    def watched(self, batch):
        threads.add(threading.current_thread().name)
        return place(self, batch)

    monkeypatch.setattr(module.JaxEngine, "_place", watched)
    plan = Whole().plan(tiny_model())
    engine = engine_class()(plan.model.architecture, plan.model.weights, plan, SETTINGS)
    train(engine, data, replace(SETTINGS, epochs=1), TrainingProgress(), lambda *_: None)
    assert ("read-ahead" in threads) == accelerated
    assert (threading.current_thread().name in threads) != accelerated


def test_no_memory_for_placing_ahead_is_found_out_in_the_step(data, device, monkeypatch):
    device()
    model = tiny_model()
    engine = engine_class()(model.architecture, model.weights)

    def full(self, batch):
        raise OUT_OF_MEMORY

    monkeypatch.setattr(module.JaxEngine, "_place", full)
    batch = engine.reading(data.training.read, 4)(np.arange(3))
    assert (batch.placed, batch.n, len(batch)) == (None, 3, 4)
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        engine.score(batch, 4)


# -- features on the device ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_on_the_device_are_those_of_the_host(dtype):
    rows = np.random.default_rng(0).normal(size=(10, 3, 2)).astype(dtype)
    shards = Shards(module.jax.devices())
    values = upload(shards, (rows[start : start + 4] for start in (0, 4, 8)), rows.shape, dtype)
    batch = replace(some(3), features=RowsOnDevice(values, np.array([9, 0, 4]) + 1))
    assert (batch.features.shape, batch.features.dtype) == ((3, 3, 2), dtype)
    found = np.asarray(gather(shards, batch.part(1, 3).filled(4).features))
    assert found.dtype == dtype
    assert np.array_equal(found, [rows[0], rows[4], *np.zeros((2, 3, 2))])


@pytest.mark.parametrize("room_for", ["nothing", "training", "both"])
def test_features_are_kept_as_far_as_they_fit_beside_the_steps(data, device, room_for):
    """80 features of 240 bytes for either set."""
    plan = Freeze().plan(tiny_model())
    features = np.random.default_rng(0).random((10, 10, 6), np.float32)
    cache = RowCache(10, lambda rows: features[rows])
    data = TrainingData(
        *(replace(one, features=cache) for one in (data.training, data.subset, data.validation))
    )
    settings = replace(SETTINGS, val_test_batch_size=4)

    def make():
        model = plan.model
        return engine_class()(model.architecture, model.weights, plan, settings, from_features=True)

    engine = make()
    batch = data.training.read(np.arange(1))
    steps = max(
        engine.step_bytes(batch, 2, training=True), engine.step_bytes(batch, 4, training=False)
    )
    whole = {"nothing": 0.9, "training": 1.9, "both": 2.1}[room_for] * features.nbytes
    device((steps + 64 * features[0].nbytes + whole) / MEMORY_SHARE)
    progress = Stopping()
    kept = keep_features_on_device(make(), data, settings, progress)
    sets = (kept.training, kept.subset, kept.validation)
    on_device = [isinstance(one.read(np.arange(2)).features, RowsOnDevice) for one in sets]
    assert on_device == {
        "nothing": [False] * 3, "training": [True, True, False], "both": [True] * 3
    }[room_for]  # fmt: skip
    assert len(progress.notices) == (room_for != "nothing")
    chosen = kept.subset.read(np.array([1])).features
    if room_for != "nothing":
        found = np.asarray(gather(make()._shards, chosen))
        assert np.array_equal(found, features[data.subset.indices[[1]]])


def test_features_stay_where_they_are_on_the_host(data):
    features = RowCache(10, lambda rows: np.zeros((len(rows), 10, 6), np.float32))
    plan = Freeze().plan(tiny_model())
    engine = engine_class()(
        plan.model.architecture, plan.model.weights, plan, SETTINGS, from_features=True
    )
    with_features = replace(data, training=replace(data.training, features=features))
    assert keep_features_on_device(engine, with_features, SETTINGS, Stopping()) is with_features
    assert keep_features_on_device(engine, data, SETTINGS, Stopping()) is data


TWO_DEVICES = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["KERAS_BACKEND"] = "jax"
import sys
import numpy as np
sys.path.insert(0, "tests")
from conftest import tiny_model
from helixer_ft.network.strategies import Freeze
from helixer_ft.dataset.batch import Batch, RowsOnDevice
from helixer_ft.engine import engine_class

plan = Freeze().plan(tiny_model())
model = plan.model
engine = engine_class()(model.architecture, model.weights, plan, from_features=True)
assert engine.devices == 2
features = np.random.default_rng(0).random((10, 10, 6), np.float32)
values = engine.keep([features[:7], features[7:]], features.shape, features.dtype)
assert len(values.sharding.device_set) == 2 and values.is_fully_replicated
rows, table = np.full((3, 3, 90), 64, np.uint8), np.zeros((256, 4), np.float32)
chosen = np.array([5, 1, 9])
there = Batch(rows, table, features=RowsOnDevice(values, chosen + 1))
here = Batch(rows, table, features=features[chosen])
assert np.array_equal(engine.score(there, 4).entropy, engine.score(here, 4).entropy)
(loss, _), (other, _) = (engine.add_gradients(batch, 4) for batch in (there, here))
assert loss == other
few, many = (engine.step_bytes(here, n, training=True) for n in (64, 128))
assert few == engine.step_bytes(here, 63, training=True)  # 32 on each
assert 1.9 < many / few < 2.1
assert engine.largest_batch(here, 8, training=True) == 512
"""


def test_several_devices_have_all_features_and_their_part_of_the_memory():
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], cwd=root, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
