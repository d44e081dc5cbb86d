"""What a gene must be like, whatever the model thinks of it: rules of structure, with reasons."""

from collections.abc import Sequence

import numpy as np

from helixer_ft.genes.open_reading_frames import check_frame
from helixer_ft.genome.intervals import joined, shared
from helixer_ft.genome.splice_sites import NOT_CANONICAL, intron_kinds
from helixer_ft.preparation.masks import SHORTEST_INTRON
from helixer_ft.pseudo_labels.candidates import Candidate

SHORTEST_CODING_EXON = 9
"""In bp. HelixerPost makes exons of one or two bases where a splice site is in doubt."""

REASONS = {
    "incomplete_orf": "no open reading frame from ATG to a stop codon",
    "noncanonical_intron": "an intron that is not GT-AG, GC-AG or AT-AC",
    "short_intron": f"an intron shorter than {SHORTEST_INTRON} bp",
    "short_coding_exon": f"a coding exon shorter than {SHORTEST_CODING_EXON} bp",
    "short_cds": "a coding sequence shorter than --min-cds",
    "overlaps_other_strand": "coding bases that another gene has on the other strand",
    "many_copies": "a family of more than --max-copies near-identical genes",
    "between_sets": "across the border of a set",
    "contradicted_by_reads": "reads splice where it has exons, or other introns",
    "family_in_other_set": "most of its family is in another set",
    "below_min_confidence": "less confident than --min-confidence",
    "below_keep_share": "not among the most confident ones, a share of --keep",
}
"""Word in genes.tsv -> what it means."""


def structure_faults(bases: np.ndarray, candidate: Candidate, min_cds: int) -> list[str]:
    """What is wrong with one gene by itself.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand of the sequence.
    candidate
        The gene.
    min_cds
        Least coding length in bp.
    """
    faults = []
    strand, cds = candidate.gene.strand, candidate.transcript.cds
    if not check_frame(bases, strand, cds).complete:
        faults.append("incomplete_orf")
    introns = np.array(candidate.introns, np.int64).reshape(-1, 2)
    sizes = introns[:, 1] - introns[:, 0]
    long_enough = introns[sizes >= SHORTEST_INTRON]
    if (intron_kinds(bases, long_enough, strand) == NOT_CANONICAL).any():
        faults.append("noncanonical_intron")
    if len(long_enough) < len(introns):
        faults.append("short_intron")
    if any(end - start < SHORTEST_CODING_EXON for start, end in candidate.cds):
        faults.append("short_coding_exon")
    if candidate.coding_length < min_cds:
        faults.append("short_cds")
    return faults


def on_both_strands(candidates: Sequence[Candidate]) -> set[int]:
    """Places of the candidates of one sequence that share coding bases with the other strand."""
    unions = {
        strand: joined(piece for c in candidates if c.gene.strand == strand for piece in c.cds)
        for strand in "+-"
    }
    both = shared(unions["+"], unions["-"])
    if not both:
        return set()
    ends = np.array(both)[:, 1]
    starts = np.array(both)[:, 0]
    return {
        i
        for i, candidate in enumerate(candidates)
        if any(_touches(starts, ends, *piece) for piece in candidate.cds)
    }


def canonical_share(bases: np.ndarray, candidates: Sequence[Candidate]) -> tuple[int, int]:
    """Canonical introns of the candidates of a sequence, and all of them."""
    canonical = total = 0
    for candidate in candidates:
        introns = np.array(candidate.introns, np.int64).reshape(-1, 2)
        total += len(introns)
        introns = introns[introns[:, 1] - introns[:, 0] >= 4]
        kinds = intron_kinds(bases, introns, candidate.gene.strand)
        canonical += int((kinds != NOT_CANONICAL).sum())
    return canonical, total


def _touches(starts: np.ndarray, ends: np.ndarray, start: int, end: int) -> bool:
    """Whether a stretch shares a base with one of some sorted intervals."""
    at = int(np.searchsorted(ends, start, side="right"))
    return at < len(starts) and bool(starts[at] < end)
