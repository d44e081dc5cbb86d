"""The Markdown that speed.py makes of its figures."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, median

import numpy as np
from speed_options import (
    FORWARD,
    HELIXER,
    MATMUL,
    MEMORY_EPOCHS,
    NAMES,
    SOURCES,
    STRATEGIES,
    Record,
    own_command,
)

GIB = 2**30


def render(results: Record) -> str:
    """The section: how it was measured, then a table per group that has figures."""
    figures = Figures(results)
    tables = [
        ("Training steps and forward passes", steps_table(figures)),
        ("Whole commands", commands_table(figures)),
        ("Features on disk, and ten times the data", memory_table(figures)),
        ("Reading the data", pipeline_table(figures)),
        ("Share of what the machine can do", peak_table(figures)),
    ]
    parts = [introduction(results, figures)]
    parts += [f"### {title}\n\n{table}" for title, table in tables if table]
    return "\n\n".join(parts)


class Figures:
    """The records of a file of results, looked up by name without the repeat."""

    def __init__(self, results: Record) -> None:
        self.settings = results["settings"]
        self.repeats: dict[str, list[Record]] = {}
        for name, record in results["records"].items():
            self.repeats.setdefault(name.rpartition("/")[0], []).append(record)
        self.backends = self.settings["backends"].split(",")
        self.contenders = [*self.backends, HELIXER]

    def median(self, name: str, value: Callable[[Record], float]) -> float | None:
        """Median over the repeats; None where there is no record."""
        records = self.repeats.get(name)
        return median(map(value, records)) if records else None

    def spread(self) -> float:
        """Largest ratio of the wall times of one measurement, less one."""
        walls = [
            [record["wall"] for record in records if "wall" in record]
            for records in self.repeats.values()
        ]
        return max((max(seconds) / min(seconds) - 1 for seconds in walls if seconds), default=0.0)


def introduction(results: Record, figures: Figures) -> str:
    """Machine, versions, data, command, and how to read the tables."""
    machine, versions, settings = (results[name] for name in ("machine", "versions", "settings"))
    ours = ", ".join(f"{name} {versions[name]}" for name in ("keras", *figures.backends))
    peer = (
        f"Helixer {versions['Helixer']} (Keras {versions['peer keras']}, TensorFlow "
        f"{versions['peer tensorflow']})"
        if "Helixer" in versions
        else "Helixer was not measured"
    )
    windows = " and ".join(
        f"{n} {kind.removesuffix('_data')}" for kind, n in settings["windows"].items()
    )
    repeats = settings["repeats"]
    taken = (
        f"a figure is the median of {repeats} such runs (wall times of one measurement differ by "
        f"up to {figures.spread():.0%})"
        if repeats > 1
        else "a figure is from a single run"
    )
    lines = [
        f"Measured on {results['date']} with {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory'] / GIB:.0f} GiB of memory: helixer-ft {versions['helixer-ft']} "
        f"({ours}); {peer}. {windows} windows; batches of {settings['batch_size']}, "
        f"{settings['score_batch_size']} in scoring. The command, with your own paths:",
        f"```bash\n{own_command(settings)}\n```",
        f"Both programs run in turns, every measurement in a new process; {taken}. **In brackets: "
        "the figure divided by Helixer's**, so that 0.50 is half the time or memory. **A figure "
        "with ~ is extrapolated**: the measured time, and for each further epoch the mean time of "
        "the measured epochs after the first (of the first if there is no other). Memory is the "
        "peak resident set of the process.",
    ]
    if settings["quick"]:
        lines.insert(0, "**Smoke test (`--quick`): these figures mean nothing.**")
    return "\n\n".join(lines)


def steps_table(figures: Figures) -> str:
    """Seconds per step, windows per second, memory."""
    rows = []
    for model in map(stem, figures.settings["models"]):
        for task in (*STRATEGIES, FORWARD):
            size = "score_batch_size" if task == FORWARD else "batch_size"
            n = figures.settings[size]
            label = STRATEGIES.get(task, f"forward pass, {n} windows")
            peer = f"steps/{model}/{task}/{HELIXER}"
            for contender in figures.contenders:
                name = f"steps/{model}/{task}/{contender}"
                seconds = figures.median(name, step_seconds)
                if seconds is None:
                    continue
                cells = [
                    compared(seconds, figures.median(peer, step_seconds)),
                    number(n / seconds),
                    compared(gib(figures, name), gib(figures, peer)),
                ]
                rows.append([model, label, NAMES[contender], *cells])
    columns = ["model", "step", "program", "seconds per step", "windows/s", "peak memory, GiB"]
    note = "`freeze` as it is without kept features: the body is computed in every step."
    return table(columns, rows, note)


def commands_table(figures: Figures) -> str:
    """Start-up, epochs, whole commands; the comparison with one forward pass."""
    totals = [int(n) for n in figures.settings["epochs"].split(",")]
    rows = []
    for strategy, label in STRATEGIES.items():
        peer = Command.find(figures, "freeze" if strategy == "hidden" else strategy, HELIXER)
        for contender in figures.contenders:
            command = Command.find(figures, strategy, contender)
            if not command.counts:
                continue
            other = peer.cells(totals) if peer.counts else [None] * (4 + len(totals))
            cells = [
                ("~" if extrapolated else "") + compared(value, reference and reference[0])
                for (value, extrapolated), reference in zip(
                    command.cells(totals), other, strict=True
                )
            ]
            rows.append([label, NAMES[contender], *cells])
    columns = [
        "command", "program", "start-up, s", "first epoch, s", "further epoch, s",
        *(f"{n} epochs, s" for n in totals), "peak memory, GiB",
    ]  # fmt: skip
    n = figures.settings["whole_windows"]
    notes = [
        f"Model: {figures.settings['models'][0]}. Start-up is all that is not an epoch; in "
        "helixer-ft it includes the scores of the untouched model and the features of `freeze`, "
        "neither of which Helixer computes. `whole` "
        f"has {n} training and {max(1, n // 2)} validation windows. Helixer has no hidden layer "
        "without coverage: there, the brackets compare with its `--fine-tune`.",
        freeze_against_forward(figures, totals[-1]),
    ]
    return table(columns, rows, "\n\n".join(filter(None, notes)))


@dataclass(frozen=True)
class Command:
    """The runs of one command: number of epochs -> their records."""

    counts: dict[int, list[Record]]

    @classmethod
    def find(cls, figures: Figures, strategy: str, contender: str) -> "Command":
        """Those of a strategy and a program."""
        prefix = f"commands/{strategy}/{contender}/"
        found = figures.repeats.items()
        return cls({int(stem(n)): r for name, r in found if (n := after(prefix, name))})

    def seconds(self, epochs: int) -> tuple[float, bool]:
        """Seconds of the whole command, and whether they are extrapolated."""
        records = self.counts.get(epochs) or self.longest
        return median(extrapolated(record, epochs) for record in records), (
            epochs not in self.counts
        )

    @property
    def longest(self) -> list[Record]:
        """The runs with the most epochs."""
        return self.counts[max(self.counts)]

    def cells(self, totals: list[int]) -> list[tuple[float, bool]]:
        """Start-up, first and further epoch, the totals, GiB: each with whether extrapolated."""
        runs = self.longest
        return [
            (median(record["wall"] - record["epoch_ends"][-1] for record in runs), False),
            (median(record["epoch_ends"][0] for record in runs), False),
            (median(further_epoch(record) for record in runs), False),
            *(self.seconds(n) for n in totals),
            (median(record["peak"] for record in runs) / GIB, False),
        ]


def further_epoch(record: Record) -> float:
    """Mean seconds of the epochs after the first; of the first, where it is the only one."""
    ends = record["epoch_ends"]
    return mean(np.diff(ends).tolist()) if len(ends) > 1 else ends[0]


def extrapolated(record: Record, epochs: int) -> float:
    """Seconds of a command had it run for so many epochs."""
    return record["wall"] + (epochs - len(record["epoch_ends"])) * further_epoch(record)


def freeze_against_forward(figures: Figures, epochs: int) -> str:
    """One sentence: all epochs of `freeze` against one forward pass over the data."""
    settings, backend = figures.settings, figures.backends[0]
    command = Command.find(figures, "freeze", backend)
    step = figures.median(f"steps/{stem(settings['models'][0])}/{FORWARD}/{backend}", step_seconds)
    if step is None or not command.counts:
        return ""
    windows = sum(settings["windows"].values())
    forward = step / settings["score_batch_size"] * windows
    seconds, guess = command.seconds(epochs)
    return (
        f"`freeze` for {epochs} epochs, start to end, takes {'~' if guess else ''}"
        f"{number(seconds)} s ({NAMES[backend]}): {seconds / forward:.2f} times the "
        f"~{number(forward)} s of one forward pass over the {windows} windows."
    )


def memory_table(figures: Figures) -> str:
    """`freeze` with its features on disk."""
    settings, ours = figures.settings, figures.backends[0]
    first, last = settings["models"][0], settings["models"][-1]
    large = f"{settings['scale']}x"
    small_run = "memory/scaled/1x"
    runs = [
        (NAMES[ours], first, f"memory/{ours}", f"memory/{HELIXER}"),
        (NAMES[HELIXER], first, f"memory/{HELIXER}", f"memory/{HELIXER}"),
        (f"{NAMES[ours]}, data once", last, small_run, small_run),
        (
            f"{NAMES[ours]}, data {settings['scale']} times",
            last,
            f"memory/scaled/{large}",
            small_run,
        ),
    ]
    rows = []
    for label, model, name, reference in runs:
        if name not in figures.repeats:
            continue
        values = [
            lambda record: record["wall"],
            lambda record: record.get("cache", 0) / GIB,
            lambda record: record["peak"] / GIB,
        ]
        cells = [
            compared(figures.median(name, value), figures.median(reference, value))
            for value in values
        ]
        rows.append([label, stem(model), *cells])
    columns = ["program", "model", "time, s", "kept on disk, GiB", "peak memory, GiB"]
    note = (
        f"`freeze` for {MEMORY_EPOCHS} epochs with `--cache-dir`: decoded windows and "
        "features are kept on disk. In brackets: divided by Helixer's, and in the last two rows by "
        "those of the data taken once."
    )
    return table(columns, rows, note)


def pipeline_table(figures: Figures) -> str:
    """Windows per second."""
    plain = figures.median("pipeline/plain_files", lambda record: record["rate"])
    rows = []
    for driver, label in SOURCES.items():
        rate = figures.median(f"pipeline/{driver}", lambda record: record["rate"])
        if rate is not None:
            rows.append([label, compared(rate, plain)])
    size = figures.settings["batch_size"]
    note = f"Shuffled batches of {size} windows. In brackets: divided by reading the .h5 files."
    return table(["source", "windows/s"], rows, note)


def peak_table(figures: Figures) -> str:
    """Arithmetic speed of steps against that of matrix products."""
    flops = {
        name: figures.median(f"peak/{name}_peak", lambda record: record["flops"])
        for name in ("numpy", "jax")
    }
    best = max((value for value in flops.values() if value), default=None)
    if best is None:
        return ""
    rows = [
        [f"float32 matrix product, {name}", "", number(value / 1e9), f"{value / best:.0%}"]
        for name, value in flops.items()
        if value
    ]
    for model in map(stem, figures.settings["models"]):
        work = figures.median(f"peak/work/{model}", lambda record: record["multiply_adds"])
        for task, passes, size in (("whole", 3, "batch_size"), (FORWARD, 1, "score_batch_size")):
            for contender in figures.contenders:
                seconds = figures.median(f"steps/{model}/{task}/{contender}", step_seconds)
                if work is None or seconds is None:
                    continue
                speed = 2 * work * passes * figures.settings[size] / seconds
                label = f"{STRATEGIES.get(task, 'forward pass')}, {NAMES[contender]}"
                rows.append([label, model, number(speed / 1e9), f"{speed / best:.0%}"])
    note = (
        f"Matrices of {MATMUL} × {MATMUL}. The work of a step is counted from the layers' shapes "
        "(the multiply-adds of convolutions, LSTMs and dense layers), a training step as three "
        "forward passes."
    )
    return table(["work", "model", "GFlop/s", "share of the machine's peak"], rows, note)


def table(columns: list[str], rows: list[list[str]], note: str) -> str:
    """A Markdown table and what is to be said of it; nothing without rows."""
    if not rows:
        return ""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}"


def compared(value: float | None, reference: float | None) -> str:
    """A figure, and in brackets its ratio to another, two digits of it."""
    if value is None:
        return "–"
    if not reference:
        return number(value)
    ratio = value / reference
    return f"{number(value)} ({ratio:.2f})" if ratio >= 0.1 else f"{number(value)} ({ratio:.2g})"


def number(value: float) -> str:
    """Three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def step_seconds(record: Record) -> float:
    """Median seconds of a step."""
    return median(record["seconds"])


def gib(figures: Figures, name: str) -> float | None:
    """Peak memory in GiB."""
    return figures.median(name, lambda record: record["peak"] / GIB)


def stem(name: str) -> str:
    """A file name without its ending."""
    return name.removesuffix(".h5")


def after(prefix: str, name: str) -> str:
    """What follows a prefix, or nothing."""
    return name.removeprefix(prefix) if name.startswith(prefix) else ""
