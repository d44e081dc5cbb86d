"""What a network makes of a dataset, in numbers."""

from dataclasses import dataclass
from typing import Any

from helixer_ft.metrics import OUTPUTS, Confusion


@dataclass(frozen=True)
class DatasetScore(Confusion):
    """What a network makes of a dataset.

    Attributes
    ----------
    counts
        See `Confusion`.
    loss
        Mean cross-entropy over valid bases, unweighted: 0.8 genic + 0.2 phase.
    """

    loss: float

    def summed(self) -> "DatasetScore":
        """The same score without its windows, a few numbers however large the dataset."""
        return DatasetScore(self.counts.sum(axis=0, keepdims=True), self.loss)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        matrices = {output: matrix.tolist() for output, matrix in self.matrices.items()}
        return {
            "genic_f1": self.genic_f1,
            "loss": self.loss,
            "f1": {name: value.f1 for name, value in self.scores.items()},
        } | {f"{output}_confusion_matrix": matrices.get(output) for output in OUTPUTS}
