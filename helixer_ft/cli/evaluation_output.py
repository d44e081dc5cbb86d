"""Prints how models score, side by side."""

import json
from collections.abc import Iterator, Sequence

from rich.table import Table

from helixer_ft.cli.output import Printer, matrix_table, plain_table
from helixer_ft.evaluation.calibration import CURVES, N_BINS
from helixer_ft.evaluation.outcome import Evaluation, Part
from helixer_ft.evaluation.table import evaluation_dict
from helixer_ft.evaluation.transitions import DISTANCES, KINDS
from helixer_ft.metrics import GENIC_CLASSES, MIN_BLOCKS, PHASE_CLASSES, Interval
from helixer_ft.progress import duration_text

_OUTPUTS = {"genic": GENIC_CLASSES, "phase": PHASE_CLASSES}
_TOO_FEW = "too few to tell"
_CALIBRATION_NOTE = (
    "class and transition weights distort probabilities on purpose (rare classes and boundaries "
    "are predicted more often): a model trained with them is not expected to be calibrated"
)


class EvaluationPrinter(Printer):
    """Shows `evaluate`."""

    def evaluation(self, evaluation: Evaluation, *, verbose: bool) -> None:
        """The tables, or JSON."""
        if self.as_json:
            self.out.file.write(json.dumps(evaluation_dict(evaluation), indent=2) + "\n")
            return
        for number, path in enumerate(evaluation.request.load_model_paths, start=1):
            summary = evaluation.models[number - 1].architecture.summary()
            self.out.print(f"Model {number}: {path} ({summary})", markup=False)
        overall = evaluation.overall
        self._table(_score_table(overall))
        for table in _confusion_tables(overall):
            self._table(table)
        parts = [
            part
            for kind in (evaluation.species, evaluation.files)
            if len(kind) > 1
            for part in kind
        ]
        for part in parts:
            self._table(_score_table(part))
        for part in (overall, *(parts if verbose else [])):
            self._table(_distance_table(part))
            for curve in range(len(CURVES) if verbose else 1):
                self._table(_calibration_table(part, curve))
        self.out.print()
        self.notice(_CALIBRATION_NOTE)
        self.out.print(
            f"Scored: {evaluation.rows:,} rows, {len(overall.models)} model(s); "
            f"{duration_text(evaluation.seconds)}",
            markup=False,
        )
        for line in _verdict_lines(overall):
            self.out.print(line, markup=False, style="bold")

    def _table(self, table: Table) -> None:
        self.out.print()
        self.table(table)


def _score_table(part: Part) -> Table:
    """Precision, recall and F1 per class and accuracy, of each model; then the differences."""
    columns = []
    for number in range(1, len(part.models) + 1):
        columns += [f"precision {number}", f"recall {number}", f"F1 {number}"]
        if number > 1:
            columns += [f"{number} - 1", "95 % interval"]
    table = plain_table(f"Scores on {part.name}, {part.blocks} genome blocks", "", *columns)
    scores = [model.confusion.genic | model.confusion.phase for model in part.models]
    for name in dict.fromkeys(name for of_model in scores for name in of_model):
        cells = []
        for number, (model, of_model) in enumerate(zip(part.models, scores, strict=True)):
            score = of_model.get(name)
            cells += _cells(score.precision, score.recall, score.f1) if score else ["-"] * 3
            if number:
                cells += _difference_cells(model.differences.get(name))
        table.add_row(name, *cells)
    accuracies = [dict(zip(_OUTPUTS, model.accuracies, strict=False)) for model in part.models]
    for output in dict.fromkeys(output for of_model in accuracies for output in of_model):
        cells = []
        for number, values in enumerate(accuracies):
            known = output in values
            cells += ["", "", *(_cells(values[output]) if known else ["-"])]
            if number:
                known = known and output in accuracies[0]
                cells += [f"{values[output] - accuracies[0][output]:+.4f}" if known else "-", ""]
        table.add_row(f"{output} accuracy", *cells)
    return table


def _confusion_tables(part: Part) -> Iterator[Table]:
    for number, score in enumerate(part.models, start=1):
        for output, matrix in zip(_OUTPUTS, score.tally.confusion, strict=False):
            title = f"Confusion matrix on {part.name}: {output}, model {number} (bases)"
            yield matrix_table(title, matrix, _OUTPUTS[output], shares=True)


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
    columns = ["bases"]
    for number in range(1, len(part.models) + 1):
        columns += [f"accuracy {number}", f"genic F1 {number}"]
        columns += [f"{number} - 1"] if number > 1 else []
    title = f"Genic classes on {part.name} by distance to the nearest transition (bp)"
    table = plain_table(title, "", *columns)
    found = [model.near_transitions for model in part.models]
    for k, kind in enumerate(KINDS):
        for d, distance in enumerate(DISTANCES):
            bases = int(found[0][0][k, d])
            cells = [f"{bases:,}"]
            for number, (_, accuracy, f1) in enumerate(found):
                cells += [f"{accuracy[k, d]:.4f}", f"{f1[k, d]:.4f}"] if bases else ["-", "-"]
                if number:
                    cells.append(f"{f1[k, d] - found[0][2][k, d]:+.4f}" if bases else "-")
            table.add_row(f"{kind} {distance}", *cells)
    return table


def _calibration_table(part: Part, curve: int) -> Table:
    """Predicted against observed, a row per bin of predicted probability."""
    columns = [
        f"{column} {number}"
        for number in range(1, len(part.models) + 1)
        for column in ("bases", "predicted", "observed")
    ]
    table = plain_table(f"Calibration on {part.name}: {CURVES[curve]}", "probability", *columns)
    for i in range(N_BINS):
        cells = []
        for model in part.models:
            bases, predicted, observed = model.tally.calibration[curve, i].tolist()
            cells.append(f"{bases:,.0f}")
            cells += [f"{predicted / bases:.4f}", f"{observed / bases:.4f}"] if bases else ["-"] * 2
        table.add_row(f"{i / N_BINS:.1f}-{(i + 1) / N_BINS:.1f}", *cells)
    errors = [model.calibration_errors[CURVES[curve]] for model in part.models]
    table.add_row("expected calibration error", *(c for e in errors for c in ("", "", f"{e:.4f}")))
    return table


def _verdict_lines(part: Part) -> Sequence[str]:
    """One sentence per model but the first: whether it is better than that."""
    first = part.models[0].confusion.genic_f1
    lines = []
    for number, model in enumerate(part.models[1:], start=2):
        interval = model.differences["genic"]
        sure = (
            f"95 % interval {_interval_text(interval)}, {interval.blocks} genome blocks"
            if interval.blocks >= MIN_BLOCKS
            else f"{interval.blocks} genome blocks are {_TOO_FEW}"
        )
        lines.append(
            f"Model {number} against model 1: {interval.verdict}. Genic F1 {first:.4f} -> "
            f"{model.confusion.genic_f1:.4f} ({interval.difference:+.4f}, {sure})."
        )
    return lines
