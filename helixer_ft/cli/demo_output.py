"""Prints the steps of a demonstration, its table, and where to go from there."""

import json
from typing import Any

from rich.table import Table

from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.demo.demo import DemoProgress
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

    def say(self, text: str) -> None:
        """A line of the story."""
        if not self.quiet:
            self.err.print(text, markup=False)

    def step(self, number: int, total: int, title: str, command: str | None) -> None:
        self.say("")
        if not self.quiet:
            self.err.print(f"[{number}/{total}] {title}", style="bold", markup=False)
        if command is not None:
            self.say(f"  $ {command}")

    def result(self, text: str, seconds: float) -> None:
        self.say(f"  {text}; {duration_text(seconds)}")

    def notice(self, text: str) -> None:
        """Left to the commands themselves."""

    def check(self, check: Check) -> None:
        """In the history of the run."""

    def demo(self, outcome: DemoOutcome) -> None:
        """The result of `demo`."""
        if self.as_json:
            self.out.file.write(json.dumps(demo_dict(outcome), indent=2) + "\n")
            return
        self.say("")
        self.out.print(_table(outcome))
        for line in _summary(outcome):
            self.out.print(line, markup=False)


def demo_dict(outcome: DemoOutcome) -> dict[str, Any]:
    """The outcome as `--json` prints it."""
    return {
        "untouched": {
            "source": _scored_dict(outcome.at_home),
            "target": _scored_dict(outcome.abroad),
        },
        "strategies": [_row_dict(row) for row in outcome.rows],
        "better": [row.strategy for row in outcome.better],
        "predictions": str(outcome.prediction.request.prediction_output_path),
        "predicted_by": str(outcome.prediction.request.load_model_path),
        "out_dir": str(outcome.request.out_dir),
        "seed": outcome.request.seed,
        "steps": [
            {"title": step.title, "command": step.command, "seconds": round(step.seconds, 3)}
            for step in outcome.steps
        ],
        "seconds": round(outcome.seconds, 3),
        "versions": outcome.versions,
    }


def _row_dict(row: StrategyRow) -> dict[str, Any]:
    interval = row.interval
    return {
        "strategy": row.strategy,
        "command": row.request.command_line,
        "model": str(row.request.save_model_path),
        "trainable_parameters": row.trainable_parameters,
        "total_parameters": row.total_parameters,
        "baseline": _scored_dict(row.before),
        "tuned": _scored_dict(row.after),
        "difference": {
            "genic_f1": interval.difference,
            "low": interval.low,
            "high": interval.high,
            "blocks": interval.blocks,
        },
        "error_ratio": row.error_ratio,
        "verdict": row.verdict,
        "warnings": list(row.warnings),
        "seconds": round(row.seconds, 3),
    }


def _scored_dict(scored: Scored) -> dict[str, float]:
    return {"genic_f1": scored.genic_f1, "errors": scored.errors}


def _table(outcome: DemoOutcome) -> Table:
    table = plain_table(
        f"Held-out sequences, {outcome.rows[0].interval.blocks} genome blocks of your species",
        "model",
        "trained",
        "genic F1",
        "change (95 % interval)",
        "wrong bases",
        "verdict",
        "time",
    )
    for name, scored in (
        ("untouched, own species", outcome.at_home),
        ("untouched, your species", outcome.abroad),
    ):
        table.add_row(name, "", f"{scored.genic_f1:.4f}", "", f"{scored.errors:.1%}", "", "")
    for row in outcome.rows:
        interval = row.interval
        table.add_row(
            row.strategy,
            f"{row.trainable_parameters:,}",
            f"{row.after.genic_f1:.4f}",
            f"{interval.difference:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})",
            f"{row.after.errors:.1%} ({row.error_ratio:.1f} times fewer)",
            row.verdict,
            duration_text(row.seconds),
        )
    return table


def _summary(outcome: DemoOutcome) -> list[str]:
    best, folder = outcome.fewest_errors, outcome.request.out_dir
    others = [f"{row.strategy}: {row.verdict}" for row in outcome.rows if row.verdict != "better"]
    return [
        "",
        f"Better than the untouched model: {len(outcome.better)} of {len(outcome.rows)} strategies"
        + (f" ({'; '.join(others)})." if others else "."),
        f"Fewest errors: {best.strategy}, wrong bases {best.before.errors:.1%} -> "
        f"{best.after.errors:.1%}. {duration_text(outcome.seconds)} in all.",
        "",
        f"Everything is in {folder}: genome.fa, genes.gff3, rnaseq.bam, data/, models/ (each "
        "tuned model with the folder of its run), predictions.h5.",
        "The commands above work on these files; add --force to run one again.",
        "",
        "Your own species, with a trained Helixer model:",
        *(f"  {line}" for line in NEXT_STEPS),
    ]
