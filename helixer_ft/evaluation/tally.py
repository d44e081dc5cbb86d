"""What is counted of a model's predictions, row by row, so that no prediction has to be kept."""

from dataclasses import dataclass
from operator import add
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import unpack
from helixer_ft.evaluation.calibration import CURVES, N_BINS, calibration_sums
from helixer_ft.evaluation.transitions import DISTANCES, KINDS, distance_classes
from helixer_ft.network.architecture import CLASSES


@dataclass(frozen=True)
class Tally:
    """Sums over the scored bases of some rows.

    Attributes
    ----------
    confusion
        (outputs, 4, 4) int64 bases per reference and predicted class.
    transitions
        (kinds, distances, 4, 4) int64, the genic classes by distance; see `transitions.py`.
    calibration
        (curves, bins, 3) float64; see `calibration.py`.
    """

    confusion: np.ndarray
    transitions: np.ndarray
    calibration: np.ndarray

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(add, vars(self).values(), vars(other).values()))

    def to_lists(self) -> list[Any]:
        """For JSON, exact."""
        return [values.tolist() for values in vars(self).values()]

    @classmethod
    def from_lists(cls, lists: list[Any]) -> "Tally":
        """See `to_lists`."""
        return cls(*map(np.array, lists))


def empty_tally(outputs: int) -> Tally:
    """The tally of no rows."""
    return Tally(
        np.zeros((outputs, CLASSES, CLASSES), np.int64),
        np.zeros((len(KINDS), len(DISTANCES), CLASSES, CLASSES), np.int64),
        np.zeros((len(CURVES), N_BINS, 3)),
    )


def tally_row(
    probabilities: np.ndarray,
    labels: np.ndarray,
    transitions: np.ndarray,
    scored: np.ndarray,
    *,
    minus: bool,
) -> Tally:
    """Count a row, of which everything is as the network sees it.

    Parameters
    ----------
    probabilities
        (outputs, length, 4); the length may be less than L, where the network predicts less.
    labels
        (L,) packed labels; see `dataset/batch.py`. A base without label counts as class 0, as in
        Helixer.
    transitions
        (L,) see `distance_classes`.
    scored
        (L,) bool: the bases that count; see `scored_bases`.
    minus
        Whether the row is of the minus strand.
    """
    places = np.flatnonzero(scored)
    predicted = probabilities[:, places].argmax(axis=-1)  # a tie goes to the lower class
    truth = np.stack(unpack(labels[places])[:2])[: len(predicted)].astype(np.int64) % CLASSES
    pairs = truth * CLASSES + predicted
    distances = distance_classes(transitions, minus=minus)[:, places].astype(np.int64)
    return Tally(
        confusion=np.stack([_matrices(of_output, 1)[0] for of_output in pairs]),
        transitions=np.stack(
            [_matrices(of_kind * CLASSES**2 + pairs[0], len(DISTANCES)) for of_kind in distances]
        ),
        calibration=calibration_sums(probabilities[0, places], truth[0]),
    )


def _matrices(pairs: np.ndarray, n: int) -> np.ndarray:
    """(n, 4, 4) counts of codes of matrix, reference and prediction."""
    return np.bincount(pairs, minlength=n * CLASSES**2).reshape(n, CLASSES, CLASSES)
