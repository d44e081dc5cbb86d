"""Scores from confusion matrices, as Helixer defines them, the bootstrap over genome blocks, and
class shares.

Confusion matrices are 4 x 4 counts of bases, rows the reference, columns the prediction.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

GENIC_CLASSES = ("intergenic", "UTR", "CDS", "intron")
PHASE_CLASSES = ("none", "phase 0", "phase 1", "phase 2")
OUTPUTS = {"genic": GENIC_CLASSES, "phase": PHASE_CLASSES}
"""What a network predicts: output -> its classes."""
MIN_BLOCKS = 20
"""Fewer genome blocks than this tell nothing about how far a difference can be trusted."""
STRONG_DIFFERENCE = 0.15
"""Difference between the intergenic shares of two sets that calls for a warning."""
LITTLE_INTERGENIC = 0.15
"""Intergenic share of the valid training bases below which too many genes are predicted."""
_DRAWN_AT_ONCE = 2**22
"""Numbers of a bootstrap that are in memory at once."""


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1 of a class or a group of classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Interval:
    """A difference (tuned minus baseline), its 95 % interval and the number of genome blocks."""

    difference: float
    low: float
    high: float
    blocks: int

    @property
    def width(self) -> float:
        """From one end to the other."""
        return self.high - self.low

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"."""
        if self.blocks < MIN_BLOCKS:
            return "cannot tell"
        if self.low > 0:
            return "better"
        return "not better" if self.high <= 0 else "cannot tell"

    @property
    def text(self) -> str:
        """The difference with what it rests on, for the end of a sentence."""
        return (
            f"({self.difference:+.4f}, 95 % interval {self.low:+.4f} to {self.high:+.4f}, "
            f"{self.blocks} genome blocks)"
        )

    def to_dict(self, name: str = "difference") -> dict[str, float]:
        """The difference, called `name`, and its interval, as `--json` has them."""
        return {name: self.difference, "low": self.low, "high": self.high}


def differences_dict(intervals: Mapping[str, Interval], **others: Any) -> dict[str, Any]:
    """Differences in every F1 as `--json` has them, the one in genic F1 first; then `others`."""
    genic = intervals["genic"]
    return (
        genic.to_dict("genic_f1")
        | {"blocks": genic.blocks}
        | others
        | {"f1": {name: interval.to_dict() for name, interval in intervals.items()}}
    )


@dataclass(frozen=True)
class ClassBases:
    """Bases per genic class of a set of data.

    Attributes
    ----------
    bases, valid_bases
        (4,) bases per genic class, padding left out: all, and those that are not masked.
    """

    bases: np.ndarray
    valid_bases: np.ndarray

    @property
    def masked_share(self) -> float:
        """Share of the bases that neither train nor count in scores."""
        return 1 - float(self.valid_bases.sum() / max(1, self.bases.sum()))

    @property
    def fractions(self) -> np.ndarray:
        """(4,) share of each genic class among all bases."""
        return self.bases / max(1, self.bases.sum())

    @property
    def valid_fractions(self) -> np.ndarray:
        """(4,) share of each genic class among the valid bases."""
        return self.valid_bases / max(1, self.valid_bases.sum())

    def class_shares(self) -> dict[str, Any]:
        """Numbers and shares, as files and `--json` have them."""
        return {
            "bases": int(self.bases.sum()),
            "valid_bases": int(self.valid_bases.sum()),
            "masked_share": self.masked_share,
            "fractions_all": dict(zip(GENIC_CLASSES, self.fractions.tolist(), strict=True)),
            "fractions_valid": dict(zip(GENIC_CLASSES, self.valid_fractions.tolist(), strict=True)),
        }


@dataclass(frozen=True)
class Confusion:
    """Confusion counts of a model, window by window, and the scores that follow from them.

    Attributes
    ----------
    counts
        (windows, outputs, 4, 4) bases per reference and predicted class; outputs are genic and,
        where the model predicts it, phase.
    """

    counts: np.ndarray

    @property
    def genic_counts(self) -> np.ndarray:
        """(windows, 4, 4) of the genic classes."""
        return self.counts[:, 0]

    @cached_property
    def genic_matrix(self) -> np.ndarray:
        """(4, 4) confusion matrix of the genic classes."""
        return self.genic_counts.sum(axis=0)

    @cached_property
    def phase_matrix(self) -> np.ndarray | None:
        """(4, 4) confusion matrix of the phases, None without phase."""
        return self.counts[:, 1].sum(axis=0) if self.counts.shape[1] > 1 else None

    @cached_property
    def genic(self) -> dict[str, Score]:
        """Scores per genic class and Helixer's composite scores."""
        return scores(self.genic_matrix)

    @cached_property
    def phase(self) -> dict[str, Score]:
        """Scores per phase; empty without phase."""
        return {} if self.phase_matrix is None else scores(self.phase_matrix, PHASE_CLASSES)

    @property
    def scores(self) -> dict[str, Score]:
        """Scores of all outputs: per genic class, composite, per phase."""
        return self.genic | self.phase

    @property
    def matrices(self) -> dict[str, np.ndarray]:
        """(4, 4) confusion matrices by output."""
        return dict(zip(OUTPUTS, self.counts.sum(axis=0), strict=False))

    @property
    def genic_f1(self) -> float:
        """The score that selects models."""
        return float(genic_f1(self.genic_matrix))

    @property
    def wrong_share(self) -> float:
        """Share of the bases whose genic class is predicted wrong."""
        return 1 - float(accuracy(self.genic_matrix))


def scores(matrix: np.ndarray, classes: Sequence[str] = GENIC_CLASSES) -> dict[str, Score]:
    """Scores per class; for the genic classes also Helixer's composite scores.

    `legacy_cds` merges CDS with intron and intergenic with UTR; `sub_genic` sums the counts of CDS
    and intron, `genic` those of UTR, CDS and intron. F1 = 2TP / (2TP + FP + FN), 0 where undefined.
    """
    return {
        name: Score(
            precision=float(_ratio(hits, hits + wrong)),
            recall=float(_ratio(hits, hits + missed)),
            f1=float(_ratio(2 * hits, 2 * hits + wrong + missed)),
        )
        for name, (hits, wrong, missed) in _tallies(np.asarray(matrix, np.int64), classes).items()
    }


def matrix_rows(
    matrix: np.ndarray, classes: Sequence[str]
) -> list[tuple[str, list[tuple[int, float]]]]:
    """A confusion matrix as rows of a table: class -> (count, share of the row) of each class."""
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    return [
        (name, list(zip(counts.tolist(), of_row.tolist(), strict=True)))
        for name, counts, of_row in zip(classes, matrix, shares, strict=True)
    ]


def f1_scores(
    matrices: np.ndarray, classes: Sequence[str] = GENIC_CLASSES
) -> dict[str, np.ndarray]:
    """F1 alone, named as `scores` names them, of matrices `(..., 4, 4)`; 0 where undefined."""
    return {
        name: _ratio(2 * hits, 2 * hits + wrong + missed)
        for name, (hits, wrong, missed) in _tallies(matrices, classes).items()
    }


def f1_of_outputs(counts: np.ndarray) -> dict[str, np.ndarray]:
    """F1 of the genic classes and, where there is phase, of the phases, of counts
    `(n, outputs, 4, 4)`.
    """
    result = f1_scores(counts[:, 0])
    return result | f1_scores(counts[:, 1], PHASE_CLASSES) if counts.shape[1] > 1 else result


def genic_f1(matrix: np.ndarray) -> np.ndarray:
    """Genic F1 of one matrix `(4, 4)` or of many `(..., 4, 4)`; 0 where undefined."""
    return f1_scores(np.asarray(matrix, dtype=np.float64))["genic"]


def accuracy(matrix: np.ndarray) -> np.ndarray:
    """Share of the bases that are predicted right, of matrices `(..., 4, 4)`; 0 without bases."""
    matrix = np.asarray(matrix)
    return _ratio(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1)))


class PairedBootstrap:
    """Genome blocks resampled, drawn alike for all models (Efron & Tibshirani 1993).

    Parameters
    ----------
    counts
        Per model (windows, ..., 4, 4), on the same windows; other counts do as well, as long as
        `scores` takes them.
    blocks
        Per window the block it belongs to; both strands of a region share one. Blocks without any
        base that counts are left out.
    seed, resamples
        Seed of the bootstrap, and number of its samples.
    """

    def __init__(
        self,
        counts: Sequence[np.ndarray],
        blocks: Sequence[Hashable],
        *,
        seed: int = 0,
        resamples: int = 2000,
    ) -> None:
        models, shape = len(counts), counts[0].shape[1:]
        index = {block: i for i, block in enumerate(dict.fromkeys(blocks))}
        member = np.array([index[block] for block in blocks], dtype=np.int64)
        sums = np.zeros((models, len(index), int(np.prod(shape))))
        for total, of_model in zip(sums, counts, strict=True):
            np.add.at(total, member, of_model.reshape(len(member), -1))
        sums = sums[:, sums.any(axis=(0, 2))]
        self.blocks = n = sums.shape[1]
        """Genome blocks that count."""
        self._total = sums.sum(axis=1).reshape(models, *shape)
        resampled = np.zeros((models, resamples, sums.shape[2]))
        generator = np.random.default_rng(seed)
        at_once = max(1, _DRAWN_AT_ONCE // max(1, n))
        for start in range(0, resamples if n else 0, at_once):
            size = min(at_once, resamples - start)
            drawn = generator.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
            resampled[:, start : start + size] = drawn @ sums
        self._resampled = resampled.reshape(models, resamples, *shape)

    def drawn(self, model: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts of a model: in all `(...)`, and in each sample of blocks `(resamples, ...)`."""
        return self._total[model], self._resampled[model]

    def differences(
        self,
        model: int,
        scores: Callable[[np.ndarray], dict[str, np.ndarray]],
        baseline: int = 0,
    ) -> dict[str, Interval]:
        """Differences in scores, each with its 95 % percentile interval.

        Parameters
        ----------
        model, baseline
            Which models: a difference is the first minus the second.
        scores
            Counts `(n, ..., 4, 4)` -> name -> `(n,)`.
        """
        one, other = scores(self._resampled[model]), scores(self._resampled[baseline])
        total = scores(self._total[[model, baseline]])
        result = {}
        for name, (after, before) in total.items():
            low, high = np.percentile(one[name] - other[name], [2.5, 97.5]).tolist()
            result[name] = Interval(float(after - before), low, high, self.blocks)
        return result


def paired_bootstrap(
    baseline: np.ndarray,
    tuned: np.ndarray,
    blocks: Sequence[Hashable],
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Interval]:
    """Difference in every F1, tuned minus baseline, of counts `(windows, outputs, 4, 4)` on the
    same windows, named as `scores` names them; see `PairedBootstrap`.
    """
    drawn = PairedBootstrap([baseline, tuned], blocks, seed=seed, resamples=resamples)
    return drawn.differences(1, f1_of_outputs)


def _tallies(
    matrices: np.ndarray, classes: Sequence[str]
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """TP, FP and FN, each `(...)`, per class and for the composite scores."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    wrong = matrices.sum(axis=-2) - hits
    missed = matrices.sum(axis=-1) - hits
    result = {name: (hits[..., i], wrong[..., i], missed[..., i]) for i, name in enumerate(classes)}
    if tuple(classes) == GENIC_CLASSES:
        coding, other = slice(2, None), slice(None, 2)
        result["legacy_cds"] = (
            matrices[..., coding, coding].sum(axis=(-2, -1)),
            matrices[..., other, coding].sum(axis=(-2, -1)),
            matrices[..., coding, other].sum(axis=(-2, -1)),
        )
        for name, first in (("sub_genic", 2), ("genic", 1)):
            hits_, wrong_, missed_ = (part[..., first:].sum(-1) for part in (hits, wrong, missed))
            result[name] = (hits_, wrong_, missed_)
    return result


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, 0 where there is nothing."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
