"""Which pieces there are, and which set they go to."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Gene
from helixer_ft.preparation.pieces import MAX_GAP, Piece, blocks, gaps_between, n90, whole
from helixer_ft.preparation.split import SplitSettings, draw, pieces_to_split

FRACTIONS = {"training": 0.7, "validation": 0.2, "test": 0.1}


def genes_of(length, step=2000, span=1200):
    return [
        Gene(f"g{start}", "+-"[i % 2], start, start + span, ())
        for i, start in enumerate(range(300, length - span, step))
    ]


def split(lengths, *, genes=None, fractions=FRACTIONS, named=None, seed=0, counts=None, window=900):
    genes = {name: genes_of(n) for name, n in lengths.items()} if genes is None else genes
    settings = SplitSettings(fractions, named or {}, seed)
    pieces, in_blocks = pieces_to_split(lengths, genes, settings, window)
    if counts is None:
        counts = np.array([[piece.length] * 4 for piece in pieces])
    else:
        counts = np.array([counts(piece) for piece in pieces])
    return draw(pieces, counts, settings, in_blocks)


def shares(result, lengths):
    total = sum(lengths.values())
    return {
        name: sum(piece.length for piece in pieces) / total for name, pieces in result.sets.items()
    }


def test_n90():
    assert n90([50, 30, 10, 5, 5]) == 10
    assert n90([1]) == 1
    assert n90([]) == 0


def test_many_sequences_are_split_whole_near_the_wanted_shares():
    generator = np.random.default_rng(0)
    lengths = {f"s{i}": int(n) for i, n in enumerate(generator.lognormal(10, 1, 300))}
    result = split(lengths)
    assert not result.in_blocks
    assert result.left_out == []
    seen = Counter(piece.seqid for pieces in result.sets.values() for piece in pieces)
    assert seen == Counter(list(lengths))
    assert all(
        (p.start, p.end) == (0, lengths[p.seqid]) for parts in result.sets.values() for p in parts
    )
    assert shares(result, lengths) == pytest.approx(FRACTIONS, abs=0.01)
    limit = n90(lengths.values())
    for pieces in result.sets.values():  # long and short ones in every set, in proportion
        long = sum(p.length for p in pieces if p.length >= limit)
        assert long / sum(p.length for p in pieces) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_few_long_sequences_give_each_set_one(n):
    lengths = {f"chr{i}": 100_000 + i for i in range(n)}
    result = split(lengths)
    assert not result.in_blocks
    assert {name: len(pieces) for name, pieces in result.sets.items()} == {
        "training": n - 2,
        "validation": 1,
        "test": 1,
    }


def test_the_seed_decides():
    lengths = {f"s{i}": 50_000 + 7 * i for i in range(40)}
    assert split(lengths, seed=3) == split(lengths, seed=3)
    assert len({str(split(lengths, seed=seed).sets) for seed in range(5)}) == 5


def test_a_draw_that_gives_each_set_each_class_is_preferred():
    lengths = {f"s{i}": 50_000 for i in range(12)}
    with_introns = {"s1", "s5", "s11"}

    def counts(piece):
        return [20_000, 5_000, 20_000, 5_000 * (piece.seqid in with_introns)]

    for seed in range(10):
        result = split(lengths, seed=seed, counts=counts)
        for pieces in result.sets.values():
            assert with_introns & {piece.seqid for piece in pieces}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_sequences_are_cut_into_blocks(n):
    lengths = {f"chr{i}": 400_000 for i in range(n)}
    genes = {name: genes_of(length) for name, length in lengths.items()}
    result = split(lengths, genes=genes)
    assert result.in_blocks
    assert shares(result, lengths) == pytest.approx(FRACTIONS, abs=0.05)
    everything = [(name, p) for name, parts in result.sets.items() for p in parts]
    everything += [("", piece) for piece, _ in result.left_out]
    for seqid, length in lengths.items():
        own = sorted((p.start, p.end, name) for name, p in everything if p.seqid == seqid)
        assert own[0][0] == 0
        assert own[-1][1] == length
        for (_, end, one), (start, _, other) in itertools.pairwise(own):
            assert end == start
            assert (one == "") != (other == "")  # never two sets side by side: a gap between
        for start, end, name in own:
            for gene in genes[seqid]:
                inside = start <= gene.start and gene.end <= end
                assert inside or gene.end <= start or end <= gene.start
                assert not (inside and name == "")
    assert result.smallest_gap == 800 // 3
    assert all(reason.startswith("between ") for _, reason in result.left_out)


def test_one_long_sequence_among_crumbs_is_cut():
    lengths = {"chr1": 500_000} | {f"u{i}": 500 for i in range(20)}
    result = split(lengths)
    assert result.in_blocks
    assert {p.seqid for p in result.sets["validation"] + result.sets["test"]} >= {"chr1"}


def test_without_gaps_to_cut_at_it_is_an_error():
    genes = {"chr1": [Gene("g", "+", 0, 90_000, ())]}
    with pytest.raises(InputError, match=r"too few intergenic gaps.*--no-split"):
        split({"chr1": 90_000}, genes=genes)


def test_named_sequences_go_where_they_are_sent_and_no_others():
    lengths = {f"chr{i}": 100_000 for i in range(8)}
    result = split(lengths, named={"validation": ["chr3", "chr5"]})
    assert [p.seqid for p in result.sets["validation"]] == ["chr3", "chr5"]
    assert len(result.sets["test"]) == 1
    assert len(result.sets["training"]) == 5
    result = split(lengths, named={"validation": ["chr3"], "test": ["chr0"]})
    assert [p.seqid for p in result.sets["test"]] == ["chr0"]
    assert len(result.sets["training"]) == 6


def test_named_sequences_are_never_cut():
    lengths = {"a": 300_000, "b": 300_000}
    result = split(lengths, named={"validation": ["b"], "test": ["a"]}, seed=1)
    assert set(result.sets) == {"validation", "test"}
    result = split(lengths, named={"validation": ["b"]})
    assert result.in_blocks
    assert result.sets["validation"] == [Piece("b", 0, 300_000)]
    assert {p.seqid for p in result.sets["training"] + result.sets["test"]} == {"a"}


def test_no_test_set():
    fractions = {"training": 0.8, "validation": 0.2, "test": 0.0}
    result = split({f"chr{i}": 100_000 for i in range(5)}, fractions=fractions)
    assert {name: len(pieces) for name, pieces in result.sets.items()} == {
        "training": 4,
        "validation": 1,
    }


def test_gaps_are_between_all_genes_of_both_strands():
    spans = [(10, 50), (40, 60), (20, 30), (61, 70), (80, 90)]
    genes = [Gene(str(i), "+-"[i % 2], *span, ()) for i, span in enumerate(spans)]
    assert gaps_between(genes) == [(70, 80)]


def test_wide_gaps_are_left_out_in_part_only():
    genes = {"chr1": [Gene("a", "+", 0, 100_000, ()), Gene("b", "-", 200_000, 300_000, ())]}
    left, gap, right = blocks({"chr1": 300_000}, genes, 1.0, 900)
    assert gap == Piece("chr1", 145_000, 155_000, gap=True)
    assert gap.length == MAX_GAP
    assert (left.end, right.start) == (gap.start, gap.end)


@given(
    st.dictionaries(st.text("abc", min_size=1), st.integers(500, 10**6), min_size=1, max_size=6),
    st.integers(100, 5000),
    st.sampled_from([0.05, 0.1, 0.3]),
)
def test_pieces_cover_every_sequence_once(lengths, step, smallest):
    genes = {name: genes_of(n, 2 * step, step) for name, n in lengths.items()}
    pieces = blocks(lengths, genes, smallest, 900)
    for name, length in lengths.items():
        own = [piece for piece in pieces if piece.seqid == name]
        assert [piece.gap for piece in own] == [i % 2 == 1 for i in range(len(own))]
        edges = [0, *(piece.end for piece in own)]
        assert [piece.start for piece in own] == edges[:-1]
        assert edges[-1] == length
        assert all(piece.length > 0 for piece in own)
    assert whole(lengths) == [Piece(name, 0, n) for name, n in lengths.items()]
