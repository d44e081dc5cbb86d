"""Prints the steps of a demonstration, its table, and where to go from there."""

from helixer_ft.cli import compare_output
from helixer_ft.cli.output import Printer
from helixer_ft.demo.demo import DemoProgress
from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.outcome import DemoOutcome
from helixer_ft.progress import duration_text
from helixer_ft.training.history import Check

NEXT_STEPS = (
    "helixer-ft prepare --fasta genome.fa --gff3 genes.gff3 --out-dir data",
    "helixer-ft compare -l land_plant.h5 -d data -t data/test_data.h5 --out-dir tuned",
    "helixer-ft predict -l tuned/whole.h5 --fasta genome.fa --gff3-out predicted.gff3",
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

    def trained(self, name: str, text: str) -> None:
        self.say(f"  {name}: {text}")

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
    printer.table(compare_output.table(outcome.comparison))
    printer.lines(*_closing_lines(outcome))


def _closing_lines(outcome: DemoOutcome) -> list[str]:
    files, take = DemoFiles(outcome.request.out_dir), outcome.comparison.recommendation
    return [
        "",
        *take.reasons,
        f"Recommendation: {take.text}.",
        "",
        f"Written to {files.out_dir}: genome.fa, genes.gff3, rnaseq.bam, source_model.h5, data/, "
        "tuned/ (models, each with the folder of its run), predictions.h5.",
        f"Report: {files.report} ({duration_text(outcome.seconds)} in all). To run one of the "
        "commands again, add --force.",
        "",
        "Your own species, with a trained Helixer model:",
        *(f"  {line}" for line in NEXT_STEPS),
    ]
