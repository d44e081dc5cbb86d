"""Reliability curves of probabilities that are known."""

import numpy as np
import pytest

from helixer_ft.evaluation.calibration import CURVES, calibration_sums, expected_calibration_error


def two_classes(chance: np.ndarray) -> np.ndarray:
    """(n, 4) probabilities: class 0 with the chance given, else class 1."""
    return np.stack([chance, 1 - chance, 0 * chance, 0 * chance], axis=1)


def test_calibrated_and_overconfident():
    truth = np.repeat([0, 1], [700, 300])
    exact = calibration_sums(two_classes(np.full(1000, 0.7)), truth)
    assert [expected_calibration_error(sums) for sums in exact] == pytest.approx([0] * 5, abs=1e-9)
    sure = calibration_sums(two_classes(np.full(1000, 0.95)), truth)
    errors = dict(zip(CURVES, map(expected_calibration_error, sure), strict=True))
    assert errors == pytest.approx(
        {"predicted class": 0.25, "intergenic": 0.25, "UTR": 0.25, "CDS": 0, "intron": 0}
    )


def test_errors_of_opposite_sign_add_up_across_bins_alone():
    chance = np.repeat([0.62, 0.92], 50)
    truth = np.repeat([0, 1, 0, 1], [41, 9, 36, 14])  # 0.82 and 0.72 right
    curve = calibration_sums(two_classes(chance), truth)[0]
    assert expected_calibration_error(curve) == pytest.approx(0.2)
    assert curve[6] == pytest.approx([50, 31, 41])
    assert curve[9] == pytest.approx([50, 46, 36])


def test_bounds_of_bins():
    chance = np.array([0.0, 0.1, 0.5, 0.75, 1.0])
    bases = calibration_sums(two_classes(chance), np.zeros(5, int))[1, :, 0]
    assert bases.tolist() == [1, 1, 0, 0, 0, 1, 0, 1, 0, 1]


def test_nothing():
    sums = calibration_sums(np.zeros((0, 4)), np.zeros(0, int))
    assert not sums.any()
    assert expected_calibration_error(sums[0]) == 0
