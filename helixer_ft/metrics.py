"""Scores from confusion matrices, as Helixer defines them, and the bootstrap over genome blocks.

Confusion matrices are 4 x 4 counts of bases, rows the reference, columns the prediction.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

GENIC_CLASSES = ("intergenic", "UTR", "CDS", "intron")
PHASE_CLASSES = ("none", "phase 0", "phase 1", "phase 2")
MIN_BLOCKS = 20
"""Fewer genome blocks than this tell nothing about how far a difference can be trusted."""


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1 of a class or a group of classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Interval:
    """A difference (tuned minus baseline) with its 95 % interval, and the blocks behind it."""

    difference: float
    low: float
    high: float
    blocks: int

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"."""
        if self.blocks < MIN_BLOCKS:
            return "cannot tell"
        if self.low > 0:
            return "better"
        return "not better" if self.high <= 0 else "cannot tell"


def scores(matrix: np.ndarray, classes: Sequence[str] = GENIC_CLASSES) -> dict[str, Score]:
    """Scores per class; for the genic classes also Helixer's composite scores.

    `legacy_cds` merges CDS with intron and intergenic with UTR; `sub_genic` sums the counts of CDS
    and intron, `genic` those of UTR, CDS and intron. F1 = 2TP / (2TP + FP + FN), 0 where undefined.
    """
    matrix = np.asarray(matrix, dtype=np.int64)
    hits = np.diag(matrix)
    wrong = matrix.sum(axis=0) - hits
    missed = matrix.sum(axis=1) - hits
    result = {name: _score(hits[i], wrong[i], missed[i]) for i, name in enumerate(classes)}
    if tuple(classes) == GENIC_CLASSES:
        coding = matrix[2:, 2:].sum()
        result["legacy_cds"] = _score(coding, matrix[:2, 2:].sum(), matrix[2:, :2].sum())
        for name, first in (("sub_genic", 2), ("genic", 1)):
            result[name] = _score(hits[first:].sum(), wrong[first:].sum(), missed[first:].sum())
    return result


def genic_f1(matrix: np.ndarray) -> np.ndarray:
    """Genic F1 of one matrix `(4, 4)` or of many `(..., 4, 4)`; 0 where undefined."""
    matrix = np.asarray(matrix, dtype=np.float64)
    hits = matrix[..., range(1, 4), range(1, 4)].sum(axis=-1)
    both = matrix[..., :, 1:].sum(axis=(-2, -1)) + matrix[..., 1:, :].sum(axis=(-2, -1))
    return np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0)


def paired_bootstrap(
    baseline: np.ndarray,
    tuned: np.ndarray,
    blocks: Sequence[Hashable],
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """Difference in genic F1 with a 95 % percentile interval from resampled genome blocks.

    Parameters
    ----------
    baseline, tuned
        (windows, 4, 4) counts of the two models on the same windows.
    blocks
        Per window the block it belongs to; both strands of a region share one.
    seed, resamples
        Of the bootstrap (Efron & Tibshirani 1993, percentile interval).
    """
    index = {block: i for i, block in enumerate(dict.fromkeys(blocks))}
    member = np.array([index[block] for block in blocks], dtype=np.int64)
    sums = np.zeros((2, len(index), 4, 4))
    for total, counts in zip(sums, (baseline, tuned), strict=True):
        np.add.at(total, member, counts)
    draws = np.random.default_rng(seed).multinomial(
        len(index), np.full(len(index), 1 / len(index)), size=resamples
    )
    resampled = genic_f1(np.einsum("rb,mbij->mrij", draws, sums))
    low, high = np.percentile(resampled[1] - resampled[0], [2.5, 97.5])
    before, after = genic_f1(sums.sum(axis=1))
    return Interval(float(after - before), float(low), float(high), len(index))


def _score(hits: float, wrong: float, missed: float) -> Score:
    return Score(
        precision=float(hits / (hits + wrong)) if hits + wrong else 0.0,
        recall=float(hits / (hits + missed)) if hits + missed else 0.0,
        f1=float(2 * hits / (2 * hits + wrong + missed)) if 2 * hits + wrong + missed else 0.0,
    )
