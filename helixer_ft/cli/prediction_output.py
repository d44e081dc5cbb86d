"""Prints what was predicted."""

from helixer_ft.cli.adaptation_output import mix_line, recommendation, shift_table
from helixer_ft.cli.costs import memory_line, show_disk
from helixer_ft.cli.output import Printer
from helixer_ft.inference.estimate import PlannedPrediction, PredictionEstimate
from helixer_ft.inference.outcome import Prediction
from helixer_ft.progress import duration_text, size_text

HELIXERPOST_TIME = (
    "Time of HelixerPost: not measured, on top; it grows with the number of genes, and it works on "
    "as many groups of sequences at once as there are cores"
)


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


def show_dry_run(planned: PlannedPrediction, printer: Printer) -> None:
    """The result of `--dry-run`."""
    if printer.as_json:
        printer.json(planned.to_dict())
        return
    found, request = planned.estimate, planned.prepared.request
    printer.lines(time_line(found, planned.prepared.overlap.length))
    if request.adapt:
        printer.lines("Time of --adapt: not measured, on top")
    if request.gff3_out is not None:
        printer.lines(HELIXERPOST_TIME)
    show_memory(found.memory, found.memory_limit, found.processes, printer)
    printer.lines(
        f"Predictions file: about {size_text(found.predictions_bytes)}",
    )
    show_disk(found.disk, found.disk_free, request.output, printer)
    if planned.resumed_from is not None:
        printer.lines(f"Interrupted run: it would resume after {planned.resumed_from:,} rows")
    printer.lines("Dry run: everything is in order; nothing was predicted or written.")


def time_line(found: PredictionEstimate, length: int, what: str = "Time") -> str:
    """What predictions in windows of `length` bp take; `what` begins the line."""
    together = f", {found.processes} processes" if found.processes > 1 else ""
    return (
        f"{what}: about {duration_text(found.seconds)} for {found.windows:,} windows of "
        f"{length:,} bp ({found.window_seconds:.3f} s each, {found.batch_size} at once{together})"
    )


def show_memory(used: int | None, limit: int | None, processes: int, printer: Printer) -> None:
    """Bytes that predictions use in each process, and that they may, where the backend tells."""
    if used is not None and limit is not None:
        each = " in each process" if processes > 1 else ""
        printer.lines(memory_line(used, limit) + each)
