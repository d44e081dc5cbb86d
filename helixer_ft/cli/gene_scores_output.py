"""Prints gene-level scores: tables to standard output, notices and warnings to standard error."""

import json
from collections.abc import Mapping

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.genes.evaluate import GeneEvaluation
from helixer_ft.genes.open_reading_frames import OpenReadingFrames
from helixer_ft.genes.scores import Level
from helixer_ft.genes.structures import Selection


def show(evaluation: GeneEvaluation, printer: Printer) -> None:
    """The result of `evaluate-genes`."""
    for text in evaluation.notices:
        printer.notice(text)
    for text in evaluation.warnings:
        printer.warning(text)
    if printer.as_json:
        printer.out.file.write(json.dumps(evaluation.as_dict(), indent=2) + "\n")
        return
    reference, predicted = evaluation.reference, evaluation.predicted
    printer.out.print(
        f"{len(evaluation.seqids):,} sequence(s). Reference: {_contents(reference)}. Predicted: "
        f"{_contents(predicted)}.",
        markup=False,
    )
    comparison = evaluation.comparison
    printer.table(_levels_table("Exons, UTRs included", comparison.exons))
    printer.table(_levels_table("Coding sequence, exact", comparison.coding))
    printer.table(_frames_table(evaluation.frames))
    printer.out.print(
        "Genes that share no coding base with one of the other file: "
        f"{len(comparison.only_reference):,} of the reference, "
        f"{len(comparison.only_predicted):,} predicted.",
        markup=False,
    )


def _contents(selection: Selection) -> str:
    return f"{len(selection.genes):,} coding genes, {selection.transcripts:,} transcripts"


def _levels_table(title: str, levels: Mapping[str, Level]) -> Table:
    columns = ("recall", "precision", "F1", "found", "reference", "right", "predicted")
    table = plain_table(title, "level", *columns)
    for name, level in levels.items():
        count = _megabases if name == "base" else _number
        table.add_row(
            name,
            *(_score(value) for value in (level.recall, level.precision, level.f1)),
            *(
                count(value)
                for value in (level.found, level.reference, level.right, level.predicted)
            ),
        )
    return table


def _frames_table(frames: Mapping[str, OpenReadingFrames]) -> Table:
    columns = (
        "transcripts",
        "complete",
        "share",
        "no ATG",
        "no stop",
        "not ×3",
        "stop inside",
    )
    table = plain_table("Open reading frames", "", *columns)
    for name, counts in frames.items():
        share = counts.complete_share
        table.add_row(
            name,
            f"{counts.transcripts:,}",
            f"{counts.complete:,}",
            "–" if share is None else f"{share:.1%}",
            f"{counts.no_start:,}",
            f"{counts.no_stop:,}",
            f"{counts.no_triplets:,}",
            f"{counts.stop_inside:,}",
        )
    return table


def _megabases(count: int) -> str:
    return f"{count / 1e6:.2f} Mb"


def _number(count: int) -> str:
    return f"{count:,}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
