"""The files of a run next to its model: `best_model.h5` has the folder `best_model.run/`."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats import atomic
from helixer_ft.training.history import Check, history_csv

CHECKS, HISTORY, CONFIG = "checks", "history.csv", "config.toml"
STATE = "state"
REPORT = "report.html"
OTHER_MODEL, OTHER_HISTORY = "without_coverage.h5", "without_coverage.csv"
"""The head that is trained without coverage, for comparison."""


_OF_A_RUN = (HISTORY, REPORT, CHECKS, OTHER_MODEL, OTHER_HISTORY)


class RunFolder:
    """Names and writes what a run leaves behind."""

    def __init__(self, save_model_path: Path) -> None:
        self.path = save_model_path.parent / f"{save_model_path.stem}.run"
        self.state_path = self.path / STATE / "state.h5"
        """Where the state is kept until the run is complete."""
        self.report_path = self.path / REPORT
        """Where the page about the run is written."""
        self.without_coverage_path = self.path / OTHER_MODEL
        """Where the model is kept that was tuned without coverage, to compare with."""

    @property
    def is_interrupted(self) -> bool:
        """Whether there is an interrupted run."""
        return self.state_path.exists()

    @property
    def cleared(self) -> list[Path]:
        """Files and folders that a new run removes, or writes anew."""
        return [self.path / name for name in (*_OF_A_RUN, STATE)]

    def check_free(self, *, force: bool = False, resume: bool = False) -> None:
        """Refuse, before any work, a folder of an earlier run."""
        if self.is_interrupted:
            if force or resume:
                return
            raise InputError(
                f"{self.path}: holds an interrupted run. Resume it with --resume, delete it "
                "and start again with --force, or give another --save-model-path."
            )
        if not force and any((self.path / name).exists() for name in _OF_A_RUN):
            found = "holds the files of an earlier run"
            if resume:
                found = "holds the files of a complete run: there is nothing to resume"
            raise InputError(
                f"{self.path}: {found}, which are not overwritten. "
                "Give another --save-model-path, or --force to overwrite them."
            )
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: is a file, expected to make a folder there. Move it.")

    def create(self, command: str, options: dict[str, Any]) -> None:
        """Make the folder, clear it of an earlier run's files, write `config.toml`."""
        try:
            self.path.mkdir(exist_ok=True)
            for path in self.cleared:
                if path.name in (STATE, CHECKS):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise HelixerFtError(
                f"{self.path}: the folder of the run could not be made ({error.strerror})."
            ) from error
        text = tomli_w.dumps({"command": command, **options})
        atomic.write_text(self.path / CONFIG, text, force=True)

    def write_history(self, checks: Sequence[Check], *, with_other_model: bool = False) -> None:
        """Write `history.csv` anew, or that of the model without coverage."""
        path = self.path / (OTHER_HISTORY if with_other_model else HISTORY)
        atomic.write_text(path, history_csv(checks), force=True)

    def remove_checks_after(self, number: int) -> None:
        """Remove models of later checks, which the state of the run does not know of."""
        for path in (self.path / CHECKS).glob("check_*.h5"):
            digits = path.name.split("_")[1]
            if digits.isdigit() and int(digits) > number:
                path.unlink(missing_ok=True)

    def check_model_path(self, check: Check) -> Path:
        """Where the model of a check is kept."""
        folder = self.path / CHECKS
        folder.mkdir(exist_ok=True)
        return folder / f"check_{check.number:04}_epoch_{check.epoch}_batch_{check.batch}.h5"
