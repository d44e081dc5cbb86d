"""What a demonstration came to: every strategy against the untouched model."""

from dataclasses import dataclass

from helixer_ft.demo.request import DemoRequest
from helixer_ft.inference.predict import Prediction
from helixer_ft.metrics import Confusion, Interval, accuracy
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


def scored(confusion: Confusion) -> Scored:
    """Genic F1 and share of wrong bases of confusion counts."""
    return Scored(confusion.genic_f1, 1 - float(accuracy(confusion.genic_matrix)))


@dataclass(frozen=True)
class StrategyRow:
    """A strategy on the test data, which neither training nor the choice of its model saw.

    Attributes
    ----------
    strategy
        Command and options, "freeze --input-coverage".
    request
        The run.
    trainable_parameters, total_parameters
        Of the tuned network.
    before, after
        Untouched and tuned model on the test data.
    interval
        Of the difference in genic F1.
    validation_f1
        Genic F1 of the tuned model on the validation data.
    seconds
        Of the whole run.
    warnings
        What the run gives reason to say.
    """

    strategy: str
    request: FineTuneRequest
    trainable_parameters: int
    total_parameters: int
    before: Scored
    after: Scored
    interval: Interval
    validation_f1: float
    seconds: float
    warnings: tuple[str, ...]

    @property
    def error_ratio(self) -> float:
        """How many times fewer bases are wrong than with the untouched model."""
        return self.before.errors / self.after.errors if self.after.errors else float("inf")

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"."""
        return self.interval.verdict


@dataclass(frozen=True)
class StepRecord:
    """A step that is done: its title, its command (None: nothing to type) and its seconds."""

    title: str
    command: str | None
    seconds: float


@dataclass(frozen=True)
class DemoOutcome:
    """What a demonstration came to.

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
        Of the test data.
    seconds
        Of the whole run.
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

    @property
    def better(self) -> tuple[StrategyRow, ...]:
        """The strategies with the verdict "better"."""
        return tuple(row for row in self.rows if row.verdict == "better")

    @property
    def fewest_errors(self) -> StrategyRow:
        """The strategy with the fewest wrong bases on the test data."""
        return min(self.rows, key=lambda row: row.after.errors)
