"""Gradient steps: what moves, what must not, and by how much."""

from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from conftest import batch_of, random_rows, tiny_model

from helixer_ft.dataset.batch import BaseTable, Batch
from helixer_ft.dataset.dataset import open_dataset
from helixer_ft.engine import engine_class, forward_function
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile, Windows
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.architecture import BatchNorm
from helixer_ft.network.model import build_body, build_keras, set_weights
from helixer_ft.progress import Progress
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.scoring import score_dataset
from tests.data_files import write_data_file
from tests.plans import plan_freeze, plan_whole

SETTINGS = TrainingSettings(learning_rate=0.01)


@pytest.fixture
def windows(tmp_path) -> Windows:
    path = tmp_path / "rows.h5"
    write_data_file(path, random_rows(4, seed=8))
    return DataFile(path).read(range(8))


@pytest.fixture
def batch(windows) -> Batch:
    return batch_of(windows)


def make(plan, settings=SETTINGS):
    return engine_class()(plan.model.architecture, plan.model.weights, plan, settings)


def part(batch: Batch, rows: slice) -> Batch:
    return replace(batch, rows=batch.rows[rows])


def step(engine, batch: Batch, size: int | None = None):
    return engine.add_gradients(batch, size or len(batch))


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
def test_freeze_moves_the_head_and_nothing_else(batch, options):
    plan = plan_freeze(tiny_model(lstms=2), **options)
    engine = make(plan)
    for _ in range(3):
        step(engine, batch)
        engine.update()
    heads = [dense.name for dense in plan.model.architecture.head]
    expected = {f"{name}:{i}" for name in heads for i in range(2)}
    assert moved(plan.model.weights, engine.get_weights()) == expected


def test_whole_moves_every_weight_and_statistic(batch):
    plan = plan_whole(tiny_model())
    engine = make(plan)
    step(engine, batch)
    engine.update()
    everything = {
        f"{n}:{i}" for n, arrays in plan.model.weights.items() for i in range(len(arrays))
    }
    assert moved(plan.model.weights, engine.get_weights()) == everything


def test_whole_with_frozen_batchnorm_keeps_its_statistics_alone(batch):
    model = tiny_model()
    plan = plan_whole(model, freeze_batchnorm=True)
    engine = make(plan)
    step(engine, batch)
    engine.update()
    (norm,) = [layer.name for layer in model.architecture.body if isinstance(layer, BatchNorm)]
    everything = {f"{n}:{i}" for n, arrays in model.weights.items() for i in range(len(arrays))}
    expected = everything - {f"{norm}:2", f"{norm}:3"}
    assert moved(model.weights, engine.get_weights()) == expected


def test_batchnorm_statistics_follow_the_batch(windows, batch):
    """moving = 0.99 moving + 0.01 batch, over all bases, padding and masked ones too."""
    model = tiny_model()
    engine = make(plan_whole(model))
    step(engine, batch)
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
def test_update_is_helixers_adamw(batch, optimizer, clip):
    """Decay per step and not times the learning rate, clipping per variable, epsilon 1e-7."""
    settings = replace(SETTINGS, optimizer=optimizer, clip_norm=clip)
    plan = plan_freeze(tiny_model(), keep_head=True)
    engine = make(plan, settings)
    weights = [array.astype(np.float64) for array in plan.model.weights["dense"]]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    for number in (1, 2, 3):
        step(engine, batch)
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


def test_weight_decay_pulls_towards_zero(batch):
    plan = plan_freeze(tiny_model(), keep_head=True)
    strong = make(plan, replace(SETTINGS, weight_decay=0.5))
    none = make(plan, replace(SETTINGS, weight_decay=0.0))
    for engine in (strong, none):
        step(engine, batch)
        engine.update()
    before = plan.model.weights["dense"][0]
    difference = none.get_weights()["dense"][0] - strong.get_weights()["dense"][0]
    assert difference == pytest.approx(0.5 * before, abs=1e-5)


def test_accumulated_batches_equal_one_large_batch(batch):
    plan = plan_freeze(tiny_model(), hidden_layer=True)
    large, small = make(plan), make(plan)
    rows_of_parts = (slice(0, 4), slice(4, 6), slice(6, 8))
    for _ in range(3):
        loss, _ = step(large, batch)
        large.update()
        parts = [step(small, part(batch, rows), 4)[0] for rows in rows_of_parts]
        small.update()
        assert np.average(parts, weights=[4, 2, 2]) == pytest.approx(loss, rel=1e-5)
    for name in ("dense", "dense_1"):
        for one, other in zip(large.get_weights()[name], small.get_weights()[name], strict=True):
            assert one == pytest.approx(other, abs=1e-5)


def test_dropout_is_inactive_in_a_frozen_body(batch):
    engine = make(plan_freeze(tiny_model(dropout=0.5)))
    assert step(engine, batch)[0] == step(engine, batch)[0]


def test_dropout_is_active_in_the_whole_network_and_follows_the_seed(batch):
    plan = plan_whole(tiny_model(dropout=0.5))
    first, again = make(plan), make(plan)
    other = make(plan, replace(SETTINGS, seed=1))
    losses = [step(engine, batch)[0] for engine in (first, again, other)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert step(first, batch)[0] != losses[0]  # another mask for the next batch


@pytest.mark.parametrize("batch_size", [8, 11])
def test_scores_do_not_depend_on_the_batch_size(batch, batch_size):
    model = tiny_model()
    engine = engine_class()(model.architecture, model.weights)
    whole = engine.score(batch, batch_size)
    ones = [engine.score(part(batch, slice(i, i + 1)), 1) for i in range(8)]
    assert np.array_equal(whole.counts, np.concatenate([one.counts for one in ones]))
    assert whole.entropy == pytest.approx(np.concatenate([one.entropy for one in ones]), rel=1e-5)


def test_set_weights_is_what_get_weights_returns_and_what_is_scored(batch):
    model, other = tiny_model(seed=1), tiny_model(seed=2)
    engine = make(plan_whole(model))
    step(engine, batch)
    engine.update()
    engine.set_weights(other.weights)
    assert moved(other.weights, engine.get_weights()) == set()
    fresh = engine_class()(other.architecture, other.weights)
    assert np.array_equal(engine.score(batch, 8).entropy, fresh.score(batch, 8).entropy)


def test_the_loss_of_a_set_is_the_mean_over_its_valid_bases(tmp_path, windows, batch):
    model = tiny_model()
    network = build_keras(model.architecture)
    set_weights(network, model.weights)
    logits = keras.ops.convert_to_numpy(network(windows.bases.astype(np.float32)))
    logits = logits.transpose(0, 4, 2, 3, 1).astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    valid = windows.valid.reshape(8, -1, 9).all(axis=-1)
    assert 0.5 < valid.mean() < 1
    loss = 0.0
    for output, codes, share in ((0, windows.genic, 0.8), (1, windows.phase, 0.2)):
        truth = codes.reshape(8, -1, 9)[valid]
        chosen = np.take_along_axis(log_p[:, :, output][valid], truth[..., None], axis=-1)
        loss -= share * chosen.mean()
    dataset = open_dataset([tmp_path / "rows.h5"], pool_size=9, phase=True, transitions=False)
    engine = engine_class()(model.architecture, model.weights)
    score = score_dataset(engine, dataset, 3, Progress(), "")
    assert score.loss == pytest.approx(loss, rel=1e-5)
    assert score.genic_matrix.sum() == valid.sum() * 9


# -- batches of other sizes --------------------------------------------------------------------


def compiled(function) -> int:
    """How many shapes a function was compiled for."""
    if keras.backend.backend() == "jax":
        return function._cache_size()
    return function.experimental_get_tracing_count()


PLANS = {
    "whole": lambda: plan_whole(tiny_model()),
    "frozen batch norm": lambda: plan_whole(tiny_model(), freeze_batchnorm=True),
    "two batch norms, no phase": lambda: plan_whole(tiny_model(convs=3, phase=False)),
    "no batch norm": lambda: plan_whole(tiny_model(convs=1)),
    "freeze": lambda: plan_freeze(tiny_model(), hidden_layer=True),
}


@pytest.mark.parametrize(
    "name",
    [
        "whole",
        "freeze",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("frozen batch norm", "two batch norms, no phase", "no batch norm")
        ),
    ],
)
def test_a_smaller_last_batch_is_what_it_would_be_alone(batch, name):
    """Where batches are filled up, fillers are in no loss, no gradient and no statistic."""
    plan = PLANS[name]()
    last, alone = make(plan), make(plan)
    for rows in (slice(0, 3), slice(5, 6), slice(3, 5)):
        alone.set_weights(last.get_weights())
        small = part(batch, rows)
        loss, parts = step(last, small, 8)
        expected, expected_parts = step(alone, small)
        assert loss == pytest.approx(expected, rel=1e-6)
        assert parts == pytest.approx(expected_parts, rel=1e-6)
        for one, other in zip(last._accumulated[0][1], alone._accumulated[0][1], strict=True):
            one, other = np.asarray(one), np.asarray(other)
            assert one == pytest.approx(other, abs=2e-5 * float(np.abs(other).max()))
        weights = alone.get_weights()  # of these, batch-norm statistics have changed
        for layer, arrays in last.get_weights().items():
            for one, other in zip(arrays, weights[layer], strict=True):
                assert one == pytest.approx(other, rel=1e-6, abs=1e-8), layer
        last.update()
        alone.update()


@pytest.mark.parametrize("from_features", [False, True])
def test_batches_of_all_sizes_share_a_compiled_step(batch, from_features):
    plan = plan_freeze(tiny_model()) if from_features else plan_whole(tiny_model())
    model = plan.model
    engine = engine_class()(
        model.architecture, model.weights, plan, SETTINGS, from_features=from_features
    )
    if from_features:
        features = np.random.default_rng(0).random((8, 10, 6), np.float32)
        batch = replace(batch, features=features)
    for size in (8, 3, 8, 1):
        small = replace(
            batch,
            rows=batch.rows[:size],
            features=None if batch.features is None else batch.features[:size],
        )
        step(engine, small, 8)
        engine.update()
        engine.score(small, 8)
    # a relaxed shape is traced once more
    most = 2 if from_features and keras.backend.backend() == "tensorflow" else 1
    for function in (engine._compiled_gradients, engine._compiled_score, engine._compiled_apply):
        assert 1 <= compiled(function) <= most


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_head_alone_does_what_it_does_in_the_network(batch, dtype):
    plan = plan_freeze(tiny_model(), hidden_layer=True)
    model = plan.model
    body = build_body(model.architecture)
    set_weights(body, model.weights)
    features = forward_function(body)(batch)
    assert features.shape == (8, 10, 6)
    whole = make(plan)
    head = engine_class()(model.architecture, model.weights, plan, SETTINGS, from_features=True)
    assert {layer.name for layer in head.model.layers} == {"features", "dense", "dense_1"}
    with_features = replace(batch, features=features.astype(dtype))
    bound = {np.float32: 1e-6, np.float16: 1e-3}[dtype]
    for _ in range(3):
        loss = step(head, with_features)[0]
        assert loss == pytest.approx(step(whole, batch)[0], rel=bound)
        head.update()
        whole.update()
    assert head.score(with_features, 8).entropy == pytest.approx(
        whole.score(batch, 8).entropy, rel=bound
    )
    weights = head.get_weights()
    assert weights.keys() == model.weights.keys()
    heads = {f"{name}:{i}" for name in ("dense", "dense_1") for i in range(2)}
    assert moved(model.weights, weights) == heads


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow shares every step")
@pytest.mark.parametrize("size", [9, 11])
def test_cores_compute_parts_of_a_batch_and_the_output_is_the_same_whatever_their_number(
    monkeypatch, size
):
    """Also of a batch that leaves a part to be filled up."""
    random = np.random.default_rng(0)
    rows = random.integers(1, 5, (size, 3, 90), dtype=np.uint8)
    batch = Batch(rows, BaseTable().padded())
    body = build_body(tiny_model().architecture)

    def output(cores: int) -> tuple[np.ndarray, set[int]]:
        monkeypatch.setattr("helixer_ft.engine.jax.default_threads", lambda: cores)
        forward, sizes = forward_function(body), set()
        compute = forward._compute
        monkeypatch.setattr(forward, "_compute", lambda part: sizes.add(len(part)) or compute(part))
        return np.stack([forward(batch) for _ in range(2)]), sizes

    (alone, sizes), (shared, same_sizes) = output(1), output(3)
    assert alone.shape == (2, size, 10, 6)
    assert np.array_equal(alone, shared)
    assert sizes == same_sizes == {{9: 3, 11: 4}[size]}


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow shares every step")
def test_cores_take_memory_for_a_part_each(monkeypatch):
    batch = Batch(np.ones((1, 3, 9000), np.uint8), BaseTable().padded())
    body, taken = build_body(tiny_model().architecture), []
    for cores in (1, 2, 4):
        monkeypatch.setattr("helixer_ft.engine.jax.default_threads", lambda cores=cores: cores)
        taken.append(forward_function(body).step_bytes(batch, 16))
        most = forward_function(body).most_on_host
        assert most == {1: 8, 2: 8, 4: 16}[cores]
    one, two, four = taken
    of_a_part = forward_function(body).step_bytes(batch, 4)
    assert (two - one, four - two) == (of_a_part, 2 * of_a_part)


# -- precision ---------------------------------------------------------------------------------

MIXED = ["mixed_bfloat16", "mixed_float16"]


@pytest.mark.parametrize(
    "precision", [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"]
)
def test_mixed_precision_is_close_and_leaves_float32_weights(tmp_path, batch, precision):
    plan = plan_whole(tiny_model())
    exact, mixed = make(plan), make(plan, replace(SETTINGS, precision=precision))
    for _ in range(3):
        expected, loss = step(exact, batch)[0], step(mixed, batch)[0]
        assert loss == pytest.approx(expected, rel=0.03)
        assert loss != expected
        exact.update()
        mixed.update()
    scored, expected_score = mixed.score(batch, 8).entropy, exact.score(batch, 8).entropy
    assert scored == pytest.approx(expected_score, rel=0.05)
    assert not np.array_equal(scored, expected_score)
    weights = mixed.get_weights()
    everything = {f"{n}:{i}" for n, arrays in weights.items() for i in range(len(arrays))}
    assert moved(plan.model.weights, weights) == everything
    for arrays in weights.values():
        for array in arrays:
            assert array.dtype == np.float32
            # and not float32 in name only
            assert not np.array_equal(array, array.astype(np.float16).astype(np.float32))
    path = tmp_path / "model.h5"
    write_model_file(path, plan.model.with_weights(weights).to_file({}))
    types = set()
    with h5py.File(path) as file:
        file["model_weights"].visititems(
            lambda name, item: types.add(item.dtype) if isinstance(item, h5py.Dataset) else None
        )
    assert types == {np.dtype(np.float32)}


@pytest.mark.parametrize("precision", MIXED)
def test_mixed_precision_of_the_head_alone(batch, precision):
    plan = plan_freeze(tiny_model())
    model = plan.model
    features = np.random.default_rng(0).uniform(-1, 1, (8, 10, 6)).astype(np.float32)
    batch = replace(batch, features=features)
    losses = []
    for settings in (SETTINGS, replace(SETTINGS, precision=precision)):
        engine = engine_class()(
            model.architecture, model.weights, plan, settings, from_features=True
        )
        for _ in range(2):
            loss = step(engine, batch)[0]
            engine.update()
        losses.append(loss)
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert losses[1] != losses[0]


def test_half_precision_scales_the_loss_and_survives_an_infinite_gradient(batch):
    plan = plan_whole(tiny_model())
    exact, half = make(plan), make(plan, replace(SETTINGS, precision="mixed_float16"))

    def largest(engine) -> float:
        step(engine, batch)
        return max(np.abs(np.asarray(array)).max() for array in engine._accumulated[-1][1])

    scale = largest(half) / largest(exact)
    assert scale > 1000
    half.update()
    before = half.get_weights()
    largest(half)
    ((n, gradients),) = half._accumulated
    half._accumulated[0] = n, [gradient * np.inf for gradient in gradients]
    half.update()
    after = half.get_weights()
    statistics = {"batch_normalization:2", "batch_normalization:3"}  # of the batch, not the update
    assert moved(before, after) <= statistics
    assert largest(half) / largest(exact) == pytest.approx(scale / 2, rel=0.3)
    half.update()
    assert moved(after, half.get_weights()) > statistics
    assert all(
        np.isfinite(array).all() for arrays in half.get_weights().values() for array in arrays
    )


AVERAGING = replace(SETTINGS, recipe="default")


def test_the_average_is_that_of_the_weights_after_each_update(batch):
    plan = plan_whole(tiny_model(dropout=0.3))
    engine = make(plan, AVERAGING)
    expected = plan.model.weights
    for share in (0.25, 0.5, 0.75):
        step(engine, batch)
        engine.update()
        engine.average(share)
        now = engine.get_weights()
        expected = {
            name: [
                share * old + (1 - share) * new for old, new in zip(arrays, now[name], strict=True)
            ]
            for name, arrays in expected.items()
        }
    with engine.averaged():
        average = engine.get_weights()
    for name, arrays in expected.items():
        for ours, theirs in zip(average[name], arrays, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)
    assert moved(now, average)
    assert not moved(now, engine.get_weights())


@pytest.mark.parametrize("frozen", ["body", "statistics"])
def test_what_is_frozen_is_bit_identical_in_the_average(batch, frozen):
    model = tiny_model()
    plan = plan_freeze(model) if frozen == "body" else plan_whole(model, freeze_batchnorm=True)
    engine = make(plan, AVERAGING)
    for share in (2 / 11, 3 / 12, 0.98):
        step(engine, batch)
        engine.update()
        engine.average(share)
    with engine.averaged():
        changed = moved(plan.model.weights, engine.get_weights())
    if frozen == "body":
        assert changed == {"dense:0", "dense:1"}
    else:
        assert "batch_normalization:0" in changed
        assert not changed & {"batch_normalization:2", "batch_normalization:3"}


def test_scores_of_the_average_are_those_of_its_weights(batch):
    plan = plan_whole(tiny_model())
    engine = make(plan, AVERAGING)
    for _ in range(3):
        step(engine, batch)
        engine.update()
        engine.average(0.5)
    before = engine.score(batch, len(batch)).entropy
    with engine.averaged():
        averaged = engine.score(batch, len(batch)).entropy
        weights = engine.get_weights()
    assert not np.allclose(averaged, before, rtol=1e-4)
    assert engine.score(batch, len(batch)).entropy == pytest.approx(before)
    other = make(plan)
    other.set_weights(weights)
    assert other.score(batch, len(batch)).entropy == pytest.approx(averaged)


def test_the_average_is_part_of_the_state(batch):
    plan = plan_whole(tiny_model())
    engine, resumed = make(plan, AVERAGING), make(plan, AVERAGING)
    step(engine, batch)
    engine.update()
    engine.average(0.5)
    resumed.restore(engine.state())
    for one in (engine, resumed):
        step(one, batch)
        one.update()
        one.average(0.5)
    with engine.averaged(), resumed.averaged():
        assert not moved(engine.get_weights(), resumed.get_weights())
    with pytest.raises(InputError, match="'average' of another network or optimiser"):
        make(plan).restore(engine.state())


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_learning_rate_of_an_update(batch, precision):
    """Adam's first step is as long as the learning rate, in every weight."""
    plan = plan_freeze(tiny_model(), keep_head=True)
    engine = make(plan, replace(SETTINGS, optimizer="adam", precision=precision))
    engine.set_learning_rate(0.125)
    step(engine, batch)
    engine.update()
    before, after = (weights["dense"][1] for weights in (plan.model.weights, engine.get_weights()))
    assert np.abs(after - before).max() == pytest.approx(0.125, rel=1e-3)
