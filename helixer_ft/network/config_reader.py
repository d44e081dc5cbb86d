"""Keras 2 `model_config` JSON -> `Architecture`, in the dialects of Keras 2.6 to 2.15.

Only what Helixer's networks are made of is understood; any other layer, option or connection is
refused by name. Nothing in the JSON is executed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Never

from helixer_ft.errors import InputError
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

_ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "elu", "selu", "gelu", "swish")
_FUNCTIONS = {"TFOpLambda": ("split", "concat"), "SlicingOpLambda": ("__operators__.getitem",)}
_MAX_WIDTH = 2**16

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
class _Node:
    """A layer of the JSON: its class, its options, where its inputs come from."""

    name: str
    class_name: str
    options: Mapping[str, Any]
    inputs: tuple[tuple[str, int], ...]
    arguments: Mapping[str, Any]
    group: str


def parse_config(config: Mapping[str, Any], source: str) -> Architecture:
    """The architecture that a `model_config` describes.

    Parameters
    ----------
    config
        The parsed JSON.
    source
        The file's name, for messages.

    Raises
    ------
    InputError
        A layer, option or connection that Helixer's networks do not have, by name.
    """
    try:
        return _Parser(config, source).architecture()
    except (
        LookupError, TypeError, ArithmeticError, ValueError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise InputError(
            f"{source}: its 'model_config' is not that of a Helixer network "
            f"({type(error).__name__}: {error}). Expected a file written by HybridModel.py, a "
            "released Helixer model, or one written by helixer-ft."
        ) from error


class _Parser:
    """Walks the graph from the outputs back to the input, checking each layer on the way."""

    def __init__(self, config: Mapping[str, Any], source: str) -> None:
        self.source = source
        if config["class_name"] not in ("Functional", "Model"):
            self.fail(f"the model is a '{config['class_name']}', expected 'Functional'")
        self.nodes: dict[str, _Node] = {}
        self.visited: set[str] = set()
        self.outputs = [str(name) for name, _, _ in config["config"]["output_layers"]]
        self.inputs = [str(name) for name, _, _ in config["config"]["input_layers"]]
        self._collect(config["config"]["layers"], prefix="", group="")

    def architecture(self) -> Architecture:
        """See `parse_config`."""
        if len(self.inputs) != 1 or len(self.outputs) not in (1, 2):
            self.fail(
                f"the model has {len(self.inputs)} inputs and {len(self.outputs)} outputs, "
                "expected one input and the outputs genic and phase (or one)"
            )
        dense, pool_size = self._trace_outputs()
        head, features = self._trace_head(dense)
        body_end, coverage_channels = self._trace_coverage(features, pool_size)
        body, input_width = self._trace_body(body_end)
        if input_width != BASES + coverage_channels:
            self.fail(
                f"the input has {input_width} values per base, expected "
                f"{BASES + coverage_channels} ({BASES} bases, {coverage_channels} of coverage)"
            )
        architecture = Architecture(
            body=body,
            head=head,
            pool_size=pool_size,
            outputs=tuple(self.outputs),
            coverage_channels=coverage_channels,
        )
        self._check(architecture)
        return architecture

    def fail(self, found: str) -> Never:
        raise InputError(
            f"{self.source}: {found}. This is not a network helixer-ft knows; expected a Helixer "
            "model (HybridModel.py, a released model, or one written by helixer-ft)."
        )

    # -- the layers of the JSON ------------------------------------------------------------

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
            self.nodes[name] = _Node(
                name=name,
                class_name=class_name,
                options=layer["config"],
                inputs=tuple((prefix + source, tensor) for source, tensor in inputs),
                arguments=arguments,
                group=group or name,
            )

    def _refuse_unknown(self, class_name: str, name: str, options: Mapping[str, Any]) -> None:
        known = {
            "InputLayer", "Conv1D", "BatchNormalization", "Reshape", "Dropout", "Bidirectional",
            "Dense", "Activation", "Functional",
        }  # fmt: skip
        if class_name == "Lambda":
            self.fail(f"layer '{name}' is a Lambda layer: it holds code, which is never executed")
        if class_name in _FUNCTIONS:
            function = options["function"]
            if function not in _FUNCTIONS[class_name]:
                self.fail(f"layer '{name}' calls the function '{function}'")
        elif class_name not in known:
            self.fail(f"layer '{name}' is of the unknown class '{class_name}'")

    def _node(self, name: str, *classes: str) -> _Node:
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

    def _step_to(self, name: str, *classes: str) -> _Node:
        """As `_node`, for a layer that a walk towards the input passes once."""
        if name in self.visited:
            self.fail(f"layer '{name}' is used more than once")
        return self._node(name, *classes)

    # -- from the outputs back to the input ------------------------------------------------

    def _trace_outputs(self) -> tuple[str, int]:
        """Name of the last dense layer, and the pool size."""
        ends, pools = [], []
        for output in self.outputs:
            node = self._node(output, "Activation")
            if node.options["activation"] != "softmax":
                self.fail(f"output '{output}' is a {node.options['activation']}, expected softmax")
            ((source, tensor),) = node.inputs
            if self.nodes[source].class_name == "Reshape":
                node = self._node(source, "Reshape")
                shape = list(node.options["target_shape"])
                if len(shape) != 3 or shape[0] != -1 or shape[2] != CLASSES:
                    self.fail(f"layer '{source}' reshapes to {shape}, expected [-1, pool, 4]")
                pools.append(int(shape[1]))
                ((source, tensor),) = node.inputs
            else:
                pools.append(1)
            ends.append((source, tensor))
        if len(set(pools)) != 1:
            self.fail(f"the outputs have pool sizes {pools}")
        if len(ends) == 1:
            return ends[0][0], pools[0]
        if ends[0][0] != ends[1][0] or [tensor for _, tensor in ends] != [0, 1]:
            self.fail("the two outputs do not come from the halves of one split, genic first")
        split = self._node(ends[0][0], "TFOpLambda")
        if split.options["function"] != "split" or dict(split.arguments) != {
            "num_or_size_splits": 2,
            "axis": -1,
        }:
            self.fail(f"layer '{split.name}' is not a split into two halves along the last axis")
        return split.inputs[0][0], pools[0]

    def _trace_head(self, name: str) -> tuple[tuple[Dense, ...], str]:
        """The dense layers, first one first, and the layer that feeds them."""
        head: list[Dense] = []
        while True:
            node = self._step_to(name, "Dense")
            activation = str(node.options["activation"])
            if activation not in _ACTIVATIONS:
                self.fail(f"layer '{name}' has the unknown activation '{activation}'")
            head.insert(0, Dense(name, self._size(node, "units"), activation, group=node.group))
            ((name, _),) = node.inputs
            if self.nodes[name].class_name != "Dense":
                break
        if head[-1].activation != "linear":
            self.fail(f"the output layer '{head[-1].name}' has an activation, expected linear")
        return tuple(head), name

    def _trace_coverage(self, name: str, pool_size: int) -> tuple[str, int]:
        """The layer that ends the body, and the coverage values per base joined to it."""
        if self.nodes[name].class_name != "TFOpLambda":
            return name, 0
        concat = self._node(name, "TFOpLambda")
        if concat.options["function"] != "concat" or len(concat.inputs) != 2:
            self.fail(f"layer '{name}' is not a concatenation of body and coverage")
        if dict(concat.arguments) != {"axis": -1}:
            self.fail(f"layer '{name}' does not concatenate along the last axis")
        (body_end, _), (reshape_name, _) = concat.inputs
        reshape = self._node(reshape_name, "Reshape")
        ((source, _),) = reshape.inputs
        selected = self._select(source, reshape.inputs[0][1])
        channels = selected.stop - selected.start
        if list(reshape.options["target_shape"]) != [-1, pool_size * channels]:
            self.fail(f"layer '{reshape_name}' does not pool the coverage by {pool_size} bases")
        if selected.start != BASES or channels < 2 or channels % 2:
            self.fail(f"layer '{source}' selects columns {selected.start} to {selected.stop}")
        return body_end, channels

    def _trace_body(self, name: str) -> tuple[tuple[Layer, ...], int]:
        """The body's layers in order, and the width of the network's input."""
        reverse: list[tuple[_Node, str]] = []
        tensor = 0
        while True:
            if name not in self.nodes:
                self.fail(f"layer '{name}' is used but not there")
            node = self.nodes[name]
            if node.class_name == "Functional":
                ((end, _, _),) = node.options["output_layers"]
                self._step_to(name, "Functional")
                name = f"{name}/{end}"
                continue
            if node.class_name in ("InputLayer", "TFOpLambda", "SlicingOpLambda"):
                if "/" in name:  # the input of a nested model: go on with what feeds that model
                    self._node(name, "InputLayer")
                    ((name, tensor),) = self.nodes[node.group].inputs
                    continue
                break
            self._step_to(
                name, "Conv1D", "BatchNormalization", "Reshape", "Dropout", "Bidirectional"
            )
            ((source, tensor),) = node.inputs
            reverse.append((node, source))
            name = source
        selected = self._select(name, tensor)
        if (selected.start, selected.stop) != (0, BASES):
            self.fail(
                f"the body reads input columns {selected.start} to {selected.stop}, expected the "
                f"{BASES} bases"
            )
        body: list[Layer] = []
        width = BASES
        for node, _ in reversed(reverse):
            layer = self._layer(node, width)
            width = layer.output_width(width)
            body.append(layer)
        return tuple(body), self._input_width()

    def _input_width(self) -> int:
        shape = self.nodes[self.inputs[0]].options
        return int((shape.get("batch_input_shape") or shape["batch_shape"])[2])

    def _select(self, name: str, tensor: int) -> slice:
        """Which columns of the input the layer `name` passes on."""
        node = self._node(name, "InputLayer", "TFOpLambda", "SlicingOpLambda")
        width = self._input_width()
        if node.class_name == "InputLayer":
            if name != self.inputs[0]:
                self.fail(f"'{name}' is a second input")
            return slice(0, width)
        if node.inputs[0][0] != self.inputs[0]:
            self.fail(f"layer '{name}' does not read the input")
        self._node(self.inputs[0], "InputLayer")
        if node.class_name == "SlicingOpLambda":
            rows, bases, columns = node.arguments["slice_spec"]
            whole = {"start": None, "stop": None, "step": None}
            if rows != whole or bases != whole or columns["step"] is not None:
                self.fail(f"layer '{name}' selects more than columns")
            return slice(*slice(columns["start"], columns["stop"]).indices(width)[:2])
        if node.options["function"] != "split" or node.arguments["axis"] != -1:
            self.fail(f"layer '{name}' does not split the input's columns")
        sizes = node.arguments["num_or_size_splits"]
        start = sum(sizes[:tensor])
        return slice(start, start + sizes[tensor])

    # -- one layer -------------------------------------------------------------------------

    def _layer(self, node: _Node, width: int) -> Layer:
        name, group = node.name.rpartition("/")[2], node.group
        match node.class_name:
            case "Conv1D":
                (kernel,) = node.options["kernel_size"]
                if not 0 < int(kernel) <= _MAX_WIDTH:
                    self.fail(f"layer '{node.name}' has a kernel of {kernel} bases")
                return Conv(name, self._size(node, "filters"), int(kernel), group=group)
            case "BatchNormalization":
                if node.options["axis"] not in ([2], [-1], 2, -1):
                    self.fail(f"layer '{node.name}' normalises axis {node.options['axis']}")
                momentum, epsilon = self._share(node, "momentum"), self._share(node, "epsilon")
                return BatchNorm(name, momentum, epsilon, group=group)
            case "Reshape":
                shape = list(node.options["target_shape"])
                if len(shape) != 2 or shape[0] != -1 or shape[1] <= 0 or shape[1] % width:
                    self.fail(f"layer '{node.name}' reshapes width {width} to {shape}")
                return Pool(name, int(shape[1]) // width, group=group)
            case "Dropout":
                return Dropout(name, self._share(node, "rate"), group=group)
        if node.options.get("backward_layer") is not None:
            self.fail(f"layer '{node.name}' has a backward layer of its own")
        inner = node.options["layer"]
        if inner["class_name"] != "LSTM":
            self.fail(f"layer '{node.name}' wraps a {inner['class_name']}, expected LSTM")
        lstm = _Node(f"{node.name}/lstm", "LSTM", inner["config"], (), {}, group)
        self.nodes[lstm.name] = lstm
        self._node(lstm.name, "LSTM")
        return BiLSTM(name, self._size(lstm, "units"), group=group)

    def _size(self, node: _Node, option: str) -> int:
        value = node.options[option]
        if value != int(value) or not 0 < value <= _MAX_WIDTH:
            self.fail(f"layer '{node.name}' has {option}={value!r}")
        return int(value)

    def _share(self, node: _Node, option: str) -> float:
        value = float(node.options[option])
        if not 0 <= value < 1:
            self.fail(f"layer '{node.name}' has {option}={value}, expected 0 to 1")
        return value

    def _check(self, architecture: Architecture) -> None:
        unused = sorted(set(self.nodes) - self.visited)
        if unused:
            self.fail(f"layer '{unused[0]}' is not connected as in a Helixer network")
        pooled = 1
        for layer in architecture.body:
            if isinstance(layer, Pool):
                pooled *= layer.size
        if pooled != architecture.pool_size:
            self.fail(f"the body pools {pooled} bases, the outputs {architecture.pool_size}")
        if architecture.head[-1].units != architecture.output_units:
            self.fail(
                f"the output layer '{architecture.head[-1].name}' has "
                f"{architecture.head[-1].units} units, expected {architecture.output_units}"
            )
        names = [layer.name for layer, _ in architecture.layers()]
        if len(set(names)) != len(names):
            self.fail(f"two layers have the same name ({sorted(names)})")


def _inputs(inbound: Any) -> tuple[list[tuple[str, int]], Mapping[str, Any]]:
    """Sources (layer, tensor) and call arguments, from either form of `inbound_nodes`."""
    if not inbound:
        return [], {}
    if isinstance(inbound[0][0], str):  # a function's layer: [[source, node, tensor, arguments]]
        calls = inbound
    else:  # any other: [[[source, node, tensor, arguments], ...]], one node as it is used once
        (calls,) = inbound
    return [(str(call[0]), int(call[2])) for call in calls], calls[0][3] if len(
        calls[0]
    ) > 3 else {}
