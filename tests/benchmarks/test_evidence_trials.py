"""What benchmarks/evidence_trials.py changes in a training."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from evidence_trials import Trial

from helixer_ft.engine import base, loss
from helixer_ft.settings import TrainingSettings

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.skipif(
    __import__("keras").backend.backend() != "jax", reason="trials are for the JAX backend"
)


@pytest.fixture
def apply(monkeypatch):
    """Applies a trial, for the duration of a test."""
    from helixer_ft.engine import jax as jax_engine

    for module, name in (
        (base, "make_optimizer"),
        (loss, "cross_entropy"),
        (jax_engine, "pooled_weights"),
        (jax_engine, "network_input"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    return lambda **options: Trial(**options).apply()


def steps_of_two_layers(n: int = 1) -> list[np.ndarray]:
    """Kernels of a lower and an upper layer, each 1 before, after updates with equal gradients."""
    import keras

    given = keras.Input((1,))
    model = keras.Model(given, keras.layers.Dense(1)(keras.layers.Dense(1)(given)))
    optimizer = base.make_optimizer(TrainingSettings(optimizer="adam", learning_rate=0.125))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer.build(model.trainable_variables)
    values = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in optimizer.variables]
    for _ in range(n):
        gradients = [np.ones(value.shape, np.float32) for value in values]
        values, state = optimizer.stateless_apply(state, gradients, values)
    return [float(value.sum()) for value in values[::2]]


def test_lower_layers_learn_more_slowly(apply):
    assert steps_of_two_layers() == pytest.approx([0.875, 0.875], rel=1e-5)
    apply(rate_below=0.5)
    assert steps_of_two_layers() == pytest.approx([1 - 0.0625, 0.875], rel=1e-5)


def test_a_pull_brings_weights_back_to_where_they_were(apply):
    first, second = steps_of_two_layers(1)[0], steps_of_two_layers(2)[0]
    apply(pull=0.25)
    assert steps_of_two_layers(1)[0] == pytest.approx(first)  # nothing to come back from
    assert steps_of_two_layers(2)[0] == pytest.approx(second + 0.25 * (1 - first))


def test_labels_are_smoothed_in_the_loss_and_not_in_the_scores(apply):
    from helixer_ft.engine import arithmetic

    logits = np.random.default_rng(0).normal(size=(1, 4, 1, 9, 3)).astype(np.float32)
    labels = np.tile(np.arange(9, dtype=np.uint8) % 4, 3)[None]
    labels[0, 4] = 4  # no label
    exact = np.asarray(loss.cross_entropy(logits, labels))
    apply(smoothing=0.1)
    smoothed = np.asarray(loss.cross_entropy(logits, labels))
    of_all = -np.asarray(jax.nn.log_softmax(logits, axis=1)).mean(axis=1)
    expected = 0.9 * exact + 0.1 * of_all
    has_label = np.asarray(loss.truth_codes(logits, labels)) != 4
    np.testing.assert_allclose(smoothed[has_label], expected[has_label], rtol=1e-5)
    assert np.count_nonzero(~has_label) == 1
    assert not smoothed[~has_label].any()
    assert np.array_equal(arithmetic.cross_entropy(logits, labels), exact)


def test_features_are_silenced_in_training_alone(apply):
    from helixer_ft.engine import jax as jax_engine

    apply(dropout=0.25)
    given = {"features": np.ones((4, 100, 8), np.float32)}
    other = {"features": np.full((4, 100, 8), 2.0, np.float32)}

    def trained(given: dict) -> np.ndarray:
        labels = np.zeros((4, 900), np.uint8)
        jax_engine.pooled_weights(labels, np.zeros_like(labels), 9, TrainingSettings())
        return np.asarray(jax_engine.network_input(given, 9))

    silenced = trained(given) == 0
    assert silenced.mean() == pytest.approx(0.25, abs=0.02)
    assert np.unique(trained(given)[~silenced]) == pytest.approx([1 / 0.75])
    assert np.array_equal(trained(given) == 0, silenced)  # a step can be repeated
    assert not np.array_equal(trained(other) == 0, silenced)
    np.testing.assert_array_equal(jax_engine.network_input(given, 9), given["features"])
