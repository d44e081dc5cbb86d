"""Rules of structure: each gene below breaks one, and only that."""

import numpy as np
import pytest

from helixer_ft.genome.annotation import Gene, Transcript
from helixer_ft.genome.codons import running_phases
from helixer_ft.genome.complement import COMPLEMENTS
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.gate import (
    REASONS,
    canonical_share,
    on_both_strands,
    structure_faults,
)

INTRON = "GT" + "A" * 26 + "AG"
N = 600


def gene(*parts: str, strand: str = "+", at: int = 50) -> tuple[np.ndarray, Candidate]:
    """A sequence with a gene of coding exons and introns by turns; no UTRs."""
    edges = np.cumsum([at, *map(len, parts)]).tolist()
    exons = list(zip(edges[::2], edges[1::2], strict=True))
    text = "A" * at + "".join(parts)
    bases = np.frombuffer(text.ljust(N, "A").encode(), np.uint8)
    if strand == "-":
        bases = COMPLEMENTS[bases][::-1]
        exons = [(N - end, N - start) for start, end in exons[::-1]]
    return bases, candidate(exons, strand)


def candidate(exons, strand="+", seqid="c", name="g"):
    cds = running_phases([(start, end, 0) for start, end in exons], strand, 0)
    start, end = exons[0][0], exons[-1][1]
    transcript = Transcript("t", start, end, tuple(exons), cds)
    return Candidate(seqid, Gene(name, strand, start, end, (transcript,)))


FIRST, LAST = "ATG" + "GCT" * 20, "GCT" * 20 + "TAA"


@pytest.mark.parametrize("strand", "+-")
@pytest.mark.parametrize(
    ("parts", "faults"),
    [
        ((FIRST, INTRON, LAST), []),
        ((FIRST, "GC" + INTRON[2:], LAST), []),
        ((FIRST, "AT" + INTRON[2:-2] + "AC", LAST), []),
        ((FIRST, "AT" + INTRON[2:], LAST), ["noncanonical_intron"]),
        ((FIRST, "GT" + "A" * 16 + "AG", LAST), []),
        ((FIRST, "GT" + "A" * 15 + "AG", LAST), ["short_intron"]),
        ((FIRST, INTRON, "GCTGCTGCT", INTRON, LAST), []),
        ((FIRST, INTRON, "GCTGCT", INTRON, LAST), ["short_coding_exon"]),
        ((FIRST, INTRON, "GCT" * 20 + "GCC"), ["incomplete_orf"]),
        (("CTG" + FIRST[3:], INTRON, LAST), ["incomplete_orf"]),
        ((FIRST + "TAG", INTRON, LAST), ["incomplete_orf"]),
        ((FIRST + "G", INTRON, LAST), ["incomplete_orf"]),
        ((FIRST, INTRON, "GCT" * 11 + "TAA"), ["short_cds"]),
    ],
)
def test_a_gene_by_itself(parts, faults, strand):
    bases, one = gene(*parts, strand=strand)
    assert structure_faults(bases, one, min_cds=100) == faults
    assert set(faults) <= set(REASONS)


def test_coding_bases_on_both_strands():
    """UTRs and introns may overlap; coding bases of the two may not."""
    plus = candidate([(10, 40), (80, 120)])
    inside = candidate([(45, 75)], "-")
    touching = candidate([(120, 150)], "-")
    across = candidate([(119, 150)], "-")
    assert on_both_strands([plus, inside, touching]) == set()
    assert on_both_strands([plus, inside, across]) == {0, 2}
    assert on_both_strands([plus, candidate([(20, 30)])]) == set()


def test_canonical_introns_are_counted():
    bases, one = gene(FIRST, INTRON, LAST)
    other_bases, other = gene(FIRST, "AT" + INTRON[2:], LAST, INTRON, LAST)
    assert canonical_share(bases, [one]) == (1, 1)
    assert canonical_share(other_bases, [other]) == (1, 2)
    assert canonical_share(bases, []) == (0, 0)
