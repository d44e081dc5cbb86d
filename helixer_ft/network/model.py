"""A trained network as a value: file content, architecture, weights; and its Keras 3 model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helixer_ft.formats.model_h5 import ModelFile, read_model_file
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
from helixer_ft.network.config_reader import parse_config
from helixer_ft.network.config_writer import render_config
from helixer_ft.network.weights import LayerWeights, weights_by_layer, weights_for_file

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class TrainedModel:
    """A Helixer network with its weights.

    Attributes
    ----------
    architecture
        What it is made of.
    weights
        Layer name -> float32 arrays.
    file
        The file content it came from; config and weight names of a written file follow it.
    """

    architecture: Architecture
    weights: LayerWeights
    file: ModelFile

    def with_weights(self, weights: LayerWeights) -> "TrainedModel":
        """The same network with other weights."""
        return replace(self, weights=weights)

    def to_file(self, provenance: dict[str, str]) -> ModelFile:
        """The content of a file that holds this model."""
        weights = weights_for_file(self.architecture, self.weights, self.file.weights)
        order = [layer["name"] for layer in self.file.config["config"]["layers"]]
        ordered = {name: weights.get(name, {}) for name in order}
        return replace(self.file, weights=ordered, provenance=provenance, path=None, sha256="")


def load_model(path: Path) -> TrainedModel:
    """Read a trained Helixer model.

    Raises
    ------
    InputError
        See `read_model_file`, `parse_config` and `weights_by_layer`.
    """
    file = read_model_file(path)
    architecture = parse_config(file.config, str(path))
    return TrainedModel(
        architecture=architecture,
        weights=weights_by_layer(architecture, file.weights, str(path)),
        file=file,
    )


def new_model(architecture: Architecture, seed: int) -> TrainedModel:
    """A network of random weights, initialised as Keras does, to be trained from the start."""
    return TrainedModel(
        architecture=architecture,
        weights=get_weights(build_keras(architecture, seed=seed), architecture),
        file=ModelFile(config=render_config(architecture), weights={}),
    )


def build_keras(
    architecture: Architecture, *, seed: int = 0, batchnorm_statistics: bool = True
) -> "keras.Model":
    """The Keras 3 model: input `(batch, L, 4 + coverage)`, output logits.

    Logits have the shape `(batch, L / pool, outputs, pool, 4)` float32; softmax over the last axis
    gives Helixer's probabilities.

    Parameters
    ----------
    architecture
        What to build.
    seed
        Initialises every layer, and dropout.
    batchnorm_statistics
        False: batch norm uses (and keeps) its moving statistics in training too.
    """
    import keras

    from helixer_ft.network.keras_layers import FixedStatisticsBatchNorm

    inputs = keras.Input((None, architecture.input_width), name="main_input")
    x = inputs
    coverage = None
    if architecture.coverage_channels:
        x = inputs[:, :, : -architecture.coverage_channels]
        coverage = inputs[:, :, -architecture.coverage_channels :]
        width = architecture.pool_size * architecture.coverage_channels
        coverage = keras.layers.Reshape((-1, width), name="pooled_coverage")(coverage)
    n_seeds = 4 * (len(architecture.body) + len(architecture.head))  # an LSTM takes four
    seeds = iter(np.random.SeedSequence(seed).generate_state(n_seeds).tolist())
    width = BASES
    for layer in architecture.body:
        width = layer.output_width(width)
        if isinstance(layer, BatchNorm) and not batchnorm_statistics:
            x = FixedStatisticsBatchNorm(
                momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name
            )(x)
        else:
            x = _keras_layer(layer, width, seeds)(x)
    if coverage is not None:
        x = keras.layers.Concatenate(name="features_and_coverage")([x, coverage])
    for dense in architecture.head:
        x = _keras_layer(dense, dense.units, seeds)(x)
    shape = (-1, len(architecture.outputs), architecture.pool_size, CLASSES)
    logits = keras.layers.Reshape(shape, name="logits")(x)
    return keras.Model(inputs, logits, name="helixer")


def set_weights(model: "keras.Model", weights: LayerWeights) -> None:
    """Put the arrays of each named layer into the Keras model."""
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)


def get_weights(model: "keras.Model", architecture: Architecture) -> LayerWeights:
    """The arrays of every layer, float32, copied out of the Keras model."""
    from keras import ops

    return {
        layer.name: [
            np.array(ops.convert_to_numpy(variable.value), np.float32)
            for variable in model.get_layer(layer.name).weights
        ]
        for layer, _ in architecture.layers()
    }


def _keras_layer(layer: Layer, output_width: int, seeds: Any) -> "keras.layers.Layer":
    import keras

    glorot = keras.initializers.GlorotUniform
    match layer:
        case Conv():
            return keras.layers.Conv1D(
                layer.filters,
                layer.kernel_size,
                padding="same",
                activation="relu",
                kernel_initializer=glorot(next(seeds)),
                name=layer.name,
            )
        case BatchNorm():
            return keras.layers.BatchNormalization(
                momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name
            )
        case Pool():
            return keras.layers.Reshape((-1, output_width), name=layer.name)
        case Dropout():
            return keras.layers.Dropout(layer.rate, seed=next(seeds), name=layer.name)
        case BiLSTM():
            from helixer_ft.network.keras_layers import BidirectionalLSTM

            four = (next(seeds), next(seeds), next(seeds), next(seeds))
            return BidirectionalLSTM(layer.units, four, name=layer.name)
        case Dense():
            return keras.layers.Dense(
                layer.units,
                activation=layer.activation,
                kernel_initializer=glorot(next(seeds)),
                name=layer.name,
            )
    raise TypeError(f"no Keras layer for {type(layer).__name__}")
