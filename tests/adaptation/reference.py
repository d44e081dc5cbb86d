"""Batch-norm statistics of a sequence in plain NumPy float64, from its letters to the moments."""

import numpy as np

from helixer_ft.network.architecture import BatchNorm, Conv
from helixer_ft.network.model import TrainedModel

_SHARES = {
    "C": (1, 0, 0, 0), "A": (0, 1, 0, 0), "T": (0, 0, 1, 0), "G": (0, 0, 0, 1),
    "N": (0.25, 0.25, 0.25, 0.25), "R": (0, 0.5, 0, 0.5), "Y": (0.5, 0, 0.5, 0),
    "-": (0, 0, 0, 0),
}  # fmt: skip
_PARTNERS = str.maketrans("CATGNRY", "GTACNYR")


def windows_of(sequences: list[str], length: int) -> list[str]:
    """Both strands in windows as the network sees them; "-" is padding, on minus in front."""
    windows = []
    for sequence in sequences:
        plus = [sequence[i : i + length] for i in range(0, len(sequence), length)]
        windows += [window.ljust(length, "-") for window in plus]
        windows += [window.translate(_PARTNERS)[::-1].rjust(length, "-") for window in plus]
    return windows


def reference_statistics(
    model: TrainedModel, windows: list[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Batch norm -> mean and variance of its input, those before it with theirs in place."""
    values = np.array([[_SHARES[letter] for letter in window] for window in windows], np.float64)
    counted = np.array([[letter not in "N-" for letter in window] for window in windows])
    result = {}
    for layer in model.architecture.body:
        weights = [array.astype(np.float64) for array in model.weights.get(layer.name, [])]
        if isinstance(layer, Conv):
            values = _convolved(values, *weights)
        elif isinstance(layer, BatchNorm):
            bases = values[counted]
            mean, variance = bases.mean(axis=0), bases.var(axis=0)
            result[layer.name] = mean, variance
            gamma, beta = weights[:2]
            values = (values - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta
    return result


def _convolved(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    size, length = len(kernel), values.shape[1]
    before = (size - 1) // 2
    padded = np.pad(values, [(0, 0), (before, size - 1 - before), (0, 0)])
    total = sum(padded[:, i : i + length] @ kernel[i] for i in range(size))
    return np.maximum(total + bias, 0)
