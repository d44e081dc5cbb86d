"""Prints the steps of a demonstration, its table, and where to go from there."""

import json
from typing import Any

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.demo.demo import DemoProgress
from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.outcome import DemoOutcome, Scored, StrategyRow
from helixer_ft.progress import duration_text
from helixer_ft.training.history import Check

NEXT_STEPS = (
    "helixer-ft prepare --fasta genome.fa --gff3 genes.gff3 --out-dir data",
    "helixer-ft whole -l land_plant.h5 -d data -t data/test_data.h5 -s tuned.h5",
    "helixer-ft predict -l tuned.h5 --fasta genome.fa --gff3-out predicted.gff3",
)


class DemoPrinter(Printer, DemoProgress):
    """Shows each step with its command and its result; the details are in the files."""

    def say(self, text: str, style: str = "") -> None:
        """A line of the story."""
        if not self.quiet:
            self.err.print(text, style=style, markup=False)

    def step(self, number: int, total: int, title: str, command: str | None) -> None:
        self.say(f"\n[{number}/{total}] {title}", style="bold")
        if command is not None:
            self.say(f"  $ {command}")

    def result(self, text: str, seconds: float) -> None:
        self.say(f"  {text}; {duration_text(seconds)}")

    def notice(self, text: str) -> None:
        """Left to the commands themselves."""

    def check(self, check: Check) -> None:
        """Left to the history of the run."""

    def demo(self, outcome: DemoOutcome) -> None:
        """The result of `demo`."""
        if self.as_json:
            self.out.file.write(json.dumps(demo_dict(outcome), indent=2) + "\n")
            return
        self.say("")
        self.table(_table(outcome))
        for line in _closing_lines(outcome):
            self.out.print(line, markup=False)


def demo_dict(outcome: DemoOutcome) -> dict[str, Any]:
    """The outcome as `--json` prints it."""
    files, request = DemoFiles(outcome.request.out_dir), outcome.request
    return {
        "untouched": {
            "source": _scored_dict(outcome.at_home),
            "target": _scored_dict(outcome.abroad),
        },
        "strategies": [_row_dict(row) for row in outcome.rows],
        "predicted_by": str(outcome.prediction.request.load_model_path),
        "predictions": str(outcome.prediction.request.prediction_output_path),
        "report": str(files.report),
        "out_dir": str(request.out_dir),
        "seed": request.seed,
        "steps": [
            {"title": step.title, "command": step.command, "seconds": round(step.seconds, 3)}
            for step in outcome.steps
        ],
        "seconds": round(outcome.seconds, 3),
        "versions": outcome.versions,
    }


def _row_dict(row: StrategyRow) -> dict[str, Any]:
    scores = row.scores
    interval = scores.interval
    return {
        "strategy": scores.strategy,
        "model": str(row.request.save_model_path),
        "report": str(scores.report),
        "trainable_parameters": scores.trainable_parameters,
        "total_parameters": scores.total_parameters,
        "baseline": {"genic_f1": scores.before, "errors": scores.errors_before},
        "tuned": {"genic_f1": scores.after, "errors": scores.errors_after},
        "difference": {
            "genic_f1": interval.difference,
            "low": interval.low,
            "high": interval.high,
            "blocks": interval.blocks,
        },
        "error_ratio": row.error_ratio,
        "verdict": scores.verdict,
        "warnings": list(row.warnings),
        "seconds": round(scores.seconds, 3),
    }


def _scored_dict(scored: Scored) -> dict[str, float]:
    return {"genic_f1": scored.genic_f1, "errors": scored.errors}


def _table(outcome: DemoOutcome) -> Table:
    table = plain_table(
        f"Held-out sequences, {outcome.rows[0].scores.interval.blocks} genome blocks of yours",
        *("model", "trained", "genic F1", "95 % interval of change", "wrong bases", "fewer"),
        *("verdict", "time"),
    )
    untouched = {
        "untouched, own species": outcome.at_home,
        "untouched, your species": outcome.abroad,
    }
    for name, scored in untouched.items():
        table.add_row(name, "", f"{scored.genic_f1:.4f}", "", f"{scored.errors:.1%}")
    for row in outcome.rows:
        scores = row.scores
        table.add_row(
            scores.strategy,
            f"{scores.trainable_parameters:,}",
            f"{scores.after:.4f}",
            f"{scores.interval.low:+.4f} to {scores.interval.high:+.4f}",
            f"{scores.errors_after:.1%}",
            f"{row.error_ratio:.1f} x",
            scores.verdict,
            duration_text(scores.seconds),
        )
    return table


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
