"""Every number of an evaluation, one a line, as `--csv` has them."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helixer_ft.evaluation.outcome import Evaluation, ModelScore
from helixer_ft.formats import atomic
from helixer_ft.metrics import OUTPUTS

COLUMNS = ("model", "path", "data", "species", "table", "row", "column", "value")


def write_csv(evaluation: Evaluation, path: Path, *, force: bool) -> None:
    """Write every number, one a line.

    Raises
    ------
    InputError, HelixerFtError
        See `atomic.write_text`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    places = [("", "", evaluation.overall)]
    places += [(part.name, "", part) for part in evaluation.files]
    places += [("", part.name, part) for part in evaluation.species]
    for data, species, part in places:
        for i, of_model in enumerate(evaluation.request.load_model_paths):
            for line in _lines(part.models[i]):
                writer.writerow((i + 1, of_model, data, species, *line))
    atomic.write_text(path, buffer.getvalue(), force=force)


def _lines(score: ModelScore) -> Iterator[tuple[str, str, str, Any]]:
    """Table, row, column, value."""
    values = score.to_dict()
    for output, classes in OUTPUTS.items():
        if values[output] is None:
            continue
        yield f"{output} scores", "all", "accuracy", values[output]["accuracy"]
        for name, scores in values[output]["scores"].items():
            for column, value in scores.items():
                yield f"{output} scores", name, column, value
        matrix = values[output]["confusion_matrix"]
        for name, row in zip(classes, matrix, strict=True):
            for column, value in zip(classes, row, strict=True):
                yield f"{output} confusion matrix", name, column, value
    difference = values["difference"] or {"f1": {}}
    for name, interval in difference["f1"].items():
        for column, value in (interval | {"blocks": difference["blocks"]}).items():
            yield "F1 difference", name, column, value
    for kind, distances in values["transitions"].items():
        for distance, found in distances.items():
            for column, value in found.items():
                yield f"distance to {kind}", distance, column, value
    for name, curve in values["calibration"].items():
        table = f"calibration, {name}"
        yield table, "all", "expected_calibration_error", curve["expected_calibration_error"]
        for found in curve["bins"]:
            for column in ("bases", "predicted", "observed"):
                value = "" if found[column] is None else found[column]
                yield table, f"{found['from']:.1f}-{found['to']:.1f}", column, value
