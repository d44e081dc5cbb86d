"""The layers of a Keras 2 `model_config` and how they are connected, in either form of the JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Never

from helixer_ft.errors import InputError

_FUNCTIONS = {"TFOpLambda": ("split", "concat"), "SlicingOpLambda": ("__operators__.getitem",)}
_KNOWN = {
    "InputLayer", "Conv1D", "BatchNormalization", "Reshape", "Dropout", "Bidirectional", "Dense",
    "Activation", "Functional",
}  # fmt: skip

FIXED_OPTIONS: dict[str, dict[str, Any]] = {
    "Conv1D": {
        "strides": [1],
        "padding": "same",
        "data_format": "channels_last",
        "dilation_rate": [1],
        "groups": 1,
        "activation": "relu",
        "use_bias": True,
    },
    "BatchNormalization": {"center": True, "scale": True},
    "LSTM": {
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "use_bias": True,
        "return_sequences": True,
        "return_state": False,
        "go_backwards": False,
        "stateful": False,
        "time_major": False,
        "dropout": 0.0,
        "recurrent_dropout": 0.0,
    },
    "Bidirectional": {"merge_mode": "concat"},
    "Dropout": {"noise_shape": None},
    "Dense": {"use_bias": True},
}
"""Options that change what a layer computes, and the only value Helixer gives them."""
_NEVER_LEFT_OUT = {("Conv1D", "padding"), ("Conv1D", "activation"), ("LSTM", "return_sequences")}
"""Those that mean another value where they are left out."""


@dataclass(frozen=True)
class Node:
    """A layer of the JSON: its class, its options, where its inputs come from."""

    name: str
    class_name: str
    options: Mapping[str, Any]
    inputs: tuple[tuple[str, int], ...]
    arguments: Mapping[str, Any]
    group: str


class ConfigGraph:
    """The layers by name, checked as they are asked for.

    Attributes
    ----------
    source
        The file's name, for messages.
    nodes
        Name -> layer; those of a nested model as `model/layer`.
    visited
        Names of the layers that were asked for.
    inputs, outputs
        Names of the input layers and of the output layers.

    Raises
    ------
    InputError
        Something else than a model, a layer of an unknown class, or two of one name.
    """

    def __init__(self, config: Mapping[str, Any], source: str) -> None:
        self.source = source
        if config["class_name"] not in ("Functional", "Model"):
            self.fail(f"the model is a '{config['class_name']}', expected 'Functional'")
        self.nodes: dict[str, Node] = {}
        self.visited: set[str] = set()
        self.outputs = [str(name) for name, _, _ in config["config"]["output_layers"]]
        self.inputs = [str(name) for name, _, _ in config["config"]["input_layers"]]
        self._collect(config["config"]["layers"], prefix="", group="")

    def fail(self, found: str) -> Never:
        """Refuse the network; `found` says what is wrong."""
        raise InputError(
            f"{self.source}: {found}. This is not a network helixer-ft knows; expected a Helixer "
            "model (HybridModel.py, a released model, or one written by helixer-ft)."
        )

    def _collect(self, layers: list[dict[str, Any]], prefix: str, group: str) -> None:
        for layer in layers:
            class_name, name = str(layer["class_name"]), prefix + str(layer["name"])
            if name in self.nodes:
                self.fail(f"two layers are named '{name}'")
            if not isinstance(layer["inbound_nodes"], list):
                self.fail(f"layer '{name}' has the inputs {layer['inbound_nodes']!r}")
            self._refuse_unknown(class_name, name, layer["config"])
            if class_name == "Functional":
                if prefix:
                    self.fail(f"the model '{name}' is nested twice")
                self._collect(layer["config"]["layers"], f"{name}/", group=name)
            inputs, arguments = _inputs(layer["inbound_nodes"])
            self.nodes[name] = Node(
                name=name,
                class_name=class_name,
                options=layer["config"],
                inputs=tuple((prefix + source, tensor) for source, tensor in inputs),
                arguments=arguments,
                group=group or name,
            )

    def _refuse_unknown(self, class_name: str, name: str, options: Mapping[str, Any]) -> None:
        if class_name == "Lambda":
            self.fail(f"layer '{name}' is a Lambda layer: it holds code, which is never executed")
        if class_name in _FUNCTIONS:
            function = options["function"]
            if function not in _FUNCTIONS[class_name]:
                self.fail(f"layer '{name}' calls the function '{function}'")
        elif class_name not in _KNOWN:
            self.fail(f"layer '{name}' is of the unknown class '{class_name}'")

    def node(self, name: str, *classes: str) -> Node:
        """A layer of one of some classes, its options as Helixer's networks have them."""
        node = self.nodes.get(name)
        if node is None:
            self.fail(f"layer '{name}' is used but not there")
        if node.class_name not in classes:
            self.fail(
                f"layer '{name}' is a {node.class_name} where {' or '.join(classes)} was expected"
            )
        for option, value in FIXED_OPTIONS.get(node.class_name, {}).items():
            left_out = None if (node.class_name, option) in _NEVER_LEFT_OUT else value
            found = node.options.get(option, left_out)
            if found != value:
                self.fail(
                    f"layer '{name}' ({node.class_name}) has {option}={found!r}, expected {value!r}"
                )
        self.visited.add(name)
        return node

    def step_to(self, name: str, *classes: str) -> Node:
        """As `node`, for a layer that a walk towards the input passes once."""
        if name in self.visited:
            self.fail(f"layer '{name}' is used more than once")
        return self.node(name, *classes)


def _inputs(inbound: Any) -> tuple[list[tuple[str, int]], Mapping[str, Any]]:
    """Sources (layer, tensor) and call arguments, from either form of `inbound_nodes`."""
    if not inbound:
        return [], {}
    if isinstance(inbound[0][0], str):  # a function's layer: [[source, node, tensor, arguments]]
        calls = inbound
    else:  # any other: [[[source, node, tensor, arguments], ...]], one node as it is used once
        (calls,) = inbound
    arguments = calls[0][3] if len(calls[0]) > 3 else {}
    return [(str(call[0]), int(call[2])) for call in calls], arguments
