"""Processes of one run, started as a user starts them."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


class Group:
    """Processes of one run, started in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *error: object) -> None:
        """None outlives its test."""
        for process in self.processes:
            process.kill()
            process.wait()

    def start(self, *commands: list[str], **environment: str) -> None:
        """One process for each command, with the options that name it."""
        port, count = free_port(), len(commands)
        for i, arguments in enumerate(commands):
            how = ["--coordinator", f"localhost:{port}", "--num-processes", str(count)]
            self.run([*arguments, *how, "--process-id", str(i)], **environment)

    def kill_one(self, victim: int) -> None:
        """Kill one of two; the other one misses it, and ends with a message and status 75."""
        self.processes[victim].kill()
        survivor = 1 - victim
        assert self.processes[survivor].wait(60) == 75
        message = self.err(survivor)
        assert f"Error: process {survivor} (of 2): another process of this run ended" in message
        assert "--resume" in message
        assert "Traceback" not in message

    def run(self, arguments: list[str], code: str = "", **environment: str) -> None:
        """One process; `code` takes the place of `helixer_ft` itself."""
        number = len(self.processes)
        without = {
            key: value
            for key, value in os.environ.items()
            if key not in ("KERAS_BACKEND", "XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")
        }
        cache = self.folder / f"compiled-{number}"  # written to without locks
        self.processes.append(
            subprocess.Popen(
                [sys.executable, *(("-c", code) if code else ("-m", "helixer_ft")), *arguments],
                cwd=self.folder,
                env=without
                | {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(cache)}
                | environment,
                stdout=open(self.folder / f"{number}.out", "w"),  # noqa: SIM115
                stderr=open(self.folder / f"{number}.err", "w"),  # noqa: SIM115
            )
        )

    def out(self, number: int) -> str:
        return (self.folder / f"{number}.out").read_text()

    def err(self, number: int) -> str:
        return (self.folder / f"{number}.err").read_text()

    def wait(self, seconds: float = 900) -> list[int]:
        """Exit statuses."""
        ends = time.monotonic() + seconds
        return [process.wait(max(0.1, ends - time.monotonic())) for process in self.processes]

    def wait_for(self, path: str, seconds: float = 900) -> None:
        """Until the run has written a file."""
        ends = time.monotonic() + seconds
        while not (self.folder / path).exists():
            assert time.monotonic() < ends, self.err(0)
            assert self.processes[0].poll() is None, self.err(0)
            time.sleep(0.1)
