"""Measures time and memory of whole commands of helixer-ft beside what Helixer has for the task.

Usage: `python benchmarks/commands.py --peer HELIXER_ENV --out PAGE.md --fasta F --gff3 G --bam B
--model M --data D`

HELIXER_ENV is the environment that Helixer 0.3.9 is installed in. Tasks whose files are not given
are left out: preparing data needs --fasta and --gff3, adding coverage --bam besides, predicting
--model and --data (one labelled file). Both programs get the same files and run in turns
(A B A B), every command in a new process; what they write is gone afterwards. The table is written
into PAGE.md.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

from page import machine, write_section

Command = list[str]
MIB = 2**20
COVERAGE_SCRIPT = "lib/python3*/site-packages/helixer/evaluation/add_ngs_coverage.py"


@dataclass(frozen=True)
class Task:
    """One task: commands of both programs, run one after another in an empty folder."""

    name: str
    ours: list[Command]
    helixers: list[Command]


def main() -> None:
    """Measure every task that files are given for, and write the table."""
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [measure(task, args.repeats, folder) for task in tasks(args, folder)]
    write_section(args.out, "commands.py", render(rows, args))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, text in {
        "peer": "environment of Helixer",
        "out": "page to write the table into",
        "fasta": "a genome",
        "gff3": "its genes",
        "bam": "its RNA-seq alignments, dUTP",
        "model": "a trained model",
        "data": "a data file to predict on",
    }.items():
        parser.add_argument(f"--{name}", type=Path, required=name in ("peer", "out"), help=text)
    parser.add_argument("--bam-times", type=int, default=1, help="repeat the reads so often")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default 3)")
    args = parser.parse_args()
    for name in ("peer", "fasta", "gff3", "bam", "model", "data"):
        path = getattr(args, name)
        if path is not None:
            if not path.exists():
                parser.error(f"{path}: no such file or folder")
            setattr(args, name, path.resolve())
    return args


def tasks(args: argparse.Namespace, folder: Path) -> list[Task]:
    """The tasks that files are given for; compressed ones are unpacked, as GeenuFF wants them."""
    ours, peer = [sys.executable, "-m", "helixer_ft"], str(args.peer / "bin") + "/"
    result = []
    if args.fasta and args.gff3:
        fasta, gff3 = unpacked(args.fasta, folder), unpacked(args.gff3, folder)
        both = ["--fasta", fasta, "--gff3", gff3, "--species", "it"]
        prepare = [*ours, "prepare", "-q", *both, "--no-split", "--out-dir", "out"]
        geenuff = [f"{peer}rare-geenuff-import", *both]
        geenuff += ["--db-path", "it.sqlite3", "--log-file", "it.log"]
        export = [f"{peer}geenuff2h5.py", "--input-db-path", "it.sqlite3"]
        export += ["--h5-output-path", "it.h5", "--no-multiprocess"]
        result.append(Task("preparing data", [prepare], [geenuff, export]))
    if args.fasta and args.gff3 and args.bam:
        data = folder / "labelled"
        bam = str(repeated(args.bam, args.bam_times, folder))
        subprocess.run([*prepare[:-1], str(data)], check=True, stdout=subprocess.DEVNULL)
        take = ["cp", str(data / "it.h5"), "it.h5"]
        add = [*ours, "add-coverage", "-q", "--data", "it.h5", "--bam", bam]
        theirs = [
            f"{peer}python",
            str(next(args.peer.glob(COVERAGE_SCRIPT))),
            "-s",
            "it",
            "--bam",
            bam,
        ]
        theirs += ["--second-read-is-sense-strand", "--h5-data", "it.h5"]
        theirs += ["--dataset-prefix", "rnaseq", "--threads", "1"]
        result.append(
            Task("adding coverage", [take, [*add, "--strandedness", "reverse"]], [take, theirs])
        )
    if args.model and args.data:
        predict = [*ours, "predict", "-q", "-l", str(args.model), "-t", str(args.data)]
        hybrid = [f"{peer}HybridModel.py", "--load-model-path", str(args.model), "--overlap"]
        hybrid += ["--test-data", str(args.data), "--val-test-batch-size", "32"]
        hybrid += ["--prediction-output-path", "p.h5"]
        result.append(Task("predicting with overlap", [[*predict, "-p", "p.h5"]], [hybrid]))
    return result


def unpacked(path: Path, folder: Path) -> str:
    """The file, or a copy of it that is not compressed."""
    if path.suffix != ".gz":
        return str(path)
    copy = folder / path.stem
    with gzip.open(path) as source, open(copy, "wb") as target:
        shutil.copyfileobj(source, target)
    return str(copy)


def repeated(bam: Path, times: int, folder: Path) -> Path:
    """The alignments, each so many times; indexed."""
    if times == 1:
        return bam
    import pysam

    copy = folder / "repeated.bam"
    with (
        pysam.AlignmentFile(bam) as source,
        pysam.AlignmentFile(copy, "wb", template=source) as out,
    ):
        for read in source:
            for _ in range(times):
                out.write(read)
    pysam.index(str(copy))
    return copy


def measure(task: Task, repeats: int, folder: Path) -> list[str]:
    """A row of the table: medians of both programs, and what divides them."""
    figures: dict[str, list[tuple[float, float]]] = {"ours": [], "helixers": []}
    for _ in range(repeats):
        for who, done in figures.items():
            print(f"{task.name}: {who}", file=sys.stderr)
            with tempfile.TemporaryDirectory(dir=folder) as empty:
                runs = [run(command, Path(empty)) for command in getattr(task, who)]
            done.append((sum(seconds for seconds, _ in runs), max(memory for _, memory in runs)))

    def middle(who: str, column: Callable[[tuple[float, float]], float]) -> float:
        return median(map(column, figures[who]))

    (fast, slow), (small, large) = (
        (middle("ours", column), middle("helixers", column))
        for column in (lambda run: run[0], lambda run: run[1])
    )
    cells = [f"{fast:.3g}", f"{slow:.3g}", f"{slow / fast:.1f}×"]
    return [task.name, *cells, f"{small / MIB:,.0f}", f"{large / MIB:,.0f}", f"{small / large:.2f}"]


def run(command: Command, folder: Path) -> tuple[float, float]:
    """Wall seconds and peak resident bytes of a command, the processes it waited for included."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # both start as they do where they are used
    started = time.perf_counter()
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        text = (folder / "output").read_text(errors="replace")
        sys.exit(f"Error: {' '.join(command)} ended with {process.returncode}:\n{text[-2000:]}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def render(rows: list[list[str]], args: argparse.Namespace) -> str:
    """The section: how it was measured, and the table."""
    here = machine()
    given = [
        f"--{name.replace('_', '-')} {value.name if isinstance(value, Path) else value}"
        for name, value in vars(args).items()
        if value is not None and name not in ("peer", "out")
    ]
    head = ["task", "helixer-ft, s", "Helixer, s", "times as fast"]
    head += ["helixer-ft, MiB", "Helixer, MiB", "ratio"]
    runs = f"medians of {args.repeats} runs" if args.repeats > 1 else "one run"
    lines = [
        f"Measured on {date.today()} with {here['cores']} cores of {here['processor']}, "
        f"{here['memory'] / 2**30:.0f} GiB of memory: helixer-ft {version('helixer-ft')} "
        f"compared with Helixer 0.3.9; {runs} of each in turns, start-up included.",
        "",
        f"```bash\npython benchmarks/commands.py --peer HELIXER_ENV {' '.join(given)} "
        "--out docs/performance.md\n```",
        "",
        "| " + " | ".join(head) + " |",
        "| " + " | ".join(["---"] * len(head)) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
