"""Data of adaptation.py: each species cut into a part for the statistics and one to score on."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
from speed_data import copy_rows

STATISTICS, SCORED = "statistics.h5", "scored.h5"
MAX_STATISTICS, MAX_SCORED = 60, 24
"""Regions of a window's length, each with both strands."""
OPTIONS = {"pfalciparum": ["--missing-utr", "keep"]}
"""Of `prepare`, by folder: an annotation without any UTR."""


def cut_species(folder: Path, target: Path) -> None:
    """From `genome.fa.gz` and `annotation.gff3.gz`: the first half of the genome, and regions
    evenly spaced in the rest.
    """
    command = [
        sys.executable, "-m", "helixer_ft", "prepare", "--fasta", folder / "genome.fa.gz",
        "--gff3", folder / "annotation.gff3.gz", "--species", folder.name, "--no-split",
        "--out-dir", target, "-q", *OPTIONS.get(folder.name, []),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = target / f"{folder.name}.h5"
    regions = regions_of(whole)
    half = len(regions) // 2
    chosen = np.linspace(half, len(regions) - 1, min(MAX_SCORED, len(regions) - half)).round()
    parts = {STATISTICS: range(min(half, MAX_STATISTICS)), SCORED: chosen.astype(int).tolist()}
    for name, numbers in parts.items():
        copy_rows(whole, target / name, sorted(row for i in numbers for row in regions[i]))


def regions_of(path: Path) -> list[list[int]]:
    """The rows (of both strands) of each region of a data file, in the order of the genome."""
    with h5py.File(path) as file:
        names, bounds = file["data/seqids"][:], file["data/start_ends"][:]
    rows: dict[tuple[bytes, int], list[int]] = {}
    for row, (name, lower) in enumerate(zip(names, bounds.min(axis=1), strict=True)):
        rows.setdefault((bytes(name), int(lower)), []).append(row)
    return list(rows.values())
