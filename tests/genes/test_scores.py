"""Levels, against an independent slow implementation and by hand."""

import random
from dataclasses import astuple

import pytest

from helixer_ft.genes.scores import CODING_LEVELS, EXON_LEVELS, Level, compare
from helixer_ft.genes.structures import select
from helixer_ft.genome.annotation import Annotation, Gene, Transcript

from .reference_scores import scores


def gene(name, *transcripts, seqid="chr1", strand="+", problem=""):
    """(seqid, Gene) of transcripts given as exons, or (exons, cds)."""
    made = []
    for i, one in enumerate(transcripts):
        exons, cds = one if isinstance(one, tuple) else (one, one)
        cds = tuple((start, end, 0) for start, end in cds)
        made.append(Transcript(f"{name}.{i}", exons[0][0], exons[-1][1], tuple(exons), cds))
    start, end = min(t.start for t in made), max(t.end for t in made)
    return seqid, Gene(name, strand, start, end, tuple(made), not problem, problem)


def selection(*genes):
    by_sequence = {}
    for seqid, one in genes:
        by_sequence.setdefault(seqid, []).append(one)
    return select(Annotation(by_sequence), by_sequence)


def comparison(reference, predicted):
    return compare(selection(*reference).genes, selection(*predicted).genes)


TWO_EXONS = [(100, 300), (500, 700)]


def random_genes(rng):
    """Genes with one or two transcripts each on two strands of two sequences, crowded."""
    genes = []
    for i in range(rng.randint(1, 7)):
        place = {"seqid": rng.choice(["chr1", "chr2"]), "strand": rng.choice("+-")}
        base = rng.choice([200, 600, 1100, 1700])
        models = []
        for _ in range(rng.choice([1, 1, 2])):
            exons, at = [], base + rng.choice([0, 0, 30, 100, 101])
            for _ in range(rng.choice([1, 1, 2, 3])):
                end = at + rng.choice([60, 150, 151, 240])
                exons.append((at, end))
                at = end + rng.choice([3, 4, 5, 60, 80])
            cds = [list(exon) for exon in exons]
            cds[0][0] += rng.choice([0, 10])
            cds[-1][1] -= rng.choice([0, 20])
            models.append((exons, [tuple(piece) for piece in cds]))
        genes.append(gene(f"g{i}", *models, **place))
    return genes


def changed(rng, genes):
    """The same genes as a predictor might see them."""
    result = []
    for seqid, one in genes:
        models = []
        for t in one.transcripts:
            exons = [list(exon) for exon in t.exons]
            exons[0][0] -= rng.choice([0, 0, 20, 99])
            exons[-1][1] += rng.choice([0, 0, 100, 101])
            if len(exons) > 1 and rng.random() < 0.3:
                exons[0][1] += rng.choice([1, 3])
            exons = [tuple(exon) for exon in exons[rng.choice([0, 0, 0, -1]) :]]
            inside = [p[:2] for p in t.cds if p[0] >= exons[0][0]]
            models.append((exons, inside or exons))
        if rng.random() < 0.85:
            result.append(gene(one.id, *models, seqid=seqid, strand=one.strand))
    return result + random_genes(rng)[: rng.choice([0, 1])]


@pytest.mark.parametrize("seed", range(12))
def test_levels_are_those_of_the_slow_implementation(seed):
    rng = random.Random(seed)
    for _ in range(4):
        reference = random_genes(rng)
        predicted = changed(rng, reference)
        raw = [
            [
                [((s, g.strand), t.exons, [p[:2] for p in t.cds]) for t in g.transcripts]
                for s, g in genes
            ]
            for genes in (reference, predicted)
        ]
        exons, coding, alone = scores(*raw)
        found = comparison(reference, predicted)
        assert {name: astuple(level) for name, level in found.exons.items()} == exons
        assert {name: astuple(level) for name, level in found.coding.items()} == coding
        assert sorted(found.only_reference) == sorted(reference[i][1].id for i in alone[0])
        assert sorted(found.only_predicted) == sorted(predicted[i][1].id for i in alone[1])


def test_random_genes_reach_what_they_are_to_test():
    """Partly right at every level, and levels that differ from each other."""
    rng = random.Random(1)
    totals = dict.fromkeys(EXON_LEVELS, Level())
    for _ in range(20):
        reference = random_genes(rng)
        for name, level in comparison(reference, changed(rng, reference)).exons.items():
            totals[name] += level
    assert all(0.1 < level.recall < 0.95 for level in totals.values())
    assert totals["exon"].found != totals["exon"].right
    assert totals["transcript"].found != totals["transcript"].right
    assert totals["locus"].reference != totals["transcript"].reference


def test_the_same_genes_score_one_at_every_level():
    genes = [
        gene("a", TWO_EXONS),
        gene("b", [(900, 1200)]),
        gene("a", TWO_EXONS, seqid="chr2", strand="-"),
    ]
    found = comparison(genes, genes)
    for level in (*found.exons.values(), *found.coding.values()):
        assert (level.recall, level.precision, level.f1) == (1, 1, 1)
    assert found.only_reference == found.only_predicted == ()
    assert tuple(found.exons) == EXON_LEVELS
    assert tuple(found.coding) == CODING_LEVELS


def test_the_other_strand_and_another_sequence_match_nothing():
    for place in ({"strand": "-"}, {"seqid": "chr2"}):
        found = comparison([gene("a", TWO_EXONS)], [gene("p", TWO_EXONS, **place)])
        assert {level.found for level in (*found.exons.values(), *found.coding.values())} == {0}
        assert (found.only_reference, found.only_predicted) == (("a",), ("p",))


@pytest.mark.parametrize(("shift", "matches"), [(100, 1), (101, 0)])
def test_outer_ends_of_exons_may_differ_by_100(shift, matches):
    longer = [(100 - shift, 300), (500, 700)]
    found = comparison([gene("a", TWO_EXONS)], [gene("p", (longer, TWO_EXONS))])
    assert found.exons["exon"].found == 1 + matches
    assert found.exons["transcript"].found == 1
    assert found.coding["gene"].found == 1


def test_inner_ends_are_exact():
    other = [(100, 301), (500, 700)]
    found = comparison([gene("a", TWO_EXONS)], [gene("p", (other, TWO_EXONS))])
    assert found.exons["exon"].found == 1
    assert found.exons["intron"].found == found.exons["transcript"].found == 0


@pytest.mark.parametrize(("end", "matches"), [(225, 1), (226, 0)])
def test_single_exons_match_where_both_cover_80_percent_of_the_longer(end, matches):
    found = comparison([gene("a", [(100, 200)])], [gene("p", [(100, end)])])
    assert (found.exons["transcript"].found, found.exons["transcript"].right) == (matches, matches)
    assert found.exons["intron chain"].f1 is None


def test_a_gene_is_found_by_any_of_its_transcripts():
    other = [(100, 280), (500, 700)]
    found = comparison([gene("a", TWO_EXONS, other)], [gene("p", other)])
    assert astuple(found.coding["gene"]) == (1, 1, 1, 1)
    assert astuple(found.coding["transcript"]) == (2, 1, 1, 1)
    assert found.coding["transcript"].recall == 0.5
    assert found.coding["transcript"].f1 == pytest.approx(2 / 3)


def test_one_transcript_twice_counts_once():
    found = comparison([gene("a", TWO_EXONS)], [gene("p", TWO_EXONS, TWO_EXONS)])
    assert astuple(found.coding["transcript"]) == astuple(found.exons["transcript"]) == (1, 1, 1, 1)


@pytest.mark.parametrize(("gap", "exons"), [(4, 1), (5, 2)])
def test_gaps_of_fewer_than_five_bases_are_no_introns(gap, exons):
    found = comparison([gene("a", [(100, 200), (200 + gap, 300)])], [gene("p", [(100, 300)])])
    assert found.exons["exon"].reference == found.coding["exon"].reference == exons


def test_what_is_left_out():
    noncoding = gene("nc", ([(1, 50)], []))
    chosen = select(
        Annotation(
            {
                "chr1": [gene("a", TWO_EXONS)[1], noncoding[1]]
                + [gene("m", TWO_EXONS, problem="mixed_strands")[1]] * 2
                + [gene("c", TWO_EXONS, problem="cds_outside_exons")[1]],
                "chr2": [gene("x", TWO_EXONS)[1], noncoding[1]],
                "chr3": [noncoding[1]],
            }
        ),
        ["chr1"],
    )
    assert [one.id for one in chosen.genes] == ["a", "c"]
    assert chosen.elsewhere == {"chr2": 1}
    assert chosen.noncoding == 1
    assert chosen.without_place == ("m",)


def test_scores_of_nothing():
    assert (Level().recall, Level().precision, Level().f1) == (None, None, None)
    missed = Level(3, 0, 0, 0)
    assert (missed.recall, missed.precision, missed.f1) == (0, None, 0)
