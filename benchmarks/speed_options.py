"""The command line of speed.py, and the names of what it measures."""

import argparse
from pathlib import Path
from typing import Any

GROUPS = ("steps", "commands", "memory", "pipeline", "peak")
STRATEGIES = {
    "whole": "whole network",
    "freeze": "freeze, new head",
    "hidden": "freeze, hidden layer",
}
FORWARD = "forward"
HELIXER = "helixer"
NAMES = {HELIXER: "Helixer", "jax": "helixer-ft, JAX", "tensorflow": "helixer-ft, TensorFlow"}
SOURCES = {
    "kept_rows": "helixer-ft, decoded windows kept",
    "decoded_rows": "helixer-ft, decoding each time",
    "plain_files": "the .h5 files with h5py, nothing decoded",
}
"""Drivers of the group `pipeline`, and their names in the page."""
QUICK = {
    "steps": 1, "repeats": 1, "epochs": "2,3", "peer_epochs": 2, "whole_windows": 4, "scale": 2
}  # fmt: skip
LOCAL = ("peer", "model", "data", "out", "from_json", "only", "again", "quick")
"""Options that are no settings of the measurements: paths, and what to do."""
WHOLE_EPOCHS = 1
"""Epochs of `whole`, slow as it is; more are extrapolated."""
MEMORY_EPOCHS = 2
MATMUL = 2048
"""Rows and columns of the matrices that are multiplied for the machine's peak."""
Record = dict[str, Any]


def parse_arguments() -> argparse.Namespace:
    """The command line; every path absolute."""
    parser = make_parser()
    args = parser.parse_args()
    if args.quick:
        parser.set_defaults(**QUICK)
        args = parser.parse_args()
    if not args.from_json and not (args.model and args.data):
        parser.error("--model and --data are needed, or --from-json")
    if unknown := set(args.only.split(",")) - set(GROUPS):
        parser.error(f"--only: {', '.join(unknown)}: expected some of {','.join(GROUPS)}")
    if unknown := set(args.backends.split(",")) - (NAMES.keys() - {HELIXER}):
        parser.error(f"--backends: {', '.join(unknown)}: expected jax, tensorflow or both")
    args.model = [path.resolve() for path in args.model or []]
    for name in ("peer", "data", "out", "from_json"):
        if getattr(args, name):
            setattr(args, name, getattr(args, name).resolve())
    for path in (args.peer, args.data, args.from_json, *args.model):
        if path and not path.exists():
            parser.error(f"{path}: no such file or folder")
    return args


def make_parser() -> argparse.ArgumentParser:
    """Options and their defaults."""
    parser = argparse.ArgumentParser(
        description="Measures time and memory of helixer-ft beside Helixer."
    )

    def add(name: str, default: Any, text: str) -> None:
        parser.add_argument(
            f"--{name}", type=type(default), default=default, help=f"{text} (default %(default)s)"
        )

    parser.add_argument("--peer", type=Path, help="environment of Helixer; without: ours alone")
    parser.add_argument(
        "--model", type=Path, action="append",
        help="trained model, repeatable: steps are measured with each, commands with the first, "
        "--scale with the last",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, help="data folder")
    parser.add_argument("--out", type=Path, required=True, help="Markdown page to write into")
    parser.add_argument("--from-json", type=Path, help="write the page anew, measure nothing")
    parser.add_argument("--again", action="store_true", help="take up no earlier figures")
    parser.add_argument("--quick", action="store_true", help="smoke test: the figures mean nothing")
    add("only", ",".join(GROUPS), "groups to measure")
    add("backends", "jax,tensorflow", "of helixer-ft; the first one in single comparisons")
    add("batch-size", 4, "windows per training step")
    add("score-batch-size", 8, "windows per scoring step")
    add("repeats", 2, "times that each measurement is taken")
    add("steps", 5, "timed steps per process")
    add("epochs", "10,50", "epochs of the whole commands")
    add("peer-epochs", 3, "epochs that Helixer runs; more are extrapolated")
    add("whole-windows", 16, "training windows of `whole`; half as many for validation")
    add("scale", 10, "times that the data is repeated to show how memory grows")
    return parser


def own_command(settings: Record) -> str:
    """The command that made the figures, with placeholders for the folders."""
    defaults = vars(make_parser().parse_args(["--out", "docs/performance.md"]))
    words = ["python benchmarks/speed.py --peer HELIXER_ENV"]
    words += [f"--model {name}" for name in settings["models"]]
    words.append("--data DATA_DIR --out docs/performance.md")
    if settings["quick"]:
        words.append("--quick")
        defaults |= QUICK
    words += [
        f"--{name.replace('_', '-')} {value}"
        for name, value in settings.items()
        if name in defaults and name not in LOCAL and value != defaults[name]
    ]
    return " ".join(words)
