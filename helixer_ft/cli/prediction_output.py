"""Prints what was predicted."""

from helixer_ft.cli.adaptation_output import mix_line, recommendation, shift_table
from helixer_ft.cli.output import Printer
from helixer_ft.inference.outcome import Prediction
from helixer_ft.progress import duration_text


def show(prediction: Prediction, printer: Printer, *, verbose: bool) -> None:
    """The result of `predict`."""
    if printer.as_json:
        printer.json(prediction.to_dict())
        return
    overlap, genes = prediction.overlap, prediction.genes
    if verbose:
        printer.lines(
            f"Model: {prediction.model.architecture.summary()}",
            f"Windows: {prediction.windows:,} of {overlap.length:,} bp, every "
            f"{overlap.offset:,} bp; the middle {overlap.core:,} bp count; "
            f"{prediction.batch_size} at once",
        )
    if prediction.adaptation is not None:
        printer.table(shift_table(prediction.adaptation))
        printer.lines(mix_line(prediction.adaptation), recommendation(prediction.adaptation))
    path = prediction.request.prediction_output_path
    printer.lines(
        f"{'Predicted' if path is None else f'Written: {path}'} ({prediction.rows:,} rows, "
        f"{prediction.bases / 1e6:.2f} Mb of both strands); "
        f"{duration_text(prediction.seconds)}, {prediction.rate / 1e6:.3f} Mb/s"
    )
    if genes is not None:
        printer.lines(
            f"Written: {genes.path} ({genes.plus + genes.minus:,} genes: {genes.plus:,} on the "
            f"plus strand, {genes.minus:,} on the minus strand); {duration_text(genes.seconds)}"
        )
