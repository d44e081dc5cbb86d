"""Stop codons and phases that the bases tell, gene by gene."""

import numpy as np
import pytest

from helixer_ft.genome.annotation import UNKNOWN_PHASE, Annotation, Gene, Transcript
from helixer_ft.genome.codons import agree, is_complete, running_phases, spliced
from helixer_ft.genome.complement import COMPLEMENTS
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.genome.mending import PHASES_LEFT_OUT, STOP_BEHIND, mended
from helixer_ft.genome.phases import phases_by_frame
from helixer_ft.genome.stop_codons import stop_codon_behind, with_stop_codon
from helixer_ft.preparation.labels import label_sequence
from helixer_ft.progress import Progress

CODING = "ATGGCAGCAGGAGCATAA"
"""18 bases, no stop codon in frame; frame 1 has none either, frame 2 has none."""


def mirrored(bases, transcript):
    n = len(bases)
    return COMPLEMENTS[bases][::-1].copy(), Transcript(
        transcript.id,
        n - transcript.end,
        n - transcript.start,
        tuple((n - e, n - s) for s, e in transcript.exons[::-1]),
        tuple((n - e, n - s, p) for s, e, p in transcript.cds[::-1]),
    )


def as_bases(text):
    return np.frombuffer(text.encode(), np.uint8).copy()


def on(strand, text, transcript):
    bases = as_bases(text)
    return (bases, transcript) if strand == "+" else mirrored(bases, transcript)


def lines(transcript, strand):
    return transcript.cds if strand == "+" else transcript.cds[::-1]


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize(
    ("exons", "cds", "text", "phases"),
    [
        # CDS and exon end before the stop codon, no UTR
        (((4, 19),), ((4, 19, 0),), "CCCC" + CODING + "CCCC", [0]),
        # a UTR
        (((4, 26),), ((4, 19, 0),), "CCCC" + CODING + "CCCC", [0]),
        # the stop codon behind an intron
        (((4, 19), (29, 40)), ((4, 19, 0),), "CCCC" + CODING[:15] + "GTCCCCCCAG" + "TAA" + "C" * 9,
         [0, 0]),
        # and split by one, after its first and its second base
        (((4, 20), (30, 40)), ((4, 19, 0),), "CCCC" + CODING[:16] + "GTCCCCCCAG" + "AA" + "C" * 9,
         [0, 2]),
        (((4, 21), (31, 40)), ((4, 19, 0),), "CCCC" + CODING[:17] + "GTCCCCCCAG" + "A" + "C" * 9,
         [0, 1]),
    ],
)  # fmt: skip
def test_the_stop_codon_is_found_and_taken_in(strand, exons, cds, text, phases):
    end = exons[-1][1]
    bases, transcript = on(strand, text, Transcript("t", 4, end, exons, cds))
    stops = stop_codon_behind(bases, transcript, strand)
    complete = with_stop_codon(transcript, strand, stops)
    assert is_complete(spliced(bases, strand, complete.cds))
    assert [phase for _, _, phase in lines(complete, strand)] == phases
    assert agree(complete.cds, strand)
    for start, last, _ in complete.cds:
        assert any(first <= start and last <= till for first, till in complete.exons)
    # taken in once
    assert with_stop_codon(complete, strand, stops) is complete


def test_stop_codons_elsewhere_are_left_alone():
    transcript = Transcript("t", 0, 60, ((0, 60),), ((0, 18, 0),))
    for stops in ([(30, 33)], [(18, 24)], [(12, 15)], [(16, 19)]):
        assert with_stop_codon(transcript, "+", stops) is transcript
    assert stop_codon_behind(as_bases("A" * 60), transcript, "+") == []
    at_the_end = Transcript("t", 0, 58, ((0, 58),), ((0, 58, 0),))
    assert stop_codon_behind(as_bases("A" * 60), at_the_end, "+") == []


SPLICED = "CC" + CODING[:7] + "GTCCCCAG" + CODING[7:] + "CC"
PIECES = ((2, 9, 0), (17, 28, 2))


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("stated", [(0, 2), (0, 0), (1, 1), (2, 0), (-1, -1), (0, -1)])
def test_phases_of_a_complete_reading_frame(strand, stated):
    cds = tuple((s, e, p) for (s, e, _), p in zip(PIECES, stated, strict=True))
    exons = tuple(piece[:2] for piece in cds)
    bases, transcript = on(strand, SPLICED, Transcript("t", 2, 28, exons, cds))
    found = phases_by_frame(bases, transcript, strand)
    assert [phase for _, _, phase in lines(Transcript("t", 0, 0, (), found), strand)] == [0, 2]


@pytest.mark.parametrize(
    ("text", "stated", "expected"),
    [
        # no stop codon at the end: told by the start
        ("ATGGCAGCAGGAGCAGCA", (0, 0), (0, 2)),
        ("ATGGCAGCAGGAGCAGCA", (-1, -1), (0, 2)),
        # no start codon: told by the end
        ("CAGCAGCAGGAGCATAA", (0, 0), (2, 1)),
        ("CAGCAGCAGGAGCATAA", (-1, -1), (2, 1)),
        # neither, one open frame
        ("TAACTGACGCAGCAGCAG", (-1, -1), (2, 1)),
        # neither, several open frames: as the file says
        ("CAGCAGCAGGAGCAGCA", (0, 0), (0, 0)),
        ("CAGCAGCAGGAGCAGCA", (-1, -1), (-1, -1)),
        # phases that fit one another are left alone
        ("CAGCAGCAGGAGCATAA", (0, 2), (0, 2)),
        ("CAGCAGCAGGAGCATAA", (1, 0), (1, 0)),
    ],
)
def test_phases_of_incomplete_genes(text, stated, expected):
    cds = ((0, 7, stated[0]), (7, len(text), stated[1]))
    transcript = Transcript("t", 0, len(text), ((0, len(text)),), cds)
    found = phases_by_frame(as_bases(text), transcript, "+")
    assert tuple(phase for _, _, phase in found) == expected


@pytest.fixture
def mend(tmp_path):
    """Mend transcripts of one sequence."""

    def _mend(text, *transcripts):
        (tmp_path / "g.fa").write_text(f">s\n{text}\n")
        genes = [Gene(t.id, "+", t.start, t.end, (t,)) for t in transcripts]
        with open_fasta(tmp_path / "g.fa") as fasta:
            result = mended(Annotation({"s": genes}), fasta, Progress())
        counts = {notice.kind: notice.count for notice in result.notices}
        return [gene.transcripts[0].cds for gene in result.genes["s"]], counts

    return _mend


def single(name, start, length=15):
    return Transcript(name, start, start + length, ((start, start + length),),
                      ((start, start + length, 0),))  # fmt: skip


def test_one_in_three_without_stop_is_no_habit(mend):
    """A CDS that happens to end before a stop codon, beside two that are cut off elsewhere."""
    cut = CODING[:-3] + "GCA"
    cds, counts = mend(CODING + cut + cut, single("a", 0), single("b", 18), single("c", 36))
    assert [piece[0][:2] for piece in cds] == [(0, 15), (18, 33), (36, 51)]
    assert counts == {}
    cds, counts = mend(CODING + CODING + cut, single("a", 0), single("b", 18), single("c", 36))
    assert [piece[0][:2] for piece in cds] == [(0, 18), (18, 36), (36, 51)]
    assert counts == {STOP_BEHIND: 2}


def test_phases_that_disagree_are_counted_once_per_transcript(mend):
    pieces = [(0, 7, 0), (7, 18, 0)], [(18, 25, -1), (25, 36, -1)], [(36, 43, 0), (43, 54, 2)]
    own = [Transcript(f"t{i}", p[0][0], p[1][1], ((p[0][0], p[1][1]),), tuple(p))
           for i, p in enumerate(pieces)]  # fmt: skip
    cds, counts = mend(CODING * 3, *own)
    assert [[phase for _, _, phase in one] for one in cds] == [[0, 2]] * 3
    assert counts == {PHASES_LEFT_OUT: 1}


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("gap", [1, -1])
def test_slippage_is_labelled_line_by_line_and_masked_there(strand, gap):
    """A base between two CDS lines of one exon, or one that both have."""
    first, last = (100, 400), (400 + gap, 700 + gap)
    cds = ((*first, 0), (*last, 0))
    transcript = Transcript("t", 50, 800, ((50, 800),), cds)
    bases, transcript = on(strand, "C" * 1000, transcript)
    gene = Gene("g", strand, transcript.start, transcript.end, (transcript,))
    labels = label_sequence(bases, [gene])
    found = labels.plus if strand == "+" else labels.minus
    phase, valid = found.phase, found.valid
    if strand == "-":
        phase, valid = phase[::-1], valid[::-1]
    np.testing.assert_array_equal(phase[100:400 + min(gap, 0)],
                                  (1 + (0 - np.arange(300)) % 3)[: 300 + min(gap, 0)])  # fmt: skip
    np.testing.assert_array_equal(phase[slice(*last)], 1 + (0 - np.arange(300)) % 3)
    masked = [mask for mask in labels.masked if mask.error == "frame_shift"]
    assert len(masked) == 1
    assert not valid[397 + min(gap, 0) : 403 + max(gap, 0)].any()
    assert valid[200:396].all()
    assert valid[405:690].all()
    assert not any(mask.error == "mismatched_phase_3p" for mask in labels.masked)


def test_a_phase_that_departs_behind_an_intron_masks_a_codon_on_either_side():
    cds = ((100, 200, 0), (300, 400, 0), (500, 600, 2))
    assert running_phases(cds, "+", 0)[1][2] == 2
    transcript = Transcript("t", 50, 700, ((50, 200), (300, 400), (500, 700)), cds)
    gene = Gene("g", "+", 50, 700, (transcript,))
    labels = label_sequence(as_bases("C" * 1000), [gene])
    spans = [(m.start, m.end) for m in labels.masked if m.error == "frame_shift"]
    assert spans == [(197, 200), (300, 303)]
    assert labels.plus.phase[300] == 1
    assert labels.plus.phase[500] == 3
    assert UNKNOWN_PHASE not in labels.plus.phase
