"""The result of an evaluation: the models side by side on all data, per file and per species."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from helixer_ft.evaluation.calibration import CURVES, N_BINS, expected_calibration_error
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.evaluation.tally import Tally
from helixer_ft.evaluation.transitions import DISTANCES, KINDS
from helixer_ft.metrics import OUTPUTS, Confusion, Interval, accuracy, differences_dict, genic_f1
from helixer_ft.network.model import TrainedModel
from helixer_ft.runtime.backend import versions


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

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        confusion, differences = self.confusion, self.differences
        outputs: dict[str, Any] = {
            output: {"confusion_matrix": matrix.tolist(), "accuracy": right}
            for (output, matrix), right in zip(
                confusion.matrices.items(), self.accuracies, strict=True
            )
        }
        outputs["genic"]["genic_f1"] = confusion.genic_f1
        for output, values in outputs.items():
            values["scores"] = {name: asdict(s) for name, s in getattr(confusion, output).items()}
        verdict = {"verdict": differences["genic"].verdict} if differences else {}
        return {
            **{output: outputs.get(output) for output in OUTPUTS},
            "difference": differences_dict(differences, **verdict) if differences else None,
            "transitions": self._transitions_dict(),
            "calibration": {
                name: {"expected_calibration_error": error, "bins": _bins(sums)}
                for (name, error), sums in zip(
                    self.calibration_errors.items(), self.tally.calibration, strict=True
                )
            },
        }

    def _transitions_dict(self) -> dict[str, dict[str, dict[str, float]]]:
        bases, right, f1 = self.near_transitions
        return {
            kind: {
                distance: {
                    "bases": int(bases[k, d]),
                    "accuracy": float(right[k, d]),
                    "genic_f1": float(f1[k, d]),
                }
                for d, distance in enumerate(DISTANCES)
            }
            for k, kind in enumerate(KINDS)
        }


@dataclass(frozen=True)
class Part:
    """The models on a part of the data.

    Attributes
    ----------
    name
        Name of the species or the file.
    models
        In the order of the request.
    blocks
        Genome blocks with bases that count.
    """

    name: str
    models: tuple[ModelScore, ...]
    blocks: int

    def to_list(self, paths: list[str]) -> list[dict[str, Any]]:
        """Each model, as `--json` prints it."""
        return [
            {"path": path, **score.to_dict()}
            for path, score in zip(paths, self.models, strict=True)
        ]


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

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
        Duration of the whole run.
    """

    request: EvaluateRequest
    models: tuple[TrainedModel, ...]
    overall: Part
    files: tuple[Part, ...]
    species: tuple[Part, ...]
    rows: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        request = self.request
        paths = [str(path) for path in request.load_model_paths]
        by_file = [(part.name, part.to_list(paths)) for part in self.files]
        return {
            "models": [
                {"path": path, "data": name} | of_file[i]
                for i, path in enumerate(paths)
                for name, of_file in by_file
            ],
            "overall": self.overall.to_list(paths),
            "species": {part.name: part.to_list(paths) for part in self.species},
            "test_data": [str(path) for path in request.test_data],
            "rows": self.rows,
            "overlap": request.overlap,
            "seconds": round(self.seconds, 3),
            "versions": versions(),
            **({"device_check": "skipped"} if self.request.skip_device_check else {}),
        }


def _bins(sums: np.ndarray) -> list[dict[str, float | None]]:
    """A calibration curve, bin by bin."""
    return [
        {
            "from": i / N_BINS,
            "to": (i + 1) / N_BINS,
            "bases": int(bases),
            "predicted": predicted / bases if bases else None,
            "observed": observed / bases if bases else None,
        }
        for i, (bases, predicted, observed) in enumerate(sums.tolist())
    ]
