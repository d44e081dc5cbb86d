"""The result of a demo: the comparison of strategies, and predictions of the recommended model."""

from dataclasses import asdict, dataclass
from typing import Any

from helixer_ft.comparison.outcome import CompareOutcome
from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.request import DemoRequest
from helixer_ft.inference.outcome import Prediction


@dataclass(frozen=True)
class StepRecord:
    """A step that is done: its title, its command (None: nothing to type) and its seconds."""

    title: str
    command: str | None
    seconds: float


@dataclass(frozen=True)
class DemoOutcome:
    """The result of a demo.

    Attributes
    ----------
    request
        What was asked for.
    steps
        What was done, in order.
    comparison
        The untouched and the tuned models.
    prediction
        The predictions for the test data.
    seconds
        Duration of the whole demo.
    versions
        What the result depends on.
    """

    request: DemoRequest
    steps: tuple[StepRecord, ...]
    comparison: CompareOutcome
    prediction: Prediction
    seconds: float
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "comparison": self.comparison.to_dict(),
            "predicted_by": str(self.prediction.request.load_model_path),
            "predictions": str(self.prediction.request.prediction_output_path),
            "report": str(DemoFiles(self.request.out_dir).report),
            "out_dir": str(self.request.out_dir),
            "seed": self.request.seed,
            "steps": [asdict(step) | {"seconds": round(step.seconds, 3)} for step in self.steps],
            "seconds": round(self.seconds, 3),
            "versions": self.versions,
        }
