"""The result of a demo: every strategy compared with the untouched model."""

from dataclasses import asdict, dataclass
from typing import Any

from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.request import DemoRequest
from helixer_ft.inference.outcome import Prediction
from helixer_ft.metrics import Confusion
from helixer_ft.report import SummaryRow
from helixer_ft.training.request import FineTuneRequest


@dataclass(frozen=True)
class Scored:
    """A model on labelled bases.

    Attributes
    ----------
    genic_f1
        Genic F1.
    errors
        Share of the bases whose class (intergenic, UTR, CDS, intron) is predicted wrong.
    """

    genic_f1: float
    errors: float

    @classmethod
    def of(cls, confusion: Confusion) -> "Scored":
        """Scores from confusion counts."""
        return cls(confusion.genic_f1, confusion.wrong_share)


@dataclass(frozen=True)
class StrategyRow:
    """A strategy on the test data, which neither training nor the choice of its model saw.

    Attributes
    ----------
    request
        The run.
    scores
        Untouched against tuned model, what trained, and how long it took.
    validation_f1
        Genic F1 of the tuned model on the validation data.
    warnings
        Warnings of the run.
    """

    request: FineTuneRequest
    scores: SummaryRow
    validation_f1: float
    warnings: tuple[str, ...]

    @property
    def error_ratio(self) -> float:
        """How many times fewer bases are wrong than with the untouched model."""
        after = self.scores.errors_after
        return self.scores.errors_before / after if after else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        scores, interval = self.scores, self.scores.interval
        return {
            "strategy": scores.strategy,
            "model": str(self.request.save_model_path),
            "report": str(scores.report),
            "trainable_parameters": scores.trainable_parameters,
            "total_parameters": scores.total_parameters,
            "baseline": asdict(Scored(scores.before, scores.errors_before)),
            "tuned": asdict(Scored(scores.after, scores.errors_after)),
            "difference": interval.to_dict("genic_f1") | {"blocks": interval.blocks},
            "error_ratio": self.error_ratio,
            "verdict": scores.verdict,
            "warnings": list(self.warnings),
            "seconds": round(scores.seconds, 3),
        }


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
    at_home, abroad
        The untouched model on the species it was trained on, and on the target species: in both
        on sequences that it did not see.
    rows
        The strategies, in order.
    prediction
        The predictions for the test data.
    seconds
        Duration of the whole demo.
    versions
        What the result depends on.
    """

    request: DemoRequest
    steps: tuple[StepRecord, ...]
    at_home: Scored
    abroad: Scored
    rows: tuple[StrategyRow, ...]
    prediction: Prediction
    seconds: float
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "untouched": {"source": asdict(self.at_home), "target": asdict(self.abroad)},
            "strategies": [row.to_dict() for row in self.rows],
            "predicted_by": str(self.prediction.request.load_model_path),
            "predictions": str(self.prediction.request.prediction_output_path),
            "report": str(DemoFiles(self.request.out_dir).report),
            "out_dir": str(self.request.out_dir),
            "seed": self.request.seed,
            "steps": [asdict(step) | {"seconds": round(step.seconds, 3)} for step in self.steps],
            "seconds": round(self.seconds, 3),
            "versions": self.versions,
        }

    def conclusions(self) -> tuple[str, str]:
        """Which strategies are better, and which one makes the fewest errors, in plain words."""
        verdicts = {row.scores.strategy: row.scores.verdict for row in self.rows}
        better = [name for name, verdict in verdicts.items() if verdict == "better"]
        others = [f"{name}: {verdict}" for name, verdict in verdicts.items() if name not in better]
        best = min(self.rows, key=lambda row: row.scores.errors_after)
        return (
            f"Better than the untouched model: {len(better)} of {len(self.rows)} strategies"
            + (f" ({'; '.join(others)})." if others else "."),
            f"Fewest errors on held-out sequences: {best.scores.strategy}, wrong bases "
            f"{best.scores.errors_before:.1%} -> {best.scores.errors_after:.1%}.",
        )
