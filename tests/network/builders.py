"""Models and their files made without Keras, and the forms in which Helixer writes them."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from helixer_ft.formats.model_h5 import ModelFile
from helixer_ft.network.architecture import Architecture, BiLSTM, Layer
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.model import TrainedModel

Config = dict[str, Any]


def random_weights(architecture: Architecture, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Per layer arrays of its shapes; variances are positive, nothing has its initial value."""
    generator = np.random.default_rng(seed)
    return {
        layer.name: [
            generator.uniform(0.2, 0.9, shape).astype(np.float32)
            if name == "moving_variance:0"
            else generator.normal(0, 0.4, shape).astype(np.float32)
            for name, shape in layer.weight_shapes(width)
        ]
        for layer, width in architecture.layers()
    }


def random_model(
    architecture: Architecture,
    seed: int = 0,
    config: Config | None = None,
    provenance: Mapping[str, str] | None = None,
) -> TrainedModel:
    """A model as it is after loading: its file has every weight group that Keras writes."""
    config = copy.deepcopy(config) if config else render_config(architecture)
    weights = random_weights(architecture, seed)
    groups: dict[str, dict[str, np.ndarray]] = {
        layer["name"]: {} for layer in config["config"]["layers"]
    }
    for layer, width in architecture.layers():
        names = keras_names(layer, width)
        groups[layer.group or layer.name].update(zip(names, weights[layer.name], strict=True))
    file = ModelFile(config=config, weights=groups, provenance=dict(provenance or {}))
    return TrainedModel(architecture, weights, file)


def keras_names(layer: Layer, width: int) -> list[str]:
    """The weight names of a layer, spelt out."""
    if isinstance(layer, BiLSTM):
        return [
            f"{layer.name}/{direction}_lstm/lstm_cell/{array}:0"
            for direction in ("forward", "backward")
            for array in ("kernel", "recurrent_kernel", "bias")
        ]
    return [f"{layer.name}/{name}" for name, _ in layer.weight_shapes(width)]


def layer_of(config: Config, name: str) -> Config:
    """The layer `name`; `model/conv1d` is one of the nested model."""
    layers = config["config"]["layers"]
    outer, _, inner = name.partition("/")
    found = next(layer for layer in layers if layer["name"] == outer)
    return layer_of(found, inner) if inner else found


def old_dialect(config: Config) -> Config:
    """`config` as Keras 2.6 to 2.12 writes it.

    Objects have no `module` and no `registered_name`; initialisers, and the layers that Keras
    nests, carry a `shared_object_id`, some of them the same one.
    """
    ids = iter(range(1000))

    def rewrite(value: Any) -> Any:
        if isinstance(value, list):
            return [rewrite(item) for item in value]
        if not isinstance(value, dict):
            return value
        result = {
            key: rewrite(item)
            for key, item in value.items()
            if key not in ("module", "registered_name")
        }
        if "module" in value:
            result["shared_object_id"] = next(ids) // 2
        return result

    return rewrite(config)


def rename(config: Config, old: str, new: str) -> Config:
    """`config` with another name for a top-level layer, wherever it is named."""

    def rewrite(value: Any) -> Any:
        if isinstance(value, list):
            return [rewrite(item) for item in value]
        if isinstance(value, dict):
            return {key: rewrite(item) for key, item in value.items()}
        return new if value == old else value

    return rewrite(config)


def nested_coverage(config: Config, tracks: int = 1) -> Config:
    """`config` as Helixer's `--input-coverage` fine-tuning leaves it.

    The body is a model of its own, fed with the bases, which one slicing layer takes from the
    input; another takes the coverage; both meet in a `tf.concat` before the head.
    """
    layers = copy.deepcopy(config["config"]["layers"])
    first = next(i for i, layer in enumerate(layers) if layer["class_name"] == "Dense")
    body, rest = layers[:first], layers[first:]
    pool = next(
        (layer["config"]["target_shape"][1] for layer in rest if layer["name"] == "reshape_hat"), 1
    )
    channels = 2 * tracks
    body_model = {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "trainable": False,
            "layers": body,
            "input_layers": [["main_input", 0, 0]],
            "output_layers": [[body[-1]["name"], 0, 0]],
        },
        "name": "model",
        "inbound_nodes": [[["tf.__operators__.getitem", 0, 0, {}]]],
    }
    rest[0]["inbound_nodes"] = [[["tf.concat", 0, 0, {}]]]
    return _with_layers(
        config,
        [
            _input("main_input", 4 + channels),
            _slice("tf.__operators__.getitem", None, 4),
            _slice("tf.__operators__.getitem_1", 4, None),
            body_model,
            _reshape("reshape", pool * channels, "tf.__operators__.getitem_1", 0),
            _function("tf.concat", "concat", [["model", 1], ["reshape", 0]], axis=-1),
            *rest,
        ],
        "main_input",
    )


def split_coverage(config: Config, tracks: int = 1) -> Config:
    """`config` as Helixer's training from scratch with `--input-coverage` leaves it.

    One flat model: the input is split in bases and coverage, which meet again in `tf.concat`.
    """
    config = rename(config, "tf.split", "tf.split_1")
    layers = copy.deepcopy(config["config"]["layers"])
    first = next(i for i, layer in enumerate(layers) if layer["class_name"] == "Dense")
    body, rest = layers[1:first], layers[first:]
    pool = layer_of(config, "reshape_hat")["config"]["target_shape"][1]
    channels = 2 * tracks
    split = _function(
        "tf.split", "split", [["raw_input", 0]], num_or_size_splits=[4, channels], axis=-1
    )
    split["inbound_nodes"] = split["inbound_nodes"][0]
    body[0]["inbound_nodes"] = [[["tf.split", 0, 0, {}]]]
    rest[0]["inbound_nodes"] = [[["tf.concat", 0, 0, {}]]]
    return _with_layers(
        config,
        [
            _input("raw_input", 4 + channels),
            split,
            *body,
            _reshape("reshape_1", pool * channels, "tf.split", 1),
            _function("tf.concat", "concat", [[body[-1]["name"], 0], ["reshape_1", 0]], axis=-1),
            *rest,
        ],
        "raw_input",
    )


def _with_layers(config: Config, layers: list[Config], input_name: str) -> Config:
    new = {**config, "config": {**config["config"], "layers": layers}}
    new["config"]["input_layers"] = [[input_name, 0, 0]]
    return new


def _input(name: str, width: int) -> Config:
    options = {"batch_input_shape": [None, None, width], "dtype": "float32", "sparse": False}
    return {
        "class_name": "InputLayer",
        "config": {**options, "ragged": False, "name": name},
        "name": name,
        "inbound_nodes": [],
    }


def _slice(name: str, start: int | None, stop: int | None) -> Config:
    whole = {"start": None, "stop": None, "step": None}
    spec = [whole, dict(whole), {"start": start, "stop": stop, "step": None}]
    return {
        "class_name": "SlicingOpLambda",
        "config": {"name": name, "trainable": False, "function": "__operators__.getitem"},
        "name": name,
        "inbound_nodes": [["main_input", 0, 0, {"slice_spec": spec}]],
    }


def _reshape(name: str, width: int, source: str, tensor: int) -> Config:
    return {
        "class_name": "Reshape",
        "config": {"name": name, "trainable": False, "target_shape": [-1, width]},
        "name": name,
        "inbound_nodes": [[[source, 0, tensor, {}]]],
    }


def _function(name: str, function: str, sources: list[Any], **arguments: Any) -> Config:
    calls = [[source, node, 0, dict(arguments)] for source, node in sources]
    return {
        "class_name": "TFOpLambda",
        "config": {"name": name, "trainable": False, "dtype": "float32", "function": function},
        "name": name,
        "inbound_nodes": [calls],
    }
