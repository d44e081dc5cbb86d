"""Gradient steps: what moves, what must not, and by how much."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.formats.data_h5 import DataFile, write_data_file
from helixer_ft.network.architecture import BatchNorm
from helixer_ft.network.strategies import plan_freeze, plan_whole
from helixer_ft.training.engine import engine_class
from helixer_ft.training.loss import pooled_validity, pooled_weights
from helixer_ft.training.settings import TrainingSettings

SETTINGS = TrainingSettings(learning_rate=0.01)


@pytest.fixture
def windows(tmp_path):
    path = tmp_path / "rows.h5"
    write_data_file(path, random_rows(4, seed=8))
    return DataFile(path).read(range(8))


def make(plan, settings=SETTINGS):
    return engine_class()(plan.model.architecture, plan.model.weights, plan, settings)


def step(engine, windows, rows=slice(None), settings=SETTINGS):
    weights = pooled_weights(windows, engine.architecture.pool_size, settings)
    return engine.add_gradients(
        windows.bases[rows], windows.genic[rows], windows.phase[rows], weights[rows]
    )


def moved(before, after) -> set[str]:
    """Names of weights (layer:index) that are not bit-identical."""
    return {
        f"{name}:{i}"
        for name, arrays in before.items()
        for i, array in enumerate(arrays)
        if not np.array_equal(array, after[name][i])
    }


STRATEGIES = {
    "new head": {},
    "hidden layer": {"hidden_layer": True},
    "kept head": {"keep_head": True},
}


@pytest.mark.parametrize("options", STRATEGIES.values(), ids=STRATEGIES.keys())
def test_freeze_moves_the_head_and_nothing_else(windows, options):
    plan = plan_freeze(tiny_model(lstms=2), **options)
    engine = make(plan)
    for _ in range(3):
        step(engine, windows)
        engine.update()
    heads = [dense.name for dense in plan.model.architecture.head]
    expected = {f"{name}:{i}" for name in heads for i in range(2)}
    assert moved(plan.model.weights, engine.get_weights()) == expected


def test_whole_moves_every_weight_and_statistic(windows):
    plan = plan_whole(tiny_model())
    engine = make(plan)
    step(engine, windows)
    engine.update()
    everything = {
        f"{n}:{i}" for n, arrays in plan.model.weights.items() for i in range(len(arrays))
    }
    assert moved(plan.model.weights, engine.get_weights()) == everything


def test_whole_with_frozen_batchnorm_keeps_its_statistics_alone(windows):
    model = tiny_model()
    plan = plan_whole(model, freeze_batchnorm=True)
    engine = make(plan)
    step(engine, windows)
    engine.update()
    (norm,) = [layer.name for layer in model.architecture.body if isinstance(layer, BatchNorm)]
    everything = {f"{n}:{i}" for n, arrays in model.weights.items() for i in range(len(arrays))}
    expected = everything - {f"{norm}:2", f"{norm}:3"}
    assert moved(model.weights, engine.get_weights()) == expected


def test_batchnorm_statistics_follow_the_batch(windows):
    """moving = 0.99 moving + 0.01 batch, over all bases, padding and masked ones too."""
    model = tiny_model()
    engine = make(plan_whole(model))
    step(engine, windows)
    kernel, bias = model.weights["conv1d"]
    x = np.pad(windows.bases.astype(np.float64), [(0, 0), (2, 2), (0, 0)])
    length = windows.bases.shape[1]
    taps = np.stack([x[:, i : i + length] for i in range(5)], axis=2)
    activation = np.maximum(np.einsum("nltc,tcf->nlf", taps, kernel) + bias, 0)
    after = engine.get_weights()["batch_normalization"]
    before = model.weights["batch_normalization"]
    mean, variance = activation.mean(axis=(0, 1)), activation.var(axis=(0, 1))
    assert after[2] == pytest.approx(0.99 * before[2] + 0.01 * mean, rel=1e-5)
    assert after[3] == pytest.approx(0.99 * before[3] + 0.01 * variance, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "adam"])
@pytest.mark.parametrize("clip", [3.0, 1e-3])
def test_update_is_helixers_adamw(windows, optimizer, clip):
    """Decay per step and not times the learning rate, clipping per variable, epsilon 1e-7."""
    settings = replace(SETTINGS, optimizer=optimizer, clip_norm=clip)
    plan = plan_freeze(tiny_model(), keep_head=True)
    engine = make(plan, settings)
    weights = [array.astype(np.float64) for array in plan.model.weights["dense"]]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    for number in (1, 2, 3):
        step(engine, windows)
        gradients = [np.asarray(g, np.float64) for g in engine._accumulated[0][1]]
        engine.update()
        for i, gradient in enumerate(gradients):
            norm = np.sqrt((gradient**2).sum())
            gradient = gradient * min(1, clip / norm)
            m, v = moments[i]
            m[:] = 0.9 * m + 0.1 * gradient
            v[:] = 0.999 * v + 0.001 * gradient**2
            if optimizer == "adamw":
                weights[i] -= settings.weight_decay * weights[i]
            rate = settings.learning_rate * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
            weights[i] -= rate * m / (np.sqrt(v) + 1e-7)
    after = engine.get_weights()["dense"]
    start = plan.model.weights["dense"]
    for ours, expected, before in zip(after, weights, start, strict=True):
        assert np.abs(ours - before).max() > 1e-3
        assert ours == pytest.approx(expected, abs=2e-6)


def test_weight_decay_pulls_towards_zero(windows):
    plan = plan_freeze(tiny_model(), keep_head=True)
    strong = make(plan, replace(SETTINGS, weight_decay=0.5))
    none = make(plan, replace(SETTINGS, weight_decay=0.0))
    for engine in (strong, none):
        step(engine, windows)
        engine.update()
    before = plan.model.weights["dense"][0]
    difference = none.get_weights()["dense"][0] - strong.get_weights()["dense"][0]
    assert difference == pytest.approx(0.5 * before, abs=1e-5)


def test_accumulated_batches_equal_one_large_batch(windows):
    plan = plan_freeze(tiny_model(), hidden_layer=True)
    large, small = make(plan), make(plan)
    for _ in range(3):
        loss, _ = step(large, windows)
        large.update()
        parts = [step(small, windows, rows)[0] for rows in (slice(0, 4), slice(4, 6), slice(6, 8))]
        small.update()
        assert np.average(parts, weights=[4, 2, 2]) == pytest.approx(loss, rel=1e-5)
    for name in ("dense", "dense_1"):
        for one, other in zip(large.get_weights()[name], small.get_weights()[name], strict=True):
            assert one == pytest.approx(other, abs=1e-5)


def test_dropout_is_inactive_in_a_frozen_body(windows):
    engine = make(plan_freeze(tiny_model(dropout=0.5)))
    assert step(engine, windows)[0] == step(engine, windows)[0]


def test_dropout_is_active_in_the_whole_network_and_follows_the_seed(windows):
    plan = plan_whole(tiny_model(dropout=0.5))
    first, again = make(plan), make(plan)
    other = make(plan, replace(SETTINGS, seed=1))
    losses = [step(engine, windows)[0] for engine in (first, again, other)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert step(first, windows)[0] != losses[0]  # another mask for the next batch


@pytest.mark.parametrize("batch_size", [8, 11])
def test_scores_do_not_depend_on_the_batch_size(windows, batch_size):
    model = tiny_model()
    engine = engine_class()(model.architecture, model.weights)
    valid = pooled_validity(windows, 9)

    def score(rows, size):
        parts = (windows.bases, windows.genic, windows.phase, valid)
        return engine.score(*(part[rows] for part in parts), size)

    whole = score(slice(None), batch_size)
    ones = [score(slice(i, i + 1), 1) for i in range(8)]
    assert np.array_equal(whole.counts, np.concatenate([one.counts for one in ones]))
    assert whole.entropy == pytest.approx(np.concatenate([one.entropy for one in ones]), rel=1e-5)


def test_set_weights_is_what_get_weights_returns_and_what_is_scored(windows):
    model, other = tiny_model(seed=1), tiny_model(seed=2)
    engine = make(plan_whole(model))
    step(engine, windows)
    engine.update()
    engine.set_weights(other.weights)
    assert moved(other.weights, engine.get_weights()) == set()
    fresh = engine_class()(other.architecture, other.weights)
    arguments = (windows.bases, windows.genic, windows.phase, pooled_validity(windows, 9), 8)
    assert np.array_equal(engine.score(*arguments).entropy, fresh.score(*arguments).entropy)
