"""Our own layers compute what Keras' do."""

import keras
import numpy as np
import pytest
from keras import ops

from helixer_ft.network import keras_layers
from helixer_ft.network.keras_layers import BidirectionalLSTM

JAX = keras.backend.backend() == "jax"


def make_layer(units: int, width: int) -> BidirectionalLSTM:
    """Weights far from their initial values, and other ones in each direction."""
    layer = BidirectionalLSTM(units, (1, 2, 3, 4), "bidirectional")
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
    backward = ops.flip(layer.backward(ops.flip(inputs, axis=1)), axis=1)
    return ops.concatenate([layer.forward(inputs), backward], axis=-1)


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
    [
        (3, 40, 7, 5),
        (1, 1, 1, 1),
        *(
            pytest.param(*sizes, marks=pytest.mark.slow)
            for sizes in ((1, 40, 7, 5), (2, 2, 3, 1), (5, 13, 1, 4), (4, 200, 12, 9))
        ),
    ],
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


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_lstms_are_float32_in_every_precision(precision, inputs):
    """Inputs of 16 bits aside, states are those of float32."""
    from conftest import tiny_architecture

    from helixer_ft.network.model import build_keras

    network = build_keras(tiny_architecture(lstms=2), precision=precision)
    lstms = [layer for layer in network.layers if isinstance(layer, BidirectionalLSTM)]
    others = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv1D)]
    assert {layer.compute_dtype for layer in lstms} == {"float32"}
    assert {layer.compute_dtype for layer in others} == {precision.removeprefix("mixed_")}
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}
    layer = make_layer(5, 7)
    short = ops.cast(inputs, precision.removeprefix("mixed_"))
    states = layer(short)
    assert keras.backend.standardize_dtype(states.dtype) == "float32"
    assert (numpy_of(states) == numpy_of(layer(numpy_of(short)))).all()


@pytest.mark.parametrize("kind", ["Conv1D", "Dense"])
def test_biases_are_added_in_float32(kind):
    """Summing up 12,000 ones, float16 would not get beyond 2,048."""
    exact, mixed = (_biased(kind, policy) for policy in ("float32", "mixed_float16"))
    inputs = np.random.default_rng(1).integers(-2, 3, (4, 3000, 2)).astype(np.float32)
    assert numpy_of(mixed(inputs)) == pytest.approx(numpy_of(exact(inputs)), rel=2e-3, abs=2e-3)
    assert keras.backend.standardize_dtype(mixed(inputs).dtype) == "float16"
    found = _bias_gradient(mixed, inputs)
    assert found == pytest.approx(_bias_gradient(exact, inputs), rel=1e-3)
    assert found.max() > 4096


def _biased(kind: str, policy: str):
    """A layer all of whose products float16 holds exactly."""
    options = {"activation": "relu", "bias_initializer": "ones", "dtype": policy}
    make = getattr(keras_layers, kind)
    layer = make(3, 1, **options) if kind == "Conv1D" else make(3, **options)
    layer.build((None, None, 2))
    kernel = np.array([[0.5, -0.25, 1], [0.25, 0.5, -1]], np.float32)
    layer.set_weights([kernel.reshape(layer.kernel.shape), np.ones(3, np.float32)])
    return layer


def _bias_gradient(layer, inputs: np.ndarray) -> np.ndarray:
    """Of the sum of all outputs."""
    if JAX:
        import jax

        def total(bias):
            with keras.StatelessScope([(layer.kernel, layer.kernel.value), (layer.bias, bias)]):
                return ops.sum(ops.cast(layer(inputs), "float32"))

        return np.asarray(jax.grad(total)(layer.bias.value))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        result = ops.sum(ops.cast(layer(inputs), "float32"))
    return tape.gradient(result, layer.bias.value).numpy()


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
