"""Confidence of genes from predictions that are read part by part, whatever the parts."""

import numpy as np
import pytest

from helixer_ft.genome.annotation import Gene, Transcript
from helixer_ft.genome.codons import running_phases
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.confidence import ConfidentIntergenic, SequenceScores
from helixer_ft.pseudo_labels.probabilities import Part

N = 400


def candidate(strand, exons, cds):
    pieces = running_phases([(start, end, 0) for start, end in cds], strand, 0)
    start, end = exons[0][0], exons[-1][1]
    transcript = Transcript("t", start, end, tuple(exons), pieces)
    return Candidate("c", Gene("g", strand, start, end, (transcript,)))


def values(generator):
    raw = generator.random((N, 4)).astype(np.float32)
    return raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("step", [8, 40, 400])
@pytest.mark.parametrize("backwards", [False, True])
def test_lowest_mean_over_coding_exons_and_introns(step, backwards):
    generator = np.random.default_rng(3)
    plus, minus = values(generator), values(generator)
    one = candidate("+", [(20, 60), (100, 150), (200, 260)], [(30, 60), (100, 150), (200, 210)])
    other = candidate("-", [(15, 90), (120, 300)], [(40, 90), (120, 130)])
    scores = SequenceScores([one, other])
    starts = list(range(0, N, step))
    for start in starts[::-1] if backwards else starts:
        part = slice(start, start + step)
        scores.add(Part(start, plus[part], minus[part]))
    scores.finish()

    def lowest(array, *features):
        return min(array[start:end, label].mean() for start, end, label in features)

    coding = [(30, 60, 2), (100, 150, 2), (200, 210, 2)]
    introns = [(60, 100, 3), (150, 200, 3)]
    assert one.confidence == pytest.approx(lowest(plus, *coding, *introns), abs=1e-6)
    features = [(40, 90, 2), (90, 120, 3), (120, 130, 2)]
    assert other.confidence == pytest.approx(lowest(minus, *features), abs=1e-6)
    assert scores.bases == 2 * N
    assert scores.intergenic == pytest.approx(plus[:, 0].sum() + minus[:, 0].sum(), rel=1e-5)


@pytest.mark.parametrize("step", [8, 400])
def test_ends_of_utrs_that_are_not_confident(step):
    """From the end of the gene to the first confident base; all of a UTR without any."""
    plus = np.zeros((N, 4), np.float32)
    plus[26:30, 1] = 0.9
    plus[28, 1] = 0.1  # within: stays
    plus[215:240, 1] = 0.9
    one = candidate("+", [(20, 60), (100, 250)], [(30, 60), (100, 210)])
    none = candidate("+", [(300, 380)], [(310, 380)])
    for ends, wanted in ((one, ((20, 26), (240, 250))), (none, ((300, 310),))):
        scores = SequenceScores([ends])
        for start in range(0, N, step):
            part = plus[start : start + step]
            scores.add(Part(start, part, np.zeros_like(part)))
        scores.finish()
        assert ends.uncertain_ends == wanted


def test_confident_intergenic_is_kept_on_disk(tmp_path):
    generator = np.random.default_rng(1)
    lengths = {"a": 43, "b": 16, "c": 7}
    bases = {
        (s, k): generator.random(n) < 0.5 for s, n in lengths.items() for k in ("plus", "minus")
    }
    with ConfidentIntergenic(lengths, tmp_path) as kept:
        for (seqid, strand), own in bases.items():
            for start in range(0, len(own), 16):
                kept.write(seqid, strand, start, own[start : start + 16])
        for (seqid, strand), own in bases.items():
            assert np.array_equal(kept.read(seqid, strand), own)
    assert list(tmp_path.iterdir()) == []
