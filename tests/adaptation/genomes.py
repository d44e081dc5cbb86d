"""Small genomes as FASTA files."""

from pathlib import Path

import numpy as np


def random_sequence(n: int, gc: float = 0.5, seed: int = 0) -> str:
    """Bases with a share of G and C."""
    shares = [gc / 2, (1 - gc) / 2, (1 - gc) / 2, gc / 2]
    return "".join(np.random.default_rng(seed).choice(list("CATG"), n, p=shares))


def write_fasta(path: Path, *sequences: str) -> Path:
    """`chr1`, `chr2`, ..."""
    path.write_text("".join(f">chr{i}\n{text}\n" for i, text in enumerate(sequences, start=1)))
    return path
