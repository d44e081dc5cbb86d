"""Prints gene-level scores: tables to standard output, notices and warnings to standard error."""

from collections.abc import Mapping

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.genes.evaluate import GeneEvaluation
from helixer_ft.genes.open_reading_frames import OpenReadingFrames
from helixer_ft.genes.scores import Level
from helixer_ft.genes.structures import Selection

_LEVEL_COLUMNS = (
    *("level", "recall", "precision", "F1", "found", "reference", "right", "predicted"),
)
_FRAME_COLUMNS = (
    *("", "transcripts", "complete", "share", "no ATG", "no stop", "not ×3", "stop inside"),
)


def show(evaluation: GeneEvaluation, printer: Printer) -> None:
    """The result of `evaluate-genes`."""
    for text in evaluation.notices:
        printer.notice(text)
    for text in evaluation.warnings:
        printer.warning(text)
    if printer.as_json:
        printer.json(evaluation.to_dict())
        return
    comparison = evaluation.comparison
    printer.lines(
        f"{len(evaluation.seqids):,} sequence(s). Reference: {contents(evaluation.reference)}. "
        f"Predicted: {contents(evaluation.predicted)}."
    )
    printer.table(_levels_table("Exons, UTRs included", comparison.exons))
    printer.table(_levels_table("Coding sequence, exact", comparison.coding))
    printer.table(frames_table(evaluation.frames))
    printer.lines(
        "Genes without a coding base in common with any of the other file: "
        f"{len(comparison.only_reference):,} of the reference, "
        f"{len(comparison.only_predicted):,} predicted."
    )


def contents(selection: Selection) -> str:
    return f"{len(selection.genes):,} coding genes, {selection.transcripts:,} transcripts"


def _levels_table(title: str, levels: Mapping[str, Level]) -> Table:
    rows = []
    for name, level in levels.items():
        counts = (level.found, level.reference, level.right, level.predicted)
        count = _megabases if name == "base" else "{:,}".format
        scores = (level.recall, level.precision, level.f1)
        rows.append((
            name,
            *("–" if value is None else f"{value:.4f}" for value in scores),
            *map(count, counts),
        ))  # fmt: skip
    return plain_table(title, _LEVEL_COLUMNS, rows)


def frames_table(frames: Mapping[str, OpenReadingFrames]) -> Table:
    rows = [
        (
            *(name, f"{counts.transcripts:,}", f"{counts.complete:,}"),
            "–" if counts.complete_share is None else f"{counts.complete_share:.1%}",
            *(f"{counts.no_start:,}", f"{counts.no_stop:,}"),
            *(f"{counts.no_triplets:,}", f"{counts.stop_inside:,}"),
        )
        for name, counts in frames.items()
    ]
    return plain_table("Open reading frames", _FRAME_COLUMNS, rows)


def _megabases(count: int) -> str:
    return f"{count / 1e6:.2f} Mb"
