"""Runs a case, and says what is wrong with how the command took it."""

import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.bad_files.kinds import Kind
from tests.bad_files.sound import Case, arguments_of

SECONDS = 300
"""For one command, on a machine that does other things too."""
TUNED = "tuned.h5"
"""What training writes, where the last bit of a weight may differ from run to run."""
MEMORY = 2 * 2**30
"""Bytes that a command may take beyond what it takes with sound files."""
_VOLATILE = {
    "seconds", "check_seconds", "bases_per_second", "val_test_batch_size", "estimate",
    "command_line", "versions", "path", "sha256",
}  # fmt: skip
"""Keys of the JSON that differ from run to run."""
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of `ru_maxrss`."""


@dataclass(frozen=True)
class Ran:
    """How a command went: exit status, both outputs, largest memory in bytes."""

    status: int
    stdout: str
    stderr: str
    memory: int

    def result(self, folder: Path) -> Any:
        """What it printed as JSON, without what differs from run to run, and what it wrote."""
        written = {
            str(path.relative_to(folder)): _datasets(path)
            for path in sorted((folder / "out").rglob("*.h5"))
            if path.name != TUNED
        }
        return _stable(json.loads(self.stdout)), written


Runner = Callable[[list[str], Path], Ran]


def run_program(arguments: list[str], folder: Path) -> Ran:
    """The real command line, in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    process = subprocess.run(
        [sys.executable, "-c", _MEASURED, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Ran(process.returncode, process.stdout, process.stderr, max(before, after) * RSS_UNIT)


_MEASURED = "import sys; from helixer_ft.cli import main; main(prog_name='helixer-ft')"


def problems(
    case: Case, sound: Path, folder: Path, run: Runner, normal: Callable[[], tuple[Ran, Any]]
) -> list[str]:
    """Mutate, run, judge; an empty list is as it should be.

    Parameters
    ----------
    case
        What to do.
    sound, folder
        The sound files, and where to copy them to.
    run
        How to run a command.
    normal
        Gives the same command's run with the sound files, and its result, to compare with.
    """
    shutil.copytree(sound, folder, symlinks=True)
    path = folder / case.file
    kind = case.mutation(path, random.Random(case.seed))
    before = _content(folder)
    ran = run(arguments_of(case.command), folder)
    found = []
    if "Traceback" in ran.stderr or "fault of helixer-ft" in ran.stderr:
        found.append("ends in a traceback")
    if any(ord(letter) < 32 and letter != "\n" for letter in ran.stderr):
        found.append("sends control characters")
    if ran.memory > MEMORY and ran.memory > normal()[0].memory + MEMORY:
        found.append(f"takes {ran.memory:,} bytes, with sound files {normal()[0].memory:,}")
    if ran.status == 0:
        same = ran.result(folder) == normal()[1]
        found += [] if same else _other_result(case, kind, sound / case.file, path)
    else:
        found += _refusal(case, kind, ran)
        if _content(folder) != before:
            found.append("leaves something behind")
    return [f"{text}; exit status {ran.status}; {ran.stderr[-2000:]}" for text in found]


def _other_result(case: Case, kind: Kind, sound: Path, mutated: Path) -> list[str]:
    """What is wrong with another result than that of the sound file."""
    if case.command.startswith("inspect") and kind is not Kind.HARMLESS:
        return []  # what a file says is the result
    if kind is Kind.BROKEN:
        return ["takes a broken file and gives another result"]
    if kind is Kind.HARMLESS:
        return ["gives another result for the same content"]
    there, was = content_of(mutated), content_of(sound)
    return [] if there and there != was else ["gives another result for the same content"]


def _refusal(case: Case, kind: Kind, ran: Ran) -> list[str]:
    found = []
    if ran.status not in (1, 2):
        found.append("ends otherwise than documented")
    if kind is Kind.HARMLESS:
        found.append("refuses a sound file")
    if ran.stdout:
        found.append("prints a result")
    named = Path(case.file).name in ran.stderr
    if kind is Kind.BROKEN and not named and case.command != "--config":  # an option may be named
        found.append("does not name the file")
    if "Error: " not in ran.stderr:
        found.append("gives no message")
    return found


def content_of(path: Path) -> bytes | None:
    """Digest of what is in a file as others read it; None where it cannot be read as a whole."""
    program = [sys.executable, str(Path(__file__).with_name("content.py")), str(path)]
    done = subprocess.run(program, capture_output=True, timeout=SECONDS, check=False)
    return done.stdout if done.returncode == 0 else None


def _datasets(path: Path) -> dict[str, str]:
    with h5py.File(path, "r") as file:
        found: dict[str, str] = {}

        def note(name: str, node: Any) -> None:
            if isinstance(node, h5py.Dataset):
                values = np.asarray(node[()])
                text = repr(values.tolist()) if values.dtype.hasobject else values.tobytes().hex()
                found[name] = hashlib.sha256(text.encode()).hexdigest()

        # of data that get coverage all the rest is copied as it is
        file.get("evaluation", file).visititems(note)
    return found


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stable(item) for key, item in value.items() if key not in _VOLATILE}
    return [_stable(item) for item in value] if isinstance(value, list) else value


def _content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else None
        for path in folder.rglob("*")
    }
