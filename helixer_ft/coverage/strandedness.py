"""Which strand a read speaks for: the protocols, and which one the reads themselves show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pysam

from helixer_ft.coverage.request import FORWARD, REVERSE, UNSTRANDED

PLUS, MINUS, SKIP = 0, 1, -1
_SKIPPED = pysam.FUNMAP | pysam.FSECONDARY | pysam.FQCFAIL
LARGEST_FLAG = (1 << 12) - 1

STRANDED_SHARE = 0.75
"""From this share of agreeing reads on a library counts as stranded."""
ENOUGH_READS = 100
"""Fewer reads within genes decide nothing."""
MATES = ("read 1", "read 2")
"""Single reads count as read 1."""


@lru_cache
def strand_of_flags(strandedness: str) -> tuple[int, ...]:
    """Per alignment flag the strand it counts for: 0 plus, 1 minus, -1 not counted.

    Unaligned, secondary and QC-failed alignments do not count; supplementary ones and
    duplicates do, as in Helixer.
    """
    flipped_mate = {REVERSE: 0, FORWARD: 1, UNSTRANDED: None}[strandedness]
    strands = []
    for flag in range(LARGEST_FLAG + 1):
        own = MINUS if flag & pysam.FREVERSE else PLUS
        strands.append(SKIP if flag & _SKIPPED else own ^ (mate_of(flag) == flipped_mate))
    return tuple(strands)


def mate_of(flag: int) -> int:
    """0 for read 1 and single reads, 1 for read 2."""
    is_second = flag & pysam.FPAIRED and flag & pysam.FREAD2 and not flag & pysam.FREAD1
    return 1 if is_second else 0


@dataclass
class Evidence:
    """Reads whose transcript's strand is known, by whether they align to that strand.

    Attributes
    ----------
    counts
        (2, 2) int64: read 1 (and single reads), read 2 x sense, antisense.
    where
        What the strand is known from: genes around them, or introns.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros((2, 2), np.int64))
    where: str = "within genes"

    @property
    def reads(self) -> int:
        """All reads counted."""
        return int(self.counts.sum())

    @property
    def forward_share(self) -> float:
        """Share of reads that a forward library explains: read 1 sense, read 2 antisense."""
        return float(self.counts[0, 0] + self.counts[1, 1]) / max(1, self.reads)

    def agreement(self, strandedness: str) -> float:
        """Share of reads that a stranded protocol explains."""
        return self.forward_share if strandedness == FORWARD else 1 - self.forward_share

    @property
    def protocol(self) -> str:
        """What the reads show."""
        for strandedness in (REVERSE, FORWARD):
            if self.agreement(strandedness) >= STRANDED_SHARE:
                return strandedness
        return UNSTRANDED

    def text(self) -> str:
        """ "12,345 reads within genes: read 1 3 % sense, read 2 97 % sense"."""
        shares = [
            f"{mate} {sense / (sense + antisense):.1%} sense"
            for mate, (sense, antisense) in zip(MATES, self.counts.tolist(), strict=True)
            if sense + antisense
        ]
        return f"{self.reads:,} reads {self.where}: {', '.join(shares)}"

    def add(
        self,
        reads: Iterable[tuple[int, Sequence[tuple[int, int]]]],
        start: int,
        genic: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Count the reads all of whose aligned bases lie in genes of one strand alone.

        Parameters
        ----------
        reads
            Flag, and aligned blocks in bp.
        start
            Of the window, in bp.
        genic
            (n,) bool for plus and for minus: bases of the window within genes.
        """
        flags: list[int] = []
        owners: list[int] = []
        blocks: list[tuple[int, int]] = []
        for flag, own in reads:
            if flag & _SKIPPED or not own:
                continue
            owners += [len(flags)] * len(own)
            flags.append(flag)
            blocks += own
        if not flags:
            return
        bounds = np.array(blocks, np.int64) - start
        n = len(genic[0])
        inside = (bounds[:, 0] >= 0) & (bounds[:, 1] <= n)
        first, last = np.clip(bounds, 0, n).T
        within = []
        for strand in (PLUS, MINUS):
            total = np.concatenate([[0], np.cumsum(genic[strand] & ~genic[1 - strand])])
            fits = inside & (total[last] - total[first] == last - first)
            within.append(np.bincount(np.array(owners)[~fits], minlength=len(flags)) == 0)
        mates = np.array([mate_of(flag) for flag in flags])
        backwards = np.array([bool(flag & pysam.FREVERSE) for flag in flags])
        for strand, there in enumerate(within):
            antisense = backwards != bool(strand)
            np.add.at(self.counts, (mates[there], antisense[there].astype(np.int64)), 1)
