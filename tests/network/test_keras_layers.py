"""Our own layers compute what Keras' do."""

import keras
import numpy as np
import pytest
from keras import ops

from helixer_ft.network import keras_layers
from helixer_ft.network.keras_layers import BidirectionalLSTM

JAX = keras.backend.backend() == "jax"


def make_layer(units: int, width: int, **options) -> BidirectionalLSTM:
    """Weights far from their initial values, and other ones in each direction."""
    layer = BidirectionalLSTM(units, (1, 2, 3, 4), name="bidirectional", **options)
    layer.build((None, None, width))
    generator = np.random.default_rng(0)
    layer.set_weights([generator.normal(0, 0.6, w.shape) for w in layer.get_weights()])
    return layer


def random_inputs(batch: int, steps: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 2, (batch, steps, width)).astype(np.float32)


@pytest.fixture
def layer() -> BidirectionalLSTM:
    return make_layer(5, 7)


@pytest.fixture
def inputs() -> np.ndarray:
    return random_inputs(3, 40, 7)


def keras_own(layer: BidirectionalLSTM, inputs):
    """The same from Keras' LSTM layers."""
    return ops.concatenate(
        [layer.forward(inputs), ops.flip(layer.backward(inputs), axis=1)], axis=-1
    )


def numpy_of(array) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(array, "float32"))


def tolerance(array: np.ndarray) -> float:
    """1e-5, of the greatest value where that is above 1."""
    return 1e-5 * max(1.0, float(np.abs(array).max()))


def gradients(layer: BidirectionalLSTM, states_of, inputs: np.ndarray) -> list[np.ndarray]:
    """Of a weighted sum of all states, to the inputs and to each weight."""
    shape = (*inputs.shape[:2], 2 * layer.forward.units)
    share = np.random.default_rng(2).normal(size=shape).astype(np.float32)

    def objective(inputs):
        return ops.sum(ops.cast(states_of(inputs), "float32") * share)

    if JAX:
        import jax

        fixed = [(v, v.value) for v in layer.non_trainable_variables]

        def stateless(inputs, weights):
            pairs = zip(layer.trainable_variables, weights, strict=True)
            with keras.StatelessScope([*pairs, *fixed]):
                return objective(inputs)

        values = [variable.value for variable in layer.trainable_variables]
        found = jax.tree.leaves(jax.jit(jax.grad(stateless, argnums=(0, 1)))(inputs, values))
    else:
        import tensorflow as tf

        @tf.function(input_signature=[tf.TensorSpec([None, None, inputs.shape[2]])])
        def graph(inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                result = objective(inputs)
            weights = [variable.value for variable in layer.trainable_variables]
            return tape.gradient(result, [inputs, *weights])

        found = graph(inputs)
    return [np.asarray(gradient) for gradient in found]


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


@pytest.mark.parametrize(
    ("batch", "steps", "width", "units"),
    [(3, 40, 7, 5), (1, 40, 7, 5), (1, 1, 1, 1), (2, 2, 3, 1), (5, 13, 1, 4), (4, 200, 12, 9)],
)
def test_gradients_equal_those_of_automatic_differentiation(batch, steps, width, units):
    """The recurrence has its gradient written out; Keras' loop is differentiated step by step."""
    layer, inputs = make_layer(units, width), random_inputs(batch, steps, width)
    ours = gradients(layer, layer, inputs)
    theirs = gradients(layer, lambda inputs: keras_own(layer, inputs), inputs)
    assert len(ours) == 7
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert one == pytest.approx(other, abs=tolerance(other))
    assert all(np.abs(other).max() > 0.01 for other in theirs[::3])


def test_gates_far_from_zero_have_the_gradients_of_keras_too(layer, inputs):
    """Saturated gates: slopes of nearly nothing, cells that are never forgotten."""
    layer.set_weights([weight * 4 for weight in layer.get_weights()])
    ours = gradients(layer, layer, inputs)
    theirs = gradients(layer, lambda inputs: keras_own(layer, inputs), inputs)
    for one, other in zip(ours, theirs, strict=True):
        assert np.isfinite(one).all()
        assert one == pytest.approx(other, abs=tolerance(other))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_states_of_low_precision_are_computed_in_float32(policy, inputs):
    layer, exact = make_layer(5, 7, dtype=policy), make_layer(5, 7)
    assert all(variable.dtype == "float32" for variable in layer.weights)
    states = layer(inputs)
    assert keras.backend.standardize_dtype(states.dtype) == policy.removeprefix("mixed_")

    def rounded(array):
        return numpy_of(ops.cast(array, layer.compute_dtype))

    exact.set_weights([rounded(weight) for weight in exact.get_weights()])
    assert (numpy_of(states) == rounded(exact(rounded(inputs)))).all()
    one_by_one = zip(
        gradients(layer, layer, inputs), gradients(exact, exact, rounded(inputs)), strict=True
    )
    for ours, other in one_by_one:
        assert ours.dtype == np.float32
        assert ours == pytest.approx(other, abs=2000 * tolerance(other))


@pytest.mark.skipif(JAX, reason="JAX compiles for every shape")
def test_one_graph_serves_all_batches_and_lengths(layer):
    import tensorflow as tf

    traced = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, 7])])
    def graph(inputs):
        traced.append(inputs.shape)
        return layer(inputs)

    for batch, steps in ((1, 1), (1, 30), (4, 3)):
        inputs = random_inputs(batch, steps, 7)
        expected = numpy_of(keras_own(layer, inputs))
        assert graph(inputs).numpy() == pytest.approx(expected, abs=1e-6)
    assert len(traced) == 1


def test_the_own_recurrence_is_used_on_the_cpu_alone(layer, inputs, monkeypatch):
    if JAX:
        import jax

        from helixer_ft.network import lstm_jax as own

        device = (jax, "default_backend", lambda: "gpu")
    else:
        import tensorflow as tf

        from helixer_ft.network import lstm_tensorflow as own

        device = (tf.config, "get_visible_devices", lambda kind: [kind])
    used = []
    run = own.bidirectional_lstm
    monkeypatch.setattr(own, "bidirectional_lstm", lambda *a: used.append(1) or run(*a))
    layer(inputs)
    assert used == [1]
    with monkeypatch.context() as patch:
        patch.setattr(*device)
        assert keras_layers._own_recurrence() is None
    monkeypatch.setattr(keras_layers, "_own_recurrence", lambda: None)
    layer(inputs)
    assert used == [1]
