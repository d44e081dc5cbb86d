"""Prints what fine-tuning trains, its checks as they come, and what came out of it."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from helixer_ft.cli.output import Printer, matrix_table, plain_table
from helixer_ft.metrics import GENIC_CLASSES, PHASE_CLASSES
from helixer_ft.network.coverage import track_list
from helixer_ft.progress import duration_text, size_text
from helixer_ft.runtime.backend import determinism
from helixer_ft.runtime.hardware import hardware
from helixer_ft.training.history import Check, TrainingProgress
from helixer_ft.training.run_folder import RunFolder

if TYPE_CHECKING:
    import numpy as np

    from helixer_ft.network.coverage import CoverageInput
    from helixer_ft.training.data_checks import SetSummary
    from helixer_ft.training.estimate import Estimate
    from helixer_ft.training.outcome import Comparison, CoverageComparison, Outcome
    from helixer_ft.training.prepared import PreparedRun
    from helixer_ft.training.scoring import DatasetScore


class RunPrinter(Printer, TrainingProgress):
    """Shows a run of `whole` or `freeze`."""

    def check(self, check: Check) -> None:
        if self._display is not None:
            self._display.check(check)

    def preparation(self, prepared: "PreparedRun", *, verbose: bool) -> None:
        """What is in the data, what trains."""
        for text in prepared.notices:
            self.notice(text)
        for text in prepared.warnings:
            self.warning(text)
        if self.as_json or self.quiet:
            return
        self.table(_data_table(prepared.summaries))
        plan = prepared.plan
        self.out.print(f"Model: {prepared.base.architecture.summary()}", markup=False)
        self.out.print(
            f"Strategy: {plan.strategy}. {plan.trainable_parameters:,} of "
            f"{plan.total_parameters:,} parameters train"
            + (f"; new: {', '.join(plan.new)}." if plan.new else "."),
            markup=False,
        )
        if plan.model.coverage is not None:
            self.out.print(_coverage_line(plan.model.coverage), markup=False)
        if verbose:
            self.table(_layer_table(prepared))

    def dry_run(self, prepared: "PreparedRun", estimate: "Estimate") -> None:
        """The result of `--dry-run`."""
        if self.as_json:
            resumed_from = prepared.resumed.position if prepared.resumed else None
            self._print_json(
                {"dry_run": True, "estimate": asdict(estimate)}
                | _preparation_dict(prepared)
                | {"resumed_from": _place_dict(resumed_from)}
            )
            return
        for line in _estimate_lines(prepared, estimate):
            self.out.print(line, markup=False)
        if prepared.resumed is not None:
            self.out.print(f"Interrupted run: it would go on after {prepared.resumed.place}")
        self.out.print("Dry run: everything is in order; nothing was trained or written.")

    def outcome(self, outcome: "Outcome", report: Path | None, *, verbose: bool) -> None:
        """Scores before and after, warnings, and the verdict; `report` is where the page is."""
        self.close()
        if self.as_json:
            for text in outcome.warnings:
                self.warning(text)
            self._print_json(
                outcome_dict(outcome) | {"report": None if report is None else str(report)}
            )
            return
        self.notice(f"training ended: {outcome.ended}")
        self.table(_comparison_table("validation", outcome.validation))
        if outcome.test:
            self.table(_comparison_table("test", outcome.test))
        self.out.print(wrong_bases_line(outcome), markup=False)
        if outcome.coverage:
            self.table(_coverage_table(outcome, outcome.coverage))
        if verbose:
            for name, matrix, classes in _matrices(outcome):
                self.table(matrix_table(name, matrix, classes))
        for text in outcome.warnings:
            self.warning(text)
        path = outcome.prepared.request.save_model_path
        self.out.print(
            f"Saved: {path} (check {outcome.best.number}, epoch {outcome.best.epoch}, batch "
            f"{outcome.best.batch}); {outcome.seconds:.0f} s",
            markup=False,
        )
        if report is not None:
            self.out.print(f"Report: {report}", markup=False)
        if outcome.coverage and outcome.coverage.without:
            other = RunFolder(path).without_coverage_path
            self.out.print(f"Saved, without coverage: {other}", markup=False)
            self.out.print(coverage_line(outcome), markup=False)
        self.out.print(verdict_line(outcome), markup=False, style="bold")

    def _print_json(self, value: dict[str, Any]) -> None:
        self.out.file.write(json.dumps(value, indent=2) + "\n")


def wrong_bases_line(outcome: "Outcome") -> str:
    """Wrong bases before and after, on the data of the verdict."""
    compared = outcome.decisive
    before, after = compared.baseline.wrong_share, compared.tuned.wrong_share
    return f"Wrong bases in the {outcome.verdict_on} data: {before:.1%} -> {after:.1%}"


def verdict_line(outcome: "Outcome") -> str:
    """The verdict in one sentence."""
    compared = outcome.decisive
    interval = compared.interval
    return (
        f"Verdict: {outcome.verdict}. Genic F1 on the {outcome.verdict_on} data "
        f"{compared.baseline.genic_f1:.4f} -> {compared.tuned.genic_f1:.4f} "
        f"({interval.difference:+.4f}, 95 % interval {interval.low:+.4f} to "
        f"{interval.high:+.4f}, {interval.blocks} genome blocks)."
    )


_COVERAGE_VERDICTS = {
    "better": "Coverage helped",
    "not better": "Coverage did not help",
    "cannot tell": "Whether coverage helped cannot be told",
}


def coverage_line(outcome: "Outcome") -> str:
    """Whether coverage was worth it, in one sentence; there is a model without to compare with."""
    assert outcome.coverage is not None, "coverage was taken"
    compared = outcome.coverage.without
    assert compared is not None, "a head without coverage was trained"
    interval = compared.interval
    return (
        f"{_COVERAGE_VERDICTS[interval.verdict]}: genic F1 on the {outcome.verdict_on} data "
        f"{compared.baseline.genic_f1:.4f} without, {compared.tuned.genic_f1:.4f} with "
        f"({interval.difference:+.4f}, 95 % interval {interval.low:+.4f} to {interval.high:+.4f}, "
        f"{interval.blocks} genome blocks)."
    )


def outcome_dict(outcome: "Outcome") -> dict[str, Any]:
    """The outcome as `--json` prints it."""
    baseline, best = outcome.checks[0], outcome.best
    result = _preparation_dict(outcome.prepared) | {
        "verdict": outcome.verdict,
        "verdict_on": outcome.verdict_on,
        "difference": _interval_dict(outcome.decisive),
        "baseline": _scores_dict(outcome.validation.baseline),
        "best": _scores_dict(outcome.validation.tuned)
        | {"check": best.number, "epoch": best.epoch, "batch": best.batch},
        "training_subset": {
            "baseline": {"genic_f1": baseline.subset.genic_f1, "loss": baseline.subset.loss},
            "best": {"genic_f1": best.subset.genic_f1, "loss": best.subset.loss},
        },
        "checks": len(outcome.checks) - 1,
        "ended": outcome.ended,
        "warnings": [*outcome.prepared.warnings, *outcome.warnings],
        "resumed_from": _place_dict(outcome.resumed_from),
        "seconds": round(outcome.seconds, 3),
        "check_seconds": [round(check.seconds, 3) for check in outcome.checks[1:]],
        "save_model_path": str(outcome.prepared.request.save_model_path),
        "versions": outcome.versions,
        "hardware": hardware().to_dict(),
        "determinism": determinism(),
    }
    if outcome.test:
        result["test"] = {
            "baseline": _scores_dict(outcome.test.baseline),
            "tuned": _scores_dict(outcome.test.tuned),
        }
    if outcome.coverage:
        result["coverage"] = _coverage_dict(outcome.coverage)
    return result


def _place_dict(place: tuple[int, int] | None) -> dict[str, int] | None:
    return None if place is None else dict(zip(("epoch", "batch"), place, strict=True))


def _coverage_dict(coverage: "CoverageComparison") -> dict[str, Any]:
    compared, silenced = coverage.without, coverage.silenced
    return coverage.input.to_dict() | {
        "without": _scores_dict(compared.baseline) if compared else None,
        "with": _scores_dict(coverage.tuned),
        "silenced": _scores_dict(silenced) if silenced else None,
        "difference": _interval_dict(compared) if compared else None,
        "verdict": compared.interval.verdict if compared else None,
        "checks": dict(zip(("without", "with"), coverage.checks, strict=True)),
    }


def _preparation_dict(prepared: "PreparedRun") -> dict[str, Any]:
    return {
        "strategy": str(prepared.plan.strategy),
        "trainable_parameters": prepared.plan.trainable_parameters,
        "total_parameters": prepared.plan.total_parameters,
        "new_layers": list(prepared.plan.new),
        "notices": list(prepared.notices),
        "warnings": list(prepared.warnings),
        "data": {
            summary.name: {"subsequences": summary.windows} | summary.class_shares()
            for summary in prepared.summaries
        },
    }


def _interval_dict(compared: "Comparison") -> dict[str, Any]:
    interval = compared.interval
    return {
        "genic_f1": interval.difference,
        "low": interval.low,
        "high": interval.high,
        "blocks": interval.blocks,
        "f1": {
            name: {"difference": found.difference, "low": found.low, "high": found.high}
            for name, found in compared.intervals.items()
        },
    }


def _scores_dict(score: "DatasetScore") -> dict[str, Any]:
    return {
        "genic_f1": score.genic_f1,
        "loss": score.loss,
        "f1": {name: value.f1 for name, value in (score.genic | score.phase).items()},
        "genic_confusion_matrix": score.genic_matrix.tolist(),
        "phase_confusion_matrix": None
        if score.phase_matrix is None
        else score.phase_matrix.tolist(),
    }


def _estimate_lines(prepared: "PreparedRun", estimate: "Estimate") -> list[str]:
    settings = prepared.request.settings
    whole = estimate.once_seconds + estimate.epoch_seconds * settings.epochs
    lines = [
        f"Time: about {duration_text(estimate.epoch_seconds)} per epoch with its check, and "
        f"{duration_text(estimate.once_seconds)} once; at most {duration_text(whole)} for "
        f"{settings.epochs} epochs",
    ]
    if estimate.memory is not None and estimate.memory_limit is not None:
        used, limit = estimate.memory / 1e9, estimate.memory_limit / 1e9
        lines.append(f"Memory: about {used:.1f} GB of {limit:.1f} GB")
    if estimate.feature_bytes:
        lines.append(f"Feature cache: {size_text(estimate.feature_bytes)}, in memory or on disk")
    return [*lines, *_batch_lines(settings.batch_size, estimate)]


def _batch_lines(size: int, estimate: "Estimate") -> Iterator[str]:
    """Whether the batch size fits, and which one to try."""
    from helixer_ft.runtime.memory import MAX_SUGGESTION

    largest, advice = estimate.batch_size, estimate.advice
    if largest is None:
        yield "Batch size: TensorFlow does not tell how much memory the GPU has (JAX does)"
    elif largest >= size:
        more = f"{largest} or more" if largest >= MAX_SUGGESTION else f"up to {largest}"
        yield f"Batch size: {size} fits ({more} would)"
    elif largest:
        yield (
            f"Batch size: {size} does not fit safely. Try --batch-size {largest} --accumulate "
            f"{math.ceil(size / largest)}"
        )
    else:
        yield "Batch size: not even one subsequence fits safely. Ask for more memory"
    if advice is not None:
        yield (
            f"For this GPU: --batch-size {advice.batch_size} with --learning-rate "
            f"{advice.learning_rate:g} takes about as long per step as {size} (rules of thumb: see "
            "docs/devices.md)"
        )


def _data_table(summaries: Sequence["SetSummary"]) -> Table:
    table = plain_table("Data", "set", "windows", "sequences", "bases", *GENIC_CLASSES)
    for summary in summaries:
        table.add_row(
            summary.name,
            f"{summary.windows:,}",
            f"{len(summary.sequences):,}",
            f"{summary.bases.sum() / 1e6:.2f} Mb",
            *(f"{share:.1%}" for share in summary.fractions),
        )
        table.add_row(
            "  valid bases",
            "",
            "",
            f"{1 - summary.masked_share:.1%}",
            *(f"{share:.1%}" for share in summary.valid_fractions),
        )
    return table


def _layer_table(prepared: "PreparedRun") -> Table:
    table = plain_table("Layers", "layer", "kind", "parameters", "train")
    for layer, count, trains in prepared.plan.layers():
        new = " (new)" if layer.name in prepared.plan.new else ""
        table.add_row(layer.name + new, type(layer).__name__, f"{count:,}", f"{trains:,}")
    return table


def _comparison_table(name: str, compared: "Comparison") -> Table:
    columns = ("", "precision", "recall", "F1", "F1 change")
    table = plain_table(f"Scores on the {name} data", *columns)
    before = compared.baseline.genic | compared.baseline.phase
    after = compared.tuned.genic | compared.tuned.phase
    for label, score in after.items():
        old = before[label]
        table.add_row(
            label,
            f"{old.precision:.4f} -> {score.precision:.4f}",
            f"{old.recall:.4f} -> {score.recall:.4f}",
            f"{old.f1:.4f} -> {score.f1:.4f}",
            f"{score.f1 - old.f1:+.4f}",
        )
    return table


def _coverage_line(coverage: "CoverageInput") -> str:
    tracks = track_list(coverage.tracks)
    return f"Coverage: {tracks}; prefix {coverage.prefix}, normalisation {coverage.normalization}"


def _coverage_table(outcome: "Outcome", coverage: "CoverageComparison") -> Table:
    scores = {"untouched": outcome.decisive.baseline}
    if coverage.without:
        scores["without coverage"] = coverage.without.baseline
    scores["with"] = coverage.tuned
    if coverage.silenced:
        scores["silenced"] = coverage.silenced
    table = plain_table(f"F1 on the {outcome.verdict_on} data: coverage", "", *scores)
    for label in coverage.tuned.genic | coverage.tuned.phase:
        f1 = [(score.genic | score.phase)[label].f1 for score in scores.values()]
        table.add_row(label, *(f"{value:.4f}" for value in f1))
    return table


def _matrices(
    outcome: "Outcome",
) -> list[tuple[str, "np.ndarray", Sequence[str]]]:
    result: list[tuple[str, Any, Sequence[str]]] = []
    for which, score in (
        ("untouched", outcome.decisive.baseline),
        ("tuned", outcome.decisive.tuned),
    ):
        title = f"{outcome.verdict_on} data, {which} model"
        result.append((f"Genic, {title}", score.genic_matrix, GENIC_CLASSES))
        if score.phase_matrix is not None:
            result.append((f"Phase, {title}", score.phase_matrix, PHASE_CLASSES))
    return result
