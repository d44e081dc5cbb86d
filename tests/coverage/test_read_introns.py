"""Introns of aligned reads."""

import pytest

from helixer_ft.coverage.alignments import open_alignments, read_introns
from tests.coverage.coverage_files import LENGTHS, write_bam


@pytest.fixture
def introns(tmp_path):
    def read(*cigars, min_overhang=1, seqid="chr1", sort=True, position=(100,)):
        reads = [
            (0, "chr1", at, cigar)
            for at, cigar in zip(position * len(cigars), cigars, strict=False)
        ]
        path = write_bam(tmp_path / "a.bam", reads, sort=sort)
        with open_alignments(path) as file:
            found = read_introns(file, seqid, LENGTHS[seqid], min_overhang)
            return [intron for _, own in found for intron in own]

    return read


def test_where_introns_are(introns):
    assert introns([("M", 10), ("N", 50), ("M", 20)]) == [(110, 160)]
    # neither deletions nor insertions nor clipped bases are introns, but deletions take room
    cigar = [("S", 3), ("M", 5), ("D", 7), ("M", 5), ("I", 4), ("N", 50), ("=", 9), ("X", 9)]
    assert introns(cigar) == [(117, 167)]
    assert introns([("M", 10), ("D", 50), ("M", 20)], [("M", 30)]) == []
    assert introns([("M", 10), ("N", 50), ("M", 8), ("N", 30), ("M", 9)]) == [
        (110, 160),
        (168, 198),
    ]
    assert introns([("M", 10), ("N", 50), ("M", 20)], seqid="chr2") == []


@pytest.mark.parametrize(
    ("min_overhang", "expected"),
    [(6, [(110, 160), (166, 196)]), (7, []), (11, [])],
)
def test_overhang_on_either_side_up_to_the_next_intron(introns, min_overhang, expected):
    cigar = [("M", 10), ("N", 50), ("M", 6), ("N", 30), ("M", 9)]
    assert introns(cigar, min_overhang=min_overhang) == expected


def test_overhang_counts_aligned_bases_alone(introns):
    cigar = [("S", 9), ("M", 4), ("D", 9), ("I", 9), ("M", 3), ("N", 50), ("M", 20)]
    assert introns(cigar, min_overhang=7) == [(116, 166)]
    assert introns(cigar, min_overhang=8) == []
