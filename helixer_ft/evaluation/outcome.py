"""What an evaluation came to: the models side by side on all data, per file and per species."""

from dataclasses import dataclass, field

import numpy as np

from helixer_ft.evaluation.calibration import CURVES, expected_calibration_error
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.evaluation.tally import Tally
from helixer_ft.metrics import Confusion, Interval, accuracy, genic_f1
from helixer_ft.network.model import TrainedModel


@dataclass(frozen=True)
class ModelScore:
    """What one model makes of a part of the data.

    Attributes
    ----------
    tally
        Everything that was counted.
    differences
        From the first model, of the F1 of each genic class, composite score and phase; empty for
        the first model itself; without phases where one of the two models predicts none.
    """

    tally: Tally
    differences: dict[str, Interval] = field(default_factory=dict)

    @property
    def confusion(self) -> Confusion:
        """Confusion matrices and the scores that follow from them."""
        return Confusion(self.tally.confusion[None])

    @property
    def accuracies(self) -> list[float]:
        """Share of bases predicted right, per output."""
        return [float(value) for value in accuracy(self.tally.confusion)]

    @property
    def near_transitions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(kinds, distances) bases, accuracy and genic F1 by distance from transitions."""
        matrices = self.tally.transitions
        return matrices.sum(axis=(2, 3)), accuracy(matrices), genic_f1(matrices)

    @property
    def calibration_errors(self) -> dict[str, float]:
        """Expected calibration error per curve."""
        curves = zip(CURVES, self.tally.calibration, strict=True)
        return {name: expected_calibration_error(sums) for name, sums in curves}


@dataclass(frozen=True)
class Part:
    """The models on a part of the data.

    Attributes
    ----------
    name
        Of the species or the file.
    models
        In the order of the request.
    blocks
        Genome blocks with bases that count.
    """

    name: str
    models: tuple[ModelScore, ...]
    blocks: int


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to.

    Attributes
    ----------
    request, models
        What was asked for, and the networks.
    overall
        All data.
    files, species
        Each file, in the order of the request; each species, by name.
    rows
        Scored, both strands.
    seconds
        Of the whole run.
    """

    request: EvaluateRequest
    models: tuple[TrainedModel, ...]
    overall: Part
    files: tuple[Part, ...]
    species: tuple[Part, ...]
    rows: int
    seconds: float
