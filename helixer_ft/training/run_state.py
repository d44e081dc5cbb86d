"""The state of a run, from which it resumes after an interruption: `state/` in the run folder."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.origin import differing
from helixer_ft.runtime.backend import FLOAT_TOLERANCE, versions
from helixer_ft.settings import option
from helixer_ft.training.adapted_base import batchnorm_origin
from helixer_ft.training.data_checks import SetSummary
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check
from helixer_ft.training.loop import Position
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.state_record import read_record, write_record

FORMAT = 5
_FREE = {
    "load_model_path",
    "data_dir",
    "test_data",
    "save_model_path",
    "batchnorm_from",
    "cache_dir",
    "keep_cache",
    "val_test_batch_size",
    "checkpoint_minutes",
    "skip_device_check",
    "mix_label_sources",
}
"""Options that may differ when a run is resumed; model and data are compared by content."""
_VERSIONS = ("helixer_ft", "keras", "backend", "numpy")
"""Versions that may not: other arithmetic, or another order of the data, is another result."""


@dataclass(frozen=True)
class LayerArrays:
    """The weights of a layer."""

    layer: str
    arrays: list[np.ndarray]


@dataclass(frozen=True)
class Best:
    """The model that a training keeps.

    Attributes
    ----------
    check
        The best check, with its windows; its scores are those of `weights`.
    weights
        Of the layers that training changed; the others are as they were before it.
    share
        How much of the way from the untouched model's weights to the check's they are; below 1
        only after training ended.
    """

    check: Check
    weights: list[LayerArrays]
    share: float = 1.0


@dataclass
class Training:
    """One training of a run (with --input-coverage there are two), as far as it went.

    Attributes
    ----------
    name
        Distinguishes it from the other training of the run.
    provenance
        What its models say about themselves.
    checks
        Those done, without their windows.
    best
        The best of them; None before the first.
    position
        How far it is.
    ended
        Why it ended; empty while it continues, and until its best model is scored.
    scores
        Scores of that model: `test`, where there are test data.
    """

    name: str
    provenance: dict[str, str]
    checks: list[Check] = field(default_factory=list)
    best: Best | None = None
    position: Position | None = None
    ended: str = ""
    scores: dict[str, DatasetScore] = field(default_factory=dict)


@dataclass
class RunState:
    """How far a run is, kept in a file until it is complete.

    Attributes
    ----------
    path
        The file.
    origin
        Options, model, versions and data that the result follows from.
    provenance
        What its models say about the run: as it was started.
    baseline
        Scores of the untouched model by set: `training` (the fixed subset), `validation`, `test`.
    trainings
        By name; the current one, or the one that ended last, comes last.
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
        """Start to count the time."""
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
        values = vars(self) | {"trainings": list(self.trainings.values())}
        write_record(self.path, FORMAT, _STORED, values)

    def set_determinism(self, present: str) -> None:
        """How alike runs are that are computed as this one is from now on: where that was otherwise
        before, its models promise nothing more than float tolerance.
        """
        for said in (self.provenance, *(one.provenance for one in self.trainings.values())):
            if said["determinism"] != present:
                said["determinism"] = FLOAT_TOLERANCE

    def remove(self) -> None:
        """The run is complete."""
        if not self.writes:
            return
        shutil.rmtree(self.path.parent, ignore_errors=True)


_STORED: dict[str, Any] = {
    "origin": dict[str, Any],
    "provenance": dict[str, str],
    "seconds": float,
    "baseline": dict[str, DatasetScore],
    "trainings": list[Training],
}
"""What of a `RunState` is written, and as what."""


def read_run_state(path: Path) -> RunState:
    """Read the state of an interrupted run.

    Raises
    ------
    InputError
        A damaged file, or one of another version.
    """
    values = read_record(path, FORMAT, _STORED)
    values["trainings"] = {training.name: training for training in values["trainings"]}
    return RunState(path, **values)


# -- what a run follows from -------------------------------------------------------------------


def settings_origin(request: FineTuneRequest, model_sha256: str) -> dict[str, Any]:
    """What the result follows from, data aside: JSON values by name."""
    options = request.options()
    used = versions()
    return {
        "command": request.strategy.command,
        **batchnorm_origin(request),
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
    """Refuse to resume a run that had other options, data or versions.

    Parameters
    ----------
    state
        The interrupted run.
    names
        Which entries of its origin are compared.
    present
        Their present values.

    Raises
    ------
    InputError
        Names each difference.
    """
    found = differing(state.origin, present, sorted(names | present.keys()))
    if found:
        raise InputError(
            f"{state.path.parent.parent}: the interrupted run was started with different "
            f"settings: {differences_text(found)}. To resume it, give the "
            "same options and data; otherwise give another --save-model-path, or --force instead "
            "of --resume to delete it and start again."
        )


def differences_text(found: Sequence[tuple[str, Any, Any]]) -> str:
    """What `differing` found, in words."""
    return "; ".join(_difference(*one) for one in found)


def _difference(name: str, before: Any, now: Any) -> str:
    if name.endswith(" data"):
        if now is None or before is None:
            return f"{name} {'are missing now' if now is None else 'were not given then'}"
        return f"{name} have changed"
    if name.startswith("model"):
        return f"the {name} (-l) has changed (SHA-256 {before}, now {now})"
    return f"{name} was {_text(before)}, now {_text(now)}"


def _text(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
