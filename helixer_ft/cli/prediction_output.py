"""Prints how a prediction goes on, and what was predicted."""

import json
from typing import Any

from helixer_ft.cli.output import Printer
from helixer_ft.inference.predict import Prediction
from helixer_ft.progress import duration_text


class PredictionPrinter(Printer):
    """Shows `predict`."""

    def prediction(self, prediction: Prediction, *, verbose: bool) -> None:
        """The result of `predict`."""
        if self.as_json:
            self.out.file.write(json.dumps(prediction_dict(prediction), indent=2) + "\n")
            return
        overlap = prediction.overlap
        if verbose:
            self.out.print(f"Model: {prediction.model.architecture.summary()}", markup=False)
            self.out.print(
                f"Windows: {prediction.windows:,} of {overlap.length:,} bp, every "
                f"{overlap.offset:,} bp; the middle {overlap.core:,} bp count; "
                f"{prediction.batch_size} at once",
                markup=False,
            )
        path = prediction.request.prediction_output_path
        self.out.print(
            f"{'Predicted' if path is None else f'Written: {path}'} ({prediction.rows:,} rows, "
            f"{prediction.bases / 1e6:.2f} Mb of both strands); "
            f"{duration_text(prediction.seconds)}, {prediction.rate / 1e6:.3f} Mb/s",
            markup=False,
        )
        genes = prediction.genes
        if genes is not None:
            self.out.print(
                f"Written: {genes.path} ({genes.plus + genes.minus:,} genes: {genes.plus:,} on the "
                f"plus strand, {genes.minus:,} on the minus strand); "
                f"{duration_text(genes.seconds)}",
                markup=False,
            )


def prediction_dict(prediction: Prediction) -> dict[str, Any]:
    """The outcome as `--json` prints it."""
    coverage, genes = prediction.model.coverage, prediction.genes
    output = prediction.request.prediction_output_path
    return {
        "prediction_output_path": None if output is None else str(output),
        "rows": prediction.rows,
        "windows": prediction.windows,
        "bases": prediction.bases,
        "seconds": round(prediction.seconds, 3),
        "bases_per_second": round(prediction.rate, 1),
        "resumed_from": prediction.resumed_from,
        "subsequence_length": prediction.overlap.length,
        "overlap_offset": prediction.overlap.offset,
        "core_length": prediction.overlap.core,
        "n_bases_removed": prediction.overlap.removed,
        "val_test_batch_size": prediction.batch_size,
        "coverage": None if coverage is None else coverage.to_dict(),
        "genes": None
        if genes is None
        else {
            "gff3_out": str(genes.path),
            "plus": genes.plus,
            "minus": genes.minus,
            "seconds": round(genes.seconds, 3),
        },
    }
