"""What the training loop asks of a backend."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from helixer_ft.dataset.batch import Batch
from helixer_ft.engine.loss import cross_entropy, pooled_validity, truth_codes
from helixer_ft.errors import InputError
from helixer_ft.network.architecture import CLASSES, Architecture, BatchNorm
from helixer_ft.network.model import build_head, build_keras, get_weights, set_weights
from helixer_ft.network.strategies import Plan
from helixer_ft.network.weights import LayerWeights
from helixer_ft.runtime.resources import ProcessMemory
from helixer_ft.settings import TrainingSettings

EPSILON = 1e-7

Devices = Literal["one", "own", "all"]
"""One device, all of this process, or those of all processes of the run (JAX alone has several)."""
Read = Callable[[np.ndarray], Batch]
"""Indices of subsequences -> a batch."""


@dataclass(frozen=True)
class ScoredBatch:
    """Scores of a batch, window by window.

    Attributes
    ----------
    counts
        (n, outputs, 4, 4) bases per reference class (rows) and predicted class.
    entropy
        (n, outputs) summed cross-entropy of the valid bases, unweighted.
    """

    counts: np.ndarray
    entropy: np.ndarray


class Accumulated(NamedTuple):
    """The subsequences of a batch, and its gradients."""

    subsequences: int
    gradients: list[np.ndarray]


@dataclass(frozen=True)
class EngineState:
    """All that the next batch and the next update depend on, in host memory.

    Attributes
    ----------
    variables
        Arrays in the order of the Keras variables: `trainable`, `fixed` (batch-norm statistics,
        random state of dropout, weights that do not train) and `optimizer`.
    accumulated
        Of each batch since the last update: its subsequences, its gradients (in the order of
        `trainable`).
    """

    variables: dict[str, list[np.ndarray]]
    accumulated: list[Accumulated]


class Engine(ABC):
    """A Keras model that is scored, and trained where a plan is given.

    Parameters
    ----------
    architecture, weights
        The network.
    plan
        What trains; None: scoring only.
    settings
        Optimiser, loss weights, precision and seed.
    from_features
        The model is the head alone, and batches bring the body's output; the body's weights are
        kept as they are given. Coverage comes with the batches in either case, to a network that
        takes it, and to no other.
    """

    fills_batches: bool
    """Whether a smaller batch is filled up, so that one compiled shape serves all."""
    alone: bool = True
    """Whether this process does all steps by itself."""
    devices: int = 1
    """Number of those that share the work on a batch."""

    def __init__(
        self,
        architecture: Architecture,
        weights: LayerWeights,
        plan: Plan | None = None,
        settings: TrainingSettings | None = None,
        *,
        from_features: bool = False,
    ) -> None:
        self.architecture = architecture
        self.settings = settings or TrainingSettings()
        self.from_features = from_features
        self.training_mode = plan is not None and plan.training_mode
        batch_statistics = plan is None or plan.batchnorm_statistics
        self.leaves_out_fillers = (
            self.fills_batches
            and self.training_mode
            and batch_statistics
            and any(isinstance(layer, BatchNorm) for layer in architecture.body)
        )
        self.memory = ProcessMemory()
        """Of the device that computes."""
        self._given = weights
        precision = self.settings.precision
        if from_features:
            self.model = build_head(architecture, precision=precision)
        else:
            self.model = build_keras(
                architecture,
                seed=self.settings.seed,
                batchnorm_statistics=batch_statistics,
                filled_batches=self.leaves_out_fillers,
                precision=precision,
            )
        set_weights(self.model, weights)
        trainable = plan.trainable if plan else frozenset()
        for layer in self.model.layers:
            layer.trainable = layer.name in trainable
        self.optimizer: Any = None
        if plan is not None:
            self.optimizer = make_optimizer(self.settings)
            self.optimizer.build(self.model.trainable_variables)
        self._accumulated: list[tuple[int, Any]] = []
        self._prepare()

    def add_gradients(self, batch: Batch, batch_size: int) -> tuple[float, np.ndarray]:
        """Compute the gradients of a batch and keep them for the next `update`.

        Parameters
        ----------
        batch
            At most `batch_size` subsequences, or what `reading` leaves of them.
        batch_size
            Of all batches; a smaller last one changes neither its own loss nor the compiled step.

        Returns
        -------
        tuple
            Total loss, and the loss of each output, before the update.
        """
        total, parts, gradients = self._gradients(self._fill(batch, batch_size), batch.n)
        self._accumulated.append((batch.n, gradients))
        return float(total), np.asarray(parts)

    def update(self) -> None:
        """One optimiser step with the mean gradient over all subsequences since the last one."""
        if len(self._accumulated) == 1:
            ((_, gradients),) = self._accumulated
        else:
            counts, columns = zip(*self._accumulated, strict=True)
            shares = [count / sum(counts) for count in counts]
            gradients = [
                sum(share * gradient for share, gradient in zip(shares, variable, strict=True))
                for variable in zip(*columns, strict=True)
            ]
        self._accumulated.clear()
        self._apply(gradients)

    def score(self, batch: Batch, batch_size: int) -> ScoredBatch:
        """Confusion counts and cross-entropy per window, in inference mode."""
        n = batch.n
        counts, entropy, _ = self._score(self._fill(batch, batch_size))
        return ScoredBatch(
            np.rint(np.asarray(counts)).astype(np.int64)[:n], np.asarray(entropy, np.float64)[:n]
        )

    def predict_classes(self, batch: Batch, batch_size: int) -> np.ndarray:
        """(n, L) uint8 predicted genic classes, in inference mode; compiles nothing after `score`
        of batches of the same size.
        """
        *_, classes = self._score(self._fill(batch, batch_size))
        return np.asarray(classes)[: batch.n]

    def get_weights(self) -> LayerWeights:
        """The present weights, copied to host memory."""
        return self._given | get_weights(self.model, self.architecture)

    def set_weights(self, weights: LayerWeights) -> None:
        """Replace the weights; the optimiser's state stays."""
        self._given = weights
        set_weights(self.model, weights)

    def reading(self, read: Read, batch_size: int) -> Read:
        """`read` for batches of one size; where this process computes only a part of each batch,
        of that part alone.
        """
        return read

    def state(self) -> EngineState:
        """A copy of all that training depends on from here on; there is a plan."""
        return EngineState(
            {name: list(map(_to_host, values)) for name, values in self._values().items()},
            [Accumulated(n, list(map(_to_host, gradients))) for n, gradients in self._accumulated],
        )

    def restore(self, state: EngineState) -> None:
        """Go back to where `state` was taken, of an engine that was made alike.

        Raises
        ------
        InputError
            It was taken of another network or optimiser.
        """
        present = self.state().variables
        gradients = {f"gradients {i}": arrays for i, (_, arrays) in enumerate(state.accumulated)}
        expected = present | dict.fromkeys(gradients, present["trainable"])
        for name, arrays in (state.variables | gradients).items():
            if _forms(arrays) != _forms(expected.get(name, [])):
                raise InputError(
                    f"the state of the interrupted run holds '{name}' of another network or "
                    "optimiser, expected what this command trains. Start anew with --force instead "
                    "of --resume."
                )
        self._set_values(state.variables)
        self._accumulated = [
            (count, [self._to_device(array) for array in arrays])
            for count, arrays in state.accumulated
        ]

    def _fill(self, batch: Batch, batch_size: int) -> Batch:
        return batch

    @abstractmethod
    def _prepare(self) -> None:
        """Compile."""

    @abstractmethod
    def _values(self) -> dict[str, list[Any]]:
        """See `EngineState.variables`, where they are now."""

    @abstractmethod
    def _set_values(self, values: dict[str, list[np.ndarray]]) -> None:
        """Replace these."""

    @abstractmethod
    def _to_device(self, array: np.ndarray) -> Any:
        """A copy of an array, as gradients come."""

    @abstractmethod
    def _gradients(self, batch: Batch, n: int) -> tuple[Any, Any, list[Any]]:
        """Total loss, loss per output, gradients, from the first `n` subsequences of a batch;
        batch-norm statistics are updated.
        """

    @abstractmethod
    def _apply(self, gradients: list[Any]) -> None:
        """One optimiser step."""

    @abstractmethod
    def _score(self, batch: Batch) -> tuple[Any, Any, Any]:
        """Counts `(n, outputs, 4, 4)`, entropy `(n, outputs)` and genic classes `(n, L)`."""


class Forward(ABC):
    """A Keras model compiled for inference; see `forward_function`."""

    @abstractmethod
    def __call__(self, batch: Batch, size: int | None = None) -> np.ndarray:
        """The model's output for a batch: its bases, and coverage where the model takes it.

        Parameters
        ----------
        batch
            All subsequences, or what `reading` leaves of them.
        size
            At least as many as there are in all; None: as many.
        """

    def reading(self, read: Read, batch_size: int) -> Read:
        """See `Engine.reading`."""
        return read


def network_input(given: dict[str, Any], pool_size: int) -> Any:
    """What the Keras model takes, from `Batch.input` on the device, float32: `(n, L, 4)` bases by
    table, with coverage `(n, L, 4 + 2 * tracks)`; or `(n, L / pool, width)` features, with coverage
    pooled base by base and put beside them.
    """
    from keras import ops

    coverage = given.get("coverage")
    if "features" in given:
        x = ops.cast(given["features"], "float32")
        if coverage is not None:
            n, steps, _ = ops.shape(x)
            coverage = ops.reshape(coverage, (n, steps, pool_size * coverage.shape[2]))
    else:
        x = ops.take(given["table"], ops.cast(given["codes"], "int32"), axis=0)
    if coverage is None:
        return x
    return ops.concatenate([x, ops.cast(coverage, "float32")], axis=-1)


def _to_host(array: Any) -> np.ndarray:
    from keras import ops

    return np.array(ops.convert_to_numpy(array))


def _forms(arrays: list[np.ndarray]) -> list[tuple[tuple[int, ...], np.dtype]]:
    return [(array.shape, array.dtype) for array in arrays]


def make_optimizer(settings: TrainingSettings) -> Any:
    """The Keras optimiser that does what Helixer's does.

    TensorFlow Addons' AdamW subtracts `decay * weight` per update; Keras 3 subtracts
    `learning_rate * decay * weight`, so the decay is divided by the learning rate here.
    """
    import keras

    common = {
        "learning_rate": settings.learning_rate,
        "clipnorm": settings.clip_norm,  # per variable
        "epsilon": EPSILON,
    }
    if settings.optimizer == "adam":
        optimizer = keras.optimizers.Adam(**common)
    else:
        decay = settings.weight_decay / settings.learning_rate
        optimizer = keras.optimizers.AdamW(weight_decay=decay, **common)
    if settings.precision == "mixed_float16":  # small gradients would become 0
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def count_and_entropy(logits: Any, labels: Any) -> tuple[Any, Any]:
    """Confusion counts and summed cross-entropy per window, on the device.

    Parameters
    ----------
    logits
        (n, steps, 4, outputs, pool).
    labels
        (n, L) packed labels; a valid base without label counts as class 0, as in Helixer.

    Returns
    -------
    tuple
        (n, outputs, 4, 4) float32 counts, (n, outputs) float32 sums, over the steps of which every
        base is valid.
    """
    from keras import ops

    _, steps, _, outputs, pool = ops.shape(logits)
    truth = truth_codes(logits, labels)
    valid = pooled_validity(labels, logits.shape[4])[:, :, None, None]
    predicted = _predicted(logits)

    def one_hot(codes: Any, weight: Any) -> Any:
        columns = [ops.cast(codes == code, "float32") * weight for code in range(CLASSES)]
        return ops.reshape(ops.stack(columns, axis=2), (-1, steps, CLASSES * outputs * pool))

    # one matrix product of everything with everything, of which the blocks of a base with itself
    # are taken: several times faster than a product per base
    pairs = ops.einsum("nsa,nsb->nab", one_hot(truth % CLASSES, valid), one_hot(predicted, 1.0))
    pairs = ops.reshape(pairs, (-1, CLASSES, outputs * pool, CLASSES, outputs * pool))
    pairs = ops.diagonal(pairs, axis1=2, axis2=4)
    counts = ops.sum(ops.reshape(pairs, (-1, CLASSES, CLASSES, outputs, pool)), axis=4)
    entropy = ops.sum(ops.sum(cross_entropy(logits, labels) * valid, axis=3), axis=1)
    return ops.transpose(counts, (0, 3, 1, 2)), entropy


def genic_classes(logits: Any) -> Any:
    """(n, L) uint8 predicted genic classes of logits `(n, steps, 4, outputs, pool)`."""
    from keras import ops

    _, steps, _, _, pool = ops.shape(logits)
    return ops.reshape(_predicted(logits)[:, :, 0], (-1, steps * pool))


def _predicted(logits: Any) -> Any:
    """(n, steps, outputs, pool) uint8 most likely classes; a tie goes to the lower class."""
    from keras import ops

    classes = [logits[:, :, code] for code in range(CLASSES)]
    best, predicted = classes[0], ops.zeros_like(classes[0], dtype="uint8")
    for code, values in enumerate(classes[1:], start=1):
        predicted = ops.where(values > best, ops.cast(code, "uint8"), predicted)
        best = ops.maximum(best, values)
    return predicted
