"""Introns with and without reads."""

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.genes.label_free import score_without_reference
from helixer_ft.genes.label_free_request import LabelFreeRequest
from helixer_ft.progress import Progress
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import TARGET
from tests.coverage.coverage_files import write_bam

PLUS, MINUS = 0, 16
N = 400
PLUS_INTRON, MINUS_INTRON, ODD_INTRON, FREE_INTRON = (50, 100), (150, 200), (220, 260), (300, 340)


class Listener(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.fixture
def folder(tmp_path):
    """A sequence with an intron on either strand, one that is not canonical, and one that no gene
    has; a gene on plus with the first and the third, a gene on minus with the second."""
    bases = np.full(N, ord("A"), np.uint8)
    for (start, end), (first, last) in {
        PLUS_INTRON: ("GT", "AG"),
        MINUS_INTRON: ("CT", "AC"),
        ODD_INTRON: ("CC", "CC"),
        FREE_INTRON: ("GC", "AG"),
    }.items():
        bases[start : start + 2] = np.frombuffer(first.encode(), np.uint8)
        bases[end - 2 : end] = np.frombuffer(last.encode(), np.uint8)
    (tmp_path / "genome.fa").write_text(f">chr1\n{bases.tobytes().decode()}\n")

    def gene(name, strand, *exons):
        for kind, start, end, attributes in (
            ("gene", exons[0][0], exons[-1][1], f"ID={name}"),
            ("mRNA", exons[0][0], exons[-1][1], f"ID={name}.t;Parent={name}"),
            *(("exon", *exon, f"Parent={name}.t") for exon in exons),
            *(("CDS", *exon, f"Parent={name}.t") for exon in exons),
        ):
            phase = "0" if kind == "CDS" else "."
            yield "\t".join(
                map(str, ("chr1", "x", kind, start + 1, end, ".", strand, phase, attributes))
            )

    lines = [
        *gene("p", "+", (20, 50), (100, 220), (260, 290)),
        *gene("m", "-", (120, 150), (200, 230)),
    ]
    (tmp_path / "genes.gff3").write_text("\n".join(lines) + "\n")
    return tmp_path


def across(intron, flag, overhang=10):
    start, end = intron
    cigar = [("M", overhang), ("N", end - start), ("M", overhang)]
    return (flag, "chr1", start - overhang, cigar)


def scored(folder, *libraries, **options):
    bams = tuple(
        write_bam(folder / f"{i}.bam", reads, lengths=options.pop("lengths", {"chr1": N}))
        for i, reads in enumerate(libraries)
    )
    request = LabelFreeRequest((folder / "genes.gff3",), folder / "genome.fa", bams=bams, **options)
    listener = Listener()
    return score_without_reference(request, listener), listener.notices


def counts(outcome):
    names = ("read_introns", "found_introns", "introns_where_reads_splice", "introns")
    return tuple(outcome.sets[0].counts[name] for name in names)


FORWARD = [
    *[across(PLUS_INTRON, PLUS)] * 3,
    *[across(MINUS_INTRON, MINUS)] * 3,
    *[across(ODD_INTRON, PLUS)] * 3,
    *[across(FREE_INTRON, PLUS)] * 3,
]


@pytest.mark.parametrize("strandedness", ["forward", "unstranded", "auto"])
def test_canonical_introns_with_enough_reads(folder, strandedness):
    outcome, _ = scored(folder, FORWARD, strandedness=strandedness)
    assert counts(outcome) == (3, 2, 2, 3)
    scores = outcome.sets[0].scores
    assert scores["intron_recall"].value == pytest.approx(2 / 3)
    assert scores["intron_precision"].value == pytest.approx(2 / 3)
    assert scores["intron_precision_expressed"].value == 1
    assert outcome.support.total == 3
    assert outcome.to_dict()["reads"]["files"][0]["reads_across_them"] == 9


def test_the_wrong_strandedness_leaves_nothing(folder):
    outcome, _ = scored(folder, FORWARD, strandedness="reverse")
    assert counts(outcome) == (0, 0, 0, 3)
    assert outcome.sets[0].scores["intron_recall"].value is None
    assert any("no canonical intron has 3 reads" in text for text in outcome.warnings)
    mixed = [across(PLUS_INTRON, PLUS)] * 3 + [across(MINUS_INTRON, PLUS)] * 3
    assert counts(scored(folder, mixed, strandedness="forward")[0])[0] == 1
    assert counts(scored(folder, mixed, strandedness="unstranded")[0])[0] == 2


def test_min_reads_of_all_files_together_and_min_overhang(folder):
    once, twice = [across(PLUS_INTRON, PLUS)], [across(PLUS_INTRON, PLUS)] * 2
    assert counts(scored(folder, twice)[0])[:2] == (0, 0)
    assert counts(scored(folder, twice, min_reads=2)[0])[:2] == (1, 1)
    assert counts(scored(folder, once, twice)[0])[:2] == (1, 1)
    short = [across(PLUS_INTRON, PLUS, overhang=7)] * 3
    assert counts(scored(folder, short)[0])[:2] == (0, 0)
    assert counts(scored(folder, short, min_overhang=7)[0])[:2] == (1, 1)


def test_secondary_unaligned_and_failed_reads_do_not_count(folder):
    for flag in (0x100, 0x200, 0x4):
        assert counts(scored(folder, [across(PLUS_INTRON, flag)] * 5)[0])[0] == 0
    assert counts(scored(folder, [across(PLUS_INTRON, 0x400)] * 5)[0])[0] == 1


def test_an_intron_where_reads_splice_otherwise(folder):
    """It overlaps an intron of the reads on its strand, and is not one."""
    text = (folder / "genes.gff3").read_text()
    (folder / "genes.gff3").write_text(text.replace("\t50\t", "\t53\t"))
    outcome, _ = scored(folder, FORWARD, strandedness="forward")
    assert counts(outcome) == (3, 1, 2, 3)


@pytest.mark.parametrize(
    ("protocol", "first", "second"),
    [("reverse", 64 + 16, 128), ("forward", 64, 128 + 16), ("unstranded", 64, 64 + 16)],
)
def test_what_introns_say_of_the_strandedness(folder, protocol, first, second):
    reads = [across(PLUS_INTRON, 1 + flag) for flag in (first, second) for _ in range(60)]
    outcome, notices = scored(folder, reads)
    assert outcome.support.files[0].strandedness == protocol
    assert any(f"0.bam: {protocol} (120 reads across GT-AG introns" in text for text in notices)
    assert counts(outcome)[:2] == (1, 1)
    other = "forward" if protocol == "reverse" else "reverse"
    warned, _ = scored(folder, reads, strandedness=other)
    assert any(f"--strandedness {other} contradicts the reads" in t for t in warned.warnings)


def test_too_few_reads_to_tell_count_as_unstranded(folder):
    outcome, notices = scored(folder, FORWARD)
    assert outcome.support.files[0].strandedness == "unstranded"
    assert any("only 6 reads across GT-AG introns, too few to tell" in text for text in notices)


def test_all_introns_of_deep_reads_are_found_by_the_true_genes(tmp_path):
    genome = simulate(TARGET, 3, 20_000, seed=2)
    (tmp_path / "genome.fa").write_bytes(to_fasta(genome))
    (tmp_path / "genes.gff3").write_bytes(to_gff3(genome))
    write_reads(tmp_path / "reads.bam", genome, 1, depth=200.0)
    request = LabelFreeRequest(
        (tmp_path / "genes.gff3",), tmp_path / "genome.fa", bams=(tmp_path / "reads.bam",)
    )
    outcome = score_without_reference(request)
    assert outcome.support.files[0].strandedness == "reverse"
    assert sum(len(gene.introns) for gene in genome.genes) == outcome.sets[0].counts["introns"]
    assert outcome.sets[0].scores["intron_recall"].value == 1
    assert outcome.sets[0].scores["intron_precision"].value > 0.95
    stated = score_without_reference(
        LabelFreeRequest(**vars(request) | {"strandedness": "forward"})
    )
    assert stated.support.total == 0


def test_an_index_is_made_where_there_is_none(folder):
    write_bam(folder / "without.bam", FORWARD, lengths={"chr1": N}, index=False)
    request = LabelFreeRequest(
        (folder / "genes.gff3",), folder / "genome.fa", bams=(folder / "without.bam",)
    )
    assert counts(score_without_reference(request)) == (3, 2, 2, 3)
    assert not list(folder.glob("without.bam.*"))


def test_reads_of_another_genome_are_refused(folder):
    with pytest.raises(InputError, match="has none of the 1 sequences to look at"):
        scored(folder, [(0, "x", 1, [("M", 5)])], lengths={"x": N})
    with pytest.raises(InputError, match=r"another assembly .* chr1 has 399 bp, in the genome 400"):
        scored(folder, FORWARD, lengths={"chr1": N - 1})
    with open(folder / "genome.fa", "a") as file:
        file.write(f">chr2\n{'A' * 40}\n>tiny\nAA\n")
    lacks = r"lacks 2 of the 3 sequences to look at, 9.5% of.*pseudo-label: --exclude; .*--seqids"
    with pytest.raises(InputError, match=lacks):
        scored(folder, FORWARD, lengths={"chr1": N})
    _, notices = scored(folder, FORWARD, lengths={"chr1": N, "chr2": 40})
    assert any("lacks 1 of the 3 sequences to look at (tiny), 0.45%" in text for text in notices)
    outcome, _ = scored(folder, FORWARD, lengths={"chr1": N}, seqids=("chr1",))
    assert counts(outcome)[0] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_reads": 0}, "--min-reads is 0, expected"),
        ({"min_overhang": 0}, "--min-overhang is 0, expected"),
        ({"strandedness": "both"}, "--strandedness is 'both', expected auto"),
    ],
)
def test_options_that_make_no_sense(folder, options, message):
    with pytest.raises(InputError, match=message):
        scored(folder, FORWARD, **options)


def test_a_file_that_is_given_twice_is_refused(folder):
    (folder / "link.bam").symlink_to("reads.bam")
    bams = (folder / "reads.bam", folder / "link.bam")
    with pytest.raises(InputError, match="--bam names one file twice"):
        LabelFreeRequest((folder / "genes.gff3",), folder / "genome.fa", bams=bams)


@pytest.mark.parametrize(
    "options", [{"min_reads": 2}, {"min_overhang": 2}, {"strandedness": "reverse"}]
)
def test_options_of_reads_need_reads(folder, options):
    (name,) = options
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')} says how reads are counted"):
        scored(folder, **options)
