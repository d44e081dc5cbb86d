"""The checks of a run, and the rows they become in `history.csv`."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.progress import Progress
from helixer_ft.training.dataset_score import DatasetScore


@dataclass(frozen=True)
class Check:
    """One check: the network scored on validation data and on a fixed training subset.

    Attributes
    ----------
    number
        1 for the first; 0 is the untouched model.
    epoch, batch
        Where in the training it took place (batches since the epoch began), both from 1.
    training_loss
        Mean weighted loss of the batches since the last check (None for the untouched model).
    subset, validation
        Unweighted scores, taken alike: their gap is overfitting.
    improved
        Whether its model was saved: it is the best check so far, or, where the validation labels
        are predictions, simply the last one.
    failed_in_a_row
        Checks without improvement up to this one; patience counts these.
    seconds
        Since training began.
    by_score
        Whether scores decide which model is saved.
    """

    number: int
    epoch: int
    batch: int
    training_loss: float | None
    subset: DatasetScore
    validation: DatasetScore
    improved: bool
    failed_in_a_row: int
    seconds: float
    by_score: bool = True

    def summed(self) -> "Check":
        """This check without its windows, to be kept for the whole run."""
        return replace(self, subset=self.subset.summed(), validation=self.validation.summed())

    def row(self) -> dict[str, str]:
        """This check as a row of `history.csv`."""
        row = {
            "check": str(self.number),
            "epoch": str(self.epoch),
            "batch": str(self.batch),
            "training_loss": "" if self.training_loss is None else f"{self.training_loss:.7g}",
        }
        for name, score in (("training_subset", self.subset), ("validation", self.validation)):
            row[f"{name}_loss"] = f"{score.loss:.7g}"
            row[f"{name}_genic_f1"] = f"{score.genic_f1:.6f}"
        for name in GENIC_CLASSES:
            row[f"validation_{name}_f1"] = f"{self.validation.genic[name].f1:.6f}"
        row["best"] = ("yes" if self.by_score else "last") if self.improved else "no"
        return row


class TrainingProgress(Progress):
    """Progress of a run that trains."""

    def check(self, check: Check) -> None:
        """A check is done (number 0: the untouched model is scored)."""


def history_csv(checks: Sequence[Check]) -> str:
    """The text of `history.csv`, one row per check."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(checks[0].row()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(check.row() for check in checks)
    return text.getvalue()


def overfitting_began(checks: Sequence[Check]) -> int | None:
    """The check from which on training went on improving while validation got worse, or None.

    That is the best check by validation loss, where later checks fit the training subset better
    (lower loss) and the validation data worse (higher loss).
    """
    best = min(checks, key=lambda check: check.validation.loss)
    last = checks[-1]
    worse = last.validation.loss > best.validation.loss * 1.02
    if last.number > best.number and worse and last.subset.loss < best.subset.loss:
        return best.number
    return None
