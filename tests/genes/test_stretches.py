"""Scores on the check stretches of a split alone."""

import json

import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from helixer_ft.errors import InputError
from helixer_ft.genes import tallies
from helixer_ft.genes.stretches import Stretch, read_stretches
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import TARGET

HEADER = "species\tseqid\tstart\tend\tset\tgenes\tusable_genes\treason\n"
LENGTHS = {"a": 100, "b": 50}


def table(*rows: tuple[str, int, int, str]) -> str:
    return HEADER + "".join(f"sp\t{s}\t{a}\t{b}\t{name}\t1\t1\t\n" for s, a, b, name in rows)


def test_check_stretches_in_the_order_of_the_genome(tmp_path):
    path = tmp_path / "split.tsv"
    rows = [("b", 1, 50, "check"), ("a", 61, 100, "check"), ("a", 1, 60, "training")]
    path.write_text(table(*rows, ("a", 1, 10, "check")))
    found = read_stretches(path, LENGTHS)
    assert found == [Stretch("a", 0, 10), Stretch("a", 60, 100), Stretch("b", 0, 50)]
    assert found[1].holds(60, 100)
    assert not found[1].holds(59, 100)
    assert found[1].name == "a:61-100"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column"),
        ("seqid\tset\n", r"lacks the column\(s\) start, end"),
        (table(("a", 1, 100, "training")), "no stretch of the set check"),
        (table(("a", 1, 101, "check")), "line 2: the genome has no a:1-101"),
        (table(("c", 1, 10, "check")), "line 2: the genome has no c:1-10"),
        (table(("a", 9, 8, "check")), "line 2: the genome has no a:9-8"),
        (table(("a", "x", 8, "check")), "line 2: is damaged"),
        ("set\tseqid\tstart\tend\ncheck\ta\t1\n", "line 2: is damaged"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "split.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_stretches(path, LENGTHS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stretches")
    genome = simulate(TARGET, 3, 30_000, seed=3)
    (folder / "g.fa").write_bytes(to_fasta(genome))
    (folder / "g.gff3").write_bytes(to_gff3(genome))
    write_reads(folder / "r.bam", genome, 1)
    return folder, genome


def scores(folder, *options) -> dict:
    arguments = ["--predicted", folder / "g.gff3", "--fasta", folder / "g.fa", "--json"]
    arguments += ["--bam", folder / "r.bam", *options]
    done = CliRunner().invoke(main, ["evaluate-genes", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_whole_sequences_are_as_those_named(folder, monkeypatch):
    monkeypatch.setattr(tallies, "BLOCK_BASES", 3_000)
    place, genome = folder
    name, *_ = genome.sequences
    path = place / "whole.tsv"
    path.write_text(table((name, 1, len(genome.sequences[name]), "check")))
    by_split, by_name = scores(place, "--split", path), scores(place, "--seqids", name)
    assert by_split.pop("split") == str(path)
    assert by_name.pop("split") is None
    assert by_split == by_name


def test_what_lies_on_two_stretches(folder, monkeypatch):
    """Counted by hand: genes and introns of reads within them as a whole."""
    monkeypatch.setattr(tallies, "BLOCK_BASES", 3_000)
    place, genome = folder
    first, second, _ = genome.sequences
    stretches = [(first, 5_001, 17_000, "check"), (second, 9_001, 20_000, "check")]
    path = place / "parts.tsv"
    path.write_text(table(*stretches, (first, 1, 5_000, "training")))
    found = scores(place, "--split", path)
    inside = [
        gene
        for gene in genome.genes
        for seqid, start, end, _ in stretches
        if gene.seqid == seqid and start - 1 <= gene.start and gene.end <= end
    ]
    own = found["predicted"][0]
    assert own["genes"] == len(inside) < len(genome.genes)
    assert found["bases"] == 12_000 + 11_000
    assert own["scores"]["genes_per_mb"]["value"] == pytest.approx(len(inside) / 0.023)
    introns = {(g.seqid, *intron) for g in inside for intron in g.introns}
    assert own["scores"]["canonical_introns"]["whole"] == len(introns)
    assert 0 < found["reads"]["supported_introns"] < 60
    assert own["scores"]["intron_recall"]["whole"] == found["reads"]["supported_introns"]
    assert own["scores"]["intron_precision"]["value"] > 0.8


def test_options_that_contradict(folder):
    place, _ = folder
    path = place / "x.tsv"
    path.write_text(table(("chr01", 1, 100, "check")))
    given = ["--predicted", place / "g.gff3", "--fasta", place / "g.fa", "--split", path]
    for other, message in (
        (("--seqids", "chr01"), "--seqids and --split both say where to score"),
        (("--reference", place / "g.gff3"), "--split is for scores without a reference"),
    ):
        done = CliRunner().invoke(main, ["evaluate-genes", *map(str, (*given, *other))])
        assert done.exit_code == 2
        assert message in done.stderr
