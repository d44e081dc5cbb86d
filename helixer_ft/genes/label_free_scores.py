"""The scores that need no reference: of what they are shares, and what they can say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from helixer_ft.genome import filters
from helixer_ft.genome.splice_sites import CANONICAL
from helixer_ft.metrics import PairedBootstrap

PER_MB = 1e6
INTRON_KINDS = CANONICAL
REMAINDERS = ("3n", "3n+1", "3n+2")
COUNTS = (
    *("bases", "genes", "single_exon_genes", "coding_bases", "coding_on_both_strands"),
    *("transcripts", "complete_transcripts"),
    *("introns", *INTRON_KINDS, "canonical_introns"),
    *("coding_introns", *REMAINDERS),
    *("read_introns", "found_introns", "introns_where_reads_splice"),
)
"""What is counted in each genome block. Introns are distinct ones; coding introns are those between
coding parts; read introns are those that reads support, found ones those of them that the genes
have.
"""


@dataclass(frozen=True)
class Score:
    """A score: one count in relation to another.

    Attributes
    ----------
    name
        In JSON.
    label
        In tables.
    part, whole
        Of `COUNTS`; the score is the first divided by the second.
    filters
        Names of filters after which it cannot judge; empty: any filter, as it tells how many genes
        are left.
    says
        What it can say, and what it cannot.
    per
        1 for a share, `PER_MB` for a density.
    reads
        Whether RNA-seq reads are needed.
    """

    name: str
    label: str
    part: str
    whole: str
    filters: tuple[str, ...]
    says: str = ""
    per: float = 1
    reads: bool = False

    def spoilt_by(self, used: Sequence[str]) -> bool:
        """Whether the genes were selected by what it measures."""
        return bool(set(self.filters) & set(used)) if self.filters else bool(used)


SCORES = (
    Score(
        *("complete_orf", "complete ORFs", "complete_transcripts", "transcripts"),
        (filters.COMPLETE_ORF,),
        "falls with wrong splice sites and with genes that are cut off; says nothing of "
        "HelixerPost's genes, which are complete however wrong, nor of genes that are missing",
    ),
    Score(
        *("canonical_introns", "canonical introns", "canonical_introns", "introns"),
        (filters.CANONICAL_INTRONS,),
        "nearly all introns of well annotated genomes are canonical, so that fewer point to wrong "
        "splice sites; but a wrong intron from some GT to some AG counts as right",
    ),
    *(
        Score(f"introns_{kind}", f"  {kind}", kind, "introns", (filters.CANONICAL_INTRONS,))
        for kind in INTRON_KINDS
    ),
    *(
        Score(
            f"intron_length_{kind}",
            f"intron length {kind}",
            *(kind, "coding_introns"),
            (filters.INTRON_LENGTHS,),
            "real introns have a third of each remainder, as nothing selects their lengths; more "
            "of 3n points to coding sequence taken for introns; a third of each proves nothing"
            if kind == REMAINDERS[0]
            else "",
        )
        for kind in REMAINDERS
    ),
    Score(
        *("single_exon", "single-exon genes", "single_exon_genes", "genes"),
        (filters.SINGLE_EXON,),
        "genes that are split, and false ones, raise it; what is right differs between species: "
        "compare with a well annotated relative",
    ),
    Score(
        *("genes_per_mb", "genes per Mb", "genes", "bases"),
        (),
        "low where genes are missing, high where they are split or false; compare with a well "
        "annotated relative of similar genome size",
        PER_MB,
    ),
    Score(
        *("coding_share", "coding share of bases", "coding_bases", "bases"),
        (),
        "as genes per Mb, but unchanged where genes are split or fused; transposons count like "
        "genes",
    ),
    Score(
        *("strand_overlap", "coding on both strands", "coding_on_both_strands", "coding_bases"),
        (filters.STRAND_OVERLAP,),
        "near 0 in real genomes; more points to genes on the wrong strand; 0 does not show that "
        "strands are right",
    ),
    Score(
        *("intron_recall", "intron recall", "found_introns", "read_introns"),
        (),
        "share of the introns that reads support which the genes have; isoforms and noncoding "
        "transcripts keep it below 100 %, and only expressed genes count",
        reads=True,
    ),
    Score(
        *("intron_precision", "intron precision", "found_introns", "introns"),
        (filters.SUPPORTED_INTRONS,),
        "share of the genes' introns that reads support; right introns of genes that are not "
        "expressed count as wrong, so compare files on the same reads only",
        reads=True,
    ),
    Score(
        *("intron_precision_expressed", "  where reads splice"),
        *("found_introns", "introns_where_reads_splice"),
        (filters.SUPPORTED_INTRONS,),
        "the same among introns that overlap an intron of the reads, so that expression hardly "
        "matters; but introns of genes that do not exist are mostly left out",
        reads=True,
    ),
)


@dataclass(frozen=True)
class Estimate:
    """A score, or a difference between two, with its 95 % interval; None where undefined."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def to_dict(self, name: str = "value") -> dict[str, float | None]:
        """As `--json` has it."""
        return {name: self.value, "low": self.low, "high": self.high}


def values(counts: np.ndarray, scores: Sequence[Score]) -> np.ndarray:
    """Scores of counts.

    Parameters
    ----------
    counts
        (..., len(COUNTS)).
    scores
        Which.

    Returns
    -------
    numpy.ndarray
        (..., len(scores)); NaN where there is nothing to divide by.
    """
    part, whole = (
        counts[..., [COUNTS.index(name) for name in names]]
        for names in ([score.part for score in scores], [score.whole for score in scores])
    )
    empty = np.full(whole.shape, np.nan)
    shares = np.divide(part, whole, out=empty, where=whole > 0)
    return shares * np.array([score.per for score in scores])


def estimates(
    drawn: PairedBootstrap, scores: Sequence[Score], model: int, baseline: int | None = None
) -> Mapping[str, Estimate]:
    """Scores of one set of genes, or with `baseline` what they are above those of another.

    Parameters
    ----------
    drawn
        Of counts `(blocks, len(COUNTS))`.
    scores
        Which.
    model, baseline
        Which sets.
    """
    total, sampled = (values(counts, scores) for counts in drawn.drawn(model))
    if baseline is not None:
        other = [values(counts, scores) for counts in drawn.drawn(baseline)]
        total, sampled = total - other[0], sampled - other[1]
    return {score.name: _estimate(total[i], sampled[:, i]) for i, score in enumerate(scores)}


def _estimate(total: float, sampled: np.ndarray) -> Estimate:
    known = sampled[~np.isnan(sampled)]
    if np.isnan(total) or not len(known):
        return Estimate()
    low, high = np.percentile(known, [2.5, 97.5]).tolist()
    return Estimate(float(total), low, high)
