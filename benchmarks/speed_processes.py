"""Processes that speed.py measures: running them, the commands, and reading their output."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed_options import HELIXER, Record


@dataclass(frozen=True)
class Finished:
    """A process that ended well: seconds, peak resident memory in bytes, lines with their time."""

    seconds: float
    peak: int
    lines: list[tuple[float, str]]

    def record(self) -> Record:
        """What every measurement of a process has."""
        return {"wall": self.seconds, "peak": self.peak}


def run_process(command: list[Any], backend: str, folder: Path) -> Finished:
    """Run a process to its end in a folder, with the time at which each line came."""
    variables = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONUNBUFFERED="1")
    for name in ("KERAS_BACKEND", "JAX_COMPILATION_CACHE_DIR"):  # compiling counts
        variables.pop(name, None)
    if backend != HELIXER:
        variables["KERAS_BACKEND"] = backend
    started = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables, cwd=folder,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        timed_lines = [(time.monotonic() - started, line) for line in process.stdout]
    except BaseException:  # Ctrl-C: nothing stays behind
        process.kill()
        raise
    lines = [(at, line.decode(errors="replace").rstrip()) for at, line in timed_lines]
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = "\n".join(text for _, text in lines[-20:])
        sys.exit(f"Error: exit status {process.returncode} of {command}\n{tail}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Finished(seconds, usage.ru_maxrss * unit, lines)


def helixer_command(peer: Path, strategy: str) -> list[Any]:
    """Helixer's own fine-tuning, with the weights that helixer-ft has by default."""
    command = [
        peer / "bin/python", peer / "bin/HybridModel.py", "-v", "--resume-training",
        "--class-weights", "[0.7, 1.6, 1.2, 1.2]",
        "--transition-weights", "[1, 12, 3, 1, 12, 3]", "--patience", 1000,
    ]  # fmt: skip
    return command if strategy == "whole" else [*command, "--fine-tune"]


def our_command(backend: str, strategy: str) -> list[Any]:
    """The same of helixer-ft."""
    subcommand = "whole" if strategy == "whole" else "freeze"
    hidden = ["--post-coverage-hidden-layer"] if strategy == "hidden" else []
    command = [sys.executable, "-m", "helixer_ft", subcommand, *hidden]
    return [*command, "--backend", backend, "--json", "--recipe", "helixer", "--patience", 100_000]


def epoch_starts(lines: list[tuple[float, str]]) -> list[float]:
    """Seconds at which Keras said that an epoch began."""
    return [seconds for seconds, text in lines if re.search(r"(^|[\b\r])Epoch \d+/\d+$", text)]


def check_seconds(lines: list[tuple[float, str]]) -> list[float]:
    """Seconds at the end of each epoch since training began, from what `--json` printed."""
    texts = [text for _, text in lines]
    outcome = json.loads("\n".join(texts[texts.index("{") : texts.index("}") + 1]))
    return list(outcome["check_seconds"])
