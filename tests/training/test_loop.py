"""The shared loop: when it checks, what it saves, when it stops. A scripted engine stands in."""

import contextlib
import threading
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from conftest import random_rows, tiny_architecture

from helixer_ft.dataset.dataset import open_dataset
from helixer_ft.engine import ScoredBatch
from helixer_ft.runtime.resources import ProcessMemory
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.history import TrainingProgress, history_csv, overfitting_began
from helixer_ft.training.loop import (
    LossNotFiniteError,
    TrainingData,
    epoch_offsets,
    epoch_order,
    fixed_subset,
    train,
)
from tests.data_files import write_data_file


@dataclass
class ScriptedEngine:
    """Hits (of 100 genic bases per window) and entropy of successive validation checks."""

    hits: list[int]
    entropy: list[float] = field(default_factory=lambda: [1.0] * 99)
    losses: list[float] = field(default_factory=lambda: [1.0] * 999)
    architecture: object = field(default_factory=tiny_architecture)
    batches: list[int] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    sizes: set[int] = field(default_factory=set)
    scored: int = 0
    memory: ProcessMemory = field(default_factory=ProcessMemory)
    alone: bool = True
    training_mode: bool = True
    windows_at_once: int = 32

    def reading(self, read, batch_size):
        return read

    def add_gradients(self, batch, batch_size):
        self.batches.append(len(batch))
        self.seen += [row.tobytes() for row in batch.rows]
        self.sizes.add(batch_size)
        return self.losses[len(self.batches) - 1], np.ones(2)

    def update(self):
        self.updates.append(len(self.batches))

    def score(self, batch, batch_size):
        check = self.scored // 2  # validation, then training subset
        self.scored += 1
        counts = np.zeros((len(batch), 2, 4, 4), int)
        counts[:, :, 2, 2] = self.hits[check]
        counts[:, :, 2, 0] = 100 - self.hits[check]
        valid_bases = 100 * len(batch)
        return ScoredBatch(counts, np.full((len(batch), 2), self.entropy[check]) * valid_bases)

    def get_weights(self):
        return {"updates": [np.array(len(self.updates))]}


@pytest.fixture
def data(tmp_path) -> TrainingData:
    sets = []
    for name, windows in (("training", 5), ("validation", 1)):
        path = tmp_path / f"{name}.h5"
        write_data_file(path, random_rows(windows, seed=windows))
        sets.append(open_dataset([path], pool_size=9, phase=True, transitions=True))
    return TrainingData(sets[0], sets[0].subset(np.arange(2)), sets[1])


def run(data, engine, **settings):
    checks = []
    defaults = {"batch_size": 4, "epochs": 4, "patience": 99}
    ended = train(
        engine,
        data,
        TrainingSettings(**(defaults | settings)),
        TrainingProgress(),
        lambda check, weights: checks.append((check, weights)),
    )
    return [check for check, _ in checks], ended


def test_a_check_at_each_epochs_end(data):
    engine = ScriptedEngine([10, 20, 30, 40])
    checks, ended = run(data, engine)
    assert [(check.epoch, check.batch) for check in checks] == [(1, 3), (2, 3), (3, 3), (4, 3)]
    assert engine.batches == [4, 4, 2] * 4  # the smaller last batch is kept
    assert engine.sizes == {4}
    assert "4 epochs" in ended


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3]), (2, [2, 3]), (3, [3]), (5, [3])])
def test_checks_within_an_epoch_and_one_where_both_fall_together(data, every, expected):
    checks, _ = run(data, ScriptedEngine([10] * 9), epochs=1, check_every_nth_batch=every)
    assert [check.batch for check in checks] == expected


def test_patience_counts_checks_without_improvement_in_a_row(data):
    checks, ended = run(data, ScriptedEngine([30, 20, 40, 35, 39, 50]), epochs=9, patience=2)
    assert [check.improved for check in checks] == [True, False, True, False, False]
    assert [check.failed_in_a_row for check in checks] == [0, 1, 0, 1, 2]
    assert "patience" in ended


def test_patience_waits_for_the_first_genic_prediction(data):
    checks, _ = run(data, ScriptedEngine([0] * 5 + [10, 5, 5]), epochs=9, patience=2)
    assert [check.improved for check in checks] == [True] + [False] * 4 + [True, False, False]


def test_ties_go_to_the_lower_loss(data):
    entropy = [1.0, 0.9, 0.95, 0.8, 0.8]
    checks, _ = run(data, ScriptedEngine([10] * 5, entropy=entropy), epochs=5)
    assert [check.improved for check in checks] == [True, True, False, True, False]


def test_patience_ends_within_an_epoch(data):
    engine = ScriptedEngine([50, 10, 10, 10])
    checks, _ = run(data, engine, patience=1, check_every_nth_batch=1)
    assert len(checks) == len(engine.batches) == 2


def test_accumulate_updates_every_nth_batch_and_at_the_epochs_end(data):
    engine = ScriptedEngine([10, 10])
    run(data, engine, epochs=2, accumulate=2)
    assert engine.updates == [2, 3, 5, 6]


def test_every_epoch_sees_every_subsequence_in_its_own_order(data):
    engine = ScriptedEngine([10, 10])
    run(data, engine, epochs=2)
    first, second = engine.seen[:10], engine.seen[10:]
    assert sorted(first) == sorted(second)
    assert first != second
    again = ScriptedEngine([10, 10])
    run(data, again, epochs=2)
    assert again.seen == engine.seen
    other = ScriptedEngine([10, 10])
    run(data, other, epochs=2, seed=1)
    assert other.seen != engine.seen


def test_training_loss_is_the_mean_over_subsequences_since_the_last_check(data):
    engine = ScriptedEngine([10, 10], losses=[1.0, 2.0, 4.0, 8.0, 8.0, 8.0])
    checks, _ = run(data, engine, epochs=2)
    assert checks[0].training_loss == pytest.approx((4 * 1 + 4 * 2 + 2 * 4) / 10)
    assert checks[1].training_loss == pytest.approx(8)


def test_validation_loss_is_over_valid_bases(data):
    checks, _ = run(data, ScriptedEngine([10], entropy=[0.7]), epochs=1)
    # the script gives each of 2 windows the entropy of all valid bases
    assert checks[0].validation.loss == pytest.approx(2 * 0.7)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_training(data, bad):
    engine = ScriptedEngine([10, 20], losses=[1.0, 1.0, 1.0, 1.0, bad])
    with pytest.raises(LossNotFiniteError, match=r"epoch 2, batch 2.*kept.*--learning-rate"):
        run(data, engine)
    assert engine.updates[-1] == 4  # no update with the bad gradient


def test_in_float16_another_precision_is_advised_too(data):
    for precision, advised in (("mixed_float16", True), ("float32", False)):
        with pytest.raises(LossNotFiniteError) as caught:
            run(data, ScriptedEngine([10], losses=[float("nan")]), precision=precision)
        assert ("or --precision mixed_bfloat16" in str(caught.value)) == advised


def test_a_validation_loss_that_is_not_finite_stops_training(data):
    with pytest.raises(LossNotFiniteError, match="validation loss"):
        run(data, ScriptedEngine([10], entropy=[float("nan")]))


def test_history_has_a_row_per_check(data):
    checks, _ = run(data, ScriptedEngine([10, 30, 20]), epochs=3)
    header, *rows = history_csv(checks).splitlines()
    assert header.startswith("check,epoch,batch,training_loss,training_subset_loss")
    assert [row.split(",")[:3] for row in rows] == [
        ["1", "1", "3"],
        ["2", "2", "3"],
        ["3", "3", "3"],
    ]
    column = header.split(",").index("validation_genic_f1")
    assert [float(row.split(",")[column]) for row in rows] == pytest.approx(
        [2 * 10 / 110, 2 * 30 / 130, 2 * 20 / 120], abs=1e-6
    )
    assert [row.split(",")[-1] for row in rows] == ["yes", "yes", "no"]


def test_overfitting_is_seen_where_training_and_validation_part(data):
    checks, _ = run(data, ScriptedEngine([10, 20, 30], entropy=[1.0, 0.8, 1.2]), epochs=3)

    def with_subset(losses):
        return [
            replace(check, subset=replace(check.subset, loss=loss))
            for check, loss in zip(checks, losses, strict=True)
        ]

    assert overfitting_began(with_subset([1.0, 0.8, 0.6])) == 2
    assert overfitting_began(with_subset([1.0, 0.8, 0.9])) is None


def test_epoch_order_is_a_permutation_of_seed_and_epoch():
    orders = [epoch_order(50, seed, epoch).tolist() for seed in (0, 1) for epoch in (1, 2)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert fixed_subset(50, 7, 3).tolist() == sorted(set(fixed_subset(50, 7, 3).tolist()))
    assert not np.array_equal(fixed_subset(50, 7, 3), fixed_subset(50, 7, 4))


def test_a_failed_epoch_ends_its_progress_and_its_reading_ahead(data):
    class Counting(TrainingProgress):
        running = 0

        def start(self, task, total, unit="", done=0):
            self.running += 1

        def finish(self):
            self.running = 0

    progress = Counting()
    engine = ScriptedEngine([10], losses=[float("nan")])
    settings = TrainingSettings(batch_size=1)
    with pytest.raises(LossNotFiniteError) as caught:
        train(engine, data, settings, progress, lambda check, weights: None)
    assert caught.value is not None  # its traceback keeps the loop's frame alive
    assert progress.running == 0
    assert not [t for t in threading.enumerate() if t.name == "read-ahead"]


def test_under_the_default_recipe_windows_begin_at_another_base_in_each_epoch(data):
    engine = ScriptedEngine([10] * 9)
    engine.set_learning_rate = engine.average = lambda value: None
    engine.averaged = contextlib.nullcontext
    run(data, engine, epochs=9, recipe="default")
    originals = data.training.read(np.arange(10)).rows
    seen = {}
    for number, row in enumerate(engine.seen):
        row = np.frombuffer(row, np.uint8).reshape(originals.shape[1:])
        (found,) = [
            (i, k)
            for i, original in enumerate(originals)
            for k in range(9)
            if np.array_equal(row[:, : row.shape[1] - k], original[:, k:])
            and not row[:, row.shape[1] - k :].any()
        ][:1]
        seen.setdefault(number // 10, {})[found[0]] = found[1]
    assert all(sorted(epoch) == list(range(10)) for epoch in seen.values())
    offsets = np.array([[epoch[i] for i in range(10)] for epoch in seen.values()])
    assert len(set(offsets.ravel().tolist())) == 9
    assert offsets[0].tolist() == epoch_offsets(10, 9, 0, 1).tolist()
    assert offsets[1].tolist() != offsets[0].tolist()
