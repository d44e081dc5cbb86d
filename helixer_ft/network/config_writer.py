"""`Architecture` -> Keras 2 `model_config` JSON: a new head in a file's own, or a new network."""

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
from helixer_ft.network.config_reader import FIXED_OPTIONS

HIDDEN_NAME, OUTPUT_NAME = "dense", "dense_1"
"""Helixer finds the head by the name `dense`; a two-layer head is `dense`, then `dense_1`."""


def replace_head(config: Mapping[str, Any], architecture: Architecture) -> dict[str, Any]:
    """A copy of `config` whose head is that of `architecture`; everything else stays as it is.

    The new layers take their dialect (initialisers and so on) from the output layer they replace.
    """
    new = copy.deepcopy(dict(config))
    layers: list[dict[str, Any]] = new["config"]["layers"]
    old_names = [
        layer["name"]
        for layer in layers
        if layer["class_name"] == "Dense"  # the body has none
    ]
    first = next(i for i, layer in enumerate(layers) if layer["name"] == old_names[0])
    fed_by = layers[first]["inbound_nodes"]
    template = _without_shared_ids(
        next(layer for layer in layers if layer["name"] == old_names[-1])
    )
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
        layers.append(
            {
                "class_name": class_name,
                "config": {"name": name, "trainable": False, "dtype": "float32", **options},
                "name": name,
                "inbound_nodes": inbound,
            }
        )

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
