"""Helixer's loss: cross-entropy from the logits, weighted per pooled step of nine bases.

All of it is computed on the device, from the packed labels of `dataset/batch.py`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import unpack
from helixer_ft.formats.data_h5 import NO_CLASS
from helixer_ft.network.architecture import CLASSES
from helixer_ft.settings import TrainingSettings

GENIC_SHARE = 0.8
"""Share of the genic output in the loss of a network with phase; phase has the rest."""


def pooled_validity(labels: Any, pool_size: int) -> Any:
    """(n, L) packed labels -> (n, L / pool) float32: 1 for a step of which every base is valid."""
    from keras import ops

    valid = _pooled(unpack(labels).valid, pool_size)
    return ops.cast(ops.min(valid, axis=-1), "float32")


def pooled_weights(
    labels: Any, transitions: Any, pool_size: int, settings: TrainingSettings
) -> Any:
    """(n, L / pool) float32 loss weights: valid x classes present x transitions present.

    The class weights of the classes among a step's bases add up, and so do the weights of the
    kinds of transition marked there; a sum of zero over transitions counts as one.

    Parameters
    ----------
    labels, transitions
        (n, L) uint8; see `dataset/batch.py`.
    pool_size
        Bases per step.
    settings
        Class and transition weights.
    """
    from keras import ops

    weights = pooled_validity(labels, pool_size)
    if settings.class_weights is not None:
        genic = _pooled(unpack(labels).genic, pool_size)
        present = [ops.any(genic == code, axis=-1) for code in range(CLASSES)]
        weights = weights * _total(settings.class_weights, present)
    if settings.transition_weights is not None:
        marks = _pooled(transitions, pool_size)
        kinds = range(len(settings.transition_weights))
        present = [ops.any(marks & (1 << kind) != 0, axis=-1) for kind in kinds]
        total = _total(settings.transition_weights, present)
        weights = weights * ops.where(total == 0, 1.0, total)
    return weights


def losses(logits: Any, labels: Any, weights: Any, n: Any) -> tuple[Any, Any]:
    """The loss of a batch, as backend tensors.

    Parameters
    ----------
    logits
        (n, 4, outputs, pool, steps) float32.
    labels
        (n, L) packed labels.
    weights
        (n, steps) loss weights.
    n
        Subsequences in the batch, without those that only fill it up (their weights are 0).

    Returns
    -------
    tuple
        Total loss `()`, and the loss of each output `(outputs,)`. Each is the mean over all bases
        of the batch: masked ones count in the denominator, as in Helixer.
    """
    from keras import ops

    outputs, pool = logits.shape[2:4]
    entropy = ops.sum(cross_entropy(logits, labels), axis=2) * weights[:, None]
    # axis by axis: TensorFlow adds up a reduction over several axes in one float32 chain, which
    # loses four digits over the 171,072 bases of a batch
    parts = ops.sum(ops.mean(entropy, axis=2), axis=0) / (n * pool)
    if outputs == 1:
        return parts[0], parts
    return GENIC_SHARE * parts[0] + (1 - GENIC_SHARE) * parts[1], parts


def cross_entropy(logits: Any, labels: Any) -> Any:
    """(n, outputs, pool, steps) cross-entropy per base; 0 where a base has no label."""
    from keras import ops

    truth = truth_codes(logits, labels)
    labelled = truth != NO_CLASS

    @ops.custom_gradient
    def of_logits(logits: Any) -> tuple[Any, Callable[..., Any]]:
        """Automatic differentiation would add up one array of zeros and a class per class."""
        classes = [logits[:, code] for code in range(CLASSES)]
        largest = _fold(ops.maximum, classes)
        total = _fold(ops.add, [ops.exp(values - largest) for values in classes])
        normaliser = largest + ops.log(total)
        of_truth = [ops.where(truth == code, values, 0.0) for code, values in enumerate(classes)]
        entropy = ops.where(labelled, normaliser - _fold(ops.add, of_truth), 0.0)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            outer = ops.where(labelled, args[0] if upstream is None else upstream, 0.0)
            codes = np.arange(CLASSES, dtype=np.uint8).reshape(CLASSES, 1, 1, 1)
            one_hot = ops.cast(truth[:, None] == codes, "float32")
            return (ops.exp(logits - normaliser[:, None]) - one_hot) * outer[:, None]

        return entropy, gradient

    return of_logits(logits)


def truth_codes(logits: Any, labels: Any) -> Any:
    """(n, outputs, pool, steps) uint8 class codes, laid out as the logits of a class."""
    from keras import ops

    outputs, pool = logits.shape[2:4]
    codes = unpack(ops.transpose(_pooled(labels, pool), (0, 2, 1)))
    return ops.stack([codes.genic, codes.phase][:outputs], axis=1)


def _pooled(bases: Any, pool_size: int) -> Any:
    """(n, L) -> (n, L / pool, pool)."""
    from keras import ops

    n, length = ops.shape(bases)
    return ops.reshape(bases, (n, length // pool_size, pool_size))


def _total(weights: Sequence[float], present: Sequence[Any]) -> Any:
    """(n, steps) float32 sum of the weights of what is present."""
    from keras import ops

    parts = zip(weights, present, strict=True)
    return _fold(ops.add, [weight * ops.cast(here, "float32") for weight, here in parts])


def _fold(function: Callable[[Any, Any], Any], values: Sequence[Any]) -> Any:
    """All values joined by a function of two; elementwise, so that a compiler can fuse it."""
    return functools.reduce(function, values)
