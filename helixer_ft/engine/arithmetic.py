"""What both backends compute in the same way, around the network and its recurrence."""

from typing import Any

from helixer_ft.engine.loss import cross_entropy, pooled_validity, truth_codes
from helixer_ft.network.architecture import CLASSES
from helixer_ft.settings import TrainingSettings

EPSILON = 1e-7


def network_input(given: dict[str, Any], pool_size: int) -> Any:
    """What the Keras model takes, from `Batch.input` on the device, float32: `(n, L, 4)` bases by
    table, with coverage `(n, L, 4 + 2 * tracks)`; or `(n, L / pool, width)` features, with coverage
    pooled base by base and appended to them.
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
        (n, 4, outputs, pool, steps).
    labels
        (n, L) packed labels; a valid base without label counts as class 0, as in Helixer.

    Returns
    -------
    tuple
        (n, outputs, 4, 4) float32 counts, (n, outputs) float32 sums, over the steps of which every
        base is valid.
    """
    from keras import ops

    _, _, outputs, pool, steps = ops.shape(logits)
    truth = truth_codes(logits, labels)
    valid = pooled_validity(labels, logits.shape[3])[:, None, None]
    predicted = _predicted(logits)

    def one_hot(codes: Any, weight: Any) -> Any:
        rows = [ops.cast(codes == code, "float32") * weight for code in range(CLASSES)]
        return ops.reshape(ops.stack(rows, axis=1), (-1, CLASSES * outputs * pool, steps))

    # one matrix product of everything with everything, of which the blocks of a base with itself
    # are taken: several times faster than a product per base
    of_predicted = ops.transpose(one_hot(predicted, 1.0), (0, 2, 1))
    pairs = ops.matmul(one_hot(truth % CLASSES, valid), of_predicted)
    pairs = ops.reshape(pairs, (-1, CLASSES, outputs * pool, CLASSES, outputs * pool))
    pairs = ops.diagonal(pairs, axis1=2, axis2=4)
    counts = ops.sum(ops.reshape(pairs, (-1, CLASSES, CLASSES, outputs, pool)), axis=4)
    entropy = ops.sum(ops.sum(cross_entropy(logits, labels) * valid, axis=2), axis=2)
    return ops.transpose(counts, (0, 3, 1, 2)), entropy


def genic_classes(logits: Any) -> Any:
    """(n, L) uint8 predicted genic classes of logits `(n, 4, outputs, pool, steps)`."""
    from keras import ops

    *_, pool, steps = ops.shape(logits)
    genic = ops.transpose(_predicted(logits[:, :, 0]), (0, 2, 1))
    return ops.reshape(genic, (-1, steps * pool))


def _predicted(logits: Any) -> Any:
    """Logits `(n, 4, ...)` -> `(n, ...)` uint8 most likely classes; a tie goes to the lower one."""
    from keras import ops

    classes = [logits[:, code] for code in range(CLASSES)]
    best, predicted = classes[0], ops.zeros_like(classes[0], dtype="uint8")
    for code, values in enumerate(classes[1:], start=1):
        predicted = ops.where(values > best, ops.cast(code, "uint8"), predicted)
        best = ops.maximum(best, values)
    return predicted
