"""Commands that are killed, or whose disk fills, and what must be left and come of it.

Every run of a scenario has a folder of its own with the same names in it, in which the command
works with relative paths: all folders must come to hold the same in the end.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

# The command kills itself at the n-th of the events that touch files of its folder; 0: never.
# The number of all that there were is left in a file outside.
KILLED_AT_EVENT = """
import atexit, os, signal, sys
from pathlib import Path

folder, moment, counter = os.getcwd(), int(sys.argv[1]), sys.argv[2]
events = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
count = 0

def hook(name, arguments):
    global count
    if name not in events:
        return
    paths = [os.path.abspath(os.fsdecode(a)) for a in arguments if isinstance(a, (str, bytes))]
    if any(path.startswith(folder + os.sep) for path in paths):
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

process = os.getpid()
atexit.register(lambda: os.getpid() == process and Path(counter).write_text(str(count)))
sys.argv[:3] = ["helixer-ft"]
from helixer_ft.cli import main
sys.addaudithook(hook)
main()
"""
VOLATILE = {"timestamp", "helixer_ft_command_line"}
"""Attributes that tell of a run rather than of its result."""


@dataclass(frozen=True)
class Scenario:
    """A command and what it works on.

    Attributes
    ----------
    name
        Of the scenario.
    arguments
        Of helixer-ft, paths relative to the folder.
    make
        Fills a folder with what the command reads.
    again
        What to add to the command where it was interrupted.
    grows
        Files that are whole at any time, and others at the end.
    """

    name: str
    arguments: tuple[str, ...]
    make: Callable[[Path], None]
    again: str
    grows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run: what it came to, and how long it took.

    Attributes
    ----------
    scenario, inputs
        What was run, on the files of which folder.
    content
        See `content`.
    seconds, begun
        Of the run, and until the first file of its own was there.
    events
        Number of times that a file was opened, renamed, ...
    """

    scenario: Scenario
    inputs: Path
    content: dict[str, Any]
    seconds: float
    begun: float
    events: int


def environment(folder: Path) -> dict[str, str]:
    """Children import the package that the tests do, and share what they compile with none but the
    uninterrupted run.
    """
    root, cache = str(Path(__file__).parents[2]), str(folder.with_name("compiled"))
    return {**os.environ, "PYTHONPATH": root, "JAX_COMPILATION_CACHE_DIR": cache}


def start(folder: Path, arguments: list[str], *, event: int = 0) -> subprocess.Popen[str]:
    """The command as a process of its own group, in a folder."""
    counter = folder.with_name(f"{folder.name}.events")
    return subprocess.Popen(
        [sys.executable, "-c", KILLED_AT_EVENT, str(event), str(counter), *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """The command to its end."""
    with start(folder, arguments) as process:
        output, error = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, output, error)


def content(folder: Path) -> dict[str, Any]:
    """All that is in a folder; HDF5 by attributes and values, as its bytes may differ."""
    return {
        str(path.relative_to(folder)): _of_file(path, folder) if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def _of_file(path: Path, folder: Path) -> Any:
    if path.suffix == ".toml":  # of absolute paths
        return path.read_text().replace(str(folder), "FOLDER")
    if path.suffix == ".json":
        values = json.loads(path.read_text())
        values.pop("command_line", None)
        return values
    if path.suffix == ".html":
        text = path.read_text().replace(str(folder), "FOLDER")
        text = re.sub("<dt>Time</dt><dd>[^<]*| --resume", "", text)
        return re.sub("SHA-256 <code>[^<]*", "", text)  # the command and time in the model differ
    if path.suffix != ".h5" or ".partial" in str(path):  # which may be half-written
        return path.read_bytes()
    found: dict[str, Any] = {}

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        attributes = {key: str(value) for key, value in node.attrs.items() if key not in VOLATILE}
        values = None
        if isinstance(node, h5py.Dataset):
            values = (
                str(node.dtype),
                node.shape,
                node[()].tolist() if node.dtype.kind == "O" else (node[()].tobytes()),
            )
        found[name] = attributes, values

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    return found


def uninterrupted(scenario: Scenario, parent: Path) -> Whole:
    """Make what a scenario reads, and run it once."""
    inputs, folder = parent / "inputs", parent / "whole"
    inputs.mkdir()
    scenario.make(inputs)
    shutil.copytree(inputs, folder)
    given = set(folder.rglob("*"))
    started = time.monotonic()
    begun = None
    process = start(folder, list(scenario.arguments))
    while process.poll() is None:
        if begun is None and set(folder.rglob("*")) - given:
            begun = time.monotonic() - started
        time.sleep(0.01)
    error = process.communicate(timeout=300)[1]
    assert process.returncode == 0, error
    return Whole(
        scenario=scenario,
        inputs=inputs,
        content=content(folder),
        seconds=time.monotonic() - started,
        begun=begun or 0.0,
        events=int((parent / "whole.events").read_text()),
    )


def killed_at_event(whole: Whole, folder: Path, event: int) -> bool:
    """Kill the command at its n-th event; whether it was."""
    shutil.copytree(whole.inputs, folder)
    process = start(folder, list(whole.scenario.arguments), event=event)
    error = process.communicate(timeout=300)[1]
    assert process.returncode in (0, -signal.SIGKILL), error
    return process.returncode != 0


def killed_at_time(whole: Whole, folder: Path, share: float) -> bool:
    """Kill the command's processes after a share of the time in which it writes files.

    A share below 0 is one of the time before.
    """
    shutil.copytree(whole.inputs, folder)
    given = set(folder.rglob("*"))
    process = start(folder, list(whole.scenario.arguments))
    if share < 0:
        time.sleep(-share * whole.begun)
    else:
        while process.poll() is None and not set(folder.rglob("*")) - given:
            time.sleep(0.005)
        time.sleep(share * (whole.seconds - whole.begun))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    error = process.communicate(timeout=300)[1]
    assert process.returncode in (0, -signal.SIGKILL), error
    return process.returncode != 0


def check_recovers(whole: Whole, folder: Path) -> None:
    """What a killed command left: no file is half there, and the next call completes the work."""
    left = content(folder)
    before = content(whole.inputs)
    for name, found in left.items():
        if name.endswith(".h5") and ".partial" not in name and name not in whole.scenario.grows:
            known = whole.content.get(name), before.get(name)
            assert found in known, f"{name} is neither as it was nor as it will be"
    again = [*whole.scenario.arguments, whole.scenario.again]
    result = run(folder, again)
    if result.returncode:
        # complete, so that there was nothing to go on with
        assert result.returncode == 2, result.stderr
        assert "exists already" in result.stderr or "complete run" in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    found = content(folder)
    assert found.keys() == whole.content.keys()
    for name, value in found.items():
        assert value == whole.content[name], f"{name} is not what the uninterrupted run wrote"


def moments(seed: int, count: int) -> list[float]:
    """Shares of the time for `killed_at_time`, one in six of them before any file is written."""
    generator = random.Random(seed)
    return [generator.uniform(-0.2, 1.0) for _ in range(count)]
