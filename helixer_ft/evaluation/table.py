"""Every number of an evaluation: nested, as `--json` prints them, and flat, as `--csv` has them."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.evaluation.calibration import CURVES, N_BINS
from helixer_ft.evaluation.outcome import Evaluation, ModelScore, Part
from helixer_ft.evaluation.transitions import DISTANCES, KINDS
from helixer_ft.formats import atomic
from helixer_ft.metrics import GENIC_CLASSES, PHASE_CLASSES, Score
from helixer_ft.runtime.backend import versions

COLUMNS = ("model", "path", "data", "species", "table", "row", "column", "value")


def evaluation_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Everything, as `--json` prints it."""
    request = evaluation.request
    paths = [str(path) for path in request.load_model_paths]
    return {
        "models": [
            {"path": path, "data": part.name, **_score_dict(part.models[i], part.blocks)}
            for i, path in enumerate(paths)
            for part in evaluation.files
        ],
        "overall": _part_list(evaluation.overall, paths),
        "species": {part.name: _part_list(part, paths) for part in evaluation.species},
        "test_data": [str(path) for path in request.test_data],
        "rows": evaluation.rows,
        "overlap": request.overlap,
        "seconds": round(evaluation.seconds, 3),
        "versions": versions(),
        **({"device_check": "skipped"} if request.skip_device_check else {}),
    }


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
            for line in _lines(part.models[i], part.blocks):
                writer.writerow((i + 1, of_model, data, species, *line))
    atomic.write_text(path, buffer.getvalue(), force=force)


def _part_list(part: Part, paths: list[str]) -> list[dict[str, Any]]:
    return [
        {"path": path, **_score_dict(score, part.blocks)}
        for path, score in zip(paths, part.models, strict=True)
    ]


def _score_dict(score: ModelScore, blocks: int) -> dict[str, Any]:
    confusion = score.confusion
    genic, *phase = (
        {"confusion_matrix": matrix.tolist(), "accuracy": accuracy}
        for matrix, accuracy in zip(score.tally.confusion, score.accuracies, strict=True)
    )
    return {
        "genic": genic | {"genic_f1": confusion.genic_f1, "scores": _scores(confusion.genic)},
        "phase": phase[0] | {"scores": _scores(confusion.phase)} if phase else None,
        "difference": _difference_dict(score, blocks) if score.differences else None,
        "transitions": _transitions(score),
        "calibration": _calibration(score),
    }


def _difference_dict(score: ModelScore, blocks: int) -> dict[str, Any]:
    genic = score.differences["genic"]
    return {
        "genic_f1": genic.difference,
        "low": genic.low,
        "high": genic.high,
        "blocks": blocks,
        "verdict": genic.verdict,
        "f1": {
            name: {"difference": interval.difference, "low": interval.low, "high": interval.high}
            for name, interval in score.differences.items()
        },
    }


def _scores(scores: dict[str, Score]) -> dict[str, dict[str, float]]:
    return {name: asdict(score) for name, score in scores.items()}


def _transitions(score: ModelScore) -> dict[str, dict[str, dict[str, float]]]:
    bases, accuracy, f1 = score.near_transitions
    return {
        kind: {
            distance: {
                "bases": int(bases[k, d]),
                "accuracy": float(accuracy[k, d]),
                "genic_f1": float(f1[k, d]),
            }
            for d, distance in enumerate(DISTANCES)
        }
        for k, kind in enumerate(KINDS)
    }


def _calibration(score: ModelScore) -> dict[str, dict[str, Any]]:
    errors = score.calibration_errors
    return {
        name: {"expected_calibration_error": errors[name], "bins": _bins(sums)}
        for name, sums in zip(CURVES, score.tally.calibration, strict=True)
    }


def _bins(sums: np.ndarray) -> list[dict[str, float | None]]:
    return [
        {
            "from": i / N_BINS,
            "to": (i + 1) / N_BINS,
            "bases": int(bases),
            "predicted": predicted / bases if bases else None,
            "observed": observed / bases if bases else None,
        }
        for i, (bases, predicted, observed) in enumerate(sums.tolist())
    ]


def _lines(score: ModelScore, blocks: int) -> Iterator[tuple[str, str, str, Any]]:
    """Table, row, column, value."""
    values = _score_dict(score, blocks)
    for output, classes in (("genic", GENIC_CLASSES), ("phase", PHASE_CLASSES)):
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
    for name, interval in (values["difference"] or {"f1": {}})["f1"].items():
        for column, value in (interval | {"blocks": blocks}).items():
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
