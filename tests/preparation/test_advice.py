"""What is counted of a labelled sequence, and what is said of it."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Gene, Transcript
from helixer_ft.preparation import advice
from helixer_ft.preparation.labels import Masked, SequenceLabels
from helixer_ft.preparation.pieces import Piece
from helixer_ft.preparation.report import Content, SpeciesReport, joined
from helixer_ft.preparation.samples import Sample
from helixer_ft.preparation.survey import (
    GeneRecord,
    MaskedTotal,
    SequenceSurvey,
    masked_totals,
    survey_sequence,
)

from .test_windows import random_strand

KINDS = ("intergenic", "UTR", "CDS", "intron")


def genes(lengths, *, usable=True):
    return tuple(GeneRecord(0, int(n), 1, trusted=True, usable=usable) for n in lengths)


def content(valid=(50, 10, 30, 10), bases=None, n_genes=1000):
    return Content(np.array(bases or valid), np.array(valid), genes([1000] * n_genes))


def transcript(name, exons, cds):
    return Transcript(name, exons[0][0], exons[-1][1], exons, tuple((s, e, 0) for s, e in cds))


def test_a_survey_counts_classes_and_genes(monkeypatch):
    monkeypatch.setattr("helixer_ft.preparation.survey._AT_ONCE", 64)
    n = 1000
    strands = [random_strand(np.random.default_rng(i), n) for i in range(2)]
    strands[0].valid[100:190] = True
    strands[0].valid[200:400] = False
    strands[1].valid[700:] = True
    masked = (Masked("b", "b.1", "+", 200, 400, "x"),)
    labels = SequenceLabels(*strands, masked)
    pieces = [Piece("s", 0, 150), Piece("s", 150, 160, gap=True), Piece("s", 160, n)]
    short, long = (
        transcript("a.1", ((100, 190),), ((110, 120),)),
        transcript("a.2", ((100, 130), (150, 190)), ((110, 130), (150, 180))),
    )
    found = survey_sequence(
        labels,
        [
            Gene("a", "+", 100, 190, (short, long)),
            Gene("b", "+", 200, 400, (transcript("b.1", ((200, 400),), ((210, 390),)),)),
            Gene("c", "-", 700, 900, (transcript("c.1", ((700, 900),), ((710, 890),)),), False),
            Gene("t", "-", 950, 990, (Transcript("t.1", 950, 990, ((950, 990),), (), "tRNA"),)),
        ],
        pieces,
    )
    for piece, counts in zip(pieces, found.counts, strict=True):
        for code in range(4):
            own = [(s.genic[p], s.valid[p]) for s in strands for p in range(piece.start, piece.end)]
            assert counts[0, code] == sum(genic == code for genic, _ in own)
            assert counts[1, code] == sum(genic == code and valid for genic, valid in own)
    assert found.genes == (
        GeneRecord(100, 90, 1, trusted=True, usable=True),
        GeneRecord(200, 200, 0, trusted=True, usable=False),
        GeneRecord(700, 200, 0, trusted=False, usable=False),
    )
    assert found.other_genes == 1
    assert found.masked == masked


def test_masked_bases_are_counted_once_per_error_and_strand():
    def survey(*masks):
        return SequenceSurvey(np.zeros((1, 2, 4)), (), 0, masks)

    totals = masked_totals(
        [
            survey(
                Masked("a", "a.1", "+", 0, 10, "x"),
                Masked("a", "a.1", "+", 5, 20, "x"),
                Masked("b", "b.1", "-", 5, 10, "x"),
                Masked("b", "b.1", "-", 5, 100, "y"),
            ),
            survey(Masked("c", "c.1", "+", 5, 10, "x")),
        ]
    )
    assert list(totals.items()) == [("y", MaskedTotal(1, 95)), ("x", MaskedTotal(3, 30))]


@pytest.mark.parametrize(
    ("lengths", "window", "longer", "recommended", "beyond"),
    [
        ([100, 200, 300], 900, 0, None, 0),
        ([100] * 50 + [1000] * 50, 900, 50, 1008, 0),
        ([100] * 999 + [5000], 900, 1, 5004, 0),
        ([100] * 985 + [5000] * 10 + [50_000] * 5, 900, 15, 5004, 5),
        ([10_000] * 90 + [30_000] * 10, 21_384, 10, 32_076, 0),
    ],
)
def test_recommended_length(lengths, window, longer, recommended, beyond):
    found = advice.gene_lengths(genes(lengths), window)
    assert astuple(found)[2:] == (longer, recommended, beyond)
    assert found.maximum == max(lengths)
    assert found.median == np.median(lengths)
    assert recommended is None or recommended % 9 == 0


def test_untrusted_genes_have_no_say_in_the_length():
    assert advice.gene_lengths([GeneRecord(0, 10**6, 0, False, False)], 900) is None


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("name", ["training", "validation", "test"])
def test_a_set_without_a_class_is_refused(index, name):
    valid = [50, 10, 30, 10]
    sets = {part: content(valid) for part in ("training", "validation", "test")}
    advice.check_classes(sets, joined(sets.values()), [], "mask")
    valid[index] = 0
    sets[name] = content(valid)
    with pytest.raises(InputError) as caught:
        advice.check_classes(sets, joined(sets.values()), [], "mask")
    for part in (f"the {name} data", f"no valid {KINDS[index]} base", "--seed", "-fraction"):
        assert part in str(caught.value)


@pytest.mark.parametrize("index", [1, 3])
def test_a_class_that_is_nowhere_is_warned_of(index):
    valid = [50, 10, 30, 10]
    valid[index] = 0
    sets = {"training": content(valid), "validation": content(valid)}
    advice.check_classes(sets, joined(sets.values()), [], "mask")
    report = SpeciesReport(Sample("A", Path("a.fa")), 1, 100, content=content(valid))
    (warning,) = advice.annotation_advice(report, 900, "mask")
    assert f"no valid {KINDS[index]} base" in warning


@pytest.mark.parametrize("index", [0, 2])
def test_without_valid_intergenic_or_coding_bases_there_is_nothing_to_learn(index):
    valid, bases = [50, 10, 30, 10], [50, 10, 30, 10]
    valid[index] = 0
    sets = {"training": content(valid, bases)}
    reasons = ["no start", "no stop", "no UTR", "overlap"]
    with pytest.raises(InputError, match=f"all {bases[index]} of them are masked.*--missing-utr"):
        advice.check_classes(sets, sets["training"], reasons, "mask")
    with pytest.raises(InputError, match=r"masked for no start, no stop, no UTR\. Look at the g"):
        advice.check_classes(sets, sets["training"], reasons, "keep")


@pytest.mark.parametrize(
    ("n", "said"),
    [(199, "fewer than 200"), (200, "fewer than 600"), (599, "fewer than 600"), (600, None)],
)
def test_few_genes_are_named_plainly(n, said):
    warnings = advice.set_advice({"training": content(n_genes=n), "validation": content()})
    assert [str(n) in text and said in text for text in warnings] == ([True] if said else [])


@pytest.mark.parametrize("n", [199, 599])
def test_predictions_are_not_to_be_compared_by(n):
    sets = {"training": content(n_genes=n), "validation": content()}
    (usual,) = advice.set_advice(sets)
    (text,) = advice.set_advice(sets, predicted=True)
    assert "helixer-ft compare" in usual
    assert "helixer-ft compare" not in text
    assert "helixer-ft evaluate-genes" in text


def test_unusable_genes_do_not_count():
    many = Content(
        np.array([1, 1, 1, 1]), np.array([1, 1, 1, 1]), genes([1000] * 700, usable=False)
    )
    assert "only 0 usable" in advice.set_advice({"training": many})[0]


def test_sets_that_differ_and_little_intergenic_sequence():
    sets = {"training": content((10, 30, 30, 30)), "test": content((30, 30, 20, 20))}
    warnings = " ".join(advice.set_advice(sets))
    assert "only 10.0% of the valid training bases are intergenic" in warnings
    assert "10% of the valid training bases are intergenic, but 30% of the valid test" in warnings


def test_advice_on_the_annotation():
    report = SpeciesReport(
        Sample("A", Path("a.fa")),
        1,
        100,
        content=Content(np.array([100, 10, 30, 10]), np.array([20, 10, 30, 10]), genes([2000] * 9)),
        lengths=advice.gene_lengths(genes([2000] * 9), 900),
        masked={"missing_utr_5p": MaskedTotal(9, 80)},
    )
    long, masked = advice.annotation_advice(report, 900, "mask")
    assert "9 gene(s) (100.0%) are longer than a window of 900 bp" in long
    assert "--subsequence-length 2007 holds all of them" in long
    assert "53% of the bases are masked" in masked
    assert "--missing-utr keep" in masked
    assert "--missing-utr keep" not in advice.annotation_advice(report, 900, "keep")[1]
