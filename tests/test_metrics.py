"""Scores and the bootstrap over genome blocks."""

import numpy as np
import pytest

from helixer_ft import metrics
from helixer_ft.metrics import (
    GENIC_CLASSES,
    PHASE_CLASSES,
    Confusion,
    Interval,
    PairedBootstrap,
    accuracy,
    f1_scores,
    genic_f1,
    scores,
)
from tests.data_files import helixer_scores

MATRIX = np.array([[50, 3, 2, 5], [4, 20, 6, 0], [1, 2, 60, 7], [9, 0, 8, 30]])


def test_scores_per_class():
    cds = scores(MATRIX)["CDS"]
    assert cds.precision == pytest.approx(60 / 76)
    assert cds.recall == pytest.approx(60 / 70)
    assert cds.f1 == pytest.approx(2 * 60 / (76 + 70))


def test_composite_scores():
    result = scores(MATRIX)
    tp, fp, fn = 20 + 60 + 30, 5 + 16 + 12, 10 + 10 + 17
    assert result["genic"].f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))
    tp, fp, fn = 60 + 30, 16 + 12, 10 + 17
    assert result["sub_genic"].f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))
    tp, fp, fn = 60 + 30 + 7 + 8, 2 + 5 + 6 + 0, 1 + 9 + 2 + 0
    assert result["legacy_cds"].f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_scores_are_zero_where_undefined():
    empty = scores(np.zeros((4, 4), int))
    assert all(score.f1 == score.precision == score.recall == 0 for score in empty.values())


def test_genic_f1_agrees_with_scores_and_broadcasts():
    many = np.stack([MATRIX, MATRIX.T * 2, np.zeros((4, 4))])
    assert genic_f1(many) == pytest.approx([scores(m)["genic"].f1 for m in many])


@pytest.mark.parametrize("classes", [GENIC_CLASSES, PHASE_CLASSES])
def test_f1_of_many_matrices_is_that_of_each(classes):
    many = np.random.default_rng(0).integers(0, 50, (2, 3, 4, 4))
    many[1, 2] = 0
    found = f1_scores(many, classes)
    for place in np.ndindex(2, 3):
        expected = {name: score.f1 for name, score in scores(many[place], classes).items()}
        assert {name: f1[place] for name, f1 in found.items()} == pytest.approx(expected)


def test_accuracy():
    assert accuracy(np.stack([MATRIX, 0 * MATRIX])) == pytest.approx([160 / 207, 0])
    assert Confusion(MATRIX[None, None]).wrong_share == pytest.approx(47 / 207)


def test_scores_equal_helixers():
    names = {"ig": "intergenic", "utr": "UTR", "exon": "CDS", "intron": "intron"}
    names |= {name: name for name in ("legacy_cds", "sub_genic", "genic")}
    phases = {"no_phase": "none", "phase_0": "phase 0", "phase_1": "phase 1", "phase_2": "phase 2"}
    for oracle in helixer_scores().values():
        genic = scores(np.array(oracle["genic_confusion_matrix"]))
        phase = scores(np.array(oracle["phase_confusion_matrix"]), PHASE_CLASSES)
        for theirs, ours, ours_scores in [
            *((theirs, ours, genic) for theirs, ours in names.items()),
            *((theirs, ours, phase) for theirs, ours in phases.items()),
        ]:
            score = ours_scores[ours]
            assert (score.precision, score.recall, score.f1) == pytest.approx(
                oracle["scores"][theirs], abs=5.1e-5
            )


def genic_interval(baseline, tuned, blocks, *, seed: int = 0) -> Interval:
    """The difference in genic F1, of counts `(windows, 4, 4)`."""
    return metrics.paired_bootstrap(baseline[:, None], tuned[:, None], blocks, seed=seed)["genic"]


def _windows(n: int, hits: int, misses: int) -> np.ndarray:
    counts = np.zeros((n, 4, 4), int)
    counts[:, 2, 2] = hits
    counts[:, 2, 0] = misses
    counts[:, 0, 0] = 100
    return counts


def test_bootstrap_of_equal_models_is_not_better():
    counts = _windows(60, 10, 5)
    interval = genic_interval(counts, counts, range(60))
    assert (interval.difference, interval.low, interval.high) == (0, 0, 0)
    assert interval.verdict == "not better"


def test_bootstrap_of_a_uniform_gain_has_no_width():
    interval = genic_interval(_windows(40, 5, 5), _windows(40, 8, 2), range(40))
    assert interval.difference == pytest.approx(16 / 18 - 10 / 15)
    assert interval.low == pytest.approx(interval.high) == pytest.approx(interval.difference)
    assert interval.verdict == "better"


def test_bootstrap_interval_widens_with_noise_and_covers_the_difference():
    generator = np.random.default_rng(0)
    hits = generator.integers(0, 20, 50)
    noisy = _windows(50, 0, 0)
    noisy[:, 2, 2], noisy[:, 2, 0] = hits, 20 - hits
    interval = genic_interval(_windows(50, 10, 10), noisy, range(50))
    assert interval.low < interval.difference < interval.high
    assert interval.high - interval.low > 0.02


def test_both_strands_of_a_region_are_one_block():
    counts = _windows(40, 10, 5)
    blocks = [("sp", "chr1", i % 20) for i in range(40)]
    assert genic_interval(counts, counts, blocks).blocks == 20


@pytest.mark.parametrize(
    ("low", "high", "blocks", "verdict"),
    [
        (0.1, 0.2, 19, "cannot tell"),
        (0.1, 0.2, 20, "better"),
        (-0.1, 0.2, 99, "cannot tell"),
        (-0.2, -0.1, 99, "not better"),
        (-0.2, 0.0, 99, "not better"),
    ],
)
def test_verdict(low, high, blocks, verdict):
    assert Interval((low + high) / 2, low, high, blocks).verdict == verdict


def test_bootstrap_follows_its_seed():
    generator = np.random.default_rng(1)
    counts = generator.integers(0, 9, (2, 30, 4, 4))
    one, same, other = (genic_interval(*counts, range(30), seed=s) for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_bootstrap_of_every_score_and_model():
    generator = np.random.default_rng(2)
    counts = generator.integers(0, 9, (3, 30, 4, 4))
    drawn = PairedBootstrap(counts, range(30))
    for number in (1, 2):
        found = drawn.differences(number, f1_scores)
        assert found["genic"] == genic_interval(counts[0], counts[number], range(30))
        for name, interval in found.items():
            after, before = (f1_scores(counts[i].sum(axis=0))[name] for i in (number, 0))
            assert interval.difference == pytest.approx(after - before)
            assert interval.low < interval.difference < interval.high
    one, other = (drawn.differences(1, f1_scores, baseline=i)["CDS"] for i in (0, 2))
    assert one != other


def test_bootstrap_in_little_memory_is_the_same(monkeypatch):
    counts = np.random.default_rng(3).integers(0, 9, (2, 30, 4, 4))
    expected = genic_interval(*counts, range(30))
    monkeypatch.setattr(metrics, "_DRAWN_AT_ONCE", 30 * 7)
    found = genic_interval(*counts, range(30))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_blocks_without_a_base_that_counts_are_no_blocks():
    counts = np.concatenate([_windows(30, 10, 5), np.zeros((30, 4, 4), int)])
    assert genic_interval(counts, counts, range(60)).blocks == 30
    nothing = genic_interval(0 * counts, 0 * counts, range(60))
    assert (nothing.blocks, nothing.difference, nothing.verdict) == (0, 0, "cannot tell")
