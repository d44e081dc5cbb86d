"""`Architecture` -> Keras 2 `model_config` JSON: a new head in a file's own, or a new network.

Coverage joins the body's features in the form in which Helixer writes it: two slices of the input,
bases and coverage, the second reshaped to the pooled steps, and `tf.concat` before the head.
"""

import copy
from collections.abc import Mapping
from typing import Any

from helixer_ft.network.architecture import (
    BASES,
    CLASSES,
    Architecture,
    BatchNorm,
    BiLSTM,
    Conv,
    Dense,
    Dropout,
    Layer,
    Pool,
)
from helixer_ft.network.config_graph import FIXED_OPTIONS

HIDDEN_NAME, OUTPUT_NAME = "dense", "dense_1"
"""Helixer finds the head by the name `dense`; a two-layer head is `dense`, then `dense_1`."""
_BASES_SLICE, _COVERAGE_SLICE = "tf.__operators__.getitem", "tf.__operators__.getitem_1"
_POOLED, _JOINED = "pooled_coverage", "tf.concat"


def replace_head(config: Mapping[str, Any], architecture: Architecture) -> dict[str, Any]:
    """A copy of `config` with the head of `architecture`, and the coverage that feeds it.

    Everything else stays as it is. The new layers take their dialect (initialisers and so on) from
    the output layer they replace.
    """
    new = copy.deepcopy(dict(config))
    _set_coverage(new["config"], architecture)
    layers: list[dict[str, Any]] = new["config"]["layers"]
    old_names = [
        layer["name"]
        for layer in layers
        if layer["class_name"] == "Dense"  # the body has none
    ]
    head_begins = _layer_named(new["config"], old_names[0])
    first, fed_by = layers.index(head_begins), head_begins["inbound_nodes"]
    template = _without_shared_ids(_layer_named(new["config"], old_names[-1]))
    kept = [layer for layer in layers if layer["name"] not in old_names]
    head = []
    for dense in architecture.head:
        layer = copy.deepcopy(template)
        layer["name"] = layer["config"]["name"] = dense.name
        layer["config"].update(units=dense.units, activation=dense.activation)
        layer["inbound_nodes"] = fed_by
        fed_by = [[[dense.name, 0, 0, {}]]]
        head.append(layer)
    for layer in kept:
        _redirect(layer["inbound_nodes"], old_names[-1], architecture.head[-1].name)
    new["config"]["layers"] = kept[:first] + head + kept[first:]
    return new


def render_config(architecture: Architecture) -> dict[str, Any]:
    """The `model_config` of a new network without coverage, as Keras 2.15 writes it."""
    if architecture.coverage_channels:
        raise NotImplementedError("a new network is made without coverage")
    layers = [
        {
            "class_name": "InputLayer",
            "config": {
                "batch_input_shape": [None, None, BASES],
                "dtype": "float32",
                "sparse": False,
                "ragged": False,
                "name": "main_input",
            },
            "name": "main_input",
            "inbound_nodes": [],
        }
    ]

    def add(class_name: str, name: str, options: Mapping[str, Any], inbound: list[Any]) -> None:
        layers.append(_config_layer(class_name, name, options, inbound))

    previous = "main_input"
    for layer, width in architecture.layers():
        class_name, options = _render_layer(layer, width)
        add(class_name, layer.name, options, [[[previous, 0, 0, {}]]])
        previous = layer.name
    ends: list[tuple[str, int]] = [(previous, 0)]
    if architecture.has_phase:
        split = {"num_or_size_splits": 2, "axis": -1}
        add("TFOpLambda", "tf.split", {"function": "split"}, [[previous, 0, 0, split]])
        ends = [("tf.split", 0), ("tf.split", 1)]
    shape = {"target_shape": [-1, architecture.pool_size, CLASSES]}
    hats = ["reshape_hat" + (str(i) if i else "") for i in range(len(ends))]
    for hat, (end, tensor) in zip(hats, ends, strict=True):
        add("Reshape", hat, shape, [[[end, 0, tensor, {}]]])
    for hat, output in zip(hats, architecture.outputs, strict=True):
        add("Activation", output, {"activation": "softmax"}, [[[hat, 0, 0, {}]]])
    return {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "trainable": True,
            "layers": layers,
            "input_layers": [["main_input", 0, 0]],
            "output_layers": [[output, 0, 0] for output in architecture.outputs],
        },
    }


def _set_coverage(model: dict[str, Any], architecture: Architecture) -> None:
    """Take coverage out of the network, or put it in, where it has another number of channels."""
    input_layer = _layer_named(model, model["input_layers"][0][0])
    shape = input_layer["config"]
    shape = shape["batch_input_shape" if "batch_input_shape" in shape else "batch_shape"]
    if shape[-1] == architecture.input_width:
        return
    if shape[-1] != BASES:
        _remove_coverage(model, input_layer["name"])
    if architecture.coverage_channels:
        _insert_coverage(model, input_layer["name"], architecture)
    shape[-1] = architecture.input_width


def _insert_coverage(model: dict[str, Any], input_name: str, architecture: Architecture) -> None:
    channels = architecture.coverage_channels
    whole = {"start": None, "stop": None, "step": None}

    def sliced(name: str, start: int | None, stop: int | None) -> dict[str, Any]:
        columns = {"start": start, "stop": stop, "step": None}
        spec = {"slice_spec": [dict(whole), dict(whole), columns]}
        options = {"function": "__operators__.getitem"}
        return _config_layer("SlicingOpLambda", name, options, [[input_name, 0, 0, spec]])

    layers = model["layers"]
    for layer in layers:
        _redirect(layer["inbound_nodes"], input_name, _BASES_SLICE)
    head = next(layer for layer in layers if layer["class_name"] == "Dense")
    ((features,),) = head["inbound_nodes"]
    target = {"target_shape": [-1, architecture.pool_size * channels]}
    both = [[*features[:3], {"axis": -1}], [_POOLED, 0, 0, {"axis": -1}]]
    head["inbound_nodes"] = [[[_JOINED, 0, 0, {}]]]
    start = layers.index(_layer_named(model, input_name)) + 1
    before = layers.index(head)
    layers[before:before] = [
        _config_layer("Reshape", _POOLED, target, [[[_COVERAGE_SLICE, 0, 0, {}]]]),
        _config_layer("TFOpLambda", _JOINED, {"function": "concat"}, [both]),
    ]
    layers[start:start] = [
        sliced(_BASES_SLICE, None, BASES),
        sliced(_COVERAGE_SLICE, BASES, None),
    ]


def _remove_coverage(model: dict[str, Any], input_name: str) -> None:
    """Feed the body with the input, and the head with the body, in any form that can be read."""
    layers = model["layers"]
    head = next(layer for layer in layers if layer["class_name"] == "Dense")
    ((joined,),) = head["inbound_nodes"]
    ((features, (pooled, *_)),) = _layer_named(model, joined[0])["inbound_nodes"]
    head["inbound_nodes"] = [[[*features[:3], {}]]]
    parts = [
        layer["name"]
        for layer in layers
        if layer["class_name"] in ("TFOpLambda", "SlicingOpLambda")
        and layer["inbound_nodes"][0][0] == input_name
    ]
    gone = {joined[0], pooled, *parts}
    layers[:] = [layer for layer in layers if layer["name"] not in gone]
    for layer in layers:
        for part in parts:
            _redirect(layer["inbound_nodes"], part, input_name)


def _layer_named(model: dict[str, Any], name: str) -> dict[str, Any]:
    return next(layer for layer in model["layers"] if layer["name"] == name)


def _config_layer(
    class_name: str, name: str, options: Mapping[str, Any], inbound: list[Any]
) -> dict[str, Any]:
    return {
        "class_name": class_name,
        "config": {"name": name, "trainable": False, "dtype": "float32", **options},
        "name": name,
        "inbound_nodes": inbound,
    }


def _redirect(inbound: list[Any], old: str, new: str) -> None:
    """Rename the source `old` in an `inbound_nodes` value, in place."""
    for entry in inbound:
        if not isinstance(entry, list):
            continue
        if entry and entry[0] == old:
            entry[0] = new
        else:
            _redirect(entry, old, new)


def _without_shared_ids(value: Any) -> Any:
    """A copy without `shared_object_id`, which Keras 2.6-2.12 uses to tie objects together."""
    if isinstance(value, dict):
        return {
            key: _without_shared_ids(item)
            for key, item in value.items()
            if key != "shared_object_id"
        }
    if isinstance(value, list):
        return [_without_shared_ids(item) for item in value]
    return value


def _render_layer(layer: Layer, width: int) -> tuple[str, dict[str, Any]]:
    kernel = {"kernel_initializer": _initializer("GlorotUniform", seed=None)}
    bias = {"bias_initializer": _initializer("Zeros")}
    match layer:
        case Conv():
            options = {"filters": layer.filters, "kernel_size": [layer.kernel_size]}
            return "Conv1D", options | FIXED_OPTIONS["Conv1D"] | kernel | bias
        case BatchNorm():
            return "BatchNormalization", {
                "axis": [2],
                "momentum": layer.momentum,
                "epsilon": layer.epsilon,
                **FIXED_OPTIONS["BatchNormalization"],
            }
        case Pool():
            return "Reshape", {"target_shape": [-1, layer.output_width(width)]}
        case Dropout():
            return "Dropout", {"rate": layer.rate, "noise_shape": None, "seed": None}
        case BiLSTM():
            inner = {"name": "lstm" + layer.name.removeprefix("bidirectional"), "trainable": True}
            inner |= {
                "dtype": "float32",
                "units": layer.units,
                **FIXED_OPTIONS["LSTM"],
                **kernel,
                **bias,
            }
            recurrent = {"recurrent_initializer": _initializer("Orthogonal", gain=1.0, seed=None)}
            lstm = {"class_name": "LSTM", "module": "keras.layers", "registered_name": None}
            return "Bidirectional", {
                "layer": lstm | {"config": inner | recurrent},
                **FIXED_OPTIONS["Bidirectional"],
            }
        case Dense():
            options = {"units": layer.units, "activation": layer.activation}
            return "Dense", options | FIXED_OPTIONS["Dense"] | kernel | bias
    raise TypeError(f"no rendering for {type(layer).__name__}")


def _initializer(class_name: str, **options: Any) -> dict[str, Any]:
    return {
        "module": "keras.initializers",
        "class_name": class_name,
        "config": options,
        "registered_name": None,
    }
