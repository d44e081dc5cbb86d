"""Compares strategies and recipes of fine-tuning on real species, and Helixer's own training.

Usage: `python benchmarks/evidence.py --genomes GENOMES --model small.h5=celegans,spombe
--work WORK --out docs/evidence.md`

GENOMES has a folder per species (evidence_data.py says which) with genome.fa.gz and
annotation.gff3.gz; behind the = are the species that the model was trained on. Every run is a
`helixer-ft whole` or `freeze` of its own, or, with --peer, a HybridModel.py. Results are kept in
WORK: the same command goes on where it was interrupted. The tables and the figure are made from all
results in WORK that the plan still has (evidence_plan.py), and from those that lie beside the page,
in docs/evidence.jsonl: what is there is not run again.
"""

import argparse
import hashlib
import os
import signal
import sys
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from statistics import mean

from evidence_data import SPECIES
from evidence_page import render
from evidence_plan import Run, plan
from evidence_runs import STOPPED, Failed, Processes, Record, Runner, Store
from page import write_section


def main() -> None:
    """Run what is missing, then write the page."""
    args = parse_arguments()
    work = args.work / "quick" if args.quick else args.work
    models = {path.stem: path for path, _ in args.model}
    known = {path.stem: species for path, species in args.model}
    runs = plan(
        known, args.species, args.seeds, only=args.only,
        peer_seeds=args.peer_seeds if args.peer else 0,
    )  # fmt: skip
    kept = args.out.with_suffix(".jsonl") if args.out and not args.quick else None
    store = Store(work, {name: file_hash(path) for name, path in models.items()}, kept)
    if args.again:
        store.forget(runs)
    missing = [run for run in runs if store.find(run) is None]
    if args.dry_run:
        describe(runs, missing, store, args.jobs)
        return
    ok = True
    if not args.page_only:
        processes = Processes()
        runner = Runner(
            work, args.genomes, models, args.peer, 1 if args.quick else args.peer_epochs,
            processes, args.quick,
        )  # fmt: skip
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: processes.stop())
        ok = run_all(missing, runner, store, args.jobs)
    if args.out:
        figure = args.out.parent / "_static/evidence_learning_curves.svg"
        page = render(store.records(), args.reference, figure)
        if args.quick:
            page = f"**Smoke test (`--quick`): these figures mean nothing.**\n\n{page}"
        write_section(args.out, "evidence.py", page)
        if kept:
            store.export(kept)
    sys.exit(0 if ok else 1)


def run_all(runs: list[Run], runner: Runner, store: Store, jobs: int) -> bool:
    """Run `jobs` at a time, each on its share of the cores; whether all ended well."""
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, len(cores) // jobs)
    slots: SimpleQueue[set[int]] = SimpleQueue()
    for i in range(jobs):
        slots.put({cores[(i * each + k) % len(cores)] for k in range(each)})

    def pin() -> None:
        # of this thread alone, and so of the processes it starts
        os.sched_setaffinity(0, slots.get())

    ok = True
    with ThreadPoolExecutor(jobs, initializer=pin) as executor:
        futures = {executor.submit(runner.run, run): run for run in runs}
        try:
            for i, future in enumerate(as_completed(futures), start=1):
                said = finish(futures[future], future, store, {"jobs": jobs, "cores": each})
                ok &= said is not None
                if said:
                    print(f"{i}/{len(runs)} {said}", file=sys.stderr, flush=True)
        except BaseException:
            runner.processes.stop()  # the executor waits for what is running
            raise
    if runner.processes.stopped:
        sys.exit("Interrupted. The same command goes on.")
    return ok


def finish(run: Run, future: Future[Record], store: Store, how: Record) -> str | None:
    """Keep the record of a run that has ended, with `how` it was run; what to say of it.

    None, after a message, where it failed.
    """
    try:
        record = future.result()
    except Failed as error:
        if str(error) != STOPPED:
            print(f"{run.name}: {error}", file=sys.stderr, flush=True)
        return None
    store.keep(run, record | how)
    measured = record["measured"]
    score = "not scored"
    if measured["tuned"]:
        score = f"test genic F1 {measured['tuned']['test']['genic_f1']:.4f}"
    return f"{run.name}: {score}, {measured['seconds']:.0f} s"


def describe(runs: list[Run], missing: list[Run], store: Store, jobs: int) -> None:
    """Print the runs, and how long those that are missing may take."""
    for run in runs:
        print(run.name + ("" if run in missing else ": done"))
    known = [estimate(run, store) for run in missing]
    seconds = sum(value for value in known if value is not None) / jobs
    print(
        f"{len(runs)} runs, {len(missing)} to do. About {seconds / 3600:.1f} h for "
        f"{len(missing) - known.count(None)} of them, {jobs} at a time; nothing is known of the "
        f"other {known.count(None)}, as no run of their strategy is stored."
    )


def estimate(run: Run, store: Store) -> float | None:
    """Seconds of a run: the mean of those of its row in this species, else of its strategy."""
    records = [
        record
        for record in store.records()
        if record["run"]["model"] == run.model and record["run"]["strategy"] == run.strategy
    ]
    for same in (("species", "recipe", "share"), ("recipe", "share"), ("share",), ()):
        seconds = [
            record["measured"]["seconds"]
            for record in records
            if all(record["run"][name] == getattr(run, name) for name in same)
        ]
        if seconds:
            return mean(seconds)
    return None


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def parse_arguments() -> argparse.Namespace:
    """The command line; every path absolute."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--genomes", type=Path, required=True, help="folder with one per species")
    add(
        "--model", action="append", required=True, metavar="FILE[=SPECIES,...]",
        help="base model, repeatable, and the species it was trained on",
    )  # fmt: skip
    add("--work", type=Path, required=True, help="folder of data and results")
    add("--out", type=Path, help="Markdown page to write into")
    add("--species", default=",".join(SPECIES), help="default: %(default)s")
    add("--seeds", type=int, default=3, help="number of seeds (default 3)")
    add(
        "--only", default="*",
        help="rows to run, separated by semicolons: STRATEGY/RECIPE, learning curves "
        "STRATEGY/RECIPE@PERCENT, with * (default all)",
    )  # fmt: skip
    add("--reference", help="row that others are compared with (default: that of the plan)")
    add("--jobs", type=int, default=1, help="runs at a time, each on its share of the cores")
    add("--peer", type=Path, help="environment of Helixer 0.3.9; without: helixer-ft alone")
    add("--peer-seeds", type=int, default=1, help="runs of Helixer each (default 1)")
    add(
        "--peer-epochs", type=int, default=100,
        help="most epochs of Helixer; times of a run cut short are extrapolated (default 100)",
    )  # fmt: skip
    add("--again", action="store_true", help="forget the results of these runs first")
    add("--quick", action="store_true", help="smoke test: one epoch each, in WORK/quick")
    add("--page-only", action="store_true", help="run nothing, write the page")
    add("--dry-run", action="store_true", help="list the runs and an estimate of their time")
    args = parser.parse_args()
    args.only, args.species = args.only.split(";"), args.species.split(",")
    args.model = [model_of(text) for text in args.model]
    for name in ("genomes", "work", "out", "peer"):
        if getattr(args, name):
            setattr(args, name, getattr(args, name).resolve())
    for path in (args.genomes, args.peer, *(path for path, _ in args.model)):
        if path and not path.exists():
            parser.error(f"{path}: no such file or folder")
    known = [name for _, names in args.model for name in names]
    if strange := {*args.species, *known} - SPECIES.keys():
        parser.error(f"{', '.join(sorted(strange))}: expected some of {', '.join(SPECIES)}")
    if args.jobs < 1 or args.seeds < 1:
        parser.error("--jobs and --seeds: expected at least 1")
    return args


def model_of(text: str) -> tuple[Path, list[str]]:
    """A base model and the species it was trained on."""
    path, _, known = text.partition("=")
    return Path(path).resolve(), known.split(",") if known else []


if __name__ == "__main__":
    main()
