"""Helixer's network, its loss and its gradients in NumPy, in float64, step by step.

What a device computes is held against this. It shares no code with the network that Keras runs:
the layers are written from their definitions, for a network without dropout and coverage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import Batch, unpack
from helixer_ft.engine.loss import GENIC_SHARE
from helixer_ft.network.architecture import (
    CLASSES,
    Architecture,
    BatchNorm,
    BiLSTM,
    Conv,
    Dense,
    Layer,
    Pool,
)
from helixer_ft.network.weights import LayerWeights
from helixer_ft.settings import TrainingSettings

Array = np.ndarray
Gradient = Callable[[Array], tuple[Array, list[Array]]]
"""Gradient of a layer's output -> that of its input, and those of its arrays that train."""

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class Reference:
    """The expected results.

    Attributes
    ----------
    states
        `(n, steps, 2 * units)` output of the body (the last LSTM), in inference mode.
    predictions
        `(n, outputs, L, 4)` probabilities, in inference mode.
    loss
        Total, in training mode.
    gradients
        Gradients of the loss by layer, for every array that trains, in the order of the model file.
    statistics
        By batch-norm layer: mean and variance of what it is fed, in training mode.
    """

    states: Array
    predictions: Array
    loss: float
    gradients: dict[str, list[Array]]
    statistics: dict[str, list[Array]]


def reference(
    architecture: Architecture, weights: LayerWeights, batch: Batch, settings: TrainingSettings
) -> Reference:
    """Everything that is compared, for a batch of full subsequences."""
    exact = {name: [np.asarray(a, np.float64) for a in arrays] for name, arrays in weights.items()}
    bases = batch.base_table.astype(np.float64)[batch.rows[:, 0]]
    states = bases
    for layer in architecture.body:
        states, _ = _layer(layer, exact.get(layer.name, []), states, False)
    x = states
    for dense in architecture.head:
        x, _ = _layer(dense, exact[dense.name], x, False)
    logits = _logits(x, architecture)
    n, steps, outputs, pool, _ = logits.shape
    predictions = _softmax(logits).transpose(0, 2, 1, 3, 4).reshape(n, outputs, steps * pool, -1)
    loss, gradients, statistics = _training(architecture, exact, bases, batch, settings)
    return Reference(states, predictions, loss, gradients, statistics)


def updated(weights: Array, gradient: Array, settings: TrainingSettings) -> Array:
    """An array of weights after the first step of the optimiser, with this gradient."""
    norm = np.sqrt((gradient**2).sum())
    gradient = gradient * min(1.0, settings.clip_norm / max(norm, 1e-300))
    if settings.optimizer == "adamw":
        weights = weights * (1 - settings.weight_decay)
    rate = settings.learning_rate * np.sqrt(1 - _BETA_2) / (1 - _BETA_1)
    mean, variance = (1 - _BETA_1) * gradient, (1 - _BETA_2) * gradient**2
    return weights - rate * mean / (np.sqrt(variance) + _EPSILON)


def _training(
    architecture: Architecture,
    weights: LayerWeights,
    x: Array,
    batch: Batch,
    settings: TrainingSettings,
) -> tuple[float, dict[str, list[Array]], dict[str, list[Array]]]:
    """Loss, gradients and statistics of batch norm of a training step."""
    layers = [*architecture.body, *architecture.head]
    backward: list[tuple[Layer, Gradient]] = []
    statistics = {}
    for layer in layers:
        if isinstance(layer, BatchNorm):
            statistics[layer.name] = [x.mean((0, 1)), x.var((0, 1))]
        x, gradient = _layer(layer, weights.get(layer.name, []), x, True)
        backward.append((layer, gradient))
    logits = _logits(x, architecture)
    loss, d_logits = _loss(logits, batch, settings)
    d = d_logits.reshape(x.shape)
    gradients = {}
    for layer, of_layer in reversed(backward):
        d, of_arrays = of_layer(d)
        if of_arrays:
            gradients[layer.name] = of_arrays
    return loss, gradients, statistics


def _logits(x: Array, architecture: Architecture) -> Array:
    """`(n, steps, outputs, pool, 4)`, in the order of the units of the output layer."""
    n, steps, _ = x.shape
    return x.reshape(n, steps, len(architecture.outputs), architecture.pool_size, CLASSES)


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _loss(logits: Array, batch: Batch, settings: TrainingSettings) -> tuple[float, Array]:
    """Weighted cross-entropy, and its gradient."""
    n, steps, outputs, pool, _ = logits.shape
    labels = unpack(batch.labels.astype(np.int64))
    codes = [c.reshape(n, steps, pool) for c in (labels.genic, labels.phase)[:outputs]]
    weights = labels.valid.reshape(n, steps, pool).min(-1).astype(np.float64)
    if settings.class_weights is not None:
        weights *= sum(
            weight * (codes[0] == code).any(-1)
            for code, weight in enumerate(settings.class_weights)
        )
    if settings.transition_weights is not None:
        marks = batch.transitions.reshape(n, steps, pool)
        total: Any = sum(
            weight * (marks & (1 << kind) != 0).any(-1)
            for kind, weight in enumerate(settings.transition_weights)
        )
        weights *= np.where(total == 0, 1.0, total)
    shares = (GENIC_SHARE, 1 - GENIC_SHARE) if outputs == 2 else (1.0,)
    probabilities = _softmax(logits)
    loss, gradient = 0.0, np.zeros_like(logits)
    for output, (truth, share) in enumerate(zip(codes, shares, strict=True)):
        one_hot = np.eye(CLASSES + 1)[truth][..., :CLASSES]  # no class: all zero
        labelled = one_hot.sum(-1, keepdims=True)
        scale = (share / (n * steps * pool)) * weights[..., None, None]
        loss -= float((scale * one_hot * np.log(probabilities[:, :, output])).sum())
        gradient[:, :, output] = scale * labelled * (probabilities[:, :, output] - one_hot)
    return loss, gradient


def _layer(layer: Layer, weights: list[Array], x: Array, training: bool) -> tuple[Array, Gradient]:
    """Output of a layer, and its gradient."""
    match layer:
        case Conv():
            return _conv(x, *weights)
        case BatchNorm():
            return _batch_norm(x, weights, layer.epsilon, training)
        case Pool():
            shape = x.shape
            return x.reshape(len(x), -1, layer.size * shape[2]), lambda d: (d.reshape(shape), [])
        case BiLSTM():
            return _bidirectional(x, weights)
        case Dense():
            return _dense(x, layer.activation, *weights)
    raise TypeError(f"no reference for {type(layer).__name__}")


def _conv(x: Array, kernel: Array, bias: Array) -> tuple[Array, Gradient]:
    """Convolution of the same length, and a rectifier."""
    width, length = len(kernel), x.shape[1]
    before = (width - 1) // 2
    padded = np.pad(x, ((0, 0), (before, width - 1 - before), (0, 0)))
    total = sum(padded[:, k : k + length] @ kernel[k] for k in range(width)) + bias
    y = np.maximum(total, 0)

    def gradient(d: Array) -> tuple[Array, list[Array]]:
        d = d * (total > 0)
        d_padded, d_kernel = np.zeros_like(padded), np.zeros_like(kernel)
        for k in range(width):
            d_padded[:, k : k + length] += d @ kernel[k].T
            d_kernel[k] = np.einsum("nti,nto->io", padded[:, k : k + length], d)
        return d_padded[:, before : before + length], [d_kernel, d.sum((0, 1))]

    return y, gradient


def _batch_norm(
    x: Array, weights: list[Array], epsilon: float, training: bool
) -> tuple[Array, Gradient]:
    scale, offset, mean, variance = weights
    if training:
        mean, variance = x.mean((0, 1)), x.var((0, 1))
    deviation = np.sqrt(variance + epsilon)
    normal = (x - mean) / deviation

    def gradient(d: Array) -> tuple[Array, list[Array]]:
        """In training mode, in which mean and variance follow from `x`."""
        d_normal = d * scale
        rest = d_normal.mean((0, 1)) + normal * (d_normal * normal).mean((0, 1))
        return (d_normal - rest) / deviation, [(d * normal).sum((0, 1)), d.sum((0, 1))]

    return normal * scale + offset, gradient


def _dense(x: Array, activation: str, kernel: Array, bias: Array) -> tuple[Array, Gradient]:
    total = x @ kernel + bias
    if activation not in ("linear", "relu"):
        raise ValueError(f"no reference for a dense layer with activation {activation}")
    y = total if activation == "linear" else np.maximum(total, 0)

    def gradient(d: Array) -> tuple[Array, list[Array]]:
        d = d if activation == "linear" else d * (total > 0)
        return d @ kernel.T, [np.einsum("nti,nto->io", x, d), d.sum((0, 1))]

    return y, gradient


def _bidirectional(x: Array, weights: list[Array]) -> tuple[Array, Gradient]:
    """Forward, then backward states; both in the order of the sequence."""
    forward, d_forward = _lstm(x, *weights[:3])
    backward, d_backward = _lstm(x[:, ::-1], *weights[3:])
    units = forward.shape[2]

    def gradient(d: Array) -> tuple[Array, list[Array]]:
        d_x, of_forward = d_forward(d[:, :, :units])
        d_reversed, of_backward = d_backward(d[:, ::-1, units:])
        return d_x + d_reversed[:, ::-1], of_forward + of_backward

    return np.concatenate([forward, backward[:, ::-1]], axis=2), gradient


def _lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> tuple[Array, Gradient]:
    """One direction; gates in the order input, forget, cell, output."""
    n, steps, _ = x.shape
    units = len(recurrent)
    state, cell = np.zeros((n, units)), np.zeros((n, units))
    kept = []
    for t in range(steps):
        i, f, g, o = np.split(x[:, t] @ kernel + state @ recurrent + bias, 4, axis=1)
        i, f, o, g = _sigmoid(i), _sigmoid(f), _sigmoid(o), np.tanh(g)
        before, state_before = cell, state
        cell = f * cell + i * g
        state = o * np.tanh(cell)
        kept.append((i, f, g, o, before, cell, state_before, state))
    states = np.stack([step[-1] for step in kept], axis=1)

    def gradient(d: Array) -> tuple[Array, list[Array]]:
        d_state, d_cell = np.zeros((n, units)), np.zeros((n, units))
        d_x = np.zeros_like(x)
        sums = [np.zeros_like(array) for array in (kernel, recurrent, bias)]
        for t in range(steps - 1, -1, -1):
            i, f, g, o, before, cell, state_before, _ = kept[t]
            squashed = np.tanh(cell)
            d_state = d_state + d[:, t]
            d_cell = d_cell + d_state * o * (1 - squashed**2)
            d_gates = np.concatenate(
                [
                    d_cell * g * i * (1 - i),
                    d_cell * before * f * (1 - f),
                    d_cell * i * (1 - g**2),
                    d_state * squashed * o * (1 - o),
                ],
                axis=1,
            )
            d_cell = d_cell * f
            d_x[:, t] = d_gates @ kernel.T
            d_state = d_gates @ recurrent.T
            for total, part in zip(
                sums, (x[:, t].T @ d_gates, state_before.T @ d_gates, d_gates.sum(0)), strict=True
            ):
                total += part
        return d_x, sums

    return states, gradient


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))
