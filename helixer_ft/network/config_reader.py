"""Keras 2 `model_config` JSON -> `Architecture`, in the dialects of Keras 2.6 to 2.15.

Only what Helixer's networks are made of is understood; any other layer, option or connection is
refused by name. Nothing in the JSON is executed.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

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
from helixer_ft.network.config_graph import ConfigGraph, Node

_ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "elu", "selu", "gelu", "swish")
_MAX_WIDTH = 2**16


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


class _Parser(ConfigGraph):
    """Walks the graph from the outputs back to the input, checking each layer on the way."""

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

    # -- from the outputs back to the input ------------------------------------------------

    def _trace_outputs(self) -> tuple[str, int]:
        """Name of the last dense layer, and the pool size."""
        ends, pools = [], []
        for output in self.outputs:
            node = self.node(output, "Activation")
            if node.options["activation"] != "softmax":
                self.fail(f"output '{output}' is a {node.options['activation']}, expected softmax")
            ((source, tensor),) = node.inputs
            if self.nodes[source].class_name == "Reshape":
                node = self.node(source, "Reshape")
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
        split = self.node(ends[0][0], "TFOpLambda")
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
            node = self.step_to(name, "Dense")
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
        concat = self.node(name, "TFOpLambda")
        if concat.options["function"] != "concat" or len(concat.inputs) != 2:
            self.fail(f"layer '{name}' is not a concatenation of body and coverage")
        if dict(concat.arguments) != {"axis": -1}:
            self.fail(f"layer '{name}' does not concatenate along the last axis")
        (body_end, _), (reshape_name, _) = concat.inputs
        reshape = self.node(reshape_name, "Reshape")
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
        reverse: list[Node] = []
        tensor = 0
        while True:
            if name not in self.nodes:
                self.fail(f"layer '{name}' is used but not there")
            node = self.nodes[name]
            if node.class_name == "Functional":
                ((end, _, _),) = node.options["output_layers"]
                self.step_to(name, "Functional")
                name = f"{name}/{end}"
                continue
            if node.class_name in ("InputLayer", "TFOpLambda", "SlicingOpLambda"):
                if "/" in name:  # the input of a nested model: continue with what feeds that model
                    self.node(name, "InputLayer")
                    ((name, tensor),) = self.nodes[node.group].inputs
                    continue
                break
            self.step_to(
                name, "Conv1D", "BatchNormalization", "Reshape", "Dropout", "Bidirectional"
            )
            ((name, tensor),) = node.inputs
            reverse.append(node)
        selected = self._select(name, tensor)
        if (selected.start, selected.stop) != (0, BASES):
            self.fail(
                f"the body reads input columns {selected.start} to {selected.stop}, expected the "
                f"{BASES} bases"
            )
        body: list[Layer] = []
        width = BASES
        for node in reversed(reverse):
            layer = self._layer(node, width)
            width = layer.output_width(width)
            body.append(layer)
        return tuple(body), self._input_width()

    def _input_width(self) -> int:
        shape = self.nodes[self.inputs[0]].options
        return int((shape.get("batch_input_shape") or shape["batch_shape"])[2])

    def _select(self, name: str, tensor: int) -> slice:
        """Which columns of the input the layer `name` passes on."""
        node = self.node(name, "InputLayer", "TFOpLambda", "SlicingOpLambda")
        width = self._input_width()
        if node.class_name == "InputLayer":
            if name != self.inputs[0]:
                self.fail(f"'{name}' is a second input")
            return slice(0, width)
        if node.inputs[0][0] != self.inputs[0]:
            self.fail(f"layer '{name}' does not read the input")
        self.node(self.inputs[0], "InputLayer")
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

    def _layer(self, node: Node, width: int) -> Layer:
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
        lstm = Node(f"{node.name}/lstm", "LSTM", inner["config"], (), {}, group)
        self.nodes[lstm.name] = lstm
        self.node(lstm.name, "LSTM")
        return BiLSTM(name, self._size(lstm, "units"), group=group)

    def _size(self, node: Node, option: str) -> int:
        value = node.options[option]
        if value != int(value) or not 0 < value <= _MAX_WIDTH:
            self.fail(f"layer '{node.name}' has {option}={value!r}")
        return int(value)

    def _share(self, node: Node, option: str) -> float:
        value = float(node.options[option])
        if not 0 <= value < 1:
            self.fail(f"layer '{node.name}' has {option}={value}, expected 0 to 1")
        return value

    def _check(self, architecture: Architecture) -> None:
        unused = sorted(set(self.nodes) - self.visited)
        if unused:
            self.fail(f"layer '{unused[0]}' is not connected as in a Helixer network")
        pooled = prod(layer.size for layer in architecture.body if isinstance(layer, Pool))
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
