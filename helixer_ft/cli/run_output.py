"""Prints what fine-tuning trains, and the result."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from helixer_ft.cli.costs import memory_line, show_disk
from helixer_ft.cli.output import Printer, matrix_table, percents, plain_table
from helixer_ft.metrics import GENIC_CLASSES, OUTPUTS
from helixer_ft.network.coverage import track_list
from helixer_ft.progress import duration_text, size_text
from helixer_ft.training.run_folder import RunFolder

if TYPE_CHECKING:
    from helixer_ft.training.data_checks import SetSummary
    from helixer_ft.training.estimate import Estimate
    from helixer_ft.training.outcome import Comparison, CoverageComparison, Outcome
    from helixer_ft.training.prepared import PreparedRun

_COVERAGE_COLUMNS = {"without": "without coverage"}


def show_preparation(prepared: "PreparedRun", printer: Printer, *, verbose: bool) -> None:
    """Print what is in the data, and what trains."""
    for text in prepared.notices:
        printer.notice(text)
    for text in prepared.warnings:
        printer.warning(text)
    if printer.as_json or printer.quiet:
        return
    printer.table(data_table(prepared))
    plan, coverage = prepared.plan, prepared.plan.model.coverage
    new = f"; new: {', '.join(plan.new)}." if plan.new else "."
    printer.lines(
        f"Model: {prepared.base.architecture.summary()}",
        f"Strategy: {plan.strategy}. {plan.trainable_parameters:,} of "
        f"{plan.total_parameters:,} parameters train{new}",
    )
    if coverage is not None:
        printer.lines(
            f"Coverage: {track_list(coverage.tracks)}; prefix {coverage.prefix}, normalisation "
            f"{coverage.normalization}"
        )
    if verbose:
        printer.table(_layer_table(prepared))


def show_dry_run(prepared: "PreparedRun", estimate: "Estimate", printer: Printer) -> None:
    """The result of `--dry-run`."""
    if printer.as_json:
        from helixer_ft.training.outcome import place_dict

        resumed_from = prepared.resumed.position if prepared.resumed else None
        printer.json(
            {"dry_run": True, "estimate": asdict(estimate)}
            | prepared.to_dict()
            | {"resumed_from": place_dict(resumed_from)}
        )
        return
    printer.lines(*_estimate_lines(prepared, estimate))
    show_disk(estimate.disk, estimate.disk_free, prepared.request.save_model_path, printer)
    if prepared.resumed is not None:
        printer.lines(f"Interrupted run: it would resume after {prepared.resumed.place}")
    printer.lines("Dry run: everything is in order; nothing was trained or written.")


def show(outcome: "Outcome", printer: Printer, *, report: Path | None, verbose: bool) -> None:
    """Scores before and after, warnings, and the verdict; `report` is where the page is."""
    printer.close()
    if printer.as_json:
        for text in outcome.warnings:
            printer.warning(text)
        printer.json(outcome.to_dict() | {"report": None if report is None else str(report)})
        return
    printer.notice(f"training ended: {outcome.ended}")
    if outcome.share_text:
        printer.notice(outcome.share_text)
    for name, compared in outcome.comparisons.items():
        printer.table(_comparison_table(name, compared))
    decisive, coverage = outcome.decisive, outcome.coverage
    before, after = decisive.baseline.wrong_share, decisive.tuned.wrong_share
    wrong = "Wrong bases" if decisive.trusted else "Bases that differ from the labels"
    printer.lines(f"{wrong} in the {outcome.verdict_on} data: {before:.1%} -> {after:.1%}")
    if coverage:
        printer.table(_coverage_table(outcome, coverage))
    for model, output, matrix in decisive.matrices() if verbose else ():
        title = f"{output.capitalize()}, {outcome.verdict_on} data, {model} model"
        printer.table(matrix_table(title, matrix, OUTPUTS[output]))
    for text in outcome.warnings:
        printer.warning(text)
    path, best = outcome.prepared.request.save_model_path, outcome.best
    printer.lines(
        f"Saved: {path} (check {best.number}, epoch {best.epoch}, batch {best.batch}); "
        f"{outcome.seconds:.0f} s"
    )
    if report is not None:
        printer.lines(f"Report: {report}")
    if coverage and coverage.without:
        printer.lines(
            f"Saved, without coverage: {RunFolder(path).without_coverage_path}",
            coverage_line(outcome),
        )
    printer.lines(_verdict_line(outcome), style="bold")
    if outcome.introns:
        printer.lines(outcome.introns.text, style="bold")


def _verdict_line(outcome: "Outcome") -> str:
    from helixer_ft.training.outcome import NOT_TRUSTED

    found, score = outcome.decisive, "Genic F1"
    if not found.trusted:
        score = f"{NOT_TRUSTED[0].upper()}{NOT_TRUSTED[1:]}. Agreement (genic F1)"
    return (
        f"Verdict: {outcome.verdict}. {score} on the {outcome.verdict_on} data "
        f"{found.baseline.genic_f1:.4f} -> {found.tuned.genic_f1:.4f} {found.interval.text}."
    )


def coverage_line(outcome: "Outcome") -> str:
    """Whether coverage was worth it, in one sentence; a model without it was trained too."""
    from helixer_ft.training.outcome import COVERAGE_VERDICTS

    assert outcome.coverage is not None, "coverage was taken"
    compared = outcome.coverage.without
    assert compared is not None, "a head without coverage was trained"
    return (
        f"{COVERAGE_VERDICTS[compared.verdict]}: genic F1 on the {outcome.verdict_on} "
        f"data {compared.baseline.genic_f1:.4f} without, {compared.tuned.genic_f1:.4f} with "
        f"{compared.interval.text}."
    )


def _estimate_lines(prepared: "PreparedRun", estimate: "Estimate") -> Iterator[str]:
    settings = prepared.settings
    yield (
        f"Time: about {duration_text(estimate.epoch_seconds)} per epoch with its check, and "
        f"{duration_text(estimate.once_seconds)} once; at most "
        f"{duration_text(estimate.most_seconds)} for {settings.epochs} epochs"
    )
    if estimate.memory is not None and estimate.memory_limit is not None:
        yield memory_line(estimate.memory, estimate.memory_limit)
    if estimate.feature_bytes:
        yield f"Feature cache: {size_text(estimate.feature_bytes)}, in memory or on disk"
    yield from _batch_lines(settings.batch_size, estimate)


def _batch_lines(size: int, estimate: "Estimate") -> Iterator[str]:
    """Whether the batch size fits, and which one to try."""
    from helixer_ft.runtime.memory import MAX_SUGGESTION

    largest, advice = estimate.batch_size, estimate.advice
    if largest is None:
        yield "Batch size: TensorFlow does not report how much memory the GPU has (JAX does)"
    elif largest >= size:
        more = f"{largest} or more" if largest >= MAX_SUGGESTION else f"up to {largest}"
        yield f"Batch size: {size} fits ({more} would)"
    elif largest:
        yield (
            f"Batch size: {size} does not fit safely. Try --batch-size {largest} --accumulate "
            f"{math.ceil(size / largest)}"
        )
    else:
        yield "Batch size: not even one subsequence fits safely. Request more memory"
    if advice is not None:
        yield (
            f"For this GPU: --batch-size {advice.batch_size} with --learning-rate "
            f"{advice.learning_rate:g} takes about as long per step as {size} (rules of thumb: see "
            "docs/devices.md)"
        )


def data_table(prepared: "PreparedRun") -> Table:
    """Windows, bases and class shares of each set."""
    rows = []
    for one in prepared.summaries:
        size = f"{one.windows:,}", f"{len(one.sequences):,}", f"{one.bases.sum() / 1e6:.2f} Mb"
        valid = f"{1 - one.masked_share:.1%}"
        rows += [
            (_name_of(one), *size, *percents(one.fractions)),
            ("  valid bases", "", "", valid, *percents(one.valid_fractions)),
        ]
    return plain_table("Data", ("set", "windows", "sequences", "bases", *GENIC_CLASSES), rows)


def _name_of(summary: "SetSummary") -> str:
    """A set, and what its labels are where these are no annotation."""
    return f"{summary.name} ({summary.labels_text})" if summary.is_predicted else summary.name


def _layer_table(prepared: "PreparedRun") -> Table:
    plan = prepared.plan
    rows = [
        (
            layer.name + (" (new)" if layer.name in plan.new else ""),
            *(type(layer).__name__, f"{count:,}", f"{trains:,}"),
        )
        for layer, count, trains in plan.layers()
    ]
    return plain_table("Layers", ("layer", "kind", "parameters", "train"), rows)


def _comparison_table(name: str, compared: "Comparison") -> Table:
    rows = [
        (
            label,
            f"{before.precision:.4f} -> {after.precision:.4f}",
            f"{before.recall:.4f} -> {after.recall:.4f}",
            f"{before.f1:.4f} -> {after.f1:.4f}",
            f"{after.f1 - before.f1:+.4f}",
        )
        for label, before, after, _ in compared.rows()
    ]
    columns = ("", "precision", "recall", "F1", "F1 change")
    what = "Scores" if compared.trusted else "Agreement with predictions"
    return plain_table(f"{what} on the {name} data", columns, rows)


def _coverage_table(outcome: "Outcome", coverage: "CoverageComparison") -> Table:
    columns = coverage.columns(outcome.decisive.baseline)
    names = [_COVERAGE_COLUMNS.get(name, name) for name in columns]
    rows = [
        (label, *(f"{score.scores[label].f1:.4f}" for score in columns.values()))
        for label in coverage.tuned.scores
    ]
    return plain_table(f"F1 on the {outcome.verdict_on} data: coverage", ("", *names), rows)
