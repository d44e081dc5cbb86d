"""What spliced reads say of genes: supported, contradicted, missed."""

import numpy as np
import pytest

from helixer_ft.pseudo_labels.evidence import FLANK, Junctions, compare_with_reads
from tests.pseudo_labels.test_gate import candidate

EXONS = [(100, 200), (300, 400), (500, 600)]


def junctions(*introns: tuple[int, int, int, int], min_reads: int = 2) -> Junctions:
    table = np.array(sorted(introns), np.int64).reshape(-1, 4)
    return Junctions({"c": table}, (), min_reads)


@pytest.mark.parametrize(
    ("introns", "supported", "contradicted"),
    [
        ([], 0, 0),
        ([(200, 300, 0, 2), (400, 500, 0, 2)], 2, 0),
        ([(200, 300, 0, 1), (400, 500, 0, 2)], 1, 0),
        ([(200, 300, 1, 9)], 0, 0),  # the other strand's
        ([(200, 320, 0, 12)], 0, 12),
        ([(200, 320, 0, 9)], 0, 0),
        ([(200, 320, 1, 12)], 0, 0),
        ([(200, 300, 0, 2), (200, 320, 0, 30)], 1, 0),  # another isoform
        ([(520, 580, 0, 15), (310, 390, 0, 11)], 0, 15),
        ([(50, 150, 0, 10)], 0, 10),
        ([(20, 700, 0, 50)], 0, 0),  # around all of it
        ([(200, 500, 0, 20), (200, 300, 0, 5), (400, 500, 0, 5)], 2, 0),  # skips an exon
        ([(620, 700, 0, 50)], 0, 0),
    ],
)
def test_a_gene_of_three_exons(introns, supported, contradicted):
    one, other = candidate(EXONS), candidate(EXONS, "-")
    compare_with_reads(junctions(*introns), "c", [one, other])
    assert (one.supported, one.contradicted) == (supported, contradicted)
    assert one.is_supported == (supported == 2)
    mirrored = junctions(*((start, end, 1 - place, n) for start, end, place, n in introns))
    compare_with_reads(mirrored, "c", [other])
    assert (other.supported, other.contradicted) == (supported, contradicted)


def test_reads_that_are_enough():
    one = candidate(EXONS)
    compare_with_reads(junctions((200, 300, 0, 4), min_reads=5), "c", [one])
    assert one.supported == 0
    compare_with_reads(junctions((200, 300, 0, 5), min_reads=5), "c", [one])
    assert one.supported == 1


def test_what_supports_nothing_contradicts_nothing():
    one = candidate(EXONS)
    found = junctions((200, 320, 0, 12), (700, 800, 0, 20), min_reads=15)
    compare_with_reads(found, "c", [one])
    assert one.contradicted == 0
    assert found.missed("c", []) == {"+": [(700 - FLANK, 800 + FLANK)], "-": []}


def test_stretches_that_are_not_intergenic():
    found = junctions((200, 300, 0, 20), (700, 800, 0, 10), (50, 90, 1, 10), (900, 950, 1, 9))
    missed = found.missed("c", [candidate(EXONS)])
    assert missed == {"+": [(700 - FLANK, 800 + FLANK)], "-": [(0, 90 + FLANK)]}
