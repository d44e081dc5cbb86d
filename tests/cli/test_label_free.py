"""`helixer-ft evaluate-genes` without a reference, as a user calls it."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helixer_ft.cli import main
from helixer_ft.genes import tallies
from helixer_ft.genes.label_free_scores import SCORES
from helixer_ft.genome.filters import FILTERS, filters_line
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import TARGET


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate-genes", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """genome.fa, reads.bam, all.gff3, and half.gff3 with every other gene, selected by a filter."""
    folder = tmp_path_factory.mktemp("genes")
    genome = simulate(TARGET, 3, 30_000, seed=3)
    (folder / "genome.fa").write_bytes(to_fasta(genome))
    text = to_gff3(genome).decode()
    (folder / "all.gff3").write_text(text)
    left_out = {gene.gene_id for gene in genome.genes[::2]}
    kept = [line for line in text.splitlines() if not any(f"={n}" in line for n in left_out)]
    (folder / "half.gff3").write_text("\n".join([filters_line(["complete_orf"]), *kept]) + "\n")
    write_reads(folder / "reads.bam", genome, 1)
    return folder


@pytest.fixture
def two(folder, monkeypatch):
    monkeypatch.setattr(tallies, "BLOCK_BASES", 3_000)
    return [
        *("--predicted", folder / "all.gff3", "--predicted", folder / "half.gff3"),
        *("--fasta", folder / "genome.fa", "--bam", folder / "reads.bam"),
    ]


def test_tables(two, folder):
    result = run(*two)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("3 sequence(s), 0.09 Mb, ")
    assert lines[1].startswith(f"[1] {folder / 'all.gff3'}: ")
    assert lines[2].endswith("transcripts; selected by complete_orf.")
    rows = {}
    for line in lines:
        rows.setdefault(line[:21].strip(), []).append(line[21:])
    scores, difference = rows["complete ORFs"]
    assert scores.split() == [
        *("100.0%", "(100.0%", "to", "100.0%)") * 2, "filter", "of", "[2]"
    ]  # fmt: skip
    assert difference.split() == ["+0.0%", "+0.0%", "to", "+0.0%", "no", "filter", "of", "[2]"]
    density = rows["genes per Mb"]
    assert density[0].endswith("filter of [2]")
    assert density[1].split()[0].startswith("-")
    assert density[1].split()[4] == "yes"
    assert rows["canonical introns"][0].rstrip().endswith(")")
    assert [line for line in lines if line.startswith("[2] less [1]")]
    assert any(line.startswith("- intron recall: ") for line in lines)
    assert lines[-1].startswith("- filter: ")


def test_json(two, folder):
    result = run(*two, "--json", "-q")
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    one, half = outcome["predicted"]
    assert one["path"] == str(folder / "all.gff3")
    assert one["scores"]["complete_orf"] == {
        "value": 1, "low": 1, "high": 1, "part": one["genes"], "whole": one["genes"],
        "was_filter": False,
    }  # fmt: skip
    assert half["filters"] == ["complete_orf"]
    assert half["scores"]["complete_orf"]["was_filter"]
    assert one["differences"] == {}
    assert half["differences"]["intron_recall"]["high"] < 0
    assert outcome["reads"]["files"][0]["strandedness"] == "reverse"
    assert outcome["reads"]["min_reads"] == 3
    assert one["open_reading_frames"]["complete_share"] == 1
    assert set(outcome["says"]) <= set(one["scores"])


def test_without_reads_there_are_no_scores_of_reads_and_few_blocks_tell_nothing(folder):
    arguments = ["--predicted", folder / "all.gff3", "--fasta", folder / "genome.fa"]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "intron recall" not in result.stdout
    assert "(2 blocks: too few to tell)" in result.stdout
    assert "What the scores say:" in result.stdout
    outcome = json.loads(run(*arguments, "--json", "-q").stdout)
    assert outcome["reads"] is None
    assert "intron_recall" not in outcome["predicted"][0]["scores"]


def test_with_a_reference_one_file_counts_and_reads_do_not(two, folder):
    against = ["--reference", folder / "all.gff3", "--fasta", folder / "genome.fa"]
    one = run("--predicted", folder / "half.gff3", *against)
    both = run(*two[:4], *against)
    assert both.exit_code == 0
    assert both.stdout == one.stdout
    assert f"compared with one file: {folder / 'half.gff3'}" in both.stderr
    for option in (
        two[-2:],
        ["--min-reads", 5],
        ["--min-overhang", 5],
        ["--strandedness", "forward"],
    ):
        result = run("--predicted", folder / "half.gff3", *against, *option)
        assert result.exit_code == 2
        assert f"{option[0]} is for scores without a reference" in result.stderr


@pytest.mark.parametrize(
    ("option", "less"), [(("--min-reads", 60), True), (("--min-overhang", 37), True)]
)
def test_options_of_reads(two, option, less):
    before = json.loads(run(*two, "--json", "-q").stdout)["reads"]["supported_introns"]
    after = json.loads(run(*two, *option, "--json", "-q").stdout)["reads"]["supported_introns"]
    assert (after < before) is less


def test_strandedness(two):
    result = run(*two, "--strandedness", "forward")
    assert result.exit_code == 0
    assert "--strandedness forward contradicts the reads" in result.stderr
    assert "no canonical intron has 3 reads" in result.stderr


def test_bad_input(folder, tmp_path):
    predicted = ["--predicted", folder / "all.gff3"]
    result = run(*predicted)
    assert result.exit_code == 2
    assert "Missing option '--fasta'" in result.stderr
    result = run(*predicted, "--fasta", tmp_path / "none.fa")
    assert result.exit_code == 2
    assert "none.fa" in result.stderr
    result = run(*predicted, "--fasta", folder / "genome.fa", "--bam", folder / "genome.fa")
    assert result.exit_code == 2
    assert "expected aligned reads" in result.stderr
    result = run(*predicted, "--fasta", folder / "genome.fa", "--min-reads", 2)
    assert result.exit_code == 2
    assert "Add --bam, or leave it out." in result.stderr


def test_the_page_has_every_score_filter_and_key(two):
    page = (Path(__file__).parents[2] / "docs/gene_scores.md").read_text(encoding="utf-8")
    words = set(re.findall(r"`([^`\n]+)`", page.split("## Without a reference")[1]))
    # of a score in three or four parts the first is named
    parts = {f"introns_{kind}" for kind in ("GT-AG", "GC-AG", "AT-AC")}
    parts |= {"intron_length_3n+1", "intron_length_3n+2"}
    assert {score.name for score in SCORES} - parts <= words
    assert {*FILTERS} <= words
    outcome = json.loads(run(*two, "--json", "-q").stdout)
    first, second = outcome["predicted"]
    for part in (
        *(outcome, first, outcome["reads"], outcome["reads"]["files"][0]),
        *(first["scores"]["complete_orf"], second["differences"]["complete_orf"]),
    ):
        assert set(part) <= words
