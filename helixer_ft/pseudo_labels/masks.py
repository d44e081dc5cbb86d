"""Which labels are not trained on, beyond what `prepare` masks of any annotation.

Genes that are not kept are untrusted ones to `prepare`, which masks them on their strand. Here
intergenic bases are masked where reads splice and, where genes are chosen by confidence, the
uncertain ends of UTRs of those that are kept, and intergenic bases that are not confident or too
many.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from helixer_ft.genome.annotation import Interval, Strand
from helixer_ft.preparation.genome import Labels
from helixer_ft.preparation.labels import INTERGENIC, Masked, StrandClasses
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.confidence import STRANDS, ConfidentIntergenic

UNCERTAIN_END = "uncertain_utr_end"
SPLICED_READS = "spliced_reads"
THINNED_BLOCK = 1_000
"""bp of intergenic that are left out or not together."""


@dataclass(frozen=True)
class PseudoMasks:
    """Masks labels; see `preparation.genome.Genome.amend`.

    Attributes
    ----------
    intergenic
        Where intergenic is confident.
    kept
        Sequence -> the genes whose ends of UTRs are masked where uncertain.
    missed
        Sequence -> strand -> stretches that are not intergenic, as reads splice there.
    share
        Of the blocks of intergenic, what is trained on.
    seed
        Which blocks these are.
    """

    intergenic: ConfidentIntergenic
    kept: Mapping[str, Sequence[Candidate]]
    missed: Mapping[str, Mapping[str, Sequence[Interval]]] = field(default_factory=dict)
    share: float = 1.0
    seed: int = 0

    def __call__(self, seqid: str, labels: Labels) -> Labels:
        """The labels of a sequence with less of them valid."""
        masked = list(labels.masked)
        strands = {}
        for name, symbol in zip(STRANDS, "+-", strict=True):
            own = getattr(labels, name)
            valid = own.valid & self._intergenic_kept(seqid, name, own)
            for mask in self._of_strand(seqid, symbol):  # type: ignore[arg-type]
                there = slice(mask.start, mask.end)
                if mask.error == SPLICED_READS:
                    valid[there] &= own.genic[there] != INTERGENIC
                else:
                    valid[there] = False
                masked.append(mask)
            strands[name] = replace(own, valid=valid)
        return replace(labels, **strands, masked=tuple(masked))

    def _intergenic_kept(self, seqid: str, name: str, labels: StrandClasses) -> np.ndarray:
        """(n,) bool: bases that are not intergenic, or are confidently so and not too many."""
        kept = self.intergenic.read(seqid, name)
        if self.share < 1:
            key = [self.seed, zlib.crc32(seqid.encode()), STRANDS.index(name)]
            blocks = np.random.default_rng(key).random(-(-len(kept) // THINNED_BLOCK)) < self.share
            kept &= np.repeat(blocks, THINNED_BLOCK)[: len(kept)]
        return np.asarray(kept | (labels.genic != INTERGENIC))

    def _of_strand(self, seqid: str, strand: Strand) -> list[Masked]:
        masks = [
            Masked(one.gene.id, one.transcript.id, strand, start, end, UNCERTAIN_END)
            for one in self.kept.get(seqid, ())
            if one.gene.strand == strand
            for start, end in one.uncertain_ends
        ]
        return masks + [
            Masked("", "", strand, start, end, SPLICED_READS)
            for start, end in self.missed.get(seqid, {}).get(strand, ())
        ]


def share_to_keep(valid_bases: np.ndarray, mean_intergenic: float) -> float:
    """Of the valid intergenic bases, what makes their share the mean probability of intergenic.

    Parameters
    ----------
    valid_bases
        (4,) per genic class.
    mean_intergenic
        Over the whole genome, both strands: what the model thinks there is.
    """
    intergenic, genic = float(valid_bases[INTERGENIC]), float(valid_bases[INTERGENIC + 1 :].sum())
    if not intergenic or mean_intergenic >= 1:
        return 1.0
    return min(1.0, genic * mean_intergenic / (1 - mean_intergenic) / intergenic)
