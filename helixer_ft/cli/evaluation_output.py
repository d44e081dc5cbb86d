"""Prints how models score, side by side."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from helixer_ft.cli.output import Printer, matrix_table, plain_table
from helixer_ft.evaluation.calibration import CURVES, N_BINS
from helixer_ft.evaluation.outcome import Evaluation, Part
from helixer_ft.evaluation.transitions import DISTANCES, KINDS
from helixer_ft.metrics import MIN_BLOCKS, OUTPUTS, Interval
from helixer_ft.progress import duration_text

_TOO_FEW = "too few to tell"
_CALIBRATION_NOTE = (
    "class and transition weights distort probabilities on purpose (rare classes and boundaries "
    "are predicted more often): a model trained with them is not expected to be calibrated"
)


def show(evaluation: Evaluation, printer: Printer, *, verbose: bool) -> None:
    """The tables and verdicts of `evaluate`, or JSON."""
    if printer.as_json:
        printer.json(evaluation.to_dict())
        return
    for number, path in enumerate(evaluation.request.load_model_paths, start=1):
        summary = evaluation.models[number - 1].architecture.summary()
        printer.lines(f"Model {number}: {path} ({summary})")
    for table in _tables(evaluation, verbose):
        printer.out.print()
        printer.table(table)
    printer.out.print()
    printer.notice(_CALIBRATION_NOTE)
    printer.lines(
        f"Scored: {evaluation.rows:,} rows, {len(evaluation.models)} model(s); "
        f"{duration_text(evaluation.seconds)}"
    )
    printer.lines(*_verdict_lines(evaluation.overall), style="bold")


def _tables(evaluation: Evaluation, verbose: bool) -> Iterator[Table]:
    overall = evaluation.overall
    parts = [
        part for kind in (evaluation.species, evaluation.files) if len(kind) > 1 for part in kind
    ]
    yield _score_table(overall)
    yield from _confusion_tables(overall)
    yield from map(_score_table, parts)
    for part in (overall, *(parts if verbose else [])):
        yield _distance_table(part)
        for curve in range(len(CURVES) if verbose else 1):
            yield _calibration_table(part, curve)


def _score_table(part: Part) -> Table:
    """Precision, recall and F1 per class and accuracy, of each model; then the differences."""
    rows = []
    scores = [model.confusion.scores for model in part.models]
    for name in dict.fromkeys(name for of_model in scores for name in of_model):
        cells = []
        for number, (model, of_model) in enumerate(zip(part.models, scores, strict=True)):
            score = of_model.get(name)
            cells += _cells(score.precision, score.recall, score.f1) if score else ["-"] * 3
            if number:
                cells += _difference_cells(model.differences.get(name))
        rows.append([name, *cells])
    accuracies = [dict(zip(OUTPUTS, model.accuracies, strict=False)) for model in part.models]
    for output in dict.fromkeys(output for of_model in accuracies for output in of_model):
        cells = []
        for number, values in enumerate(accuracies):
            known = output in values
            cells += ["", "", *(_cells(values[output]) if known else ["-"])]
            if number:
                known = known and output in accuracies[0]
                cells += [f"{values[output] - accuracies[0][output]:+.4f}" if known else "-", ""]
        rows.append([f"{output} accuracy", *cells])
    title = f"Scores on {part.name}, {part.blocks} genome blocks"
    columns = _columns(
        part, "precision {}", "recall {}", "F1 {}", compared=("{} - 1", "95 % interval")
    )
    return plain_table(title, ["", *columns], rows)


def _columns(part: Part, *each: str, compared: Sequence[str] = ()) -> list[str]:
    """Headings for each model, and those for each but the first, with its number filled in."""
    return [
        heading.format(number)
        for number in range(1, len(part.models) + 1)
        for heading in (*each, *(compared if number > 1 else ()))
    ]


def _confusion_tables(part: Part) -> Iterator[Table]:
    for number, score in enumerate(part.models, start=1):
        for output, matrix in score.confusion.matrices.items():
            title = f"Confusion matrix on {part.name}: {output}, model {number} (bases)"
            yield matrix_table(title, matrix, OUTPUTS[output], shares=True)


def _cells(*values: float) -> list[str]:
    return [f"{value:.4f}" for value in values]


def _difference_cells(interval: Interval | None) -> list[str]:
    if interval is None:
        return ["-", ""]
    return [f"{interval.difference:+.4f}", _interval_text(interval)]


def _interval_text(interval: Interval) -> str:
    if interval.blocks < MIN_BLOCKS:
        return _TOO_FEW
    return f"{interval.low:+.4f} to {interval.high:+.4f}"


def _distance_table(part: Part) -> Table:
    """Accuracy and genic F1 by distance, a row per kind of transition and class of distance."""
    rows = []
    found = [model.near_transitions for model in part.models]
    for k, kind in enumerate(KINDS):
        for d, distance in enumerate(DISTANCES):
            bases = int(found[0][0][k, d])
            cells = [f"{bases:,}"]
            for number, (_, accuracy, f1) in enumerate(found):
                cells += [f"{accuracy[k, d]:.4f}", f"{f1[k, d]:.4f}"] if bases else ["-", "-"]
                if number:
                    cells.append(f"{f1[k, d] - found[0][2][k, d]:+.4f}" if bases else "-")
            rows.append([f"{kind} {distance}", *cells])
    title = f"Genic classes on {part.name} by distance to the nearest transition (bp)"
    columns = _columns(part, "accuracy {}", "genic F1 {}", compared=("{} - 1",))
    return plain_table(title, ["", "bases", *columns], rows)


def _calibration_table(part: Part, curve: int) -> Table:
    """Predicted against observed, a row per bin of predicted probability."""
    rows = []
    for i in range(N_BINS):
        cells = []
        for model in part.models:
            bases, predicted, observed = model.tally.calibration[curve, i].tolist()
            cells.append(f"{bases:,.0f}")
            cells += [f"{predicted / bases:.4f}", f"{observed / bases:.4f}"] if bases else ["-"] * 2
        rows.append([f"{i / N_BINS:.1f}-{(i + 1) / N_BINS:.1f}", *cells])
    errors = [model.calibration_errors[CURVES[curve]] for model in part.models]
    rows.append(["expected calibration error", *(c for e in errors for c in ("", "", f"{e:.4f}"))])
    title = f"Calibration on {part.name}: {CURVES[curve]}"
    columns = _columns(part, "bases {}", "predicted {}", "observed {}")
    return plain_table(title, ["probability", *columns], rows)


def _verdict_lines(part: Part) -> Iterator[str]:
    """One sentence per model but the first: whether it is better than that."""
    first = part.models[0].confusion.genic_f1
    for number, model in enumerate(part.models[1:], start=2):
        interval = model.differences["genic"]
        known = interval.text
        if interval.blocks < MIN_BLOCKS:
            known = f"({interval.difference:+.4f}, {interval.blocks} genome blocks are {_TOO_FEW})"
        yield (
            f"Model {number} against model 1: {interval.verdict}. Genic F1 {first:.4f} -> "
            f"{model.confusion.genic_f1:.4f} {known}."
        )
