"""How sure a model is of each gene, and where it is sure that there is none.

Everything of a sequence is taken from one reading of its predictions, part by part.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from helixer_ft.errors import HelixerFtError
from helixer_ft.genome.annotation import Interval
from helixer_ft.preparation.labels import CDS, INTERGENIC, INTRON, UTR
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.probabilities import Part

STRANDS = ("plus", "minus")
CERTAIN_UTR = 0.5
"""Probability from which on a base of a UTR is certain: more likely UTR than not. Where UTRs end is
less sure than all else, in any model."""


class ConfidentIntergenic:
    """Which bases of a genome are confidently intergenic: one bit each, on disk.

    Any number of threads may read.

    Parameters
    ----------
    lengths
        Sequence -> bp.
    scratch
        Existing folder on whose file system the bits are.
    """

    def __init__(self, lengths: Mapping[str, int], scratch: Path) -> None:
        self._lengths = lengths
        sizes = [2 * -(-n // 8) for n in lengths.values()]
        ends = np.cumsum([0, *sizes], dtype=np.int64).tolist()
        self._offsets = dict(zip(lengths, ends, strict=False))
        self._file = tempfile.TemporaryFile(dir=scratch, prefix=".helixer-ft-")  # noqa: SIM115

    def write(self, seqid: str, strand: str, start: int, bases: np.ndarray) -> None:
        """Keep (n,) bool from `start` on, a multiple of 8.

        Raises
        ------
        HelixerFtError
            The disk is full.
        """
        at = self._at(seqid, strand) + start // 8
        try:
            self._file.seek(at)
            self._file.write(np.packbits(bases).tobytes())
            self._file.flush()
        except OSError as error:
            raise HelixerFtError(
                "what is confidently intergenic could not be stored "
                f"({error.strerror or error}). Free disk space: a quarter of a byte per base."
            ) from error

    def read(self, seqid: str, strand: str) -> np.ndarray:
        """(n,) bool of a strand of a sequence, lower coordinates first."""
        n = self._lengths[seqid]
        raw = os.pread(self._file.fileno(), -(-n // 8), self._at(seqid, strand))
        packed = np.frombuffer(raw, np.uint8)
        return np.unpackbits(packed, count=n).astype(bool)

    def _at(self, seqid: str, strand: str) -> int:
        return self._offsets[seqid] + STRANDS.index(strand) * -(-self._lengths[seqid] // 8)

    def __enter__(self) -> "ConfidentIntergenic":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._file.close()


class SequenceScores:
    """Takes in the predictions of a sequence, part by part, and scores its candidates.

    Parameters
    ----------
    candidates
        All of the sequence.

    Attributes
    ----------
    intergenic, bases
        Sum of the probability of intergenic, and number of bases, of both strands.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._strands = {
            "plus": _StrandScores([c for c in candidates if c.gene.strand == "+"]),
            "minus": _StrandScores([c for c in candidates if c.gene.strand == "-"]),
        }
        self.intergenic = 0.0
        self.bases = 0

    def add(self, part: Part) -> None:
        """Take in the next part, in whatever order."""
        for name, scores in self._strands.items():
            values = getattr(part, name)
            self.intergenic += float(values[:, INTERGENIC].sum(dtype=np.float64))
            self.bases += len(values)
            scores.add(part.start, values)

    def finish(self) -> None:
        """Give the candidates their confidence and the uncertain ends of their UTRs."""
        for scores in self._strands.values():
            scores.finish()


class _StrandScores:
    """The same for one strand.

    Arrays are of features, which are introns and the coding parts of exons: start, end and class,
    the candidate each belongs to, and the sum of its probabilities. UTRs do not count: where they
    end is uncertain in any gene, and is masked instead.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates
        features: list[tuple[int, int, int, int]] = []
        ends: list[Interval] = []
        for i, candidate in enumerate(candidates):
            features += [(start, end, CDS, i) for start, end in candidate.cds]
            features += [(start, end, INTRON, i) for start, end in candidate.introns]
            ends += _utr_ends(candidate)
        table = np.array(features, np.int64).reshape(-1, 4)
        self._starts, self._stops, self._classes, self._owners = table.T
        self._sums = np.zeros(len(table))
        self._ends = np.array(ends, np.int64).reshape(-1, 2, 2)
        """(candidates, 2, 2): start and end of the UTR at the lower and at the higher end."""
        self._first = self._ends[:, 0, 1].copy()
        self._last = self._ends[:, 1, 0].copy()
        """First certain base of the lower UTR, and the one after the last of the higher."""

    def add(self, start: int, values: np.ndarray) -> None:
        """Take in (n, 4) probabilities from `start` on."""
        end = start + len(values)
        sums = np.zeros((len(values) + 1, values.shape[1]))
        np.cumsum(values, axis=0, dtype=np.float64, out=sums[1:])
        there = np.flatnonzero((self._starts < end) & (self._stops > start))
        classes = self._classes[there]
        low = np.maximum(self._starts[there], start) - start
        high = np.minimum(self._stops[there], end) - start
        self._sums[there] += sums[high, classes] - sums[low, classes]
        certain = start + np.flatnonzero(values[:, UTR] >= CERTAIN_UTR)
        if len(certain):
            self._find_ends(certain)

    def _find_ends(self, certain: np.ndarray) -> None:
        """Take in sorted positions of certain UTR."""
        (low_start, low_end), (high_start, high_end) = self._ends.transpose(1, 2, 0)
        beyond = np.iinfo(np.int64).max
        following = np.append(certain, beyond)[np.searchsorted(certain, low_start)]
        found = following < low_end
        self._first[found] = np.minimum(self._first[found], following[found])
        preceding = np.append(-1, certain)[np.searchsorted(certain, high_end)]
        found = preceding >= high_start
        self._last[found] = np.maximum(self._last[found], preceding[found] + 1)

    def finish(self) -> None:
        """See `SequenceScores.finish`."""
        lowest = np.ones(len(self._candidates))
        np.minimum.at(lowest, self._owners, self._sums / (self._stops - self._starts))
        for i, candidate in enumerate(self._candidates):
            candidate.confidence = float(lowest[i])
            (low, _), (_, high) = self._ends[i].tolist()
            ends = ((low, int(self._first[i])), (int(self._last[i]), high))
            candidate.uncertain_ends = tuple(end for end in ends if end[0] < end[1])


def _utr_ends(candidate: Candidate) -> list[Interval]:
    """What is UTR of the first exon and of the last one, from the gene's end on; may be empty."""
    (start, first_end), (last_start, end) = candidate.exons[0], candidate.exons[-1]
    return [
        (start, min(first_end, candidate.cds[0][0])),
        (max(last_start, candidate.cds[-1][1]), end),
    ]
