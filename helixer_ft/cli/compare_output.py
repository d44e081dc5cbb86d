"""Prints a comparison: which training is under way, the table of all models, the recommendation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from helixer_ft.cli.costs import memory_line, show_disk
from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.cli.processes import Silent
from helixer_ft.cli.run_output import data_table
from helixer_ft.comparison.folder import CompareFolder
from helixer_ft.comparison.outcome import CompareOutcome
from helixer_ft.comparison.progress import CompareProgress
from helixer_ft.comparison.recommend import Row
from helixer_ft.progress import duration_text

if TYPE_CHECKING:
    from helixer_ft.comparison.dry_run import PlannedComparison
    from helixer_ft.training.prepared import PreparedRun


class ComparePrinter(Printer, CompareProgress):
    """Says which training is under way, and what it came to."""

    def training(self, number: int, total: int, name: str, strategy: str) -> None:
        """A heading, above the checks of the training."""
        self.close()
        if not self.quiet:
            self.err.print(f"\n[{number}/{total}] {name}: {strategy}", style="bold", markup=False)

    def trained(self, name: str, text: str) -> None:
        """The result of the training."""
        self.close()
        if not self.quiet:
            self.err.print(f"{name}: {text}", markup=False)


class SilentComparison(Silent, CompareProgress):
    """All processes but the first one."""


def show_data(prepared: "PreparedRun", printer: Printer) -> None:
    """What is in the data."""
    for text in prepared.warnings:
        printer.warning(text)
    if not printer.as_json and not printer.quiet:
        printer.table(data_table(prepared))


def show_dry_run(planned: "PlannedComparison", printer: Printer) -> None:
    """The result of `--dry-run`."""
    if printer.as_json:
        printer.json(planned.to_dict())
        return
    rows = []
    for one in planned.trainings:
        found = one.estimate
        times = map(duration_text, (found.once_seconds, found.epoch_seconds, found.most_seconds))
        trained, epochs = f"{one.trainable_parameters:,}", f"{one.epochs:,}"
        rows.append((one.name, one.strategy, trained, epochs, *times))
    columns = ("training", "strategy", "trained", "epochs", "once", "per epoch", "at most")
    printer.table(plain_table("Would train", columns, rows))
    if planned.trainings:
        printer.lines(f"Time: at most {duration_text(planned.most_seconds)} for all of them")
    if planned.memory is not None:
        printer.lines(memory_line(*planned.memory))
    if planned.trainings:
        show_disk(*planned.disk, planned.request.out_dir, printer)
    for name, reason in (dict(planned.left_out) | dict(planned.failed)).items():
        printer.lines(f"Left out: {name}: {reason}")
    printer.lines("Dry run: everything is in order; nothing was trained or written.")


def show(outcome: CompareOutcome, printer: Printer, *, verbose: bool) -> None:
    """The table, what was left out, and the recommendation."""
    printer.close()
    if printer.as_json:
        printer.json(outcome.to_dict())
        return
    printer.table(table(outcome))
    if verbose:
        printer.table(class_table(outcome))
    for text in outcome.notes():
        printer.notice(text)
    printer.lines(*closing_lines(outcome))
    printer.lines(f"Recommendation: {outcome.recommendation.text}.", style="bold")


def closing_lines(outcome: CompareOutcome) -> list[str]:
    """Where everything is, and the reasons of the recommendation."""
    folder = CompareFolder(outcome.request)
    lines = [
        f"Saved: {folder.path} (models, {folder.results_path.name}); "
        f"{duration_text(outcome.seconds)}"
    ]
    if folder.report_path.is_file():
        lines.append(f"Report: {folder.report_path}")
    return [*lines, *outcome.recommendation.reasons]


def table(outcome: CompareOutcome) -> Table:
    """Every model: parameters trained, scores, verdict, time."""
    with_test = outcome.verdict_on == "test"
    columns = ["model", "trained", "F1 validation", *(["F1 test"] if with_test else [])]
    columns += ["95 % interval of change", "wrong bases", "verdict", "time"]
    rows = [_cells(row, outcome) for row in outcome.rows]
    blocks = f", {outcome.blocks} genome blocks" if outcome.blocks else ""
    title = f"Genic F1; change, wrong bases and verdict on the {outcome.verdict_on} data{blocks}"
    return plain_table(title, columns, rows)


def _cells(row: Row, outcome: CompareOutcome) -> Sequence[str]:
    found, score = row.decisive, row.scores[outcome.verdict_on]
    name = row.name if row.is_tuned else f"{row.name} (untouched)"
    if row.name == outcome.recommendation.row.name:
        name += " *"
    change = trained = seconds = ""
    if found is not None:
        change = f"{found.interval.low:+.4f} to {found.interval.high:+.4f}"
        trained, seconds = f"{row.trainable_parameters:,}", duration_text(row.seconds)
    scores = [f"{one.genic_f1:.4f}" for one in row.scores.values()]
    return (name, trained, *scores, change, f"{score.wrong_share:.1%}", row.verdict, seconds)


def class_table(outcome: CompareOutcome) -> Table:
    """F1 per class and composite score of every model."""
    on = outcome.verdict_on
    scores = [row.scores[on].scores for row in outcome.rows]
    labels = list(dict.fromkeys(label for of_model in scores for label in of_model))
    rows = [
        (row.name, *(f"{found[label].f1:.4f}" if label in found else "-" for label in labels))
        for row, found in zip(outcome.rows, scores, strict=True)
    ]
    return plain_table(f"F1 on the {on} data", ("model", *labels), rows)
