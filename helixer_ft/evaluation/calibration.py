"""Whether predicted probabilities can be taken at their word: predicted against observed.

For the class that is predicted, and for each class, bases are sorted by the probability that the
model gives it into ten bins of equal width, and the share of them that are of this class is
compared with it. The expected calibration error is the difference between the two, averaged over
the bases (Guo et al. 2017).
"""

import numpy as np

from helixer_ft.metrics import GENIC_CLASSES

CURVES = ("predicted class", *GENIC_CLASSES)
N_BINS = 10
_UNIT = 2.0**-20
"""Sums are multiples of that, which add up exactly, in any order, up to 8e9 bases."""


def calibration_sums(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(curves, bins, 3) float64: bases, the sum of their probabilities (to a millionth), and how
    many are of the class.

    Parameters
    ----------
    probabilities
        (n, 4) of the genic classes. A bin has its lower bound, the last one its upper too.
    truth
        (n,) the reference classes.
    """
    best = probabilities.argmax(axis=1)
    sums = np.empty((len(CURVES), N_BINS, 3))
    sums[0] = _sums(probabilities[np.arange(len(best)), best], best == truth)
    for code in range(len(GENIC_CLASSES)):
        sums[1 + code] = _sums(probabilities[:, code], truth == code)
    return np.round(sums / _UNIT) * _UNIT


def expected_calibration_error(sums: np.ndarray) -> float:
    """The error of one curve `(bins, 3)`; 0 without bases."""
    bases, predicted, observed = sums.sum(axis=0)[0], sums[:, 1], sums[:, 2]
    return float(np.abs(predicted - observed).sum() / bases) if bases else 0.0


def _sums(probability: np.ndarray, right: np.ndarray) -> np.ndarray:
    bins = np.minimum((probability * N_BINS).astype(np.int64), N_BINS - 1)
    weights = (None, probability, right)
    return np.stack([np.bincount(bins, weight, N_BINS) for weight in weights], axis=1)
