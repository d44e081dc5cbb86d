"""Training, validation and check stretches, and the genes on them."""

import pytest

from helixer_ft.errors import InputError
from helixer_ft.pseudo_labels.splitting import NO_GENE, assign, split_genome
from tests.pseudo_labels.test_gate import candidate


def genome(n_sequences: int, length: int, step: int = 1000):
    """Sequences with a gene each `step` bases, alternately on either strand."""
    names = [f"c{i}" for i in range(n_sequences)]
    candidates = [
        candidate([(at, at + step // 3)], "+-"[at // step % 2], name, f"{name}.{at}")
        for name in names
        for at in range(step // 2, length - step, step)
    ]
    genes = {name: [c.gene for c in candidates if c.seqid == name] for name in names}
    return dict.fromkeys(names, length), genes, candidates


def test_whole_sequences():
    lengths, genes, candidates = genome(30, 9_000)
    split = split_genome(lengths | {"empty": 500}, genes, candidates, 0, 900)
    assert set(split.sets) == {"training", "validation", "check"}
    shares = {name: sum(p.length for p in own) / 270_000 for name, own in split.sets.items()}
    assert shares == pytest.approx({"training": 0.7, "validation": 0.2, "check": 0.1}, abs=0.04)
    assert [(piece.seqid, why) for piece, why in split.left_out] == [("empty", NO_GENE)]
    assign(split, candidates)
    assert {c.part for c in candidates} == set(split.sets)
    by_sequence = {(c.seqid, c.part) for c in candidates}
    assert len(by_sequence) == 30
    assert split_genome(lengths, genes, candidates, 0, 900).sets == split.sets
    assert split_genome(lengths, genes, candidates, 1, 900).sets != split.sets


def test_blocks_of_one_sequence():
    """Genes across a border are in no set; borders follow all genes, so here there are none."""
    lengths, genes, candidates = genome(1, 100_000)
    split = split_genome(lengths, genes, candidates, 0, 900)
    assert split.in_blocks
    assert any("check" in why for _, why in split.left_out)
    assert not any("test" in why for _, why in split.left_out)
    assign(split, candidates)
    assert {c.part for c in candidates} == {"training", "validation", "check"}
    across = next(piece for piece, _ in split.left_out)
    gene = candidate([(across.start - 50, across.end + 50)], seqid="c0")
    assign(split, [gene])
    assert gene.part == ""


def test_sequences_without_a_gene_to_label_are_left_out():
    """Although they have genes."""
    lengths, genes, candidates = genome(30, 9_000)
    others = [c for c in candidates if c.seqid != "c3"]
    split = split_genome(lengths, genes, others, 0, 900)
    assert [piece.seqid for piece, _ in split.left_out] == ["c3"]


def test_too_little_to_split():
    lengths, genes, candidates = genome(1, 1_600)
    with pytest.raises(InputError, match="cannot be split into training, validation and check"):
        split_genome(lengths, genes, candidates, 0, 900)
