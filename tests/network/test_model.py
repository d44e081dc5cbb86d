"""The Keras model computes what the architecture says, and files give it back."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import tiny_architecture, tiny_model

from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.architecture import (
    BatchNorm,
    BiLSTM,
    Conv,
    Dense,
    Dropout,
    Pool,
)
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.model import (
    build_keras,
    get_weights,
    load_model,
    new_model,
    set_weights,
)
from tests.network.builders import nested_coverage, random_model, random_weights

# -- a slow network in numpy, after the equations ----------------------------------------------


def conv(x, kernel, bias):
    """`out[t] = sum_k kernel[k] . x[t + k - (K - 1) // 2]`, zeros outside."""
    size, length = len(kernel), x.shape[1]
    left = (size - 1) // 2
    padded = np.pad(x, [(0, 0), (left, size - 1 - left), (0, 0)])
    return sum(padded[:, k : k + length] @ kernel[k] for k in range(size)) + bias


def lstm(x, kernel, recurrent, bias):
    """Hochreiter & Schmidhuber (1997) with forget gate; gates in Keras' order i, f, c, o."""
    h = c = np.zeros((len(x), len(recurrent)))
    states = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(architecture, weights, inputs):
    """Logits `(n, steps, outputs, pool, 4)` in float64."""
    x = np.asarray(inputs, np.float64)[..., :4]
    n = len(x)
    for layer in architecture.body:
        arrays = [array.astype(np.float64) for array in weights[layer.name]]
        match layer:
            case Conv():
                x = np.maximum(conv(x, *arrays), 0)
            case BatchNorm():
                gamma, beta, mean, variance = arrays
                x = gamma * (x - mean) / np.sqrt(variance + layer.epsilon) + beta
            case Pool():
                x = x.reshape(n, x.shape[1] // layer.size, layer.size * x.shape[2])
            case BiLSTM():
                backward = lstm(x[:, ::-1], *arrays[3:])[:, ::-1]
                x = np.concatenate([lstm(x, *arrays[:3]), backward], axis=-1)
            case Dropout():
                pass
    if architecture.coverage_channels:
        coverage = np.asarray(inputs, np.float64)[..., 4:]
        x = np.concatenate([x, coverage.reshape(n, x.shape[1], -1)], axis=-1)
    for dense in architecture.head:
        kernel, bias = weights[dense.name]
        x = x @ kernel.astype(np.float64) + bias
        x = {"linear": x, "relu": np.maximum(x, 0), "tanh": np.tanh(x)}[dense.activation]
    return x.reshape(n, -1, len(architecture.outputs), architecture.pool_size, 4)


def class_last(logits):
    """The network's logits as the reference has them."""
    return np.asarray(logits).transpose(0, 4, 2, 3, 1)


def inputs_for(architecture, n=2, length=45):
    generator = np.random.default_rng(3)
    bases = np.eye(4)[generator.integers(0, 4, (n, length))]
    bases[0, -20:] = 0  # padding
    coverage = generator.normal(1, 2, (n, length, architecture.coverage_channels))
    return np.concatenate([bases, coverage], axis=-1).astype(np.float32)


def hidden(architecture, activation="relu"):
    units = architecture.output_units
    return replace(architecture, head=(Dense("dense", 11, activation), Dense("dense_1", units)))


DEEP = replace(
    tiny_architecture(),
    body=(
        Conv("conv1d", 6, 10),  # Helixer's kernel: one base more to the right than to the left
        BatchNorm("batch_normalization", epsilon=0.05),
        Conv("conv1d_1", 5, 5),
        BatchNorm("batch_normalization_1"),
        Conv("conv1d_2", 4, 2),
        Pool("reshape", 9),
        BiLSTM("bidirectional", 3),
        BiLSTM("bidirectional_1", 4),
    ),
)

NETWORKS = {
    "deep": DEEP,
    "pool 1, no phase": tiny_architecture(pool=1, phase=False),
    "hidden, dropout": hidden(tiny_architecture(dropout=0.5)),
    "coverage, hidden": replace(hidden(tiny_architecture(), "tanh"), coverage_channels=4),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_the_equations(name):
    architecture = NETWORKS[name]
    weights = random_weights(architecture, seed=8)
    model = build_keras(architecture)
    set_weights(model, weights)
    inputs = inputs_for(architecture)
    logits = class_last(model(inputs))
    expected = reference(architecture, weights, inputs)
    assert logits.shape == expected.shape
    assert logits.dtype == np.float32
    assert expected.std() > 0.3
    assert np.abs(logits - expected).max() < 1e-5


def test_outputs_and_bases_stay_in_place():
    """A bias of its own for each output, base and class comes out where it belongs."""
    architecture = tiny_architecture(pool=3)
    weights = random_weights(architecture)
    weights["dense"] = [np.zeros((6, 24), np.float32), np.arange(24, dtype=np.float32)]
    model = build_keras(architecture)
    set_weights(model, weights)
    logits = class_last(model(inputs_for(architecture, length=6)))
    # the first half of the units is genic, as `tf.split` and `reshape_hat` have it
    assert np.array_equal(logits[1, 0, 0], np.arange(12).reshape(3, 4))
    assert np.array_equal(logits[0, 1, 1], np.arange(12, 24).reshape(3, 4))


@pytest.mark.slow  # Keras' wrapper imports TensorFlow
def test_the_bidirectional_lstm_is_keras_own():
    import keras

    x = np.random.default_rng(1).normal(size=(2, 7, 5)).astype(np.float32)
    architecture = replace(
        tiny_architecture(pool=1, convs=1),
        body=(Conv("conv1d", 5, 1), BiLSTM("bidirectional", 4)),
    )
    ours = build_keras(architecture).get_layer("bidirectional")
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))
    theirs.build(x.shape)
    weights = random_weights(architecture)["bidirectional"]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    assert np.abs(np.asarray(ours(x)) - np.asarray(theirs(x))).max() < 1e-6
    assert ours.compute_output_shape((2, 7, 5)) == (2, 7, 8)


# -- weights in and out ------------------------------------------------------------------------


def test_weights_come_back_as_they_went_in():
    architecture = hidden(DEEP)
    weights = random_weights(architecture)
    model = build_keras(architecture)
    set_weights(model, weights)
    back = get_weights(model, architecture)
    assert list(back) == [layer.name for layer, _ in architecture.layers()]
    for name, arrays in weights.items():
        for one, other in zip(back[name], arrays, strict=True):
            assert one.dtype == np.float32
            assert np.array_equal(one, other)
    back["dense"][0][:] = 0  # a copy: the model keeps its own
    assert np.array_equal(get_weights(model, architecture)["dense"][0], weights["dense"][0])


def test_parameters_are_counted_as_keras_counts_them():
    for architecture in (DEEP, hidden(DEEP), NETWORKS["coverage, hidden"]):
        assert build_keras(architecture).count_params() == architecture.parameters()


def test_initial_weights_depend_on_the_seed():
    architecture = tiny_architecture(lstms=2)
    one, same, other = (new_model(architecture, seed).weights for seed in (1, 1, 2))
    for name, arrays in one.items():
        for i, array in enumerate(arrays):
            assert np.array_equal(array, same[name][i])
    drawn = [("conv1d", 0), ("bidirectional", 0), ("bidirectional", 1), ("dense", 0)]
    for name, i in drawn:
        assert not np.array_equal(one[name][i], other[name][i])
    # no two layers and no two directions start alike
    forward, backward = one["bidirectional_1"][0], one["bidirectional_1"][3]
    assert not np.array_equal(forward, backward)
    assert not np.array_equal(forward, one["bidirectional"][0][: len(forward)])


def test_weights_that_will_be_set_are_not_drawn():
    """On JAX, each one that is drawn costs a compilation."""
    architecture = hidden(tiny_architecture(lstms=2))
    for name, arrays in get_weights(build_keras(architecture), architecture).items():
        for array in arrays:
            assert not array.any(), name


def test_networks_compute_alike_whatever_groups_hold_their_weights():
    one = tiny_architecture()
    other = replace(one, head=tuple(replace(dense, group="elsewhere") for dense in one.head))
    assert one != other
    assert one.computes_like(other)
    assert not one.computes_like(hidden(one))
    assert not one.computes_like(tiny_architecture(pool=1))


def test_networks_of_many_layers_are_built():
    architecture = tiny_architecture(convs=4, lstms=17)
    assert build_keras(architecture).count_params() == architecture.parameters()


# -- batch norm and dropout in training --------------------------------------------------------


@pytest.mark.parametrize("statistics", [True, False])
def test_batchnorm_statistics_follow_the_batch_only_where_asked(statistics):
    architecture = tiny_architecture()
    weights = random_weights(architecture, seed=8)
    model = build_keras(architecture, batchnorm_statistics=statistics)
    set_weights(model, weights)
    inputs = inputs_for(architecture)
    logits = class_last(model(inputs, training=True))
    inference = reference(architecture, weights, inputs)
    if statistics:
        assert np.abs(logits - inference).max() > 0.01
    else:
        assert np.abs(logits - inference).max() < 1e-5
        after = get_weights(model, architecture)["batch_normalization"]
        for one, other in zip(after, weights["batch_normalization"], strict=True):
            assert np.array_equal(one, other)


def test_dropout_acts_in_training_only():
    architecture = tiny_architecture(convs=1, dropout=0.5)
    weights = random_weights(architecture, seed=8)
    model = build_keras(architecture, seed=1)
    set_weights(model, weights)
    inputs = inputs_for(architecture)
    plain = class_last(model(inputs))
    assert np.abs(plain - reference(architecture, weights, inputs)).max() < 1e-5
    dropped = class_last(model(inputs, training=True))
    assert np.abs(dropped - plain).max() > 0.01


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", NETWORKS.values(), ids=NETWORKS)
def test_a_model_survives_the_way_through_a_file(architecture, tmp_path):
    config = None
    if architecture.coverage_channels:
        flat = replace(architecture, coverage_channels=0)
        config = nested_coverage(render_config(flat), architecture.coverage_channels // 2)
        architecture = parse_config(config, "")
    model = random_model(architecture, seed=2, config=config)
    path = tmp_path / "model.h5"
    write_model_file(path, model.to_file({"note": "x"}))
    read = load_model(path)
    assert [replace(layer, group="") for layer in read.architecture.body] == [
        replace(layer, group="") for layer in architecture.body
    ]
    assert read.architecture.coverage_channels == architecture.coverage_channels
    assert read.file.config == model.file.config
    assert read.file.provenance == {"note": "x"}
    assert list(read.weights) == list(model.weights)
    for name, arrays in model.weights.items():
        assert [array.tobytes() for array in read.weights[name]] == [
            array.tobytes() for array in arrays
        ]


def test_a_new_model_is_written_with_all_that_keras_expects(tmp_path):
    path = tmp_path / "model.h5"
    write_model_file(path, tiny_model(dropout=0.1).to_file({}))
    read = load_model(path)
    assert list(read.file.weights) == [
        "main_input", "conv1d", "batch_normalization", "conv1d_1", "reshape", "dropout",
        "bidirectional", "dense", "tf.split", "reshape_hat", "reshape_hat1", "genic", "phase",
    ]  # fmt: skip
    assert [name for name, arrays in read.file.weights.items() if not arrays] == [
        "main_input", "reshape", "dropout", "tf.split", "reshape_hat", "reshape_hat1", "genic",
        "phase",
    ]  # fmt: skip


def test_other_weights_leave_the_model_as_it_was(tmp_path):
    model = random_model(tiny_architecture(), seed=1)
    kernel = model.weights["dense"][0].copy()
    tuned = model.with_weights(random_weights(model.architecture, seed=2))
    path = tmp_path / "tuned.h5"
    write_model_file(path, tuned.to_file({}))
    assert np.array_equal(model.weights["dense"][0], kernel)
    assert np.array_equal(model.file.weights["dense"]["dense/kernel:0"], kernel)
    assert np.array_equal(load_model(path).weights["dense"][0], tuned.weights["dense"][0])
    assert not np.array_equal(load_model(path).weights["dense"][0], kernel)
