"""Measures which score of genes that needs no reference follows their true F1.

Usage: `python benchmarks/label_free_scores.py --work DIR --out PAGE.md --model M.h5 ...
--species NAME GENOME GENES [SEQIDS] ...`

For each species, gene models are predicted by each model, and by copies of it that are made worse:
normal noise is added to each weight, of --noise times the standard deviation of its kernel. (With
HelixerPost as installed; see `helixer-ft predict --gff3-out`.) The gene models go to DIR/NAME, and
any other GFF3 file of the species that is put there is scored as well. What is there already is not
predicted again. The tables are written into PAGE.md: the rank correlation (Spearman) of each score
with F1 of genes, coding exons and coding bases over the files of a species, and the files with
their scores. (Where models are so poor that hardly a gene is right, ranks by gene F1 are chance.)
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import h5py
import numpy as np
from page import machine, write_section

from helixer_ft.genes.evaluate import evaluate_genes
from helixer_ft.genes.label_free import GeneSet, score_without_reference
from helixer_ft.genes.label_free_request import LabelFreeRequest

PROGRAM = "label_free_scores.py"
THIRD = "intron_length_3n"
TRUTHS = {"gene": "gene F1", "exon": "coding exon F1", "base": "coding base F1"}
"""Level of the coding sequence -> what is followed; gene F1 sorts the files."""
SCORES = {
    "complete_orf": "complete ORFs",
    "canonical_introns": "canonical introns",
    "introns_GT-AG": "GT-AG introns",
    THIRD: "introns of length 3n: nearness to 1/3",
    "single_exon": "single-exon genes",
    "genes_per_mb": "genes per Mb",
    "coding_share": "coding share of bases",
    "strand_overlap": "coding on both strands",
}
"""Name -> label of what is correlated."""

Row = Mapping[str, float]


@dataclass(frozen=True)
class Species:
    """A genome with known genes, and the sequences to predict on (none: all)."""

    name: str
    genome: Path
    genes: Path
    seqids: tuple[str, ...] = ()


def main() -> None:
    """Predict, score, and write the tables."""
    args = parse_arguments()
    tables = {}
    for one in args.species:
        folder = args.work / one.name.replace(" ", "_").replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        for model in args.model:
            for noise in args.noise:
                for seed in range(args.seeds if noise else 1):
                    predict(one, model, noise, seed, folder)
        files = sorted(folder.glob("*.gff3"))
        if len(files) < 3:
            sys.exit(
                f"{folder}: {len(files)} GFF3 files, expected at least 3 to rank. Give --model."
            )
        tables[one.name] = {path.stem: row for path in files if (row := scores(one, path))}
    write_section(args.out, PROGRAM, render(tables, args))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the gene models")
    parser.add_argument("--out", type=Path, required=True, help="page to write the tables into")
    parser.add_argument("--model", type=Path, action="append", default=[], help="a trained model")
    parser.add_argument(
        "--species", nargs="+", action="append", required=True, metavar="NAME GENOME GENES [SEQIDS]"
    )
    parser.add_argument("--noise", default="0,0.1,0.2,0.3,0.4", help="of the weights")
    parser.add_argument("--seeds", type=int, default=2, help="copies per level of noise")
    args = parser.parse_args()
    args.noise = [float(level) for level in args.noise.split(",")]
    species = []
    for values in args.species:
        if len(values) not in (3, 4):
            parser.error("--species takes NAME GENOME GENES [SEQIDS]")
        seqids = tuple(values[3].split(",")) if len(values) == 4 else ()
        species.append(Species(values[0], Path(values[1]), Path(values[2]), seqids))
    args.species = species
    for path in (*args.model, *(p for one in species for p in (one.genome, one.genes))):
        if not path.exists():
            parser.error(f"{path}: no such file")
    return args


def predict(species: Species, model: Path, noise: float, seed: int, folder: Path) -> None:
    """Write the gene models of a model, or of a copy with noise, unless they are there."""
    out = folder / f"{model.stem}_noise{noise:g}_{seed}.gff3"
    if out.exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / model.name
        shutil.copyfile(model, copy)
        copy.chmod(0o600)
        perturb(copy, noise, seed)
        seqids = ["--seqids", ",".join(species.seqids)] if species.seqids else []
        command = [sys.executable, "-m", "helixer_ft", "predict", "-q", "-l", str(copy)]
        command += ["--fasta", str(species.genome), *seqids, "--gff3-out", str(out)]
        subprocess.run(command, check=True)


def perturb(path: Path, noise: float, seed: int) -> None:
    """Add normal noise to all kernels of a model file, in place."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "r+") as file:
        kernels: list[h5py.Dataset] = []
        file["model_weights"].visititems(
            lambda _, item: kernels.append(item) if getattr(item, "ndim", 0) > 1 else None
        )
        for kernel in kernels:
            values = kernel[()]
            drawn = rng.normal(0, noise * values.std(), values.shape)
            kernel[...] = values + drawn.astype(values.dtype)


def scores(species: Species, path: Path) -> Row | None:
    """F1 of a file and its scores without reference; None for a file without genes."""
    if not any(line.split("\t")[2:3] == ["CDS"] for line in path.read_text().splitlines()):
        return None
    options = {"seqids": species.seqids}
    truth = evaluate_genes(path, species.genes, species.genome, **options).comparison.coding
    outcome = score_without_reference(LabelFreeRequest((path,), species.genome, **options))
    (own,) = outcome.sets
    return {level: truth[level].f1 or 0 for level in TRUTHS} | judged(own)


def judged(genes: GeneSet) -> dict[str, float]:
    """The scores, the share of 3n introns as its distance to a third, with a minus before it."""
    found = {name: genes.scores[name].value for name in SCORES}
    known = {name: np.nan if value is None else value for name, value in found.items()}
    return known | {THIRD: -abs(known[THIRD] - 1 / 3)}


def correlation(rows: Sequence[Row], name: str, truth: str) -> float:
    """Spearman's rank correlation of a score with an F1; NaN where one of them never changes."""
    pairs = np.array([(row[name], row[truth]) for row in rows])
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    if len(pairs) < 3 or any(len(set(column)) == 1 for column in pairs.T):
        return float("nan")
    one, other = (ranks(column) for column in pairs.T)
    return float(np.corrcoef(one, other)[0, 1])


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 on; equal values share their mean rank."""
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return below + (equal - 1) / 2


def render(tables: Mapping[str, Mapping[str, Row]], args: argparse.Namespace) -> str:
    """Both tables, and how they were made."""
    found = machine()
    command = ["python", f"benchmarks/{PROGRAM}", "--work", "DIR", "--out", "docs/evidence.md"]
    for model in args.model:
        command += ["--model", model.name]
    command += ["--noise", ",".join(f"{level:g}" for level in args.noise)]
    command += ["--seeds", str(args.seeds)]
    for one in args.species:
        command += ["--species", one.name, one.genome.name, one.genes.name]
        command += [",".join(one.seqids)] if one.seqids else []
    models = [
        [species, name, *(f"{row[level]:.4f}" for level in TRUTHS), *map(cell, shown(row))]
        for species, rows in tables.items()
        for name, row in sorted(rows.items(), key=lambda item: -item[1]["gene"])
    ]
    heads = ["species", "gene models", *TRUTHS.values(), *SCORES.values()]
    return "\n\n".join([
        f"Measured on {date.today()} on {found['cores']} core(s) of {found['processor']}. The "
        "command, with your own paths:",
        f"```bash\n{shlex.join(command)}\n```",
        "Rank correlations over the gene models of a species (how many in brackets); – where a "
        "score or F1 never changes:",
        *(correlations(tables, truth) for truth in TRUTHS),
        "The gene models, best first:",
        table(heads, models),
    ])  # fmt: skip


def correlations(tables: Mapping[str, Mapping[str, Row]], truth: str) -> str:
    """The table of one F1: species by species, the largest mean first."""
    ranked = []
    for name, label in SCORES.items():
        each = [correlation(list(rows.values()), name, truth) for rows in tables.values()]
        known = [value for value in each if not np.isnan(value)]
        mean = np.mean(known) if known else np.nan
        ranked.append((mean, [label, *map(signed, each), signed(mean)]))
    ranked.sort(key=lambda pair: (np.isnan(pair[0]), -abs(pair[0])))
    counted = (f"{name} ({len(rows)})" for name, rows in tables.items())
    return table([f"with {TRUTHS[truth]}", *counted, "mean"], [row for _, row in ranked])


def shown(row: Row) -> list[float]:
    """The scores of a row, in the order of `SCORES`."""
    return [row[name] for name in SCORES]


def signed(value: float) -> str:
    """A correlation as text."""
    return "–" if np.isnan(value) else f"{value:+.2f}"


def cell(value: float) -> str:
    """A score as text."""
    return "–" if np.isnan(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
