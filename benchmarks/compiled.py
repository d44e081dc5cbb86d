"""What XLA makes of training and prediction for an H100, without one: kernels and memory.

    pip install ".[jax,aot,test]"
    python benchmarks/compiled.py

prints the table of docs/devices.md. It takes some minutes, no GPU and no CUDA library.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from helixer_ft.settings import PRECISIONS
from tests.compiled.h100 import PROGRAMS, Compiler, full_size, small

TITLES = {
    "gradients": "gradients of a batch",
    "apply": "update of the weights",
    "score": "scores of a batch",
    "forward": "prediction of a batch",
}
Record = dict[str, Any]


def main() -> None:
    """Compile, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", default=",".join(PROGRAMS), help="Some of these.")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="Some of these.")
    parser.add_argument("--devices", default="1,4", help="Numbers of GPUs.")
    parser.add_argument("--batch-size", type=int, default=8, help="On all GPUs together.")
    parser.add_argument("--small", action="store_true", help="A tiny network of the same shape.")
    parser.add_argument("--json", action="store_true", help="Everything, one program per line.")
    args = parser.parse_args()
    records = []
    for devices in map(int, args.devices.split(",")):
        for precision in args.precisions.split(","):
            compiler = Compiler(
                small() if args.small else full_size(),
                precision=precision,
                devices=devices,
                batch_size=args.batch_size,
            )
            for name in args.programs.split(","):
                record = {"program": name, "precision": precision, "devices": devices}
                record |= compiler.compile(name).figures()
                records.append(record)
                if args.json:
                    print(json.dumps(record), flush=True)
    if not args.json:
        print(table(records))


def table(records: list[Record]) -> str:
    """Markdown; memory is that of one GPU."""
    rows = [
        "| program | precision | GPUs | kernels | temporaries | arguments | results |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for record in sorted(records, key=lambda record: PROGRAMS.index(record["program"])):
        memory = (_size(record[kind]) for kind in ("temporaries", "arguments", "results"))
        cells = (TITLES[record["program"]], f"`{record['precision']}`", str(record["devices"]))
        rows.append("| " + " | ".join([*cells, f"{record['kernels']:,}", *memory]) + " |")
    return "\n".join(rows)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB"


if __name__ == "__main__":
    main()
