"""Our own layers compute what Keras' do."""

import keras
import numpy as np
import pytest
from keras import ops

from helixer_ft.network import keras_layers
from helixer_ft.network.keras_layers import BidirectionalLSTM


@pytest.fixture
def layer() -> BidirectionalLSTM:
    """Five units, weights far from their initial values."""
    layer = BidirectionalLSTM(5, (1, 2, 3, 4), name="bidirectional")
    layer.build((None, None, 7))
    generator = np.random.default_rng(0)
    layer.set_weights([generator.normal(0, 0.6, w.shape) for w in layer.get_weights()])
    return layer


@pytest.fixture
def inputs() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 2, (3, 40, 7)).astype(np.float32)


def keras_own(layer: BidirectionalLSTM, inputs):
    """The same from Keras' LSTM layers."""
    return ops.concatenate(
        [layer.forward(inputs), ops.flip(layer.backward(inputs), axis=1)], axis=-1
    )


def test_states_equal_those_of_keras_lstms(layer, inputs):
    ours = ops.convert_to_numpy(layer(inputs))
    assert ours == pytest.approx(ops.convert_to_numpy(keras_own(layer, inputs)), abs=1e-6)
    assert np.abs(ours).max() > 0.5


def test_backward_states_come_from_the_reversed_sequence(layer, inputs):
    states = ops.convert_to_numpy(layer(inputs))
    changed = inputs.copy()
    changed[:, 20] += 1
    difference = np.abs(ops.convert_to_numpy(layer(changed)) - states).max(axis=(0, 2))
    forward = np.abs(ops.convert_to_numpy(layer(changed)) - states)[..., :5].max(axis=(0, 2))
    backward = np.abs(ops.convert_to_numpy(layer(changed)) - states)[..., 5:].max(axis=(0, 2))
    assert (forward[:20] == 0).all()
    assert (backward[21:] == 0).all()
    assert difference[20] > 1e-3


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the recurrence is JAX's")
def test_gradients_equal_those_of_automatic_differentiation(layer, inputs):
    """The recurrence has its gradient written out; Keras' loop is differentiated step by step."""
    import jax

    from helixer_ft.network.lstm_jax import bidirectional_lstm

    values = [variable.value for variable in layer.trainable_variables]
    fixed = [variable.value for variable in layer.non_trainable_variables]
    target = np.random.default_rng(2).normal(size=(3, 40, 10)).astype(np.float32)

    def ours(inputs, weights):
        states = bidirectional_lstm(inputs, tuple(weights[:3]), tuple(weights[3:]))
        return ((states - target) ** 2).sum()

    def theirs(inputs, weights):
        with keras.StatelessScope(
            zip(
                [*layer.trainable_variables, *layer.non_trainable_variables],
                [*weights, *fixed],
                strict=True,
            )
        ):
            return ((keras_own(layer, inputs) - target) ** 2).sum()

    ours_all = jax.tree.leaves(jax.grad(ours, argnums=(0, 1))(inputs, values))
    theirs_all = jax.tree.leaves(jax.grad(theirs, argnums=(0, 1))(inputs, values))
    assert len(ours_all) == 7
    for one, other in zip(ours_all, theirs_all, strict=True):
        assert np.asarray(one) == pytest.approx(np.asarray(other), rel=1e-4, abs=2e-4)
        assert np.abs(np.asarray(other)).max() > 0.1


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow takes Keras' LSTM")
def test_the_own_recurrence_is_used_on_the_cpu_alone(layer, inputs, monkeypatch):
    from helixer_ft.network import lstm_jax

    used = []
    run = lstm_jax.bidirectional_lstm
    monkeypatch.setattr(lstm_jax, "bidirectional_lstm", lambda *a: used.append(1) or run(*a))
    layer(inputs)
    monkeypatch.setattr(keras_layers, "_jax_on_cpu", lambda: False)
    layer(inputs)
    assert used == [1]
