"""Training a head on kept output of its frozen body gives what training on the network gives."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import batch_of, tiny_architecture, tiny_model

from helixer_ft.dataset import cache_folder
from helixer_ft.dataset.batch import even_batch_size
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.architecture import BatchNorm, Conv, Dropout
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Freeze
from helixer_ft.runtime import resources
from helixer_ft.runtime.memory import MEMORY_SHARE
from helixer_ft.runtime.resources import ProcessMemory
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training import fine_tune
from helixer_ft.training.features import Body, feature_dtype
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.outcome import Outcome
from helixer_ft.training.prepared import PreparedRun, prepare_run
from helixer_ft.training.request import FineTuneRequest
from tests.plans import plan_freeze, plan_whole

ALL = 12 + 8 + 50
"""Subsequences of the training, validation and test data."""
FEATURE_BYTES = 10 * 6 * 4
"""Of one subsequence: steps, width, float32."""
STRATEGIES = {
    "new head": {},
    "hidden layer": {"post_coverage_hidden_layer": True},
    "kept head": {"keep_head": True},
}


class Notices(TrainingProgress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, text: str) -> None:
        self.texts.append(text)

    def about_features(self) -> list[str]:
        return [text for text in self.texts if "feature cache" in text]


@dataclass
class Work:
    """A model with dropout and data on disk, and runs of `freeze` on them."""

    request: FineTuneRequest
    notices: Notices

    def prepare(self, cache: CacheSettings | None = None, **options) -> PreparedRun:
        request = replace(self.request, cache=cache or CacheSettings(), **options)
        return prepare_run(request, self.notices)

    def run(self, cache: CacheSettings | None = None, **options) -> "Result":
        self.notices = Notices()
        outcome = fine_tune.run(self.prepare(cache, force=True, **options), self.notices)
        return Result(outcome, load_model(self.request.save_model_path).weights)

    def caches(self, cache: CacheSettings | None = None, **options) -> PreparedRun:
        """A run whose features are kept, before it trains."""
        self.notices = Notices()
        return self.prepare(cache, **options).with_features(self.notices)


@dataclass
class Result:
    """What a run came to, and the weights it saved."""

    outcome: Outcome
    weights: dict[str, list[np.ndarray]]

    @property
    def losses(self) -> list[float]:
        sets = [set_ for c in self.outcome.checks for set_ in (c.subset, c.validation)]
        sets += [self.outcome.test.baseline, self.outcome.test.tuned]
        trained = [check.training_loss for check in self.outcome.checks[1:]]
        return [set_.loss for set_ in sets] + trained

    def equals(self, other: "Result") -> None:
        """The same to float32 rounding."""
        assert len(self.outcome.checks) == 1 + 3 * 2
        assert self.losses == pytest.approx(other.losses, rel=1e-5)
        assert self.weights.keys() == other.weights.keys()
        for name, arrays in self.weights.items():
            for one, two in zip(arrays, other.weights[name], strict=True):
                assert one == pytest.approx(two, rel=1e-5, abs=1e-6), name


@pytest.fixture
def work(tmp_path, model_path, data_dir, test_path, monkeypatch) -> Work:
    """Three epochs of three batches, the last one smaller, checked after the second and third."""
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    write_model_file(model_path, tiny_model(dropout=0.5).to_file({}), force=True)
    settings = TrainingSettings(
        epochs=3,
        batch_size=5,
        val_test_batch_size=6,
        accumulate=2,
        check_every_nth_batch=2,
        patience=99,
        learning_rate=0.01,
    )
    request = FineTuneRequest(
        strategy=Freeze(),
        load_model_path=model_path,
        data_dir=data_dir,
        test_data=(test_path,),
        save_model_path=tmp_path / "tuned.h5",
        settings=settings,
    )
    return Work(request, Notices())


@pytest.fixture
def evaluated(monkeypatch) -> Counter[bytes]:
    """How often the frozen body was evaluated for each row."""
    rows: Counter[bytes] = Counter()
    compute = Body.features

    def counting(self, batch):
        rows.update(row.tobytes() for row in batch.rows)
        return compute(self, batch)

    monkeypatch.setattr(Body, "features", counting)
    return rows


def limit_room(monkeypatch, memory: int, disk: int = 0) -> None:
    monkeypatch.setattr(cache_folder, "CACHE_MEMORY_SHARE", 1)
    monkeypatch.setattr(cache_folder, "DISK_SHARE", 1)
    monkeypatch.setattr(resources, "available_memory", lambda: memory)
    monkeypatch.setattr(resources, "available_disk", lambda folder: disk)


# -- whole runs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy",
    [
        "hidden layer",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("new head", "kept head")),
    ],
)
def test_results_do_not_depend_on_the_cache(work, tmp_path, monkeypatch, evaluated, strategy):
    work.request = replace(work.request, strategy=Freeze(**STRATEGIES[strategy]))
    off = work.run(CacheSettings(features=False))
    assert not evaluated
    assert work.notices.about_features() == []

    work.run().equals(off)
    everything = [
        *(work.prepare(force=True).data.training.read(np.arange(12)).rows),
        *(work.prepare(force=True).data.validation.read(np.arange(8)).rows),
        *(work.prepare(force=True).test.read(np.arange(50)).rows),
    ]
    assert evaluated == Counter(row.tobytes() for row in everything)  # each one once
    assert "70 subsequences, 17 kB in memory" in work.notices.about_features()[0]
    evaluated.clear()

    folder = tmp_path / "cache"
    work.run(CacheSettings(folder=folder)).equals(off)
    assert evaluated.total() == ALL
    assert f"70 subsequences, 17 kB on disk in {folder}" in work.notices.about_features()[0]
    assert list(folder.iterdir()) == []
    evaluated.clear()

    # room for the validation data and half of the training data
    limit_room(monkeypatch, 14 * FEATURE_BYTES)
    work.run().equals(off)
    assert "14 subsequences are cached, the others are computed" in work.notices.about_features()[0]
    # half of the training data in each epoch; test data before and after training
    assert evaluated.total() >= ALL + 3 * 6 + 2 * 50


def test_features_in_half_precision_are_close_but_not_the_same(work):
    exact = work.run()
    rounded = work.run(CacheSettings(precision="float16"))
    assert "8.4 kB in memory" in work.notices.about_features()[0]
    assert rounded.losses == pytest.approx(exact.losses, rel=1e-2)
    assert rounded.losses[0] != exact.losses[0]
    assert rounded.losses[0] == pytest.approx(exact.losses[0], rel=1e-3)
    for name, arrays in exact.weights.items():
        assert all(array.dtype == np.float32 for array in rounded.weights[name])
        for one, two in zip(arrays, rounded.weights[name], strict=True):
            assert one == pytest.approx(two, abs=0.02)


def test_mixed_precision_reaches_the_body(work):
    plain = work.caches().data.training.read(np.arange(12)).features
    settings = replace(work.request.settings, precision="mixed_bfloat16")
    mixed = work.caches(settings=settings).data.training.read(np.arange(12)).features
    assert plain.dtype == mixed.dtype == np.float32
    assert mixed == pytest.approx(plain, abs=0.03)
    assert not np.array_equal(mixed, plain)


# -- the body ----------------------------------------------------------------------------------


def test_any_number_of_subsequences_in_any_order_has_the_same_features(work):
    cached = work.caches()
    training = cached.data.training
    model = cached.plan.model
    body = Body(model, "float32", 5)
    every = training.read(np.arange(12))
    assert every.features.shape == (12, 10, 6)
    order = np.array([11, 3, 3, 0])
    assert training.read(order).features == pytest.approx(every.features[order], abs=1e-6)
    # a subset of the data shares the cache of the whole
    subset = cached.data.subset
    assert subset.features is training.features
    numbers = subset.indices
    assert subset.read(np.arange(len(subset))).features == pytest.approx(
        every.features[numbers], abs=0
    )
    for n in (1, 2, 3, 5, 11, 12):
        part = replace(every, rows=every.rows[:n], features=None)
        assert body.features(part) == pytest.approx(every.features[:n], abs=1e-6)


def test_few_shapes_are_compiled(work, monkeypatch):
    prepared = work.prepare()
    body = Body(prepared.plan.model, "float32", 8)
    shapes = []
    kind = type(body._forward)
    forward = kind.__call__
    monkeypatch.setattr(
        kind, "__call__", lambda self, batch: shapes.append(len(batch)) or forward(self, batch)
    )
    batch = prepared.data.training.read(np.arange(12))
    for n in range(1, 13):
        assert len(body.features(replace(batch, rows=batch.rows[:n]))) == n
    assert set(shapes) == {1, 2, 4, 8}


def test_only_a_frozen_body_is_cached():
    model = tiny_model()
    for options in ({}, {"hidden_layer": True}, {"keep_head": True}):
        assert plan_freeze(model, **options).body_is_frozen
    assert not plan_whole(model).body_is_frozen
    plan = plan_freeze(model)
    one_more = replace(plan, trainable=plan.trainable | {"conv1d"})
    assert not one_more.body_is_frozen


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [([100], 32, 25), ([64, 32], 32, 32), ([33], 32, 17), ([7], 32, 7), ([5, 3], 1, 1)],
)
def test_batch_size_of_the_body(sizes, limit, expected):
    assert even_batch_size(sizes, limit) == expected


@pytest.mark.parametrize("seed", range(20))
def test_batch_size_leaves_little_to_fill_up(seed):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 300, generator.integers(1, 4)).tolist()
    limit = int(generator.integers(1, 64))

    def surplus(size: int) -> int:
        return sum(math.ceil(n / size) * size - n for n in sizes)

    chosen = even_batch_size(sizes, limit)
    assert chosen <= limit
    assert chosen >= min(limit // 2, max(sizes))
    assert surplus(chosen) <= min(surplus(size) for size in range(max(1, limit // 2), limit + 1))


def test_half_precision_is_for_bodies_that_end_in_an_lstm_alone():
    half = CacheSettings(precision="float16")
    notices = Notices()
    plain = tiny_architecture()
    assert feature_dtype(plain, half, notices) == np.float16
    assert feature_dtype(tiny_architecture(lstms=2, dropout=0.2), half, notices) == np.float16
    after = replace(plain, body=(*plain.body, Dropout("dropout_9", 0.5)))
    assert feature_dtype(after, half, notices) == np.float16
    assert notices.texts == []
    for last in (Conv("conv1d_9", 4, 3), BatchNorm("batch_normalization_9")):
        other = replace(plain, body=(*plain.body, last))
        assert feature_dtype(other, half, notices) == np.float32
        assert "--cache-precision float16 is not used" in notices.texts.pop()
        assert feature_dtype(other, CacheSettings(), notices) == np.float32
        assert notices.texts == []


# -- kept for later runs -----------------------------------------------------------------------


def with_other_body(work: Work) -> dict:
    model = load_model(work.request.load_model_path)
    model.weights["conv1d"][0][0, 0, 0] += 1e-3
    write_model_file(work.request.load_model_path, model.to_file({}), force=True)
    return {}


def with_other_statistics(work: Work) -> dict:
    model = load_model(work.request.load_model_path)
    model.weights["batch_normalization"][3][0] *= 1.5
    write_model_file(work.request.load_model_path, model.to_file({}), force=True)
    return {}


def with_other_head(work: Work) -> dict:
    model = load_model(work.request.load_model_path)
    model.weights["dense"][0][:] *= 2
    write_model_file(work.request.load_model_path, model.to_file({}), force=True)
    return {"strategy": Freeze(keep_head=True)}


def with_other_bases(work: Work) -> dict:
    for name in ("training_data", "validation_data"):
        with h5py.File(work.request.data_dir / f"{name}.h5", "a") as file:
            file["data/X"][0, 0] = np.roll(file["data/X"][0, 0], 1)
    with h5py.File(work.request.test_data[0], "a") as file:
        file["data/X"][0, 0] = np.roll(file["data/X"][0, 0], 1)
    return {}


def with_settings(**changes) -> Callable[[Work], dict]:
    return lambda work: {"settings": replace(work.request.settings, **changes)}


def with_cache(**changes) -> Callable[[Work], dict]:
    return lambda work: {"cache": changes}


CHANGES = {
    "nothing": (lambda work: {}, True),
    "other seed and rate": (with_settings(seed=5, learning_rate=0.1), True),
    "other head": (with_other_head, True),
    "hidden layer": (lambda work: {"strategy": Freeze(post_coverage_hidden_layer=True)}, True),
    "without keeping": (with_cache(keep=False), True),
    "other body": (with_other_body, False),
    "other statistics": (with_other_statistics, False),
    "other bases": (with_other_bases, False),
    "other arithmetic": (with_settings(precision="mixed_bfloat16"), False),
    "other type": (with_cache(precision="float16"), False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_kept_cache_is_used_where_it_is_the_same(work, tmp_path, evaluated, change):
    options = {"folder": tmp_path / "cache", "keep": True}
    first = work.caches(CacheSettings(**options)).data.training.read(np.arange(12)).features
    assert evaluated.total() == ALL
    evaluated.clear()
    edit, used = CHANGES[change]
    changed = edit(work)
    cache = CacheSettings(**(options | changed.pop("cache", {})))
    again = work.caches(cache, **changed)
    assert evaluated.total() == (0 if used else ALL)
    assert (
        work.notices.about_features() == ["feature cache: reusing that of an earlier run"]
    ) == used
    second = again.data.training.read(np.arange(12)).features
    assert np.array_equal(first, second) == used
    assert again.data.training.read(np.array([3])).features.dtype == (
        np.float16 if change == "other type" else np.float32
    )


def test_a_part_of_a_kept_cache_is_used(work, tmp_path, evaluated):
    """Other test data: training and validation features are those of the first run."""
    cache = CacheSettings(folder=tmp_path / "cache", keep=True)
    work.caches(cache, test_data=())
    assert evaluated.total() == 20
    evaluated.clear()
    work.caches(cache)
    assert evaluated.total() == 50
    assert work.notices.about_features()[0].startswith("feature cache: 70 subsequences")


def test_without_keeping_nothing_stays(work, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    prepared = work.caches(CacheSettings(folder=tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []
    del prepared
    work.caches()
    (tmp_path / "cache").rmdir()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_kept_file_that_breaks_during_the_run_is_computed(work, tmp_path, evaluated):
    cache = CacheSettings(folder=tmp_path / "cache", keep=True)
    training = work.caches(cache).data.training
    expected = training.read(np.arange(12)).features
    for path in Path(cache.folder).glob("features-*.npy"):
        with open(path, "r+b") as file:
            file.truncate(200)
    evaluated.clear()
    assert training.read(np.arange(12)).features == pytest.approx(expected, abs=1e-6)
    assert evaluated.total() == 12
    assert "computed each time from now on" in work.notices.texts[-1]


def test_features_of_a_batch_are_the_bodys_output(work):
    """Against the whole network, cut at the head."""
    import keras

    from helixer_ft.network.model import build_keras, set_weights

    prepared = work.caches()
    model = prepared.plan.model
    whole = build_keras(model.architecture)
    set_weights(whole, model.weights)
    body = keras.Model(whole.input, whole.get_layer("bidirectional").output)
    windows = DataFile(work.request.data_dir / "training_data.h5").read(range(12))
    codes, table = batch_of(windows).input.values()
    expected = keras.ops.convert_to_numpy(body(table[codes]))
    assert prepared.data.training.read(np.arange(12)).features == pytest.approx(expected, abs=1e-6)


def test_the_body_takes_as_many_as_fit(work, monkeypatch):
    """Of sets of 12 and 8: at most 8 on processors, fewer where there is less memory."""
    prepared = work.prepare()
    body = Body(prepared.plan.model, "float32", 32)
    batch = prepared.data.training.read(np.arange(1))
    body.choose_batch_size(batch, [12, 8])
    assert body.batch_size == 4
    for room, expected in ((1, 1), (3.5, 3)):
        monkeypatch.setattr(body._forward, "memory", SmallMemory(room))
        monkeypatch.setattr(type(body._forward), "step_bytes", lambda self, batch, n: float(n))
        body.choose_batch_size(batch, [12, 9])
        assert body.batch_size == expected


class SmallMemory(ProcessMemory):
    """A device with room for so many subsequences of a byte each."""

    is_host = False

    def __init__(self, room: float) -> None:
        self.room = room

    def in_use(self) -> int:
        return 0

    def available(self) -> int:
        return math.ceil(self.room / MEMORY_SHARE)
