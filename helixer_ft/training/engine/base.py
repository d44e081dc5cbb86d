"""What the training loop asks of a backend."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from helixer_ft.network.architecture import CLASSES, Architecture
from helixer_ft.network.model import build_keras, get_weights, set_weights
from helixer_ft.network.strategies import Plan
from helixer_ft.network.weights import LayerWeights
from helixer_ft.training.loss import cross_entropy, truth_codes
from helixer_ft.training.settings import TrainingSettings

EPSILON = 1e-7


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


class Engine(ABC):
    """A Keras model that is scored, and trained where a plan is given.

    Parameters
    ----------
    architecture, weights
        The network.
    plan
        What trains; None: scoring only.
    settings
        Optimiser and seed.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: LayerWeights,
        plan: Plan | None = None,
        settings: TrainingSettings | None = None,
    ) -> None:
        self.architecture = architecture
        settings = settings or TrainingSettings()
        self.model = build_keras(
            architecture,
            seed=settings.seed,
            batchnorm_statistics=plan is None or plan.batchnorm_statistics,
        )
        set_weights(self.model, weights)
        trainable = plan.trainable if plan else frozenset()
        for layer, _ in architecture.layers():
            self.model.get_layer(layer.name).trainable = layer.name in trainable
        self.training_mode = plan is not None and plan.training_mode
        self.optimizer: Any = None
        if plan is not None:
            self.optimizer = make_optimizer(settings)
            self.optimizer.build(self.model.trainable_variables)
        self._accumulated: list[tuple[int, Any]] = []
        self._prepare()

    def add_gradients(
        self, bases: np.ndarray, genic: np.ndarray, phase: np.ndarray | None, weights: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Compute the gradients of a batch and keep them for the next `update`.

        Parameters
        ----------
        bases
            (n, L, 4) float16.
        genic, phase
            (n, L) uint8 class codes.
        weights
            (n, steps) float32 loss weights.

        Returns
        -------
        tuple
            Total loss, and the loss of each output, before the update.
        """
        total, parts, gradients = self._gradients(bases, genic, phase, weights)
        self._accumulated.append((len(bases), gradients))
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

    def score(
        self,
        bases: np.ndarray,
        genic: np.ndarray,
        phase: np.ndarray | None,
        valid: np.ndarray,
        batch_size: int,
    ) -> ScoredBatch:
        """Confusion counts and cross-entropy per window, in inference mode.

        A batch smaller than `batch_size` is filled with windows without valid bases, so that one
        compiled shape serves all.
        """
        n = len(bases)

        def fill(array: np.ndarray) -> np.ndarray:
            return np.pad(array, [(0, batch_size - n)] + [(0, 0)] * (array.ndim - 1))

        counts, entropy = self._score(
            fill(bases), fill(genic), None if phase is None else fill(phase), fill(valid)
        )
        return ScoredBatch(
            np.rint(np.asarray(counts)).astype(np.int64)[:n], np.asarray(entropy, np.float64)[:n]
        )

    def get_weights(self) -> LayerWeights:
        """The present weights, copied to host memory."""
        return get_weights(self.model, self.architecture)

    def set_weights(self, weights: LayerWeights) -> None:
        """Replace the weights; the optimiser's state stays."""
        set_weights(self.model, weights)

    @abstractmethod
    def _prepare(self) -> None:
        """Compile."""

    @abstractmethod
    def _gradients(
        self, bases: np.ndarray, genic: np.ndarray, phase: np.ndarray | None, weights: np.ndarray
    ) -> tuple[Any, Any, list[Any]]:
        """Total loss, loss per output, gradients; batch-norm statistics are updated."""

    @abstractmethod
    def _apply(self, gradients: list[Any]) -> None:
        """One optimiser step."""

    @abstractmethod
    def _score(
        self, bases: np.ndarray, genic: np.ndarray, phase: np.ndarray | None, valid: np.ndarray
    ) -> tuple[Any, Any]:
        """Counts `(n, outputs, 4, 4)` and entropy `(n, outputs)`."""


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
        return keras.optimizers.Adam(**common)
    decay = settings.weight_decay / settings.learning_rate
    return keras.optimizers.AdamW(weight_decay=decay, **common)


def count_and_entropy(logits: Any, genic: Any, phase: Any, valid: Any) -> tuple[Any, Any]:
    """Confusion counts and summed cross-entropy per window, on the device.

    Parameters
    ----------
    logits
        (n, steps, outputs, pool, 4).
    genic, phase
        (n, L) class codes; a valid base without label counts as class 0, as in Helixer.
    valid
        (n, steps) bool.

    Returns
    -------
    tuple
        (n, outputs, 4, 4) float32 counts, (n, outputs) float32 sums.
    """
    from keras import ops

    truth = truth_codes(logits, genic, phase) % CLASSES
    weight = ops.cast(valid, "float32")[:, :, None, None]
    reference = ops.one_hot(truth, CLASSES, dtype="float32") * weight[..., None]
    predicted = ops.one_hot(ops.argmax(logits, axis=-1), CLASSES, dtype="float32")
    counts = ops.einsum("nsobr,nsobp->norp", reference, predicted)
    entropy = ops.sum(ops.sum(cross_entropy(logits, genic, phase) * weight, axis=3), axis=1)
    return counts, entropy
