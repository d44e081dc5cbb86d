"""A model with the batch-norm statistics of a genome, as a value, and how far these differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from helixer_ft.adaptation.statistics import (
    LayerStatistics,
    Statistics,
    batch_norms,
    with_statistics,
)
from helixer_ft.network.model import TrainedModel

HALF_MIX_SHIFT = 0.06
"""Shift at which `mix_for` is one half; see docs/evidence.md."""
STEEPNESS = 4
"""Exponent of the shift in `mix_for`."""


def mix_for(shift: float) -> float:
    """How much of a genome's statistics to take, by their shift alone.

    `s^4 / (s^4 + 0.06^4)`, rounded to hundredths. It rises smoothly, and stays near 0 for shifts
    as species have that the model knows (0.03 at most, where they were measured): models lose
    there.
    """
    power = shift**STEEPNESS
    return round(power / (power + HALF_MIX_SHIFT**STEEPNESS), 2)


@dataclass(frozen=True)
class Adaptation:
    """A model, the statistics it came with, and those of a genome.

    Attributes
    ----------
    base
        The model as it was read.
    original, measured
        Statistics of its batch norms before any adaptation, and those of the genome: exact with
        all of them in place.
    mix
        Share of the measured ones, 0 to 1.
    chosen_by
        "shift", "validation" (data) or "user".
    bases
        Bases measured, of both strands.
    share
        Of the windows that there are, those measured.
    sources
        File name -> SHA-256.
    validation_f1
        Mix -> genic F1 on the validation data, where these chose.
    """

    base: TrainedModel
    original: Statistics
    measured: Statistics
    mix: float
    chosen_by: str
    bases: int
    share: float
    sources: Mapping[str, str]
    validation_f1: Mapping[float, float] | None = None

    def with_mix(
        self, mix: float, chosen_by: str, validation_f1: Mapping[float, float] | None = None
    ) -> "Adaptation":
        """The same statistics, mixed otherwise."""
        return replace(self, mix=mix, chosen_by=chosen_by, validation_f1=validation_f1)

    @cached_property
    def model(self) -> TrainedModel:
        """The model with the mixed statistics; all other weights are those of `base`."""
        mixed = {
            name: mixed_statistics(old, self.measured[name], self.mix)
            for name, old in self.original.items()
        }
        return self.base.with_weights(with_statistics(self.base.weights, mixed))

    @cached_property
    def shifts(self) -> dict[str, float]:
        """Batch norm -> mean over its channels of how far the mean moves, in what it divides by."""
        return {
            layer.name: float(_moved(self, layer.name, layer.epsilon).mean())
            for layer in batch_norms(self.base)
        }

    @property
    def shift(self) -> float:
        """The mean of the layers' shifts."""
        return sum(self.shifts.values()) / len(self.shifts)

    @property
    def recommended_mix(self) -> float:
        """By the shift; see `mix_for`."""
        return mix_for(self.shift)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it, and the adapted file keeps it."""
        scores = self.validation_f1
        return {
            "mix": self.mix,
            "chosen_by": self.chosen_by,
            "recommended_mix": self.recommended_mix,
            "shift": {name: round(value, 4) for name, value in self.shifts.items()},
            "bases": self.bases,
            "share_of_windows": round(self.share, 4),
            "sources": dict(self.sources),
            "validation_genic_f1": scores and {f"{mix:g}": f1 for mix, f1 in scores.items()},
        }


def mixed_statistics(old: LayerStatistics, new: LayerStatistics, mix: float) -> LayerStatistics:
    """Statistics of values of which a share `mix` is as the new ones say, the rest as the old.

    The variance of such a mixture has a part between the two: `mix (1 - mix) (new mean - old
    mean)^2`. At 0 and 1 they are the old and the new ones bit for bit.
    """
    if mix in (0, 1):
        return new if mix else old
    before, after = (
        [array.astype(np.float64) for array in (one.mean, one.variance)] for one in (old, new)
    )
    mean = (1 - mix) * before[0] + mix * after[0]
    between = mix * (1 - mix) * (after[0] - before[0]) ** 2
    variance = (1 - mix) * before[1] + mix * after[1] + between
    return LayerStatistics(mean.astype(np.float32), variance.astype(np.float32))


def _moved(adaptation: Adaptation, name: str, epsilon: float) -> np.ndarray:
    """(channels,) |new mean - old mean| / sqrt(old variance + epsilon)."""
    old, new = adaptation.original[name], adaptation.measured[name]
    moved = np.abs(new.mean.astype(np.float64) - old.mean)
    return np.asarray(moved / np.sqrt(old.variance.astype(np.float64) + epsilon))
