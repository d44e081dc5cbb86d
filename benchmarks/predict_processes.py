"""Measures `predict` in two processes of one core each against one process of one core.

Usage: `python benchmarks/predict_processes.py --model M --fasta F --out PAGE.md`

Both run in turns (A B A B), start-up included; the predictions must be the same to the bit. Where
other work is under way on the machine, seconds of the clock say little: the table has the seconds
of CPU time too, of that process which takes most. It is written into PAGE.md.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

import h5py
import numpy as np
from page import machine, write_section


@dataclass(frozen=True)
class Run:
    """Seconds by the clock, and CPU seconds of each process."""

    clock: float
    cpu: list[float]


def main() -> None:
    """Measure, and write the table."""
    args = parse_arguments()
    runs: dict[int, list[Run]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        outputs = {count: Path(name) / f"{count}.h5" for count in runs}
        for _ in range(args.repeats):
            for count, done in runs.items():
                print(f"{count} process(es)", file=sys.stderr)
                done.append(run(args, count, outputs[count]))
        check_same(*outputs.values())
    write_section(args.out, "predict_processes.py", render(runs, args))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, text in {
        "model": "a trained model", "fasta": "a genome", "out": "page to write the table into",
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=Path, required=True, help=text)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default 3)")
    args = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two cores are needed")
    return args


def run(args: argparse.Namespace, count: int, out: Path) -> Run:
    """So many processes, each on a core of its own."""
    cores = sorted(os.sched_getaffinity(0))[:count]
    command = [sys.executable, "-m", "helixer_ft", "predict", "--backend", "jax", "-q", "--force"]
    command += ["-l", args.model, "--fasta", args.fasta, "-p", out]
    if count > 1:
        command += ["--coordinator", f"localhost:{free_port()}", "--num-processes", str(count)]
    started = time.perf_counter()
    processes = [
        subprocess.Popen(
            ["taskset", "-c", str(core), *command]
            + (["--process-id", str(index)] if count > 1 else []),
            env=os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"},
        )
        for index, core in enumerate(cores)
    ]
    cpu = []
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu.append(usage.ru_utime + usage.ru_stime)
    if any(process.returncode for process in processes):
        sys.exit(f"Error: {' '.join(map(str, command))} failed")
    return Run(time.perf_counter() - started, cpu)


def free_port() -> int:
    """One that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def check_same(one: Path, other: Path) -> None:
    """End where a value differs."""
    with h5py.File(one) as a, h5py.File(other) as b:
        for name in a:
            if not np.array_equal(a[name][:], b[name][:]):
                sys.exit(f"Error: {name} differ")


def render(runs: dict[int, list[Run]], args: argparse.Namespace) -> str:
    """The section: how it was measured, and the table."""
    here, lines = machine(), []
    clock = {count: median(one.clock for one in done) for count, done in runs.items()}
    cpu = {count: median(max(one.cpu) for one in done) for count, done in runs.items()}
    for count in runs:
        cells = [f"{clock[count]:.0f}", f"{clock[1] / clock[count]:.2f}×"]
        cells += [f"{cpu[count]:.0f}", f"{cpu[1] / cpu[count]:.2f}×"]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    repeats = f"medians of {args.repeats} runs" if args.repeats > 1 else "one run"
    return "\n".join([
        f"Measured on {date.today()} with {here['cores']} cores of {here['processor']}, one for "
        f"each process: helixer-ft {version('helixer-ft')}; {repeats} of each in turns, start-up "
        "included; the same predictions to the bit.",
        "",
        f"```bash\npython benchmarks/predict_processes.py --model {args.model.name} --fasta "
        f"{args.fasta.name} --repeats {args.repeats} --out docs/performance.md\n```",
        "",
        "| processes | seconds | times as fast | CPU seconds of the busiest | times as few |",
        "| --- | --- | --- | --- | --- |",
        *lines,
    ])  # fmt: skip


if __name__ == "__main__":
    main()
