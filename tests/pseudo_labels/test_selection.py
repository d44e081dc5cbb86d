"""Which genes are kept, and why others are not."""

from dataclasses import replace

import pytest

from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.selection import (
    counts_per_stratum,
    random_selection,
    select,
    select_all,
    strata_warnings,
    stratum,
)
from tests.pseudo_labels.test_gate import candidate


def one(number: int, exons: int, confidence: float, **others) -> Candidate:
    pieces = [(1000 * number + 50 * i, 1000 * number + 50 * i + 30) for i in range(exons)]
    made = candidate(pieces, name=f"g{number}")
    return replace(made, confidence=confidence, family=number, part="training", **others)


def test_the_most_confident_of_each_stratum():
    """Genes of many exons are less confident throughout, and their best are kept all the same."""
    single = [one(i, 1, 0.9 + 0.01 * i) for i in range(4)]
    many = [one(10 + i, 5, 0.81 + 0.01 * i) for i in range(4)]
    select([*single, *many], keep=0.5, min_confidence=0.8)
    assert [g.outcome for g in single] == ["below_keep_share"] * 2 + ["kept"] * 2
    assert [g.outcome for g in many] == ["below_keep_share"] * 2 + ["kept"] * 2
    counts = counts_per_stratum([*single, *many])
    assert counts == {"1": (4, 4, 2), "2-3": (0, 0, 0), "4+": (4, 4, 2)}
    assert [stratum(one(1, n, 1)) for n in (1, 2, 3, 4)] == ["1", "2-3", "2-3", "4+"]


@pytest.mark.parametrize(("keep", "kept"), [(0.25, 1), (0.5, 2), (1, 3)])
def test_share_and_floor(keep, kept):
    genes = [one(i, 1, confidence) for i, confidence in enumerate((0.7, 0.8, 0.9, 0.95))]
    select(genes, keep=keep, min_confidence=0.8)
    assert sum(g.is_kept for g in genes) == kept
    assert genes[0].outcome == "below_min_confidence"


def test_a_half_is_rounded_up():
    """So that something is kept of a stratum with a single gene."""
    for n, kept in ((1, 1), (3, 2), (4, 2), (5, 3)):
        genes = [one(i, 1, 0.9) for i in range(n)]
        select(genes, keep=0.5, min_confidence=0.8)
        assert sum(g.is_kept for g in genes) == kept


def test_strata_of_all_genes_have_those_that_fail_too():
    genes = [one(i, 1, 0.9, faults=("short_cds",) if i < 3 else ()) for i in range(5)]
    genes.append(replace(one(9, 1, 0.9), part="check"))
    select_all(genes)
    assert counts_per_stratum(genes)["1"] == (5, 2, 5)


def test_no_filter_is_advised_where_all_genes_are_labelled():
    genes = [one(0, 1, 0.9), *(one(9 + i, 5, 0.9, contradicted=12) for i in range(12))]
    select_all(genes)
    (warning,) = strata_warnings(genes, 0.0, every=True)
    assert "none of the 12 with 4+ exons is kept" in warning
    assert warning.endswith("genes.tsv has the reasons.")


def test_a_stratum_of_which_nothing_is_kept_is_named():
    single = [one(i, 1, 0.95) for i in range(3)]
    few, many = ([one(100 * n + i, n, 0.7) for i in range(10)] for n in (2, 5))
    genes = [*single, *few[:9], *many]
    select(genes, keep=1, min_confidence=0.8)
    (warning,) = strata_warnings(genes, 0.8)
    assert "none of the 10 with 4+ exons is kept" in warning
    assert "--min-confidence (it is 0.8)" in warning
    select([*genes, few[9]], keep=1, min_confidence=0.8)
    assert (
        "none of the 10 with 2-3 and none of the 10 with 4+ exons"
        in (strata_warnings([*genes, few[9]], 0.8)[0])
    )
    select(genes, keep=1, min_confidence=0.6)
    assert strata_warnings(genes, 0.6) == []
    select(genes, keep=1, min_confidence=0.99)  # nothing at all: that is refused elsewhere
    assert strata_warnings(genes, 0.99) == []


def test_reads_decide_before_the_model_does():
    supported = one(1, 3, 0.2, supported=2)
    partly = one(2, 3, 0.2, supported=1)
    single = one(3, 1, 0.2, supported=0)
    against = one(4, 3, 0.99, supported=2, contradicted=12)
    select([supported, partly, single, against], keep=1, min_confidence=0.8)
    assert [g.outcome for g in (supported, partly, single, against)] == [
        "kept",
        "below_min_confidence",
        "below_min_confidence",
        "contradicted_by_reads",
    ]


def test_what_is_not_even_considered():
    faulty = one(1, 1, 1.0, faults=("short_cds", "many_copies"))
    between = replace(one(2, 1, 1.0), part="")
    check = replace(one(3, 1, 1.0), part="check")
    select([faulty, between, check], keep=1, min_confidence=0.8)
    outcomes = [g.outcome for g in (faulty, between, check)]
    assert outcomes == ["short_cds,many_copies", "between_sets", "check"]


def test_check_sequences_do_not_move_the_share_that_is_kept():
    genes = [one(i, 1, 0.81 + 0.01 * i) for i in range(10)]
    check = [replace(one(20 + i, 1, 0.99), part="check") for i in range(10)]
    select(genes, keep=0.5, min_confidence=0.8)
    alone = [g.outcome for g in genes]
    select([*genes, *check], keep=0.5, min_confidence=0.8)
    assert [g.outcome for g in genes] == alone


def test_a_family_stays_in_one_set():
    """In that of most of its genes; of equals in training."""
    family = [replace(one(i, 1, 0.9), family=7) for i in range(5)]
    for gene, part in zip(
        family, ("training", "check", "check", "check", "validation"), strict=True
    ):
        gene.part = part
    pair = [replace(one(10 + i, 1, 0.9), family=8) for i in range(2)]
    pair[0].part = "validation"
    select([*family, *pair], keep=1, min_confidence=0.8)
    other = "family_in_other_set"
    assert [g.outcome for g in family] == [other, "check", "check", "check", other]
    assert [g.outcome for g in pair] == [other, "kept"]


def test_random_genes_to_compare_with():
    genes = [one(i, 1 + i % 2, 0.9) for i in range(40)]
    genes[0].part = "check"
    drawn = random_selection(genes, {"1": 5, "2-3": 100, "4+": 3}, seed=1)
    assert sum(stratum(g) == "1" for g in drawn) == 5
    assert sum(stratum(g) == "2-3" for g in drawn) == 20
    assert genes[0] not in drawn
    assert [g.gene.id for g in drawn] == [
        g.gene.id for g in random_selection(genes, {"1": 5, "2-3": 100}, seed=1)
    ]
    again = random_selection(genes, {"1": 5}, seed=2)
    assert [g.gene.id for g in again] != [g.gene.id for g in drawn if stratum(g) == "1"]
