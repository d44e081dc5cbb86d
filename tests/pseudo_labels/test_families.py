"""Near-identical genes are found, others are not taken for such."""

import numpy as np
import pytest

from helixer_ft.pseudo_labels.families import SHARE, WORD, families, words

GENERATOR = np.random.default_rng(7)


def random_gene(n: int = 900) -> np.ndarray:
    return np.frombuffer(b"ACGT", np.uint8)[GENERATOR.integers(0, 4, n)]


def mutated(bases: np.ndarray, share: float) -> np.ndarray:
    changed = GENERATOR.random(len(bases)) < share
    return np.where(changed, random_gene(len(bases)), bases)


def test_copies_are_one_family_and_others_are_not():
    element = random_gene()
    copies = [mutated(element, 0.02) for _ in range(12)]
    short = element[100:500]
    others = [random_gene() for _ in range(20)]
    found = families([words(one) for one in (*copies, short, *others)])
    assert len(set(found[:13])) == 1
    assert len(set(found)) == 21


def test_distant_relatives_are_no_copies():
    element = random_gene(3000)
    first, second = families([words(element), words(mutated(element, 0.3))])
    assert first != second


@pytest.mark.parametrize("n", [0, WORD - 1, WORD, 40])
def test_short_genes_are_families_of_their_own(n):
    gene = random_gene(n)
    assert len(words(gene)) <= max(0, n - WORD + 1)
    tiny = [np.array([1, 2], np.uint32)] * 2
    assert len(set(families(tiny))) == 2


def test_unknown_bases_make_no_word():
    gene = random_gene(WORD * 20)
    broken = gene.copy()
    broken[::WORD] = ord("N")
    assert len(words(gene)) > 0
    assert len(words(broken)) == 0


def test_words_are_those_of_the_sequence():
    """A word is there or not by itself, whatever is around it: genes can be compared."""
    gene = random_gene(600)
    whole, part = set(words(gene).tolist()), set(words(gene[200:400]).tolist())
    assert part <= whole
    assert 0.5 < len(whole) / (585 / 8) < 1.6
    assert SHARE < 1
