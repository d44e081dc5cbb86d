"""Prints the steps of a demonstration, its table, and where to go from there."""

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.demo.demo import DemoProgress
from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.outcome import DemoOutcome
from helixer_ft.progress import duration_text
from helixer_ft.training.history import Check

NEXT_STEPS = (
    "helixer-ft prepare --fasta genome.fa --gff3 genes.gff3 --out-dir data",
    "helixer-ft whole -l land_plant.h5 -d data -t data/test_data.h5 -s tuned.h5",
    "helixer-ft predict -l tuned.h5 --fasta genome.fa --gff3-out predicted.gff3",
)
_COLUMNS = (
    *("model", "trained", "genic F1", "95 % interval of change", "wrong bases", "fewer"),
    *("verdict", "time"),
)


class DemoPrinter(Printer, DemoProgress):
    """Shows each step with its command and its result; the details are in the files."""

    def say(self, text: str, style: str = "") -> None:
        """A line of the story."""
        if not self.quiet:
            self.err.print(text, style=style)

    def step(self, number: int, total: int, title: str, command: str | None) -> None:
        self.say(f"\n[{number}/{total}] {title}", style="bold")
        if command is not None:
            self.say(f"  $ {command}")

    def result(self, text: str, seconds: float) -> None:
        self.say(f"  {text}; {duration_text(seconds)}")

    def notice(self, text: str) -> None:
        """Not shown: these are for the commands alone."""

    def check(self, check: Check) -> None:
        """Not shown: the history of the run has them."""


def show(outcome: DemoOutcome, printer: DemoPrinter) -> None:
    """The result of `demo`."""
    if printer.as_json:
        printer.json(outcome.to_dict())
        return
    printer.say("")
    printer.table(_table(outcome))
    printer.lines(*_closing_lines(outcome))


def _table(outcome: DemoOutcome) -> Table:
    untouched = {
        "untouched, own species": outcome.at_home,
        "untouched, your species": outcome.abroad,
    }
    rows: list[tuple[str, ...]] = [
        (name, "", f"{scored.genic_f1:.4f}", "", f"{scored.errors:.1%}")
        for name, scored in untouched.items()
    ]
    for row in outcome.rows:
        scores, interval = row.scores, row.scores.interval
        rows.append((
            *(scores.strategy, f"{scores.trainable_parameters:,}", f"{scores.after:.4f}"),
            f"{interval.low:+.4f} to {interval.high:+.4f}",
            *(f"{scores.errors_after:.1%}", f"{row.error_ratio:.1f} x"),
            *(scores.verdict, duration_text(scores.seconds)),
        ))  # fmt: skip
    blocks = outcome.rows[0].scores.interval.blocks
    return plain_table(f"Held-out sequences, {blocks} genome blocks of yours", _COLUMNS, rows)


def _closing_lines(outcome: DemoOutcome) -> list[str]:
    files = DemoFiles(outcome.request.out_dir)
    return [
        "",
        *outcome.conclusions(),
        "",
        f"Written to {files.out_dir}: genome.fa, genes.gff3, rnaseq.bam, data/, models/ (tuned "
        "models, each with the folder of its run), predictions.h5.",
        f"Report: {files.report} ({duration_text(outcome.seconds)} in all). To run one of the "
        "commands again, add --force.",
        "",
        "Your own species, with a trained Helixer model:",
        *(f"  {line}" for line in NEXT_STEPS),
    ]
