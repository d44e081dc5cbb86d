"""How far a comparison is: what was scored and trained, kept until all of it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helixer_ft.errors import InputError
from helixer_ft.formats.origin import differing
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.run_state import differences_text
from helixer_ft.training.state_record import read_record, write_record

FORMAT = 2


@dataclass(frozen=True)
class Trained:
    """A training that is done.

    Attributes
    ----------
    name
        What it is called: the name of its file, less `.h5`.
    candidate, model
        Names of the candidate and of the model that it tuned.
    strategy
        What trained.
    started_from
        Name of the training that it started from; empty: from the model.
    trainable_parameters, total_parameters
        How many trained, of how many.
    scores
        Of the tuned model by set: `validation` and, where given, `test`.
    checks, epochs
        How many there were.
    best_epoch, best_batch
        Where the saved check took place.
    tuning_share
        How much of its change the saved model has (`Outcome.share`).
    ended
        Why training ended.
    seconds
        It took.
    warnings
        Of its outcome.
    """

    name: str
    candidate: str
    model: str
    strategy: str
    started_from: str
    trainable_parameters: int
    total_parameters: int
    scores: dict[str, DatasetScore]
    checks: int
    epochs: int
    best_epoch: int
    best_batch: int
    tuning_share: float
    ended: str
    seconds: float
    warnings: tuple[str, ...]


@dataclass
class CompareState:
    """How far a comparison is.

    Attributes
    ----------
    path
        Its file.
    origin
        What all results follow from.
    untouched
        Scores by model and set.
    trained
        By name, in the order in which they ended.
    seconds
        Of work, those before an interruption included.
    """

    path: Path
    origin: dict[str, Any]
    untouched: dict[str, dict[str, DatasetScore]] = field(default_factory=dict)
    trained: dict[str, Trained] = field(default_factory=dict)
    seconds: float = 0.0

    def save(self) -> None:
        """Write the file anew.

        Raises
        ------
        HelixerFtError
            Writing failed; the state before is there still.
        """
        values = vars(self) | {"trained": list(self.trained.values())}
        write_record(self.path, FORMAT, _STORED, values)

    def require_same(self, present: Mapping[str, Any]) -> None:
        """Refuse to resume a comparison of other models or data, or with other settings.

        Raises
        ------
        InputError
            Names each difference.
        """
        found = differing(self.origin, present, sorted(present))
        if found:
            raise InputError(
                f"{self.path.parent}: the comparison there was started with different settings: "
                f"{differences_text(found)}. To resume it, give the same options, models and data; "
                "otherwise give another --out-dir, or --force instead of --resume to delete it "
                "and start again."
            )


_STORED: dict[str, Any] = {
    "origin": dict[str, Any],
    "untouched": dict[str, dict[str, DatasetScore]],
    "trained": list[Trained],
    "seconds": float,
}
"""What of a `CompareState` is written, and as what."""


def read_compare_state(path: Path) -> CompareState:
    """Read the state of a comparison.

    Raises
    ------
    InputError
        A damaged file, or one of another version.
    """
    values = read_record(path, FORMAT, _STORED)
    values["trained"] = {one.name: one for one in values["trained"]}
    return CompareState(path, **values)
