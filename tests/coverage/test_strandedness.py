"""What reads over labelled genes say of their library."""

import numpy as np
import pytest

from helixer_ft.coverage.add import add_coverage
from helixer_ft.coverage.request import CoverageRequest
from helixer_ft.coverage.strandedness import Evidence, mate_of
from helixer_ft.errors import InputError
from helixer_ft.progress import Progress
from tests.coverage.coverage_files import write_bam, write_data

GENES = {"chr1": [("+", 100, 300), ("-", 400, 700), ("+", 600, 800)]}
"""Bases 600 to 700 are genic on both strands."""


class Listener(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.warnings: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def library(protocol: str, count: int = 100, *, noise: float = 0.0, mixed: bool = False):
    """Pairs of 10 bp reads from the genes, `noise` of them antisense."""
    rng = np.random.default_rng(1)
    reads = []
    for _ in range(count):
        strand, start, end = GENES["chr1"][rng.integers(2)]
        sense_first = protocol == "forward" or (protocol == "unstranded" and rng.random() < 0.5)
        if rng.random() < noise:
            sense_first = not sense_first
        for is_second in (False, True):
            sense = sense_first != is_second
            backwards = sense != (strand == "+")
            flag = 1 + (128 if is_second else 64) + (16 if backwards else 0)
            limit = 600 if end == 700 else end
            reads.append((flag, "chr1", int(rng.integers(start, limit - 10)), [("M", 10)]))
    return reads


@pytest.fixture
def run(tmp_path):
    """Adds a library to labelled data; the outcome's one track, and what was said."""

    def add(reads, strandedness="auto", genes=GENES):
        data = write_data(tmp_path / "training_data.h5", genes=genes)
        bam = write_bam(tmp_path / "a.bam", reads)
        listener = Listener()
        request = CoverageRequest(
            data=(data,), bams=(bam,), strandedness=strandedness, threads=1, force=True
        )
        return add_coverage(request, listener).tracks[0], listener

    return add


@pytest.mark.parametrize("protocol", ["reverse", "forward", "unstranded"])
def test_auto_finds_the_protocol_and_says_why(run, protocol):
    report, said = run(library(protocol))
    assert report.strandedness == protocol
    assert said.warnings == []
    (note,) = [text for text in said.notices if "reads within genes" in text]
    # one read of a pair may lie across a window's end, and is left out
    assert 150 < report.evidence.reads <= 200
    assert note.startswith(f"a.bam: {protocol} ({report.evidence.reads} reads within genes: read 1")
    if protocol != "unstranded":
        assert ("read 1 0.0% sense, read 2 100.0% sense" in note) == (protocol == "reverse")
        assert ("read 1 100.0% sense, read 2 0.0% sense" in note) == (protocol == "forward")


def test_single_reads_count_as_read_1(run):
    reads = [(0 if i % 2 else 16, "chr1", 110 + i, [("M", 10)]) for i in range(60)]
    reads += [(0, "chr1", 110 + i, [("M", 10)]) for i in range(150)]
    report, _ = run(reads)
    assert report.evidence.counts[1].tolist() == [0, 0]
    counts = report.evidence.counts[0]
    assert counts[0] > 5 * counts[1] > 0
    assert report.strandedness == "forward"


@pytest.mark.parametrize(
    ("flag", "mate"), [(0, 0), (1, 0), (65, 0), (129, 1), (128, 0), (193, 0), (64, 0)]
)
def test_mates(flag, mate):
    assert mate_of(flag) == mate


def test_only_reads_wholly_within_genes_of_one_strand_count():
    plus, minus = np.zeros(100, bool), np.zeros(100, bool)
    plus[10:60] = True
    minus[40:90] = True
    reads = [
        (0, [(10, 20)]),  # plus gene, sense
        (16, [(30, 40)]),  # plus gene, antisense
        (0, [(35, 45)]),  # half in both
        (0, [(45, 55)]),  # in both
        (16, [(60, 65), (80, 90)]),  # minus gene, spliced, sense
        (16, [(65, 70), (85, 95)]),  # one block outside
        (0, [(5, 12)]),  # begins outside
        (4, [(10, 20)]),  # unaligned
        (129, [(20, 30)]),  # read 2, plus gene, sense
        (145, [(20, 30)]),  # read 2, plus gene, antisense
    ]
    evidence = Evidence()
    evidence.add([(flag, [(a + 1000, b + 1000) for a, b in own]) for flag, own in reads], 1000,
                 (plus, minus))  # fmt: skip
    assert evidence.counts.tolist() == [[2, 1], [1, 1]]
    assert evidence.forward_share == pytest.approx(3 / 5)
    evidence.add([], 0, (plus, minus))
    assert evidence.reads == 5


def test_a_contradicting_flag_is_obeyed_with_a_warning(run):
    report, said = run(library("reverse", noise=0.1), "forward")
    assert report.strandedness == "forward"
    (warning,) = said.warnings
    share = report.evidence.agreement("forward")
    assert 0.02 < share < 0.2
    assert f"a.bam: --strandedness forward contradicts the reads: {share:.1%} of them" in warning
    assert "they look reverse" in warning


def test_giving_strands_away_is_warned_of(run):
    report, said = run(library("reverse"), "unstranded")
    assert report.strandedness == "unstranded"
    assert "discards the strand information of the reads, which look reverse" in said.warnings[0]


def test_a_fitting_flag_is_confirmed(run):
    _, said = run(library("reverse"), "reverse")
    assert said.warnings == []
    assert any("a.bam: reverse, as the reads show" in text for text in said.notices)


def test_a_mixture_is_warned_of(run):
    report, said = run(library("reverse", 300, noise=0.3))
    assert report.strandedness == "unstranded"
    assert "strands are uneven" in said.warnings[0]


def test_too_few_reads_within_genes(run):
    few = library("reverse", 20)
    with pytest.raises(InputError, match=r"only \d\d reads lie within the annotated genes, expect"):
        run(few)
    _, said = run(few, "reverse")
    assert (
        "reads lie within the annotated genes, so 'reverse' could not be checked"
        in (said.warnings[0])
    )


def test_no_read_on_any_gene(run):
    reads = [(0, "chr2", 10 + i % 200, [("M", 10)]) for i in range(300)]
    with pytest.raises(InputError, match="only 0 reads lie within the annotated genes"):
        run(reads)
    _, said = run(reads, "reverse")
    assert "only 0 reads lie within the annotated genes" in said.warnings[0]
