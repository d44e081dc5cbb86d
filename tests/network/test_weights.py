"""Arrays of a file to the layers of a network and back: by name, by shape, in order."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import tiny_architecture

from helixer_ft.errors import InputError
from helixer_ft.network.architecture import Dense
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.weights import weight_names, weights_by_layer, weights_for_file
from tests.network.builders import nested_coverage, random_model, random_weights

TWO = (Dense("dense", 7, "relu"), Dense("dense_1", 72))


def nested():
    config = nested_coverage(render_config(tiny_architecture()))
    return random_model(parse_config(config, ""), seed=2, config=config)


def flat(**options):
    return random_model(tiny_architecture(**options), seed=2)


@pytest.mark.parametrize("model", [flat(lstms=3, convs=3), nested(), flat(dropout=0.1)])
def test_every_layer_gets_its_arrays(model):
    found = weights_by_layer(model.architecture, model.file.weights, "model.h5")
    assert list(found) == [layer.name for layer, _ in model.architecture.layers()]
    for name, arrays in found.items():
        assert len(arrays) == len(model.weights[name])
        for one, other in zip(arrays, model.weights[name], strict=True):
            assert np.array_equal(one, other)


def test_lstm_arrays_are_forward_then_backward():
    model = flat()
    group = model.file.weights["bidirectional"]
    found = weights_by_layer(model.architecture, model.file.weights, "")["bidirectional"]
    for i, name in enumerate(
        f"bidirectional/{direction}_lstm/lstm_cell/{array}:0"
        for direction in ("forward", "backward")
        for array in ("kernel", "recurrent_kernel", "bias")
    ):
        assert found[i] is group[name]


def test_names_given_to_new_layers():
    names = {
        layer.name: weight_names(layer, width) for layer, width in tiny_architecture().layers()
    }
    assert names["conv1d_1"] == ["conv1d_1/kernel:0", "conv1d_1/bias:0"]
    assert names["batch_normalization"] == [
        f"batch_normalization/{name}:0"
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    assert names["reshape"] == []
    assert names["bidirectional"][1] == "bidirectional/forward_lstm/lstm_cell/recurrent_kernel:0"
    assert names["bidirectional"][5] == "bidirectional/backward_lstm/lstm_cell/bias:0"


# -- refused -----------------------------------------------------------------------------------


def refused(model, weights, *parts):
    with pytest.raises(InputError) as error:
        weights_by_layer(model.architecture, weights, "model.h5")
    text = str(error.value)
    assert text.startswith("model.h5: ")
    for part in parts:
        assert part in text, text


def editable(model):
    return {group: dict(arrays) for group, arrays in model.file.weights.items()}


@pytest.mark.parametrize("model", [flat(), nested()], ids=["flat", "nested"])
def test_a_missing_weight(model):
    weights = editable(model)
    del weights[model.architecture.body[1].group or "batch_normalization"][
        "batch_normalization/moving_mean:0"
    ]
    refused(model, weights, "'batch_normalization' has 3 weights", "expected 4", "moving_mean:0")


def test_a_missing_group():
    weights = editable(flat())
    del weights["conv1d_1"]
    refused(flat(), weights, "no weights for layer 'conv1d_1'")


def test_a_missing_nested_group():
    weights = editable(nested())
    del weights["model"]
    refused(nested(), weights, "no weights for layer 'conv1d'")


@pytest.mark.parametrize("model", [flat(), nested()], ids=["flat", "nested"])
@pytest.mark.parametrize("shape", [(5, 4, 3), (4, 5, 4), (80,), (5, 4, 4, 1)])
def test_a_wrong_shape(model, shape):
    weights = editable(model)
    group = model.architecture.body[0].group or "conv1d"
    weights[group]["conv1d/kernel:0"] = np.zeros(shape, np.float32)
    refused(model, weights, "'conv1d/kernel:0' of layer 'conv1d'", str(shape), "(5, 4, 4)")


def test_one_weight_too_many():
    weights = editable(flat())
    weights["dense"]["dense/scale:0"] = np.zeros(72, np.float32)
    refused(flat(), weights, "'dense' has 3 weights", "dense/scale:0", "expected 2")


def test_weights_of_a_layer_that_has_none():
    weights = editable(flat())
    weights["reshape"]["reshape/kernel:0"] = np.zeros(3, np.float32)
    refused(flat(), weights, "'reshape' has 1 weights", "expected 0")


def test_weights_in_another_order():
    """The two biases of a batch norm have one shape: only names tell gamma from beta."""
    weights = editable(flat())
    names = list(weights["batch_normalization"])
    names[0], names[1] = names[1], names[0]
    weights["batch_normalization"] = {name: np.ones(4, np.float32) for name in names}
    refused(flat(), weights, "'batch_normalization/beta:0'", "expected 'gamma:0'")


# -- back into a file --------------------------------------------------------------------------


@pytest.mark.parametrize("model", [flat(lstms=2), nested(), flat(phase=False)])
def test_names_and_order_are_kept_and_values_are_new(model):
    values = random_weights(model.architecture, seed=9)
    groups = weights_for_file(model.architecture, values, model.file.weights)
    old = model.file.weights
    assert [(g, list(a)) for g, a in groups.items()] == [(g, list(a)) for g, a in old.items()]
    found = weights_by_layer(model.architecture, groups, "")
    for name, arrays in values.items():
        assert all(one is other for one, other in zip(found[name], arrays, strict=True))
    moved = [np.abs(groups[g][name] - old[g][name]).max() > 0 for g in groups for name in groups[g]]
    assert all(moved)
    assert len(moved) >= 14


def test_names_of_the_file_are_kept_where_they_are_unusual():
    """TensorFlow 2.6 numbers the cells: `forward_lstm_1/lstm_cell_4/kernel:0`."""
    model = flat()
    weights = editable(model)
    unusual = {
        name.replace("lstm/lstm_cell", "lstm_1/lstm_cell_4"): array
        for name, array in weights["bidirectional"].items()
    }
    weights["bidirectional"] = unusual
    groups = weights_for_file(
        model.architecture, weights_by_layer(model.architecture, weights, ""), weights
    )
    assert list(groups["bidirectional"]) == list(unusual)
    assert "bidirectional/backward_lstm_1/lstm_cell_4/bias:0" in groups["bidirectional"]


@pytest.mark.parametrize("model", [flat(), nested()], ids=["flat", "nested"])
def test_one_layer_becomes_two(model):
    architecture = replace(model.architecture, head=TWO)
    values = random_weights(architecture, 5)
    groups = weights_for_file(architecture, values, model.file.weights)
    assert list(groups["dense"]) == ["dense/kernel:0", "dense/bias:0"]
    assert groups["dense"]["dense/bias:0"].shape == (7,)
    assert list(groups["dense_1"]) == ["dense_1/kernel:0", "dense_1/bias:0"]
    assert groups["dense_1"]["dense_1/kernel:0"] is values["dense_1"][0]


@pytest.mark.parametrize("coverage", [False, True])
def test_two_layers_become_one_and_the_old_group_goes(coverage):
    old = replace(tiny_architecture(), head=TWO)
    config = render_config(old)
    if coverage:
        config = nested_coverage(config)
        old = parse_config(config, "")
    model = random_model(old, config=config)
    assert list(model.file.weights["dense_1"]) == ["dense_1/kernel:0", "dense_1/bias:0"]
    architecture = replace(old, head=(Dense("dense", 72),))
    groups = weights_for_file(architecture, random_weights(architecture, 5), model.file.weights)
    assert "dense_1" not in groups
    assert groups["dense"]["dense/bias:0"].shape == (72,)
    kept = [group for group in model.file.weights if group != "dense_1"]
    assert list(groups) == kept
