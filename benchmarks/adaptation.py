"""Measures what a genome's own batch-norm statistics are worth, on species with known genes.

Usage: `python benchmarks/adaptation.py --model SMALL.h5 --knows a,b --data DIR --out PAGE.md`

DIR has a folder for each species with genome.fa.gz and annotation.gff3.gz. Statistics are taken of
the first half of a genome, F1 of the rest; labels only judge. Further models are tuned here with
`helixer-ft whole` on pairs of species (--pairs), so that each species is a stranger to some model
and known to others. Figures and tuned models are kept in the folder of --work: the same command
goes on where it was interrupted.
"""

import argparse
import json
import os
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from adaptation_data import SCORED, STATISTICS, cut_species, regions_of
from adaptation_drivers import FEWEST
from adaptation_page import render
from page import machine, write_section
from speed import Results
from speed_data import copy_rows

Record = dict[str, Any]
SIZES = (FEWEST, 30_000, 100_000, 300_000, 1_000_000, 2_000_000)
DRAWS = 3
SPREAD = (100_000, 300_000, 1_000_000, 2_000_000, 5_000_000)
MAX_TRAINING = 20
"""Regions of each species, training and validation, that a pair's model is tuned on."""
TUNING = ["-e", "8", "--patience", "8", "-b", "4", "--learning-rate", "1e-3"]


def main() -> None:
    """Measure what is missing, then write the page."""
    args = parse_arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    results = Results(args.work / "adaptation.json", header(args))
    if not args.page_only:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(args.work / "jax"))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        from helixer_ft.runtime.backend import select_backend

        select_backend("auto")
        measure(args, results)
    write_section(args.out, "adaptation.py", render(results.content))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--knows", default="", help="species that it was trained on")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--species", default="", help="of DIR; default: all")
    parser.add_argument("--pairs", default="", help="a+b,a+c: models to tune")
    parser.add_argument(
        "--also", action="append", default=[], metavar="FILE=SPECIES,...",
        help="a further model, and the species that it was tuned on; repeatable",
    )  # fmt: skip
    parser.add_argument("--deep", default="", help="a+b: tune a deeper network on them")
    parser.add_argument("--amounts", default="", help="species of which little sequence is tried")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page-only", action="store_true")
    args = parser.parse_args()
    found = sorted(path.parent.name for path in args.data.glob("*/genome.fa.gz"))
    for name in ("species", "knows", "pairs", "amounts"):
        setattr(args, name, [word for word in getattr(args, name).split(",") if word])
    args.species = args.species or found
    args.also = {
        Path(path): species.split(",")
        for path, _, species in (one.partition("=") for one in args.also)
    }
    return args


def header(args: argparse.Namespace) -> Record:
    """What the figures depend on."""
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in ("helixer-ft", "keras")},
        "settings": {
            "model": args.model.name,
            "knows": args.knows,
            "species": args.species,
            "pairs": args.pairs,
            "also": {path.stem: species for path, species in args.also.items()},
            "deep": args.deep,
            "amounts": args.amounts,
            "tuning": TUNING,
        },
    }


def measure(args: argparse.Namespace, results: Results) -> None:
    """Models against species, then amounts of sequence."""
    from adaptation_drivers import score_amount, score_spread

    parts = args.work / "parts"
    for species in args.species:
        if not (parts / species / SCORED).exists():
            (parts / species).mkdir(parents=True, exist_ok=True)
            cut_species(args.data / species, parts / species)
    score_models(args.model.stem, args.model, args.species, args, results)
    for path in args.also:
        score_models(path.stem, path, args.species, args, results)
    # first what tells most: a model's own species, and those of the other pairs
    tuned_on = sorted({species for pair in args.pairs for species in pair.split("+")})
    for chosen in (tuned_on, args.species):
        for pair in args.pairs:
            path = train(args, args.model, training_folder(args, parts, pair), pair, TUNING)
            score_models(pair, path, chosen, args, results)
        if args.deep:
            score_models("deep", deep_model(args, parts), chosen, args, results)
    for species in args.amounts:
        for size in SPREAD:
            genome = args.data / species / "genome.fa.gz"
            results.measure(f"spread/{species}/{size}", score_spread, args.model, genome, size)
        for size in SIZES:
            for seed in range(DRAWS):
                name = f"amount/{species}/{size}/{seed}"
                genome = args.data / species / "genome.fa.gz"
                scored = parts / species / SCORED
                results.measure(name, score_amount, args.model, genome, scored, size, seed)


def score_models(
    name: str, path: Path, chosen: list[str], args: argparse.Namespace, results: Results
) -> None:
    """A model on species."""
    from adaptation_drivers import score_pair

    for species in chosen:
        folder = args.work / "parts" / species
        two = folder / STATISTICS, folder / SCORED
        results.measure(f"pair/{name}/{species}", score_pair, path, *two)


def training_folder(args: argparse.Namespace, parts: Path, pair: str) -> Path:
    """Training and validation data of both species, out of the parts that nothing is scored on."""
    folder = args.work / "training" / pair
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    for species in pair.split("+"):
        path = parts / species / STATISTICS
        regions = regions_of(path)
        count = min(MAX_TRAINING, len(regions))
        chosen = np.linspace(0, len(regions) - 1, count).round().astype(int).tolist()
        sets = {"validation_data": chosen[::6]}
        sets["training_data"] = [i for i in chosen if i not in sets["validation_data"]]
        for kind, numbers in sets.items():
            rows = sorted(row for i in numbers for row in regions[i])
            copy_rows(path, folder / f"{kind}.{species}.h5", rows)
    return folder


def deep_model(args: argparse.Namespace, parts: Path) -> Path:
    """The model with two more convolutions and batch norms, tuned on a pair of species."""
    from adaptation_deep import deepened

    from helixer_ft.adaptation.windows import open_windows
    from helixer_ft.formats.model_h5 import write_model_file
    from helixer_ft.network.model import load_model

    start, data = args.work / "deep_start.h5", training_folder(args, parts, args.deep)
    if not start.exists():
        with open_windows(data) as source:
            model = deepened(load_model(args.model), source)
        write_model_file(start, model.to_file({}))
    return train(args, start, data, "deep", TUNING)


def train(args: argparse.Namespace, base: Path, data: Path, name: str, options: list[str]) -> Path:
    """The model that `helixer-ft whole` makes; the same one where it is there already."""
    path = Path(args.work / f"{name}.h5")
    if path.exists() and not path.with_suffix(".run").joinpath("state").exists():
        return path
    command = [
        sys.executable, "-m", "helixer_ft", "whole", "-l", base, "-d", data, "-s", path,
        *options, "--resume", "--json",
    ]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    path.with_suffix(".json").write_text(json.dumps(json.loads(done.stdout)["best"]))
    return path


if __name__ == "__main__":
    main()
