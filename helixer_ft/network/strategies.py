"""The three ways to fine-tune: which layers are trained, which are new.

Trainability is decided here alone; the flags in a model file are never looked at (every released
Helixer file says that nothing is trainable).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.network.architecture import Architecture, BatchNorm, Dense, Layer
from helixer_ft.network.config_writer import HIDDEN_NAME, OUTPUT_NAME, replace_head
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.weights import LayerWeights

HIDDEN_ACTIVATION = "relu"


class Strategy(StrEnum):
    """How a trained network is tuned."""

    WHOLE = "whole network"
    NEW_HEAD = "freeze + new head"
    HIDDEN_LAYER = "freeze + hidden layer"
    KEEP_HEAD = "freeze + trained head kept"


@dataclass(frozen=True)
class Plan:
    """A strategy applied to a trained network, before any training.

    Attributes
    ----------
    strategy
        Which.
    model
        The network to train: trained weights in place, new layers freshly initialised.
    trainable
        Names of the layers that train; all others keep their weights bit for bit.
    new
        Names of the layers that start anew.
    batchnorm_statistics
        Whether batch norm works with (and updates from) the statistics of each batch.
    notices
        What the user should know, in plain words.
    """

    strategy: Strategy
    model: TrainedModel
    trainable: frozenset[str]
    new: tuple[str, ...]
    batchnorm_statistics: bool
    notices: tuple[str, ...]

    @property
    def training_mode(self) -> bool:
        """Whether layers run in training mode (dropout active); a frozen body never does."""
        return self.strategy is Strategy.WHOLE

    @property
    def body_is_frozen(self) -> bool:
        """Whether the body is a fixed function, so that its output can be computed once."""
        return not self.training_mode and not self.trainable & {
            layer.name for layer in self.model.architecture.body
        }

    def layers(self) -> Iterator[tuple[Layer, int, int]]:
        """Every layer with its number of parameters and how many of these train."""
        for layer, width in self.model.architecture.layers():
            count = layer.parameters(width)
            trains = count if layer.name in self.trainable else 0
            if isinstance(layer, BatchNorm):
                trains //= 2  # gamma and beta; the moving statistics are not trained
            yield layer, count, trains

    @property
    def trainable_parameters(self) -> int:
        """Number of weights that gradient steps change."""
        return sum(trains for _, _, trains in self.layers())

    @property
    def total_parameters(self) -> int:
        """Number of weights, batch-norm statistics included."""
        return sum(count for _, count, _ in self.layers())


def plan_whole(model: TrainedModel, *, freeze_batchnorm: bool = False) -> Plan:
    """Train every layer on from its trained weights."""
    names = frozenset(layer.name for layer, _ in model.architecture.layers())
    has_batchnorm = any(isinstance(layer, BatchNorm) for layer in model.architecture.body)
    if freeze_batchnorm and not has_batchnorm:
        raise InputError(
            "--freeze-batchnorm: this model has no batch normalisation. Leave the option out."
        )
    notices = []
    if freeze_batchnorm:
        notices.append("batch norm keeps its trained statistics; its scale and offset train")
    if model.architecture.has_dropout:
        notices.append("the model's dropout layers are active in training")
    return Plan(
        strategy=Strategy.WHOLE,
        model=model,
        trainable=names,
        new=(),
        batchnorm_statistics=not freeze_batchnorm,
        notices=tuple(notices),
    )


def plan_freeze(
    model: TrainedModel,
    *,
    hidden_layer: bool = False,
    hidden_units: int | None = None,
    keep_head: bool = False,
    coverage: CoverageInput | None = None,
    seed: int = 0,
) -> Plan:
    """Keep the body as it is; train a new head, a new hidden layer and head, or the kept head.

    Parameters
    ----------
    model
        The trained network.
    hidden_layer
        Put a hidden layer (ReLU) before the new output layer.
    hidden_units
        Its width; half the width that feeds it by default.
    keep_head
        Train the head that is there, instead of a new one.
    coverage
        What a new head takes beside the body's features; a kept head takes what it took.
    seed
        Initialises the new layers.

    Raises
    ------
    InputError
        Options that contradict each other.
    """
    if keep_head and hidden_layer:
        raise InputError(
            "--keep-head trains the head that the model has, --post-coverage-hidden-layer makes a "
            "new one. Give one of the two."
        )
    if hidden_units is not None and not hidden_layer:
        raise InputError(
            "--hidden-units is the width of the hidden layer, and no hidden layer was asked for. "
            "Add --post-coverage-hidden-layer, or leave --hidden-units out."
        )
    notices = []
    if model.architecture.has_dropout:
        notices.append("the frozen body's dropout layers are inactive in training")
    if keep_head:
        kept = [dense.name for dense in model.architecture.head]
        return Plan(
            strategy=Strategy.KEEP_HEAD,
            model=model,
            trainable=frozenset(kept),
            new=(),
            batchnorm_statistics=True,
            notices=tuple(notices),
        )
    old = model.architecture
    if len(old.head) > 1:
        widths = " → ".join(str(dense.units) for dense in old.head)
        notices.append(
            f"the model was fine-tuned before: its whole head of {len(old.head)} layers "
            f"({widths} units) is replaced (--keep-head would train it further)"
        )
    elif model.file.provenance:
        notices.append(
            "the model was fine-tuned before: its head is replaced "
            "(--keep-head would train it further)"
        )
    if old.coverage_channels and coverage is None:
        notices.append(
            f"the model takes coverage of {old.coverage_channels // 2} track(s), the new head none "
            "(--input-coverage would make one that does)"
        )
    with_coverage = replace(old, coverage_channels=coverage.channels if coverage else 0)
    head = _new_head(with_coverage, hidden_layer, hidden_units)
    architecture = replace(with_coverage, head=head)
    new = tuple(dense.name for dense in architecture.head)
    body = {layer.name: model.weights[layer.name] for layer in old.body}
    return Plan(
        strategy=Strategy.HIDDEN_LAYER if hidden_layer else Strategy.NEW_HEAD,
        model=TrainedModel(
            architecture=architecture,
            weights=body | initial_head_weights(architecture, seed),
            file=replace(model.file, config=replace_head(model.file.config, architecture)),
            coverage=coverage,
        ),
        trainable=frozenset(new),
        new=new,
        batchnorm_statistics=True,
        notices=tuple(notices),
    )


def initial_head_weights(architecture: Architecture, seed: int) -> LayerWeights:
    """Fresh head weights, the same on every backend: Glorot uniform kernels, zero biases.

    Glorot & Bengio (2010): uniform in ±sqrt(6 / (inputs + outputs)).
    """
    generator = np.random.default_rng(seed)
    weights: LayerWeights = {}
    width = architecture.head_input_width
    for dense in architecture.head:
        limit = np.sqrt(6 / (width + dense.units))
        kernel = generator.uniform(-limit, limit, (width, dense.units)).astype(np.float32)
        weights[dense.name] = [kernel, np.zeros(dense.units, np.float32)]
        width = dense.units
    return weights


def _new_head(
    architecture: Architecture, hidden_layer: bool, hidden_units: int | None
) -> tuple[Dense, ...]:
    if not hidden_layer:
        return (Dense(HIDDEN_NAME, architecture.output_units),)
    units = hidden_units or max(1, architecture.head_input_width // 2)
    return (
        Dense(HIDDEN_NAME, units, HIDDEN_ACTIVATION),
        Dense(OUTPUT_NAME, architecture.output_units),
    )
