"""The result of a prediction."""

from dataclasses import dataclass
from typing import Any

from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.inference.gff3 import GeneModels
from helixer_ft.inference.request import PredictRequest
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.model import TrainedModel


@dataclass(frozen=True)
class Prediction:
    """What was predicted.

    Attributes
    ----------
    request, model
        What was asked for, and the network; its coverage is known, where it takes any.
    overlap
        How the windows overlap; the offset is L without overlap.
    rows, windows
        Rows of the file, and windows that the network sees for them.
    resumed_from
        Rows that an interrupted run had predicted; None where nothing was resumed.
    bases
        Bases that were predicted, both strands, padding aside.
    batch_size
        Windows at once.
    seconds
        Duration of this run, without gene models.
    adaptation
        The genome's batch-norm statistics, where the model was given them.
    genes
        Gene models, where they were asked for.
    """

    request: PredictRequest
    model: TrainedModel
    overlap: Overlap
    rows: int
    windows: int
    bases: int
    batch_size: int
    seconds: float
    resumed_from: int | None = None
    adaptation: Adaptation | None = None
    genes: GeneModels | None = None

    @property
    def rate(self) -> float:
        """Bases per second of this run, both strands counted."""
        done = self.resumed_from or 0
        return self.bases * (self.rows - done) / self.rows / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        coverage, genes = self.model.coverage, self.genes
        output = self.request.prediction_output_path
        return {
            "prediction_output_path": None if output is None else str(output),
            "rows": self.rows,
            "windows": self.windows,
            "bases": self.bases,
            "seconds": round(self.seconds, 3),
            "bases_per_second": round(self.rate, 1),
            "resumed_from": self.resumed_from,
            "subsequence_length": self.overlap.length,
            "overlap_offset": self.overlap.offset,
            "core_length": self.overlap.core,
            "n_bases_removed": self.overlap.removed,
            "val_test_batch_size": self.batch_size,
            "coverage": None if coverage is None else coverage.to_dict(),
            "batchnorm": self.adaptation and self.adaptation.to_dict(),
            "genes": None
            if genes is None
            else {
                "gff3_out": str(genes.path),
                "plus": genes.plus,
                "minus": genes.minus,
                "seconds": round(genes.seconds, 3),
            },
        }
