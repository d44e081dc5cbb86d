"""Which introns are canonical, on which strand."""

import numpy as np
import pytest

from helixer_ft.genome.splice_sites import CANONICAL, intron_kinds
from helixer_ft.simulate.genome import reverse_complement


def kinds(sequence, introns, strand):
    bases = np.frombuffer(sequence.encode(), np.uint8)
    return intron_kinds(bases, np.array(introns, np.int64).reshape(-1, 2), strand).tolist()


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [("GT", "AG", 0), ("GC", "AG", 1), ("AT", "AC", 2), ("GT", "AC", -1), ("AG", "GT", -1),
     ("NN", "NN", -1), ("CT", "AC", -1)],
)  # fmt: skip
def test_kinds_on_either_strand(first, last, expected):
    sequence = f"CCC{first}AAAAA{last}GGGG"
    assert kinds(sequence, [(3, 12)], "+") == [expected]
    n = len(sequence)
    assert kinds(reverse_complement(sequence), [(n - 12, n - 3)], "-") == [expected]


def test_no_intron_is_canonical_on_both_strands():
    for kind in CANONICAL:
        sequence = kind.replace("-", "AAA")
        assert kinds(sequence, [(0, 7)], "+") != [-1]
        assert kinds(sequence, [(0, 7)], "-") == [-1]


def test_many_and_none():
    sequence = "GTAAAGGCAAAGATAAAC"
    assert kinds(sequence, [(0, 6), (6, 12), (12, 18), (0, 18)], "+") == [0, 1, 2, -1]
    assert kinds(sequence, [], "+") == []
