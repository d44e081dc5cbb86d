"""A new head in a file's own JSON: new layers in its dialect, everything else untouched."""

import copy
import json
from dataclasses import replace

import pytest
from conftest import tiny_architecture

from helixer_ft.network.architecture import Dense
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config, replace_head
from tests.data_files import helixer_config
from tests.network.builders import layer_of, nested_coverage, old_dialect, rename, split_coverage

ONE = tiny_architecture(dropout=0.1)
TWO = replace(ONE, head=(Dense("dense", 7, "tanh"), Dense("dense_1", 72)))
NEW_ONE = (Dense("dense", 72),)
NEW_TWO = (Dense("dense", 3, "relu"), Dense("dense_1", 72))

FORMS = {
    "2.15": lambda config: config,
    "2.12": old_dialect,
    "nested coverage": nested_coverage,
    "split coverage": split_coverage,
    "old nested coverage": lambda config: old_dialect(nested_coverage(config, 2)),
    "renamed split": lambda config: rename(config, "tf.split", "tf.split_3"),
}


def others(config):
    """All but the head and the function fed by it."""
    layers = config["config"]["layers"]
    dense = {layer["name"] for layer in layers if layer["class_name"] == "Dense"}
    kept = copy.deepcopy([layer for layer in layers if layer["name"] not in dense])
    for layer in kept:
        text = json.dumps(layer["inbound_nodes"])
        for name in dense:
            text = text.replace(f'["{name}", ', '["the head", ')
        layer["inbound_nodes"] = json.loads(text)
    model = {key: value for key, value in config["config"].items() if key != "layers"}
    return kept, model, config["class_name"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("old", [ONE, TWO], ids=["from one", "from two"])
@pytest.mark.parametrize("head", [NEW_ONE, NEW_TWO], ids=["to one", "to two"])
def test_the_head_is_replaced_and_nothing_else(form, old, head):
    config = FORMS[form](render_config(old))
    before = copy.deepcopy(config)
    architecture = replace(parse_config(config, "old"), head=head)

    new = replace_head(config, architecture)

    assert config == before
    parsed = parse_config(json.loads(json.dumps(new)), "new")
    named = tuple(replace(dense, group=dense.name) for dense in head)
    assert parsed == replace(architecture, head=named)
    assert others(new) == others(config)
    names = [layer["name"] for layer in new["config"]["layers"]]
    place = [layer["name"] for layer in config["config"]["layers"]].index("dense")
    assert names[place : place + len(head)] == [dense.name for dense in head]
    assert names.count("dense_1") == len(head) - 1


@pytest.mark.parametrize("form", FORMS)
def test_new_layers_share_no_objects_with_others(form):
    config = FORMS[form](render_config(ONE))
    new = replace_head(config, replace(ONE, head=NEW_TWO))
    for name in ("dense", "dense_1"):
        assert "shared_object_id" not in json.dumps(layer_of(new, name))
    kept = json.dumps(others(new)).count("shared_object_id")
    assert kept == json.dumps(others(config)).count("shared_object_id")
    assert kept > 0 if "old" in form or form == "2.12" else kept == 0


@pytest.mark.parametrize("form", ["2.15", "2.12"])
def test_new_layers_speak_the_dialect_of_the_file(form):
    new = replace_head(FORMS[form](render_config(ONE)), replace(ONE, head=NEW_TWO))
    for name, units, activation in (("dense", 3, "relu"), ("dense_1", 72, "linear")):
        layer = layer_of(new, name)
        assert layer["class_name"] == "Dense"
        assert layer["config"]["name"] == name
        assert (layer["config"]["units"], layer["config"]["activation"]) == (units, activation)
        initializer = {"class_name": "GlorotUniform", "config": {"seed": None}}
        if form == "2.15":
            initializer |= {"module": "keras.initializers", "registered_name": None}
        assert layer["config"]["kernel_initializer"] == initializer


def test_a_head_of_the_same_shape_is_the_same_text():
    config = render_config(ONE)
    assert replace_head(config, ONE) == config


def test_a_head_of_another_name_becomes_dense():
    """Helixer finds the head by the layer name `dense`."""
    config = rename(render_config(ONE), "dense", "dense_4")
    new = replace_head(config, ONE)
    assert new == render_config(ONE)


def test_there_and_back_again():
    config = render_config(ONE)
    there = replace_head(config, replace(ONE, head=NEW_TWO))
    assert there != config
    assert replace_head(there, ONE) == config


@pytest.mark.parametrize("name", ["small", "small_keras2.12", "full_random", "dropout_random"])
def test_a_new_configuration_is_what_helixer_writes(name):
    """Layer by layer: class, name, connections, and every option that is written."""
    theirs = helixer_config(name)
    ours = render_config(parse_config(theirs, name))
    assert ours["config"] | {"layers": []} == theirs["config"] | {"layers": []}
    expected, found = theirs["config"]["layers"], ours["config"]["layers"]
    assert [layer["name"] for layer in found] == [layer["name"] for layer in expected]
    for one, other in zip(found, expected, strict=True):
        for key in ("class_name", "inbound_nodes"):
            assert one[key] == other[key], one["name"]
        if "2.12" not in name:  # the other dialect
            assert subset(one["config"], other["config"]), one["name"]


def subset(one, other):
    if isinstance(one, dict):
        return all(key in other and subset(value, other[key]) for key, value in one.items())
    return one == other


# -- coverage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["2.15", "2.12", "renamed split"])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("head", [NEW_ONE, NEW_TWO], ids=["one layer", "two layers"])
def test_coverage_is_put_before_the_head_and_taken_out_again(form, channels, head):
    config = FORMS[form](render_config(ONE))
    architecture = replace(ONE, head=head, coverage_channels=channels)
    new = json.loads(json.dumps(replace_head(config, architecture)))
    parsed = parse_config(new, "new")
    assert (parsed.head_input_width, parsed.input_width) == (6 + 9 * channels, 4 + channels)
    assert [layer.name for layer in parsed.body] == [layer.name for layer in ONE.body]
    assert layer_of(new, "pooled_coverage")["config"]["target_shape"] == [-1, 9 * channels]
    assert layer_of(new, "conv1d")["inbound_nodes"] == [[["tf.__operators__.getitem", 0, 0, {}]]]
    assert replace_head(new, replace(ONE, head=NEW_ONE)) == replace_head(config, ONE)


@pytest.mark.parametrize("form", ["nested coverage", "split coverage", "old nested coverage"])
@pytest.mark.parametrize("channels", [0, 6])
def test_other_coverage_in_helixers_own_forms(form, channels):
    config = FORMS[form](render_config(ONE))
    old = parse_config(config, "old")
    new = replace_head(config, replace(old, head=NEW_TWO, coverage_channels=channels))
    parsed = parse_config(json.loads(json.dumps(new)), "new")
    assert (parsed.coverage_channels, parsed.input_width) == (channels, 4 + channels)
    assert parsed.body == old.body
    assert ("tf.concat" in json.dumps(new)) == (channels > 0)
