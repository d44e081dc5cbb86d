"""Helixer's loss: cross-entropy from the logits, weighted per pooled step of nine bases."""

from typing import Any

import numpy as np

from helixer_ft.formats.data_h5 import NO_CLASS, Windows
from helixer_ft.network.architecture import CLASSES
from helixer_ft.training.settings import TrainingSettings

GENIC_SHARE = 0.8
"""Share of the genic output in the loss of a network with phase; phase has the rest."""
_N_TRANSITIONS = 6


def pooled_validity(windows: Windows, pool_size: int) -> np.ndarray:
    """(n, L / pool) bool: steps of which every base is valid."""
    return np.asarray(_pooled(windows.valid, pool_size).all(axis=-1))


def pooled_weights(windows: Windows, pool_size: int, settings: TrainingSettings) -> np.ndarray:
    """(n, L / pool) float32 loss weights: valid x classes present x transitions present.

    The class weights of the classes among a step's bases add up, and so do the weights of the
    kinds of transition marked there; a sum of zero over transitions counts as one.
    """
    weights = pooled_validity(windows, pool_size).astype(np.float64)
    if settings.class_weights is not None:
        genic = _pooled(windows.genic, pool_size)
        weights *= sum(
            weight * (genic == code).any(axis=-1)
            for code, weight in enumerate(settings.class_weights)
        )
    if settings.transition_weights is not None:
        assert windows.transitions is not None, "transitions were not read"
        kinds = np.bitwise_or.reduce(_pooled(windows.transitions, pool_size), axis=-1)
        weights *= _transition_table(settings.transition_weights)[kinds]
    return weights.astype(np.float32)


def losses(logits: Any, genic: Any, phase: Any, weights: Any) -> tuple[Any, Any]:
    """The loss of a batch, as backend tensors.

    Parameters
    ----------
    logits
        (n, steps, outputs, pool, 4) float32.
    genic, phase
        (n, L) class codes; `phase` is None for a network without phase.
    weights
        (n, steps) loss weights.

    Returns
    -------
    tuple
        Total loss `()`, and the loss of each output `(outputs,)`. Each is the mean over all bases
        of the batch: masked ones count in the denominator, as in Helixer.
    """
    from keras import ops

    entropy = ops.sum(cross_entropy(logits, genic, phase), axis=3) * weights[:, :, None]
    # axis by axis: TensorFlow adds up a reduction over several axes in one float32 chain, which
    # loses four digits over the 171,072 bases of a batch
    parts = ops.mean(ops.mean(entropy, axis=1), axis=0) / logits.shape[3]
    if phase is None:
        return parts[0], parts
    return GENIC_SHARE * parts[0] + (1 - GENIC_SHARE) * parts[1], parts


def cross_entropy(logits: Any, genic: Any, phase: Any) -> Any:
    """(n, steps, outputs, pool) cross-entropy per base; 0 where a base has no label."""
    from keras import ops

    truth = truth_codes(logits, genic, phase)
    one_hot = ops.one_hot(truth, CLASSES, dtype="float32")
    labelled = ops.cast(truth != NO_CLASS, "float32")
    return ops.logsumexp(logits, axis=-1) * labelled - ops.sum(one_hot * logits, axis=-1)


def truth_codes(logits: Any, genic: Any, phase: Any) -> Any:
    """(n, steps, outputs, pool) int32 class codes, laid out as the logits."""
    from keras import ops

    _, steps, outputs, pool, _ = ops.shape(logits)
    codes = [genic] if phase is None else [genic, phase]
    assert len(codes) == outputs, "as many labels as outputs"
    pooled = [ops.reshape(ops.cast(code, "int32"), (-1, steps, pool)) for code in codes]
    return ops.stack(pooled, axis=2)


def _pooled(bases: np.ndarray, pool_size: int) -> np.ndarray:
    return bases.reshape(len(bases), -1, pool_size)


def _transition_table(weights: tuple[float, ...]) -> np.ndarray:
    """(64,) weight of each combination of transition kinds."""
    kinds = np.arange(2**_N_TRANSITIONS)[:, None] >> np.arange(_N_TRANSITIONS) & 1
    total = kinds @ np.asarray(weights, dtype=np.float64)
    return np.where(total == 0, 1.0, total)
