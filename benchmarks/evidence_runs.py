"""Runs of evidence.py: the processes, what is measured of them, and where that is kept."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from evidence_data import SPECIES, count_genes, make_data, reduced, windows_of
from evidence_plan import DATA, PEER, TRIALS, Run
from page import machine
from speed_processes import epoch_starts, helixer_command

from helixer_ft.errors import HelixerFtError
from helixer_ft.settings import TrainingSettings

Record = dict[str, Any]
RECORD = "record.json"
STOPPED = "stopped"
HELIXER_FT = ("-m", "helixer_ft")
TRYING = (Path(__file__).with_name("evidence_trials.py"),)
PEER_PATIENCE = 3
"""As Helixer has it by default."""
MOST_EPOCHS = TrainingSettings.epochs
"""Of the recipe that has Helixer's settings: with as many, Helixer's training is complete too."""


class Failed(Exception):  # noqa: N818
    """A run that did not end well."""


class Store:
    """Records of runs, a file each; of other models, words or sets they count as missing.

    Parameters
    ----------
    work
        The folder that has them.
    models
        Name of a base model -> SHA-256 of its file.
    earlier
        Records that `export` wrote, of which those count that `work` has none of, those of other
        models included.
    """

    def __init__(self, work: Path, models: Mapping[str, str], earlier: Path | None = None) -> None:
        self.work, self.models = work, models
        lines = earlier.read_text().splitlines() if earlier and earlier.exists() else []
        found = [json.loads(line) for line in lines]
        self._earlier = {Run(**record["run"]): record for record in found}

    def path(self, run: Run) -> Path:
        """The file of a run's record."""
        return self.work / "runs" / run.folder / RECORD

    def find(self, run: Run) -> Record | None:
        """A run's record, if it is valid."""
        path = self.path(run)
        own = json.loads(path.read_text()) if path.exists() else None
        return next((r for r in (own, self._earlier.get(run)) if r and self.valid(r)), None)

    def valid(self, record: Record) -> bool:
        """Whether it has the words, model and sets that it would have now."""
        run = Run(**record["run"])
        try:
            words = [list(command) for command in run.words]
        except KeyError:  # of a strategy or a recipe that is gone
            return False
        return (
            record["words"] == words
            and record["model"] == self.models.get(run.model, record["model"])
            and record["data"] == str(SPECIES.get(run.species))
        )

    def keep(self, run: Run, record: Record) -> None:
        """Write a record, complete or not at all."""
        path = self.path(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {
            "run": run.to_dict(), "words": run.words, "model": self.models[run.model],
            "data": str(SPECIES[run.species]),
            "date": date.today().isoformat(), **record,
        }  # fmt: skip
        part = path.with_suffix(".part")
        part.write_text(json.dumps(record, indent=1) + "\n")
        part.replace(path)

    def forget(self, runs: Sequence[Run]) -> None:
        """Remove all that is left of runs."""
        for run in runs:
            self._earlier.pop(run, None)
            shutil.rmtree(self.path(run).parent, ignore_errors=True)

    def records(self) -> list[Record]:
        """All valid records."""
        own = (json.loads(path.read_text()) for path in (self.work / "runs").rglob(RECORD))
        records = self._earlier | {Run(**r["run"]): r for r in own if self.valid(r)}
        valid = {run: record for run, record in records.items() if self.valid(record)}
        return [valid[run] for run in sorted(valid, key=lambda run: run.name)]

    def export(self, path: Path) -> None:
        """Write all valid records, a line of JSON each."""
        path.write_text("".join(json.dumps(record) + "\n" for record in self.records()))


class Processes:
    """Processes that are running, so that they can be stopped."""

    def __init__(self) -> None:
        self.stopped = False
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()

    def stop(self) -> None:
        """Ask all to end, and start no more."""
        self.stopped = True
        with self._lock:
            for process in self._running:
                process.terminate()

    def execute(self, command: Sequence[Any], log: Path) -> tuple[str, list[tuple[float, str]]]:
        """Run a command to its end: its standard output, and its other lines with their seconds.

        Everything but the standard output goes to `log` too.

        Raises
        ------
        Failed
            It did not end with exit status 0, or was stopped.
        """
        variables = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONUNBUFFERED="1")
        for name in ("KERAS_BACKEND", "JAX_COMPILATION_CACHE_DIR"):  # compiling counts
            variables.pop(name, None)
        output = log.with_suffix(".out")
        started, lines = time.monotonic(), []
        with open(log, "ab") as file, open(output, "wb") as out:
            with self._lock:
                if self.stopped:
                    raise Failed(STOPPED)
                process = subprocess.Popen(
                    [str(word) for word in command],
                    stdout=out, stderr=subprocess.PIPE, env=variables, cwd=log.parent,
                    start_new_session=True,  # Ctrl-C reaches it through `stop` alone
                )  # fmt: skip
                self._running.add(process)
            assert process.stderr is not None
            for line in process.stderr:
                file.write(line)
                lines.append((time.monotonic() - started, line.decode(errors="replace").rstrip()))
            process.wait()
            with self._lock:
                self._running.discard(process)
        if self.stopped and process.returncode:
            raise Failed(STOPPED)
        if process.returncode:
            tail = "\n".join(text for _, text in lines[-5:])
            raise Failed(f"exit status {process.returncode} ({log})\n{tail}")
        return output.read_text(errors="replace"), lines


@dataclass(frozen=True)
class Runner:
    """Makes the data of a run, trains, scores.

    Attributes
    ----------
    work
        Folder of the data and of the runs' files.
    genomes
        Folder with one per species.
    models
        Name of a base model -> its file.
    peer
        Helixer's environment; None: not used.
    peer_epochs
        Most epochs of Helixer.
    processes
        What is running.
    quick
        One epoch each.
    """

    work: Path
    genomes: Path
    models: Mapping[str, Path]
    peer: Path | None
    peer_epochs: int
    processes: Processes
    quick: bool = False
    _lock: Lock = field(default_factory=Lock)

    def run(self, run: Run) -> Record:
        """One run to its end.

        Raises
        ------
        Failed
            The data could not be made, a command failed, or was stopped.
        """
        if self.processes.stopped:
            raise Failed(STOPPED)
        folder = self.work / "runs" / run.folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock:  # data are made once
            try:
                data = self.data(run)
            except (HelixerFtError, SystemExit) as error:
                raise Failed(str(error)) from error
            windows, genes = windows_of(data), count_genes(data)
        train = self.train_helixer if run.strategy in PEER else self.train
        measured = train(run, data, data / "test_data.h5", folder)
        return {
            "windows": windows, "genes": genes, "machine": machine(),
            "versions": {name: version(name) for name in ("helixer-ft", "keras", "jax")},
            "commit": commit(), "measured": measured,
        }  # fmt: skip

    def data(self, run: Run) -> Path:
        """The folder with the run's share of the training windows."""
        name = run.species
        full = make_data(SPECIES[name], self.genomes / name, self.work / "data" / name)
        return full if run.share == 100 else reduced(full, run.share, run.seed)

    def train(self, run: Run, data: Path, test: Path, folder: Path) -> Record:
        """The commands of helixer-ft, one after the other, and what they say."""
        model, outcomes = self.models[run.model], []
        epochs = checks = 0
        for i, words in enumerate(run.words, start=1):
            saved = folder / f"step{i}.h5"
            command = [
                sys.executable, *(TRYING if run.recipe in TRIALS else HELIXER_FT),
                *(data if word == DATA else word for word in words),
                "-l", model, "-d", data, "-t", test,
                "-s", saved, "--backend", "jax", "--json", "--resume", "--force",
                *(["-e", 1] if self.quick else []),
            ]  # fmt: skip
            output, _ = self.processes.execute(command, folder / f"step{i}.log")
            outcome = json.loads(output)
            outcomes.append(outcome)
            history = folder / f"step{i}.run/history.csv"
            epochs += max(int(row["epoch"]) for row in csv.DictReader(history.open()))
            checks += outcome["checks"]
            model = saved
        first, last = outcomes[0], outcomes[-1]
        return {
            "untouched": scores(first["baseline"], first["test"]["baseline"]),
            "tuned": scores(last["best"], last["test"]["tuned"]),
            "seconds": sum(outcome["seconds"] for outcome in outcomes),
            "epochs": epochs, "checks": checks, "best_epoch": last["best"]["epoch"],
            "trainable_parameters": last["trainable_parameters"],
            # that of a later step would compare with the one before
            "verdict": last["verdict"] if len(outcomes) == 1 else None,
            "ended": last["ended"], "extrapolated": False,
        }  # fmt: skip

    def train_helixer(self, run: Run, data: Path, test: Path, folder: Path) -> Record:
        """Helixer's own training; its model is scored if its patience ended it, or all epochs that
        helixer-ft would make are done.
        """
        assert self.peer is not None, "planned with --peer only"
        saved = folder / "step1.h5"
        command = [
            *helixer_command(self.peer, PEER[run.strategy]), "--patience", PEER_PATIENCE,
            "-b", 8, "--val-test-batch-size", 8, "-e", self.peer_epochs,
            "--load-model-path", self.models[run.model], "--data-dir", data,
            "--save-model-path", saved,
        ]  # fmt: skip
        started = time.monotonic()
        output, lines = self.processes.execute(merged_output(command), folder / "step1.log")
        seconds = time.monotonic() - started
        starts = epoch_starts(lines)
        epochs = len(starts)
        ended = epochs < self.peer_epochs
        cut_short = not ended and self.peer_epochs < MOST_EPOCHS
        record = {
            "untouched": None, "tuned": None, "seconds": seconds, "epochs": epochs,
            "checks": epochs, "best_epoch": None, "verdict": None,
            "epoch_seconds": float(np.mean(np.diff([*starts, seconds]))),
            "ended": "patience" if ended else "cut short" if cut_short else "epochs",
            "extrapolated": cut_short,
        }  # fmt: skip
        if cut_short:
            return record
        sets = {"validation": data / "validation_data.h5", "test": test}
        for name, model in (("untouched", self.models[run.model]), ("tuned", saved)):
            command = [
                sys.executable, "-m", "helixer_ft", "evaluate", "-l", model, "--json",
                "--backend", "jax", *(word for path in sets.values() for word in ("-t", path)),
            ]  # fmt: skip
            output, _ = self.processes.execute(command, folder / "evaluate.log")
            found = {Path(one["data"]).name: one["genic"] for one in json.loads(output)["models"]}
            record[name] = scores(*(found[path.name] for path in sets.values()))
        return record


def merged_output(command: Sequence[Any]) -> list[Any]:
    """The command with its standard output among its errors, in the order they come."""
    return ["/bin/sh", "-c", 'exec "$@" >&2', "sh", *command]


def scores(validation: Record, test: Record) -> Record:
    """What is kept of a model's scores on both sets."""
    return {
        "validation": {"genic_f1": validation["genic_f1"]},
        "test": {"genic_f1": test["genic_f1"], "wrong": wrong_share(test)},
    }


def wrong_share(score: Record) -> float:
    """Share of the bases that are called wrong."""
    matrix = np.array(score.get("genic_confusion_matrix", score.get("confusion_matrix")))
    return float(1 - np.trace(matrix) / matrix.sum())


def commit() -> str:
    """The commit of the code, where there is one."""
    command = ["git", "-C", Path(__file__).parent, "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
