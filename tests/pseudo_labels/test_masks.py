"""What is masked beyond what `prepare` masks."""

from dataclasses import replace

import numpy as np
import pytest

from helixer_ft.preparation.labels import SequenceLabels, StrandLabels
from helixer_ft.pseudo_labels.confidence import ConfidentIntergenic
from helixer_ft.pseudo_labels.masks import THINNED_BLOCK, PseudoMasks, share_to_keep
from tests.pseudo_labels.test_gate import candidate

N = 60 * THINNED_BLOCK


@pytest.fixture
def labels():
    """A sequence with a gene at 100 to 200 of each strand; base 10 is masked already."""

    def strand():
        genic, valid = np.zeros(N, np.uint8), np.ones(N, bool)
        genic[100:120], genic[120:200] = 1, 2
        valid[10] = False
        return StrandLabels(genic, valid, genic, genic, genic)

    return SequenceLabels(strand(), strand(), ())


@pytest.fixture
def intergenic(tmp_path):
    """Confident everywhere but at 0 to 99 on plus."""
    with ConfidentIntergenic({"c": N}, tmp_path) as kept:
        sure = np.ones(N, bool)
        kept.write("c", "minus", 0, sure)
        sure[:100] = False
        kept.write("c", "plus", 0, sure)
        yield kept


def test_intergenic_that_is_not_confident(labels, intergenic):
    found = PseudoMasks(intergenic, {})("c", labels)
    assert not found.plus.valid[:100].any()
    assert found.plus.valid[100:].all()
    assert (np.flatnonzero(~found.minus.valid) == [10]).all()
    assert labels.plus.valid[0], "the labels given are unchanged"


def test_uncertain_ends_of_kept_genes(labels, intergenic):
    one = replace(candidate([(100, 200)], "-"), uncertain_ends=((100, 112), (190, 200)))
    found = PseudoMasks(intergenic, {"c": [one]})("c", labels)
    masked = np.flatnonzero(~found.minus.valid)
    assert masked.tolist() == [10, *range(100, 112), *range(190, 200)]
    assert found.plus.valid[100:].all()
    assert [(m.gene, m.strand, m.start, m.end, m.error) for m in found.masked] == [
        ("g", "-", 100, 112, "uncertain_utr_end"),
        ("g", "-", 190, 200, "uncertain_utr_end"),
    ]


def test_reads_where_there_is_no_gene(labels, intergenic):
    missed = {"c": {"+": [(150, 300)], "-": []}}
    found = PseudoMasks(intergenic, {}, missed)("c", labels)
    assert found.plus.valid[100:200].all(), "labels of genes stay"
    assert not found.plus.valid[200:300].any()
    assert found.plus.valid[300:].all()
    assert found.minus.valid[200:300].all()


def test_intergenic_is_thinned_in_blocks(labels, intergenic):
    found = PseudoMasks(intergenic, {}, share=0.3, seed=4)("c", labels)
    assert found.minus.valid[100:200].all(), "genes are not"
    rest = found.minus.valid[THINNED_BLOCK:].reshape(-1, THINNED_BLOCK)
    assert set(rest.mean(axis=1).tolist()) == {0, 1}
    assert 0.15 < rest.mean() < 0.45
    same = PseudoMasks(intergenic, {}, share=0.3, seed=4)("c", labels)
    other = PseudoMasks(intergenic, {}, share=0.3, seed=5)("c", labels)
    assert np.array_equal(same.minus.valid, found.minus.valid)
    assert not np.array_equal(other.minus.valid, found.minus.valid)
    assert not np.array_equal(found.plus.valid[200:], found.minus.valid[200:])


@pytest.mark.parametrize(
    ("bases", "mean", "share"),
    [
        ([1000, 50, 50, 0], 0.5, 0.1),  # 100 of 200
        ([1000, 50, 50, 0], 0.8, 0.4),  # 400 of 500
        ([100, 50, 50, 0], 0.8, 1),
        ([0, 50, 50, 0], 0.8, 1),
        ([10, 0, 5, 5], 1.0, 1),
    ],
)
def test_share_of_intergenic(bases, mean, share):
    assert share_to_keep(np.array(bases), mean) == pytest.approx(share)
