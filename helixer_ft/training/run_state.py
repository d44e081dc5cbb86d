"""The state of a run, from which it goes on after an interruption: `state/` in the run folder."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.engine import EngineState
from helixer_ft.errors import InputError
from helixer_ft.formats.state_h5 import Arrays, damaged, read_state_file, write_state_file
from helixer_ft.network.weights import LayerWeights
from helixer_ft.runtime.backend import versions
from helixer_ft.settings import option
from helixer_ft.training.data_checks import SetSummary
from helixer_ft.training.history import Check
from helixer_ft.training.loop import Position
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.scoring import DatasetScore

FORMAT = 1
_FREE = {
    "load_model_path",
    "data_dir",
    "test_data",
    "save_model_path",
    "cache_dir",
    "keep_cache",
    "val_test_batch_size",
    "checkpoint_minutes",
}
"""Options that may differ when a run goes on; of model and data the content counts."""
_VERSIONS = ("helixer_ft", "keras", "backend", "numpy")
"""Versions that may not: other arithmetic, or another order of the data, is another result."""


@dataclass
class Training:
    """One training of a run (with --input-coverage there are two), as far as it went.

    Attributes
    ----------
    provenance
        What its models say about themselves.
    checks
        Those done, without their windows.
    best
        The best of them, with its windows, and its weights.
    position
        Where it stands.
    ended
        Why it ended; empty while it goes on, and until its best model is scored.
    scores
        Scores of that model: `test`, where there are test data.
    """

    provenance: dict[str, str]
    checks: list[Check] = field(default_factory=list)
    best: tuple[Check, LayerWeights] | None = None
    position: Position | None = None
    ended: str = ""
    scores: dict[str, DatasetScore] = field(default_factory=dict)


@dataclass
class RunState:
    """What a run has come to, kept in a file until it is complete.

    Attributes
    ----------
    path
        Of the file.
    origin
        Options, model, versions and data that the result follows from.
    provenance
        What its models say about the run: as it was started.
    baseline
        Scores of the untouched model by set: `training` (the fixed subset), `validation`, `test`.
    trainings
        By name; the one that goes on, or ended last, comes last.
    seconds
        Work done up to the last `save`.
    writes
        Whether this process is the one that keeps the file.
    """

    path: Path
    origin: dict[str, Any]
    provenance: dict[str, str]
    baseline: dict[str, DatasetScore] = field(default_factory=dict)
    trainings: dict[str, Training] = field(default_factory=dict)
    seconds: float = 0.0
    writes: bool = True

    def start_clock(self) -> None:
        """From now on time passes."""
        self._started = time.monotonic() - self.seconds

    def elapsed(self) -> float:
        """Seconds of work, those before an interruption included."""
        return time.monotonic() - self._started

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and batch that were trained last; (0, 0) before the first."""
        if not self.trainings:
            return 0, 0
        position = list(self.trainings.values())[-1].position
        return (position.epoch, position.batch) if position else (0, 0)

    @property
    def place(self) -> str:
        """What was done last, as text."""
        epoch, batch = self.position
        if epoch:
            name = list(self.trainings)[-1].replace("_", " ")
            which = f" of the training {name}" if len(self.trainings) > 1 or "with" in name else ""
            return f"epoch {epoch}, batch {batch}{which}"
        if self.trainings or self.baseline:
            return "the scores of the untouched model"
        return ""

    def save(self) -> None:
        """Write the file anew.

        Raises
        ------
        HelixerFtError
            Writing failed; the state before is there still.
        """
        self.seconds = self.elapsed()
        if not self.writes:
            return
        self.path.parent.mkdir(exist_ok=True)
        arrays: Arrays = {}
        record = {
            "format": FORMAT,
            "origin": self.origin,
            "provenance": self.provenance,
            "seconds": self.seconds,
            "baseline": {
                name: _score_record(score, f"baseline/{name}", arrays)
                for name, score in self.baseline.items()
            },
            "trainings": [
                {"name": name, **_training_record(training, f"trainings/{i}", arrays)}
                for i, (name, training) in enumerate(self.trainings.items())
            ],
        }
        write_state_file(self.path, record, arrays)

    def remove(self) -> None:
        """The run is complete."""
        if not self.writes:
            return
        shutil.rmtree(self.path.parent, ignore_errors=True)


def read_run_state(path: Path) -> RunState:
    """Read the state of an interrupted run.

    Raises
    ------
    InputError
        A damaged file, or one of another version.
    """
    record, arrays = read_state_file(path)
    if record.get("format") != FORMAT:
        raise damaged(path, f"has format {record.get('format')}, which is not {FORMAT}")
    try:
        return RunState(
            path=path,
            origin=dict(record["origin"]),
            provenance=_texts(record["provenance"]),
            baseline={
                name: _read_score(score, f"baseline/{name}", arrays)
                for name, score in record["baseline"].items()
            },
            trainings={
                training["name"]: _read_training(training, f"trainings/{i}", arrays)
                for i, training in enumerate(record["trainings"])
            },
            seconds=float(record["seconds"]),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise damaged(
            path, f"holds other things than expected ({type(error).__name__}: {error})"
        ) from error


# -- what a run follows from -------------------------------------------------------------------


def settings_origin(request: FineTuneRequest, model_sha256: str) -> dict[str, Any]:
    """What the result follows from, data aside: JSON values by name."""
    options = request.options()
    used = versions()
    return {
        "command": request.command,
        **{option(name): value for name, value in options.items() if name not in _FREE},
        "model": model_sha256,
        **{f"{name} version": used[name] for name in _VERSIONS},
    }


def data_origin(summaries: tuple[SetSummary, ...]) -> dict[str, Any]:
    """The data that the result follows from."""
    data = {f"{summary.name} data": summary.fingerprint for summary in summaries}
    data |= {
        f"coverage of the {summary.name} data": summary.coverage_fingerprint
        for summary in summaries
        if summary.coverage_fingerprint
    }
    return data


def require_same(state: RunState, names: set[str], present: Mapping[str, Any]) -> None:
    """Refuse to go on with a run of other options, data or versions.

    Parameters
    ----------
    state
        Of the run.
    names
        Those among its origin that are compared.
    present
        Their values now.

    Raises
    ------
    InputError
        Names each difference.
    """
    differences = [
        _difference(name, state.origin.get(name), present.get(name))
        for name in sorted(names | present.keys())
        if state.origin.get(name) != present.get(name)
    ]
    if differences:
        raise InputError(
            f"{state.path.parent.parent}: the interrupted run there was another one: "
            f"{'; '.join(differences)}. Give the same options and data to go on with it, another "
            "--save-model-path, or --force instead of --resume to delete it and start anew."
        )


def _difference(name: str, before: Any, now: Any) -> str:
    if name.endswith(" data"):
        if now is None or before is None:
            return f"{name} {'were given, are not now' if now is None else 'were not given'}"
        return f"{name} have another content"
    if name == "model":
        return f"the model (-l) has another content (SHA-256 {before}, now {now})"
    return f"{name} was {_text(before)}, now {_text(now)}"


def _text(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


# -- the record and its arrays -----------------------------------------------------------------


def _score_record(score: DatasetScore, place: str, arrays: Arrays) -> dict[str, Any]:
    arrays[f"{place}/counts"] = score.counts
    return {"loss": score.loss}


def _read_score(record: dict[str, Any], place: str, arrays: Arrays) -> DatasetScore:
    counts = arrays[f"{place}/counts"]
    if counts.ndim != 4 or counts.shape[2:] != (4, 4) or counts.dtype != np.int64:
        raise ValueError(f"{place}/counts is {counts.dtype} of shape {counts.shape}")
    return DatasetScore(counts, float(record["loss"]))


_SCORES = ("subset", "validation")


def _check_record(check: Check, place: str, arrays: Arrays) -> dict[str, Any]:
    record = {name: value for name, value in vars(check).items() if name not in _SCORES}
    return record | {
        name: _score_record(getattr(check, name), f"{place}/{name}", arrays) for name in _SCORES
    }


def _read_check(record: dict[str, Any], place: str, arrays: Arrays) -> Check:
    scores = {name: _read_score(record[name], f"{place}/{name}", arrays) for name in _SCORES}
    return Check(**(record | scores))


def _training_record(training: Training, place: str, arrays: Arrays) -> dict[str, Any]:
    record: dict[str, Any] = {
        "provenance": training.provenance,
        "ended": training.ended,
        "checks": [
            _check_record(check, f"{place}/checks/{i}", arrays)
            for i, check in enumerate(training.checks)
        ],
        "scores": {
            name: _score_record(score, f"{place}/scores/{name}", arrays)
            for name, score in training.scores.items()
        },
        "best": None,
        "position": None,
    }
    if training.best is not None:
        check, weights = training.best
        record["best"] = {
            "check": _check_record(check, f"{place}/best", arrays),
            "weights": [
                {"layer": name, "arrays": _put(values, f"{place}/best/weights/{i}", arrays)}
                for i, (name, values) in enumerate(weights.items())
            ],
        }
    if training.position is not None:
        record["position"] = _position_record(training.position, f"{place}/engine", arrays)
    return record


def _read_training(record: dict[str, Any], place: str, arrays: Arrays) -> Training:
    best = None
    if record["best"] is not None:
        weights = {
            layer["layer"]: _take(layer["arrays"], f"{place}/best/weights/{i}", arrays)
            for i, layer in enumerate(record["best"]["weights"])
        }
        best = _read_check(record["best"]["check"], f"{place}/best", arrays), weights
    position = None
    if record["position"] is not None:
        position = _read_position(record["position"], f"{place}/engine", arrays)
    return Training(
        provenance=_texts(record["provenance"]),
        checks=[
            _read_check(check, f"{place}/checks/{i}", arrays)
            for i, check in enumerate(record["checks"])
        ],
        best=best,
        position=position,
        ended=str(record["ended"]),
        scores={
            name: _read_score(score, f"{place}/scores/{name}", arrays)
            for name, score in record["scores"].items()
        },
    )


def _position_record(position: Position, place: str, arrays: Arrays) -> dict[str, Any]:
    engine = position.engine
    return {
        **{name: value for name, value in vars(position).items() if name != "engine"},
        "engine": {
            "variables": {
                name: _put(values, f"{place}/{name}", arrays)
                for name, values in engine.variables.items()
            },
            "accumulated": [
                {"subsequences": n, "gradients": _put(values, f"{place}/gradients/{i}", arrays)}
                for i, (n, values) in enumerate(engine.accumulated)
            ],
        },
    }


def _read_position(record: dict[str, Any], place: str, arrays: Arrays) -> Position:
    engine = record["engine"]
    state = EngineState(
        {name: _take(n, f"{place}/{name}", arrays) for name, n in engine["variables"].items()},
        [
            (
                int(batch["subsequences"]),
                _take(batch["gradients"], f"{place}/gradients/{i}", arrays),
            )
            for i, batch in enumerate(engine["accumulated"])
        ],
    )
    losses = tuple((int(n), float(loss)) for n, loss in record["losses"])
    best = None if record["best"] is None else tuple(map(float, record["best"]))
    return Position(**(record | {"engine": state, "losses": losses, "best": best}))


def _texts(record: dict[str, Any]) -> dict[str, str]:
    return {str(key): str(text) for key, text in record.items()}


def _put(values: list[np.ndarray], place: str, arrays: Arrays) -> int:
    """Put arrays under a common name; how many they are."""
    arrays |= {f"{place}/{i}": array for i, array in enumerate(values)}
    return len(values)


def _take(count: int, place: str, arrays: Arrays) -> list[np.ndarray]:
    return [arrays[f"{place}/{i}"] for i in range(count)]
