"""Architectures read from every form of JSON that Helixer writes; all else refused by name."""

import copy
import json
from dataclasses import replace

import pytest
from conftest import tiny_architecture
from hypothesis import given, settings
from hypothesis import strategies as st

from helixer_ft.errors import InputError
from helixer_ft.network.architecture import (
    Architecture,
    BatchNorm,
    BiLSTM,
    Conv,
    Dense,
    Dropout,
    Pool,
)
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from tests.network.builders import layer_of, nested_coverage, old_dialect, rename, split_coverage


def read(config) -> Architecture:
    return parse_config(json.loads(json.dumps(config)), "model.h5")


def grouped(architecture, body_group=""):
    """The same architecture, each layer with the weight group that the file has for it."""
    return replace(
        architecture,
        body=tuple(replace(layer, group=body_group or layer.name) for layer in architecture.body),
        head=tuple(replace(layer, group=layer.name) for layer in architecture.head),
    )


def two_layer_head(architecture, units=5):
    return replace(
        architecture,
        head=(Dense("dense", units, "relu"), Dense("dense_1", architecture.output_units)),
    )


# -- what there is -----------------------------------------------------------------------------

SHAPES = [
    {},
    {"convs": 1},
    {"convs": 5, "lstms": 4},
    {"lstms": 20},
    {"pool": 1},
    {"pool": 3, "phase": False},
    {"dropout": 0.3},
    {"phase": False},
    {"pool": 1, "phase": False},
]


@pytest.mark.parametrize("dialect", [lambda config: config, old_dialect], ids=["2.15", "2.12"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_dialects_of_any_shape(shape, dialect):
    architecture = tiny_architecture(**shape)
    assert read(dialect(render_config(architecture))) == grouped(architecture)


def test_the_old_dialect_is_another_text():
    config = render_config(tiny_architecture())
    old, new = json.dumps(old_dialect(config)), json.dumps(config)
    assert "shared_object_id" in old
    assert "registered_name" not in old
    assert "module" not in old
    assert "shared_object_id" not in new


@st.composite
def architectures(draw):
    """Networks of random sizes: dropout anywhere, one or two dense layers."""
    body = []
    for i in range(draw(st.integers(1, 4))):
        if i:
            momentum, epsilon = draw(st.floats(0, 0.999)), draw(st.floats(1e-6, 0.1))
            body.append(BatchNorm(f"batch_normalization_{i}", momentum, epsilon))
        body.append(Conv(f"conv1d_{i}", draw(st.integers(1, 200)), draw(st.integers(1, 30))))
    pool = draw(st.integers(1, 12))
    if pool > 1:
        body.append(Pool("reshape", pool))
    for i in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            body.append(Dropout(f"dropout_{i}", draw(st.floats(0, 0.99))))
        body.append(BiLSTM(f"bidirectional_{i}", draw(st.integers(1, 300))))
    outputs = draw(st.sampled_from([("genic", "phase"), ("main",), ("a", "b")]))
    units = pool * 4 * len(outputs)
    head = draw(
        st.sampled_from(
            [
                (Dense("dense", units),),
                (Dense("dense", 7, "relu"), Dense("dense_1", units)),
                (Dense("x", 16), Dense("y", 3, "tanh"), Dense("z", units)),
            ]
        )
    )
    return Architecture(tuple(body), head, pool, outputs)


@settings(max_examples=150, deadline=None)
@given(architectures(), st.booleans())
def test_reading_is_the_inverse_of_rendering(architecture, old):
    config = render_config(architecture)
    parsed = read(old_dialect(config) if old else config)
    assert parsed == grouped(architecture)
    assert render_config(parsed) == config


def test_batch_norm_options_are_kept():
    config = render_config(tiny_architecture())
    layer_of(config, "batch_normalization")["config"] |= {"momentum": 0.9, "epsilon": 1e-5}
    assert read(config).body[1] == BatchNorm(
        "batch_normalization", 0.9, 1e-5, group="batch_normalization"
    )


@pytest.mark.parametrize("axis", [[2], [-1], 2, -1])
def test_the_last_axis_has_several_names(axis):
    config = render_config(tiny_architecture())
    layer_of(config, "batch_normalization")["config"]["axis"] = axis
    assert read(config) == grouped(tiny_architecture())


@pytest.mark.parametrize("phase", [True, False])
def test_pool_1_without_a_reshape_before_the_output(phase):
    """As Helixer writes it: nothing to reshape where each step is one base."""
    architecture = tiny_architecture(pool=1, phase=phase)
    config = render_config(architecture)
    for i, output in enumerate(architecture.outputs):
        hat = "reshape_hat" + (str(i) if i else "")
        layer_of(config, output)["inbound_nodes"] = layer_of(config, hat)["inbound_nodes"]
        config["config"]["layers"].remove(layer_of(config, hat))
    parsed = read(config)
    assert parsed == grouped(architecture)
    assert (parsed.pool_size, parsed.output_units) == (1, 8 if phase else 4)


@pytest.mark.parametrize("name", ["tf.split_1", "tf.split_17", "tf_op_layer_split"])
def test_the_split_is_recognised_by_its_function(name):
    config = rename(render_config(tiny_architecture()), "tf.split", name)
    assert name in json.dumps(config)
    assert read(config) == grouped(tiny_architecture())


def test_layer_names_are_kept():
    config = render_config(tiny_architecture())
    for old, new in (("conv1d", "first"), ("dense", "last"), ("main_input", "bases")):
        config = rename(config, old, new)
    parsed = read(config)
    assert parsed.body[0] == Conv("first", 4, 5, group="first")
    assert parsed.head == (Dense("last", 72, group="last"),)


def test_trainable_flags_say_nothing():
    config = render_config(tiny_architecture())
    for flag in (True, False):
        for layer in config["config"]["layers"]:
            layer["config"]["trainable"] = flag
        assert read(config) == grouped(tiny_architecture())


def test_old_keras_names_the_class_model():
    config = render_config(tiny_architecture())
    config["class_name"] = "Model"
    assert read(config) == grouped(tiny_architecture())


# -- Helixer's own coverage models -------------------------------------------------------------

COVERAGE_BASES = [
    tiny_architecture(),
    tiny_architecture(dropout=0.2),
    two_layer_head(tiny_architecture()),
]


@pytest.mark.parametrize("base", COVERAGE_BASES, ids=["plain", "dropout", "hidden"])
@pytest.mark.parametrize("tracks", [1, 3])
def test_coverage_of_fine_tuning_with_a_nested_body(base, tracks):
    parsed = read(nested_coverage(render_config(base), tracks))
    assert parsed == replace(grouped(base, "model"), coverage_channels=2 * tracks)
    assert parsed.input_width == 4 + 2 * tracks
    assert parsed.head_input_width == 6 + 9 * 2 * tracks


@pytest.mark.parametrize("base", COVERAGE_BASES, ids=["plain", "dropout", "hidden"])
@pytest.mark.parametrize("tracks", [1, 2])
def test_coverage_of_training_from_scratch(base, tracks):
    parsed = read(split_coverage(render_config(base), tracks))
    assert parsed == replace(grouped(base), coverage_channels=2 * tracks)


def test_coverage_in_the_old_dialect():
    config = old_dialect(nested_coverage(render_config(tiny_architecture())))
    assert read(config).coverage_channels == 2


def test_pool_1_coverage_is_not_pooled():
    parsed = read(nested_coverage(render_config(tiny_architecture(pool=1)), 2))
    assert (parsed.pool_size, parsed.coverage_channels) == (1, 4)


# -- refused -----------------------------------------------------------------------------------


def refused(config, *parts):
    with pytest.raises(InputError) as error:
        read(config)
    text = str(error.value)
    assert text.startswith("model.h5: ")
    for part in parts:
        assert part in text, text


def options(name, **values):
    def edit(config):
        layer_of(config, name)["config"] |= values

    return edit


def lstm_options(**values):
    def edit(config):
        layer_of(config, "bidirectional")["config"]["layer"]["config"] |= values

    return edit


def fed_by(name, source, tensor=0):
    def edit(config):
        layer_of(config, name)["inbound_nodes"] = [[[source, 0, tensor, {}]]]

    return edit


def without(name, option):
    def edit(config):
        del layer_of(config, name)["config"][option]

    return edit


def class_of(name, class_name):
    def edit(config):
        layer_of(config, name)["class_name"] = class_name

    return edit


def arguments(name, **values):
    def edit(config):
        layer_of(config, name)["inbound_nodes"][0][3] = values

    return edit


def model_part(name, value):
    def edit(config):
        config["config"][name] = value

    return edit


def again(original, **changes):
    """A second layer like `original`, connected to nothing."""

    def edit(config):
        layer = copy.deepcopy(layer_of(config, original)) | changes
        config["config"]["layers"].append(layer)

    return edit


REFUSED = {
    # what holds or calls code
    "lambda": (class_of("reshape", "Lambda"), ["'reshape' is a Lambda layer", "never executed"]),
    "class": (class_of("conv1d", "SeparableConv1D"), ["'conv1d'", "class 'SeparableConv1D'"]),
    "custom class": (class_of("dense", "os>system"), ["'dense'", "unknown class 'os>system'"]),
    "function": (options("tf.split", function="io.read_file"), ["'tf.split'", "'io.read_file'"]),
    "slicing function": (class_of("tf.split", "SlicingOpLambda"), ["'tf.split'", "'split'"]),
    "unused lambda": (again("conv1d", name="x", class_name="Lambda"), ["'x' is a Lambda layer"]),
    "sequential": (lambda config: config.update(class_name="Sequential"), ["'Sequential'"]),
    # options that change what a layer computes
    "conv activation": (options("conv1d", activation="tanh"), ["'conv1d'", "'tanh'", "'relu'"]),
    "strides": (options("conv1d_1", strides=[2]), ["'conv1d_1'", "strides=[2]"]),
    "padding": (options("conv1d", padding="valid"), ["'conv1d'", "padding='valid'"]),
    "padding left out": (without("conv1d", "padding"), ["'conv1d'", "padding=None"]),
    "activation left out": (without("conv1d", "activation"), ["'conv1d'", "activation=None"]),
    "dilation": (options("conv1d", dilation_rate=[2]), ["dilation_rate=[2]"]),
    "groups": (options("conv1d", groups=2), ["groups=2"]),
    "data format": (options("conv1d", data_format="channels_first"), ["channels_first"]),
    "no bias": (options("conv1d", use_bias=False), ["use_bias=False"]),
    "axis": (options("batch_normalization", axis=[1]), ["'batch_normalization'", "axis [1]"]),
    "no centre": (options("batch_normalization", center=False), ["center=False"]),
    "no scale": (options("batch_normalization", scale=False), ["scale=False"]),
    "epsilon": (options("batch_normalization", epsilon=float("nan")), ["epsilon=nan"]),
    "momentum": (options("batch_normalization", momentum=5), ["momentum=5"]),
    "lstm activation": (lstm_options(activation="relu"), ["'bidirectional/lstm'", "'relu'"]),
    "lstm recurrent": (lstm_options(recurrent_activation="hard_sigmoid"), ["'hard_sigmoid'"]),
    "lstm dropout": (lstm_options(dropout=0.1), ["'bidirectional/lstm'", "dropout=0.1"]),
    "lstm recurrent dropout": (lstm_options(recurrent_dropout=0.1), ["recurrent_dropout=0.1"]),
    "lstm last step only": (lstm_options(return_sequences=False), ["return_sequences=False"]),
    "lstm backwards": (lstm_options(go_backwards=True), ["go_backwards=True"]),
    "lstm stateful": (lstm_options(stateful=True), ["stateful=True"]),
    "lstm time major": (lstm_options(time_major=True), ["time_major=True"]),
    "merge": (options("bidirectional", merge_mode="sum"), ["'bidirectional'", "'sum'"]),
    "own backward layer": (
        options("bidirectional", backward_layer={"class_name": "LSTM"}),
        ["'bidirectional'", "backward layer"],
    ),
    "gru": (
        options("bidirectional", layer={"class_name": "GRU", "config": {}}),
        ["'bidirectional' wraps a GRU"],
    ),
    "dropout rate": (options("dropout", rate=1.5), ["'dropout'", "rate=1.5"]),
    "dropout noise": (options("dropout", noise_shape=[1, None]), ["'dropout'", "noise_shape"]),
    "dense activation": (options("dense", activation="relu"), ["'dense' has an activation"]),
    "dense function": (options("dense", activation="my_relu"), ["'dense'", "'my_relu'"]),
    "dense no bias": (options("dense", use_bias=False), ["'dense'", "use_bias=False"]),
    "no softmax": (options("genic", activation="sigmoid"), ["'genic' is a sigmoid"]),
    # sizes
    "output units": (options("dense", units=71), ["'dense' has 71 units, expected 72"]),
    "no filters": (options("conv1d", filters=0), ["'conv1d' has filters=0"]),
    "part of a filter": (options("conv1d", filters=4.5), ["'conv1d' has filters=4.5"]),
    "filters as text": (options("conv1d", filters="4"), ["'conv1d' has filters='4'"]),
    "huge units": (lstm_options(units=10**9), ["'bidirectional/lstm' has units=1000000000"]),
    "kernel": (options("conv1d", kernel_size=[0]), ["'conv1d' has a kernel of 0"]),
    "kernel of two": (options("conv1d", kernel_size=[5, 5]), ["model_config", "ValueError"]),
    "pooling": (options("reshape", target_shape=[-1, 37]), ["'reshape'", "width 4 to [-1, 37]"]),
    "pooling otherwise": (options("reshape", target_shape=[-1, 8]), ["body pools 2 bases", "9"]),
    "hat": (options("reshape_hat", target_shape=[-1, 8, 4]), ["pool sizes [8, 9]"]),
    "hat of classes": (options("reshape_hat", target_shape=[-1, 9, 5]), ["'reshape_hat'", "5]"]),
    "input": (options("main_input", batch_input_shape=[None, None, 5]), ["columns 0 to 5"]),
    # options that have to be there
    **{
        f"without {option} of {name}": (without(name, option), ["model_config", f"'{option}'"])
        for name, option in (
            ("conv1d", "filters"),
            ("conv1d", "kernel_size"),
            ("batch_normalization", "epsilon"),
            ("dropout", "rate"),
            ("reshape", "target_shape"),
            ("bidirectional", "layer"),
            ("dense", "units"),
            ("dense", "activation"),
            ("tf.split", "function"),
        )
    },
    "without return_sequences": (
        lambda config: layer_of(config, "bidirectional")["config"]["layer"]["config"].pop(
            "return_sequences"
        ),
        ["'bidirectional/lstm'", "return_sequences=None"],
    ),
    # connections
    "unconnected": (again("conv1d", name="conv1d_9"), ["'conv1d_9' is not connected"]),
    "twice": (again("conv1d"), ["two layers are named 'conv1d'"]),
    "past a layer": (fed_by("conv1d_1", "conv1d"), ["'batch_normalization' is not connected"]),
    "nothing there": (fed_by("conv1d_1", "ghost"), ["'ghost' is used but not there"]),
    "itself": (fed_by("conv1d_1", "conv1d_1"), ["'conv1d_1' is used more than once"]),
    "in a circle": (fed_by("conv1d", "bidirectional"), ["'bidirectional' is used more than once"]),
    "dense in a circle": (fed_by("dense", "dense"), ["'dense' is used more than once"]),
    "dense in the body": (fed_by("dropout", "dense"), ["'dense'"]),
    "a sum of two": (
        lambda config: layer_of(config, "conv1d_1")["inbound_nodes"][0].append(
            ["conv1d", 0, 0, {}]
        ),
        ["model_config", "ValueError"],
    ),
    "a shared layer": (
        lambda config: layer_of(config, "conv1d")["inbound_nodes"].append([["conv1d_1", 0, 0, {}]]),
        ["model_config", "ValueError"],
    ),
    "phase first": (model_part("output_layers", [["phase", 0, 0], ["genic", 0, 0]]), ["halves"]),
    "one output twice": (
        model_part("output_layers", [["genic", 0, 0], ["genic", 0, 0]]),
        ["halves of one split"],
    ),
    "three outputs": (model_part("output_layers", [["genic", 0, 0]] * 3), ["3 outputs"]),
    "half a network": (
        model_part("output_layers", [["genic", 0, 0]]),
        ["'tf.split' is a TFOpLambda where Dense was expected"],
    ),
    "two inputs": (model_part("input_layers", [["main_input", 0, 0]] * 2), ["2 inputs"]),
    "split in three": (
        arguments("tf.split", num_or_size_splits=3, axis=-1),
        ["'tf.split' is not a split into two halves"],
    ),
    "split unevenly": (
        arguments("tf.split", num_or_size_splits=[30, 42], axis=-1),
        ["'tf.split' is not a split into two halves"],
    ),
    "split of steps": (arguments("tf.split", num_or_size_splits=2, axis=1), ["two halves"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case):
    edit, parts = REFUSED[case]
    config = render_config(tiny_architecture(dropout=0.1))
    read(config)
    edit(config)
    refused(config, *parts)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"class_name": "Functional"},
        {"class_name": "Functional", "config": {}},
        {"class_name": "Functional", "config": []},
        {
            "class_name": "Functional",
            "config": {"layers": "abc", "input_layers": [], "output_layers": []},
        },
        {
            "class_name": "Functional",
            "config": {"layers": [3], "input_layers": [], "output_layers": []},
        },
        {
            "class_name": "Functional",
            "config": {"layers": [], "input_layers": 1, "output_layers": 2},
        },
    ],
    ids=str,
)
def test_what_is_no_model_at_all(config):
    refused(config, "'model_config' is not that of a Helixer network")


def slice_spec(name, rows=(None, None), columns=(4, None), step=None):
    def part(bounds, step=None):
        return {"start": bounds[0], "stop": bounds[1], "step": step}

    return arguments(name, slice_spec=[part(rows), part((None, None)), part(columns, step)])


BASES, COVERAGE = "tf.__operators__.getitem", "tf.__operators__.getitem_1"
NESTED_REFUSED = {
    "wrong columns of the body": (
        slice_spec(BASES, columns=(2, 6)),
        ["body reads input columns 2 to 6", "expected the 4 bases"],
    ),
    "the body reads all": (slice_spec(BASES, columns=(None, None)), ["columns 0 to 6"]),
    "coverage from the bases": (slice_spec(COVERAGE, columns=(2, 4)), ["selects columns 2 to 4"]),
    "part of the coverage": (slice_spec(COVERAGE, columns=(4, 5)), ["'reshape'", "pool"]),
    "odd rows": (slice_spec(BASES, rows=(1, None), columns=(None, 4)), ["more than columns"]),
    "every second column": (slice_spec(BASES, columns=(0, 8), step=2), ["more than columns"]),
    "too wide an input": (
        options("main_input", batch_input_shape=[None, None, 8]),
        ["'reshape' does not pool the coverage"],
    ),
    "wrong pooling": (options("reshape", target_shape=[-1, 17]), ["'reshape' does not pool"]),
    "concatenated steps": (
        lambda config: [
            call[3].update(axis=1) for call in layer_of(config, "tf.concat")["inbound_nodes"][0]
        ],
        ["'tf.concat' does not concatenate along the last axis"],
    ),
    "three concatenated": (
        lambda config: layer_of(config, "tf.concat")["inbound_nodes"][0].append(
            ["reshape", 0, 0, {"axis": -1}]
        ),
        ["'tf.concat' is not a concatenation of body and coverage"],
    ),
    "coverage alone": (
        lambda config: layer_of(config, "tf.concat")["inbound_nodes"][0].__setitem__(
            0, ["reshape", 0, 0, {"axis": -1}]
        ),
        ["'reshape'"],
    ),
    "lambda in the nested model": (class_of("model/conv1d", "Lambda"), ["'model/conv1d'", "code"]),
    "option in the nested model": (
        options("model/conv1d", strides=[3]),
        ["'model/conv1d'", "strides=[3]"],
    ),
    "unconnected in the nested model": (
        fed_by("model/conv1d_1", "conv1d"),
        ["'model/batch_normalization' is not connected"],
    ),
    "the nested model feeds itself": (fed_by("model", "model"), ["'model' is used more than once"]),
    "nested twice": (
        lambda config: layer_of(config, "model")["config"]["layers"].append(
            copy.deepcopy(layer_of(config, "model"))
        ),
        ["'model/model' is nested twice"],
    ),
}


@pytest.mark.parametrize("case", NESTED_REFUSED)
def test_refused_in_coverage_models(case):
    edit, parts = NESTED_REFUSED[case]
    config = nested_coverage(render_config(tiny_architecture()))
    read(config)
    edit(config)
    refused(config, *parts)


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([4, 1], ["'reshape_1' does not pool"]),
        ([2, 2, 2], ["'tf.split' selects columns 2 to 4"]),
        (2, ["model_config"]),
    ],
)
def test_coverage_split_otherwise(sizes, parts):
    config = split_coverage(render_config(tiny_architecture()))
    read(config)
    layer_of(config, "tf.split")["inbound_nodes"][0][3]["num_or_size_splits"] = sizes
    refused(config, *parts)


def test_the_same_layer_name_in_body_and_head():
    config = nested_coverage(render_config(two_layer_head(tiny_architecture())))
    config["config"]["layers"] = [
        json.loads(json.dumps(layer).replace('"conv1d"', '"dense"'))
        if layer["name"] == "model"
        else layer
        for layer in config["config"]["layers"]
    ]
    refused(config, "two layers have the same name")


def test_a_body_that_reads_the_coverage_half():
    config = split_coverage(render_config(tiny_architecture()), 2)
    fed_by("conv1d", "tf.split", 1)(config)
    refused(config, "the body reads input columns 4 to 8")


# -- found by tests/fuzz/fuzz_model.py ---------------------------------------------------------


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
@pytest.mark.parametrize("option", ["filters", "units"])
def test_numbers_that_are_none(option, number):
    """Python reads 1e999 as infinity, which has no integer."""
    text = json.dumps(render_config(tiny_architecture()))
    value = {"filters": '"filters": 4', "units": '"units": 72'}[option]
    assert value in text
    refused(json.loads(text.replace(value, f'"{option}": {number}')))


def test_a_layer_without_a_list_of_inputs():
    """Sound to read, but no head could have been put in its place."""
    config = render_config(tiny_architecture())
    layer_of(config, "main_input")["inbound_nodes"] = None
    refused(config, "layer 'main_input' has the inputs None")
