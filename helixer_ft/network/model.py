"""A trained network as a value: file content, architecture, weights; and its Keras 3 model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helixer_ft.errors import InputError
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
from helixer_ft.network.coverage import ATTRIBUTE, CoverageInput, track_list
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
    coverage
        What it takes in addition to the bases. None where it takes nothing, or (a model that
        Helixer itself trained with coverage) where the file does not say which tracks and how they
        were normalised.
    """

    architecture: Architecture
    weights: LayerWeights
    file: ModelFile
    coverage: CoverageInput | None = None

    def with_weights(self, weights: LayerWeights) -> "TrainedModel":
        """The same network with other weights."""
        return replace(self, weights=weights)

    def with_coverage(self, coverage: CoverageInput, source: str) -> "TrainedModel":
        """The same network, whose coverage is known.

        Raises
        ------
        InputError
            Another number of tracks than it takes; `source` names the model.
        """
        if coverage.channels != self.architecture.coverage_channels:
            raise InputError(
                f"{source}: takes coverage of {self.architecture.coverage_channels // 2} track(s), "
                f"found {len(coverage.tracks)} ({track_list(coverage.tracks)}). Use data with the "
                "tracks that it was trained with, in the same order."
            )
        return replace(self, coverage=coverage)

    def require_phase(self, path: Path) -> None:
        """Refuse, where --predict-phase is asked for, the model at `path` if it has none.

        Raises
        ------
        InputError
            It predicts no phase.
        """
        if not self.architecture.has_phase:
            raise InputError(
                f"{path}: does not predict phase, which --predict-phase requires. Leave it out."
            )

    def to_file(self, provenance: dict[str, str]) -> ModelFile:
        """The content of a file that holds this model."""
        weights = weights_for_file(self.architecture, self.weights, self.file.weights)
        order = [layer["name"] for layer in self.file.config["config"]["layers"]]
        ordered = {name: weights.get(name, {}) for name in order}
        if self.coverage is not None:
            provenance = provenance | {ATTRIBUTE: self.coverage.to_json()}
        return replace(self.file, weights=ordered, provenance=provenance, path=None, sha256="")


def load_model(path: Path) -> TrainedModel:
    """Read a trained Helixer model.

    Raises
    ------
    InputError
        See `read_model_file`, `parse_config`, `weights_by_layer` and `CoverageInput.from_json`.
    """
    return model_of(read_model_file(path))


def model_of(file: ModelFile) -> TrainedModel:
    """What the content of a file means; see `load_model`."""
    source = str(file.path)
    architecture = parse_config(file.config, source)
    model = TrainedModel(
        architecture=architecture,
        weights=weights_by_layer(architecture, file.weights, source),
        file=file,
    )
    if ATTRIBUTE not in file.provenance:
        return model
    coverage = CoverageInput.from_json(file.provenance[ATTRIBUTE], source)
    return model.with_coverage(coverage, source)


def new_model(architecture: Architecture, seed: int) -> TrainedModel:
    """A network of random weights, initialised as Keras does, to be trained from the start."""
    return TrainedModel(
        architecture=architecture,
        weights=get_weights(build_keras(architecture, seed=seed, random=True), architecture),
        file=ModelFile(config=render_config(architecture), weights={}),
    )


def build_keras(
    architecture: Architecture,
    *,
    seed: int = 0,
    random: bool = False,
    batchnorm_statistics: bool = True,
    filled_batches: bool = False,
    precision: str = "float32",
) -> "keras.Model":
    """The Keras 3 model: input `(batch, L, 4 + coverage)`, output logits.

    Logits have the shape `(batch, 4, outputs, pool, L / pool)` float32; see `probabilities`.

    Parameters
    ----------
    architecture
        What to build.
    seed
        Of dropout, and of random weights.
    random
        Initialise the weights as Keras does; otherwise they are to be set.
    batchnorm_statistics
        False: batch norm uses (and keeps) its moving statistics in training too.
    filled_batches
        A second input `(batch,)`, 1 for a subsequence and 0 for one that only fills up the batch:
        these are left out of the statistics of batch norm.
    precision
        Keras dtype policy of the layers; weights and logits are float32 always.
    """
    import keras

    inputs = keras.Input((None, architecture.input_width), name="main_input")
    present = keras.Input((), name="present") if filled_batches else None
    layers = _Layers(architecture, seed, precision, batchnorm_statistics, random)
    x = inputs
    coverage = None
    if architecture.coverage_channels:
        x = inputs[:, :, : -architecture.coverage_channels]
        coverage = inputs[:, :, -architecture.coverage_channels :]
        width = architecture.pool_size * architecture.coverage_channels
        coverage = keras.layers.Reshape((-1, width), name="pooled_coverage")(coverage)
    x = layers.body(x, present)
    if coverage is not None:
        x = keras.layers.Concatenate(name="features_and_coverage")([x, coverage])
    logits = layers.head(x)
    return keras.Model(inputs if present is None else [inputs, present], logits, name="helixer")


def build_body(architecture: Architecture, *, precision: str = "float32") -> "keras.Model":
    """The Keras model of the body alone: `(batch, L, 4)` -> features `(batch, L / pool, width)`."""
    import keras

    inputs = keras.Input((None, BASES), name="main_input")
    layers = _Layers(architecture, 0, precision, batchnorm_statistics=True)
    return keras.Model(inputs, layers.body(inputs, None), name="body")


def build_sums(architecture: Architecture, batch_norm: str) -> "keras.Model":
    """The Keras model of what comes before a batch norm: `(batch, L, 4)` -> sums of its input, and
    of that squared, float32; see `SumsOverBases`.
    """
    import keras

    from helixer_ft.network.keras_layers import SumsOverBases

    names = [layer.name for layer in architecture.body]
    before = replace(architecture, body=architecture.body[: names.index(batch_norm)])
    inputs = keras.Input((None, BASES), name="main_input")
    layers = _Layers(before, 0, "float32", batchnorm_statistics=True)
    return keras.Model(inputs, SumsOverBases()(inputs, layers.body(inputs, None)), name="sums")


def build_head(architecture: Architecture, *, precision: str = "float32") -> "keras.Model":
    """The Keras model of the head alone: `(batch, L / pool, head input width)` -> logits."""
    import keras

    inputs = keras.Input((None, architecture.head_input_width), name="features")
    layers = _Layers(architecture, 0, precision, batchnorm_statistics=True)
    return keras.Model(inputs, layers.head(inputs), name="head")


_STATISTICS = "gamma", "beta", "moving_mean", "moving_variance"


class _Layers:
    """Makes the Keras layers of an architecture, each with seeds of its own."""

    def __init__(
        self,
        architecture: Architecture,
        seed: int,
        precision: str,
        batchnorm_statistics: bool,
        random: bool = False,
    ) -> None:
        self.architecture = architecture
        self.random = random
        self.precision = precision
        self.batchnorm_statistics = batchnorm_statistics
        n_seeds = 4 * (len(architecture.body) + len(architecture.head))  # an LSTM takes four
        self.seeds = iter(np.random.SeedSequence(seed).generate_state(n_seeds).tolist())

    def body(self, x: Any, present: Any) -> Any:
        """From the bases to the features."""
        width = BASES
        for layer in self.architecture.body:
            width = layer.output_width(width)
            fills = present is not None and isinstance(layer, BatchNorm)
            x = self._keras_layer(layer, width)(x, **({"present": present} if fills else {}))
        return x

    def head(self, x: Any) -> Any:
        """From the features (and coverage) to the logits."""
        from helixer_ft.network.keras_layers import Logits

        architecture = self.architecture
        *hidden, output = architecture.head
        for dense in hidden:
            x = self._keras_layer(dense, dense.units)(x)
        logits = Logits(
            len(architecture.outputs),
            architecture.pool_size,
            CLASSES,
            name=output.name,
            dtype=self.precision,
            **self._initial(),
        )
        return logits(x)

    def _initial(self) -> dict[str, Any]:
        """How the kernel and the bias of a layer begin."""
        import keras

        from helixer_ft.network.keras_layers import unset

        seed = next(self.seeds)
        if not self.random:
            return unset("kernel", "bias")
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed)}

    def _keras_layer(self, layer: Layer, output_width: int) -> "keras.layers.Layer":
        import keras

        from helixer_ft.network import keras_layers as ours

        common = {"name": layer.name, "dtype": self.precision}
        match layer:
            case Conv():
                return ours.Conv1D(
                    layer.filters,
                    layer.kernel_size,
                    padding="same",
                    activation="relu",
                    **self._initial(),
                    **common,
                )
            case BatchNorm():
                return ours.BatchNorm(
                    momentum=layer.momentum,
                    epsilon=layer.epsilon,
                    fixed_statistics=not self.batchnorm_statistics,
                    **({} if self.random else ours.unset(*_STATISTICS)),
                    **common,
                )
            case Pool():
                return keras.layers.Reshape((-1, output_width), **common)
            case Dropout():
                return keras.layers.Dropout(layer.rate, seed=next(self.seeds), **common)
            case BiLSTM():
                four = (next(self.seeds), next(self.seeds), next(self.seeds), next(self.seeds))
                return ours.BidirectionalLSTM(
                    layer.units, four if self.random else None, layer.name
                )
            case Dense():
                return ours.Dense(
                    layer.units,
                    activation=layer.activation,
                    **self._initial(),
                    **common,
                )
        raise TypeError(f"no Keras layer for {type(layer).__name__}")


def probabilities(logits: Any) -> Any:
    """Logits `(batch, 4, outputs, pool, steps)` -> probabilities `(batch, steps, outputs, pool, 4)`
    as Helixer lays them out.
    """
    from keras import ops

    return ops.softmax(ops.transpose(logits, (0, 4, 2, 3, 1)), axis=-1)


def set_weights(model: "keras.Model", weights: LayerWeights) -> None:
    """Put the arrays of each named layer into the Keras model, whole or a part of it."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])


def get_weights(model: "keras.Model", architecture: Architecture) -> LayerWeights:
    """The arrays of every layer that the Keras model has, float32, copied out of it."""
    from keras import ops

    present = {layer.name for layer in model.layers}
    return {
        layer.name: [
            np.array(ops.convert_to_numpy(variable.value), np.float32)
            for variable in model.get_layer(layer.name).weights
        ]
        for layer, _ in architecture.layers()
        if layer.name in present
    }
