"""The ways to fine-tune: which layers are trained, which are new.

A strategy is a value: its fields are its options, by their names on the command line, and its
`plan` says what it makes of a network. Another one is another class here, and a command that takes
its options. Trainability is decided here alone; the flags in a model file are never looked at
(every released Helixer file says that nothing is trainable).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.network.architecture import Architecture, BatchNorm, Dense, Layer
from helixer_ft.network.config_writer import HIDDEN_NAME, OUTPUT_NAME, replace_head
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.weights import LayerWeights
from helixer_ft.settings import option

HIDDEN_ACTIVATION = "relu"


@dataclass(frozen=True)
class Plan:
    """A strategy applied to a trained network, before any training.

    Attributes
    ----------
    strategy
        What it is called, in results and in the written model.
    model
        The network to train: trained weights in place, new layers freshly initialised.
    trainable
        Names of the layers that train; all others keep their weights bit for bit.
    new
        Names of the layers that are newly initialised.
    batchnorm_statistics
        Whether batch norm works with (and updates from) the statistics of each batch.
    notices
        What the user should know, in plain words.
    """

    strategy: str
    model: TrainedModel
    trainable: frozenset[str]
    new: tuple[str, ...] = ()
    batchnorm_statistics: bool = True
    notices: tuple[str, ...] = ()

    @property
    def body_is_frozen(self) -> bool:
        """Whether the body is a fixed function, so that its output can be computed once."""
        return not self.trainable & {layer.name for layer in self.model.architecture.body}

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


class Strategy(ABC):
    """A way to tune a trained network; what derives from it is a frozen dataclass of its options.

    Attributes
    ----------
    command
        The command that takes these options.
    keep_head
        Whether the head is the one that the model has.
    input_coverage
        Whether the head takes coverage along with the body's features.
    coverage_prefix, coverage_norm
        Prefix and normalisation of the coverage; None: those of the model, else `rnaseq` and `log`.
    ablate_coverage
        Also score the tuned model with its tracks silenced.
    fixes_body
        Whether the body stays as it is, so that its output may be kept for the training.
    """

    command: ClassVar[str]
    fixes_body: ClassVar[bool] = False
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    keep_head: bool = True
    input_coverage: bool = False
    coverage_prefix: str | None = None
    coverage_norm: str | None = None
    ablate_coverage: bool = False

    @abstractmethod
    def plan(
        self, model: TrainedModel, *, coverage: CoverageInput | None = None, seed: int = 0
    ) -> Plan:
        """What becomes of a trained network.

        Parameters
        ----------
        model
            The network.
        coverage
            What a new head takes along with the body's features; a kept head takes what it took.
        seed
            Initialises new layers.

        Raises
        ------
        InputError
            Options that contradict each other, or the model.
        """

    @classmethod
    def variants(cls, model: TrainedModel) -> Iterator["Strategy"]:
        """What `inspect` shows: the strategy with the options that change what trains."""
        yield cls()

    def options(self) -> dict[str, Any]:
        """Its options, named as on the command line with _ for -."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def typed(self) -> str:
        """The command and the flags that are set, as they are typed."""
        flags = [option(name) for name, value in self.options().items() if value is True]
        return " ".join([self.command, *flags])


@dataclass(frozen=True)
class Whole(Strategy):
    """Train every layer on from its trained weights.

    Attributes
    ----------
    freeze_batchnorm
        Keep the trained batch-norm statistics.
    """

    command: ClassVar[str] = "whole"

    freeze_batchnorm: bool = False

    def plan(
        self, model: TrainedModel, *, coverage: CoverageInput | None = None, seed: int = 0
    ) -> Plan:
        """See `Strategy`; there are no new layers."""
        if self.freeze_batchnorm and not _has_batchnorm(model):
            raise InputError(
                "--freeze-batchnorm: this model has no batch normalisation. Leave the option out."
            )
        notices = []
        if self.freeze_batchnorm:
            notices.append("batch norm keeps its trained statistics; its scale and offset train")
        if model.architecture.has_dropout:
            notices.append("the model's dropout layers are active in training")
        return Plan(
            strategy="whole network",
            model=model,
            trainable=frozenset(layer.name for layer, _ in model.architecture.layers()),
            batchnorm_statistics=not self.freeze_batchnorm,
            notices=tuple(notices),
        )

    @classmethod
    def variants(cls, model: TrainedModel) -> Iterator[Strategy]:
        """See `Strategy`."""
        yield cls()
        if _has_batchnorm(model):
            yield cls(freeze_batchnorm=True)


@dataclass(frozen=True)
class Freeze(Strategy):
    """Keep the body as it is; train a new head, a new hidden layer and head, or the kept head.

    Attributes
    ----------
    post_coverage_hidden_layer
        Put a hidden layer (ReLU) before the new output layer.
    hidden_units
        Its width; half the width that feeds it by default.
    keep_head
        Train the head that is there, instead of a new one.
    input_coverage, coverage_prefix, coverage_norm, ablate_coverage
        See `Strategy`.
    """

    command: ClassVar[str] = "freeze"
    fixes_body: ClassVar[bool] = True

    post_coverage_hidden_layer: bool = False
    hidden_units: int | None = None
    keep_head: bool = False
    input_coverage: bool = False
    coverage_prefix: str | None = None
    coverage_norm: str | None = None
    ablate_coverage: bool = False

    def plan(
        self, model: TrainedModel, *, coverage: CoverageInput | None = None, seed: int = 0
    ) -> Plan:
        """See `Strategy`."""
        self._check()
        notices = []
        if model.architecture.has_dropout:
            notices.append("the frozen body's dropout layers are inactive in training")
        if self.keep_head:
            return Plan(
                strategy="freeze + trained head kept",
                model=model,
                trainable=frozenset(dense.name for dense in model.architecture.head),
                notices=tuple(notices),
            )
        notices += _replaced(model, coverage)
        old = model.architecture
        with_coverage = replace(old, coverage_channels=coverage.channels if coverage else 0)
        architecture = replace(with_coverage, head=self._new_head(with_coverage))
        new = tuple(dense.name for dense in architecture.head)
        body = {layer.name: model.weights[layer.name] for layer in old.body}
        kind = "hidden layer" if self.post_coverage_hidden_layer else "new head"
        return Plan(
            strategy=f"freeze + {kind}",
            model=TrainedModel(
                architecture=architecture,
                weights=body | initial_head_weights(architecture, seed),
                file=replace(model.file, config=replace_head(model.file.config, architecture)),
                coverage=coverage,
            ),
            trainable=frozenset(new),
            new=new,
            notices=tuple(notices),
        )

    @classmethod
    def variants(cls, model: TrainedModel) -> Iterator[Strategy]:
        """See `Strategy`."""
        yield from (cls(), cls(post_coverage_hidden_layer=True), cls(keep_head=True))

    def _check(self) -> None:
        if self.keep_head and self.post_coverage_hidden_layer:
            raise InputError(
                "--keep-head trains the head that the model has, --post-coverage-hidden-layer "
                "makes a new one. Give one of the two."
            )
        if self.hidden_units is not None and not self.post_coverage_hidden_layer:
            raise InputError(
                "--hidden-units is the width of the hidden layer, and no hidden layer was asked "
                "for. Add --post-coverage-hidden-layer, or leave --hidden-units out."
            )

    def _new_head(self, architecture: Architecture) -> tuple[Dense, ...]:
        if not self.post_coverage_hidden_layer:
            return (Dense(HIDDEN_NAME, architecture.output_units),)
        units = self.hidden_units or max(1, architecture.head_input_width // 2)
        return (
            Dense(HIDDEN_NAME, units, HIDDEN_ACTIVATION),
            Dense(OUTPUT_NAME, architecture.output_units),
        )


STRATEGIES: tuple[type[Strategy], ...] = (Whole, Freeze)


def _has_batchnorm(model: TrainedModel) -> bool:
    return any(isinstance(layer, BatchNorm) for layer in model.architecture.body)


def _replaced(model: TrainedModel, coverage: CoverageInput | None) -> Iterator[str]:
    """What is lost with the head that a new one replaces."""
    old = model.architecture
    if len(old.head) > 1:
        widths = " → ".join(str(dense.units) for dense in old.head)
        yield (
            f"the model was fine-tuned before: its whole head of {len(old.head)} layers "
            f"({widths} units) is replaced (--keep-head would train it further)"
        )
    elif "strategy" in model.file.provenance:
        yield (
            "the model was fine-tuned before: its head is replaced "
            "(--keep-head would train it further)"
        )
    if old.coverage_channels and coverage is None:
        yield (
            f"the model takes coverage of {old.coverage_channels // 2} track(s), the new head none "
            "(--input-coverage would make one that does)"
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
