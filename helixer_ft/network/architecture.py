"""The Helixer architecture as an immutable value.

`X (batch, L, 4 [+ coverage])` goes through the body (convolutions, batch norm, pooling by reshape,
bidirectional LSTMs, dropout) to `(batch, L / pool, width)`, optionally joined by coverage, then
through the head (one or two dense layers) to logits `(batch, 4, outputs, pool, L / pool)`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from math import prod

Shape = tuple[int, ...]
BASES = 4
CLASSES = 4


@dataclass(frozen=True)
class Layer:
    """One layer; `name` as in the file, `group` the weight group that holds its arrays."""

    name: str
    group: str = field(default="", kw_only=True)

    def output_width(self, width: int) -> int:
        """Width of the last axis after this layer."""
        return width

    def weight_shapes(self, width: int) -> list[tuple[str, Shape]]:
        """Suffix of the weight's name and its shape, in file order, for an input of `width`."""
        return []

    def parameters(self, width: int) -> int:
        """Number of weights, batch-norm statistics included."""
        return sum(prod(shape) for _, shape in self.weight_shapes(width))


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution over bases, same padding, ReLU."""

    filters: int
    kernel_size: int

    def output_width(self, width: int) -> int:
        return self.filters

    def weight_shapes(self, width: int) -> list[tuple[str, Shape]]:
        return [("kernel:0", (self.kernel_size, width, self.filters)), ("bias:0", (self.filters,))]


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation over the last axis."""

    momentum: float = 0.99
    epsilon: float = 1e-3

    def weight_shapes(self, width: int) -> list[tuple[str, Shape]]:
        names = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")
        return [(name, (width,)) for name in names]


@dataclass(frozen=True)
class Pool(Layer):
    """Reshape that puts `size` neighbouring bases side by side."""

    size: int

    def output_width(self, width: int) -> int:
        return width * self.size


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout, active in training only."""

    rate: float


@dataclass(frozen=True)
class BiLSTM(Layer):
    """Bidirectional LSTM, both directions concatenated."""

    units: int

    def output_width(self, width: int) -> int:
        return 2 * self.units

    def weight_shapes(self, width: int) -> list[tuple[str, Shape]]:
        gates = 4 * self.units
        one = [
            ("kernel:0", (width, gates)),
            ("recurrent_kernel:0", (self.units, gates)),
            ("bias:0", (gates,)),
        ]
        return one + one


@dataclass(frozen=True)
class Dense(Layer):
    """Dense layer on every pooled step."""

    units: int
    activation: str = "linear"

    def output_width(self, width: int) -> int:
        return self.units

    def weight_shapes(self, width: int) -> list[tuple[str, Shape]]:
        return [("kernel:0", (width, self.units)), ("bias:0", (self.units,))]


@dataclass(frozen=True)
class Architecture:
    """A Helixer network.

    Attributes
    ----------
    body
        Layers from the bases to the features, in order.
    head
        Dense layers from the features (and coverage) to the logits, in order.
    pool_size
        Bases per step of the LSTMs.
    outputs
        Names of the outputs: `("genic", "phase")`, or `("main",)` without phase.
    coverage_channels
        Values per base after the four bases: two (coverage, spliced coverage) per track.
    """

    body: tuple[Layer, ...]
    head: tuple[Dense, ...]
    pool_size: int
    outputs: tuple[str, ...] = ("genic", "phase")
    coverage_channels: int = 0

    @property
    def has_phase(self) -> bool:
        """Whether the network predicts phase in addition to the genic class."""
        return len(self.outputs) == 2

    @property
    def input_width(self) -> int:
        """Values per base of the network's input."""
        return BASES + self.coverage_channels

    @property
    def feature_width(self) -> int:
        """Width of the body's output, without coverage."""
        return reduce(lambda width, layer: layer.output_width(width), self.body, BASES)

    @property
    def head_input_width(self) -> int:
        """Width that feeds the first layer of the head."""
        return self.feature_width + self.pool_size * self.coverage_channels

    @property
    def output_units(self) -> int:
        """Units of the output layer: pool size x classes x outputs."""
        return self.pool_size * CLASSES * len(self.outputs)

    @property
    def has_dropout(self) -> bool:
        """Whether the body holds dropout layers that do something."""
        return any(isinstance(layer, Dropout) and layer.rate > 0 for layer in self.body)

    def computes_like(self, other: "Architecture") -> bool:
        """Whether both are one network once their weights are the same: the groups that hold these
        in a file may differ.
        """
        one, two = (
            replace(
                network,
                body=tuple(replace(layer, group="") for layer in network.body),
                head=tuple(replace(dense, group="") for dense in network.head),
            )
            for network in (self, other)
        )
        return one == two

    def layers(self) -> Iterator[tuple[Layer, int]]:
        """Every layer with the width of its input, body first."""
        width = BASES
        for layer in self.body:
            yield layer, width
            width = layer.output_width(width)
        width = self.head_input_width
        for dense in self.head:
            yield dense, width
            width = dense.units

    def parameters(self) -> int:
        """Number of weights, batch-norm statistics included."""
        return sum(layer.parameters(width) for layer, width in self.layers())

    def summary(self) -> str:
        """One line: "2 conv x 48 (kernel 10), pool 9, 2 BiLSTM x 64, head 72"."""
        convs = [layer for layer in self.body if isinstance(layer, Conv)]
        lstms = [layer for layer in self.body if isinstance(layer, BiLSTM)]
        parts = [
            f"{len(convs)} conv × {_span(conv.filters for conv in convs)} "
            f"(kernel {_span(conv.kernel_size for conv in convs)})",
            f"pool {self.pool_size}",
            *(
                f"dropout {layer.rate:g}"
                for layer in self.body
                if isinstance(layer, Dropout) and layer.rate > 0
            ),
            f"{len(lstms)} BiLSTM × {_span(lstm.units for lstm in lstms)}",
            "head " + " → ".join(str(dense.units) for dense in self.head),
        ]
        if self.coverage_channels:
            parts.insert(-1, f"coverage of {self.coverage_channels // 2} track(s)")
        if not self.has_phase:
            parts.append("without phase")
        return ", ".join(parts)


def _span(values: Iterator[int]) -> str:
    distinct = sorted(set(values))
    return "/".join(str(value) for value in distinct) if distinct else "0"
