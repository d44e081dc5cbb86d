"""`helixer-ft prepare` as a user calls it: what it prints, and that each option does something."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.preparation.request import DEFAULT_UTR_FLANK
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import SOURCE, TARGET


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def genomes(tmp_path_factory) -> Path:
    """A folder with two genomes, a.fa and b.fa, and their genes."""
    folder = tmp_path_factory.mktemp("genomes")
    for name, species, seed in (("a", TARGET, 3), ("b", SOURCE, 4)):
        genome = simulate(species, 6, 20_000, seed=seed)
        (folder / f"{name}.fa").write_bytes(to_fasta(genome))
        (folder / f"{name}.gff3").write_bytes(to_gff3(genome))
    return folder


@pytest.fixture
def arguments(genomes, tmp_path) -> list[object]:
    """One genome, windows of 900 bp."""
    files = ["--fasta", genomes / "a.fa", "--gff3", genomes / "a.gff3"]
    return [*files, "--out-dir", tmp_path / "data", "--subsequence-length", 900]


def prepared(arguments, *more: object) -> dict:
    result = run(*arguments, "--json", "-q", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def without_utrs(path: Path, to: Path) -> None:
    """Cut the genes of a GFF3 down to their CDS."""
    genes: dict[str, list[list[str]]] = {}
    lines = [line.split("\t") for line in path.read_text().splitlines() if line[:1] != "#"]
    for line in lines:
        attributes = dict(pair.split("=") for pair in line[8].split(";"))
        gene = attributes.get("Parent", attributes["ID"]).split(".t1")[0]
        genes.setdefault(gene, []).append(line)
    out = []
    for gene, own in genes.items():
        cds = [line for line in own if line[2] == "CDS"]
        start, end = cds[0][3], cds[-1][4]
        head = own[0]
        out.append([*head[:2], "gene", start, end, *head[5:8], f"ID={gene}"])
        out.append([*head[:2], "mRNA", start, end, *head[5:8], f"ID={gene}.t1;Parent={gene}"])
        for i, line in enumerate(cds):
            out.append([*line[:2], "exon", *line[3:7], ".", f"ID={gene}.e{i};Parent={gene}.t1"])
            out.append([*line[:8], f"ID={gene}.c;Parent={gene}.t1"])
    to.write_text("##gff-version 3\n" + "\n".join("\t".join(line) for line in out) + "\n")


def test_the_tables_and_the_advice(arguments, tmp_path):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 100
    assert lines[0].startswith("a: 0.1")
    assert lines[0].endswith(" Mb in 6 sequence(s), 6 of them with coding genes.")
    assert lines[1].startswith("Coding genes: ")
    assert lines[2].startswith("Gene length: median ")
    heading = next(line for line in lines if line.startswith("set "))
    assert heading.split() == [
        "set", "windows", "seqs", "genes", "bases", "intergenic", "UTR", "CDS", "intron",
    ]  # fmt: skip
    for name in ("training", "validation", "test"):
        assert any(line.startswith(f"{name} ") for line in lines)
    assert "…" not in result.stdout
    assert lines[-1].startswith(f"Written to {tmp_path / 'data'}: a.masked.tsv, prepare.json")
    assert "fewer than 200" in result.stderr
    assert sorted(os.listdir(tmp_path)) == ["data"]


def test_json_is_the_report(arguments, tmp_path):
    outcome = prepared(arguments)
    report = json.loads((tmp_path / "data" / "prepare.json").read_text())
    assert {k: v for k, v in outcome.items() if k not in ("seconds", "dry_run")} == report
    assert outcome["dry_run"] is False
    assert outcome["species"]["a"]["genes"] == sum(s["genes"] for s in outcome["sets"].values())
    assert sum(outcome["sets"]["test"]["fractions_valid"].values()) == pytest.approx(1)
    assert {"helixer_ft", "pysam"} <= set(outcome["versions"])


def test_dry_run_writes_nothing(arguments, tmp_path):
    outcome = prepared(arguments, "--dry-run")
    assert outcome["dry_run"] is True
    assert outcome["files"] == []
    assert outcome["sets"]["validation"]["subsequences"] > 0
    assert os.listdir(tmp_path) == []
    result = run(*arguments, "--dry-run")
    assert result.stdout.splitlines()[-1] == (
        "Dry run: everything is in order; nothing was written."
    )


def test_quiet_leaves_results_and_warnings(arguments):
    loud, quiet = run(*arguments), run(*arguments, "-q", "--force")
    assert "Warning: " in quiet.stderr
    assert "Note: " not in quiet.stderr
    assert quiet.stdout.splitlines()[:-1] == loud.stdout.splitlines()[:-1]


def test_species_is_the_name_in_the_files(arguments, tmp_path):
    prepared(arguments, "--species", "My_species")
    assert (tmp_path / "data" / "My_species.masked.tsv").exists()
    with h5py.File(tmp_path / "data" / "test_data.h5") as file:
        assert set(file["data/species"][:].tolist()) == {b"My_species"}


def test_subsequence_length(arguments, tmp_path):
    prepared(arguments, "--subsequence-length", 1800)
    with h5py.File(tmp_path / "data" / "test_data.h5") as file:
        assert file["data/X"].shape[1:] == (1800, 4)


def test_no_split(arguments, tmp_path):
    assert prepared(arguments, "--no-split")["files"] == ["a.h5", "a.masked.tsv", "prepare.json"]


def test_without_genes(arguments, tmp_path):
    del arguments[2:4]
    assert prepared(arguments)["files"] == ["a.h5", "prepare.json"]
    result = run(*arguments, "--force")
    assert "all" in result.stdout
    assert "a.h5" in result.stdout


def test_fractions(arguments):
    few = prepared(arguments)
    outcome = prepared(arguments, "--validation-fraction", 0.4, "--test-fraction", 0, "--force")
    assert few["sets"].keys() == {"training", "validation", "test"}
    assert outcome["sets"].keys() == {"training", "validation"}
    share = outcome["sets"]["validation"]["bases"] / outcome["species"]["a"]["bases"]
    assert share == pytest.approx(0.4, abs=0.1)
    assert outcome["settings"]["validation_fraction"] == 0.4


def test_named_sequences(arguments, tmp_path):
    outcome = prepared(arguments, "--validation-seqids", "chr01,chr03", "--test-seqids", "chr05")
    assert outcome["settings"]["validation_fraction"] is None
    for name, expected in (("validation", {b"chr01", b"chr03"}), ("test", {b"chr05"})):
        with h5py.File(tmp_path / "data" / f"{name}_data.h5") as file:
            assert set(file["data/seqids"][:].tolist()) == expected


def test_exclude(arguments):
    outcome = prepared(arguments, "--exclude", "chr01", "--exclude", "chr02, chr03", "--no-split")
    assert outcome["species"]["a"]["sequences"] == 3


def test_genes(arguments, genomes, tmp_path):
    ids = [
        line.rpartition("ID=")[2]
        for line in (genomes / "a.gff3").read_text().splitlines()
        if "\tgene\t" in line
    ]
    (tmp_path / "list.txt").write_text("\n".join([*ids[::2], "unheard_of"]))
    result = run(*arguments, "--json", "--no-split", "--genes", tmp_path / "list.txt")
    assert result.exit_code == 0, result.output
    species = json.loads(result.stdout)["species"]["a"]
    assert species["trusted_genes"] == len(ids[::2])
    assert species["genes"] == len(ids)
    assert species["masked_share"] > 0.1
    assert "unheard_of" in result.stderr


def test_missing_utr_and_flank(arguments, genomes, tmp_path):
    without_utrs(genomes / "a.gff3", tmp_path / "cds.gff3")
    options = ["--gff3", tmp_path / "cds.gff3", "--no-split", "--force"]
    shares = [
        prepared(arguments, *options, *more)["species"]["a"]["masked_share"]
        for more in (
            [],
            ["--missing-utr", "keep"],
            ["--missing-utr", "keep", "--utr-flank", DEFAULT_UTR_FLANK],
            ["--missing-utr", "keep", "--utr-flank", 20],
        )
    ]
    assert shares[0] > 1.5 * shares[1] > 3 * shares[3] > 0
    assert shares[1] == shares[2]
    warned = run(*arguments, *options)
    assert "--missing-utr keep masks only a flank" in warned.stderr
    assert "no valid UTR base" in warned.stderr


def test_seed(arguments, tmp_path):
    tables = set()
    for seed in range(3):
        prepared(arguments, "--seed", seed, "--force")
        tables.add((tmp_path / "data" / "split.tsv").read_text())
    assert len(tables) > 1


def test_threads(arguments, monkeypatch):
    from helixer_ft.preparation import prepare

    asked = []
    executor = prepare.ThreadPoolExecutor
    monkeypatch.setattr(
        prepare, "ThreadPoolExecutor", lambda n, *a: (asked.append(n), executor(n, *a))[1]
    )
    prepared(arguments, "--threads", 3)
    prepared(arguments, "--force")
    assert asked == [3, prepare.default_threads()]


def test_debug_shows_the_traceback(arguments, tmp_path):
    arguments[1] = tmp_path / "no.fa"
    assert isinstance(run(*arguments).exception, SystemExit)
    assert "no such file" in str(run(*arguments, "--debug").exception)


def test_samples(genomes, tmp_path):
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text(
        "species\tfasta\tgff3\trole\n"
        f"A\t{genomes}/a.fa\t{genomes}/a.gff3\tsplit\nB\t{genomes}/b.fa\t{genomes}/b.gff3\ttrain\n"
    )
    outcome = prepared(
        ["--samples", sheet, "--out-dir", tmp_path / "data", "--subsequence-length", 900]
    )
    assert [name for name in outcome["files"] if name.endswith("h5")] == [
        "test_data.A.h5", "training_data.A.h5", "training_data.B.h5", "validation_data.A.h5",
    ]  # fmt: skip
    assert outcome["species"]["B"]["role"] == "train"


def test_the_data_can_be_trained_on(arguments, tmp_path):
    prepared(arguments)
    write_model_file(tmp_path / "base.h5", tiny_model().to_file({}))
    options = ["-l", tmp_path / "base.h5", "-d", tmp_path / "data", "-s", tmp_path / "tuned.h5"]
    more = ["-t", tmp_path / "data" / "test_data.h5", "-e", 1, "--json", "-q"]
    result = CliRunner().invoke(main, ["freeze", *map(str, options + more)])
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert outcome["verdict_on"] == "test"
    report = json.loads((tmp_path / "data" / "prepare.json").read_text())
    for name, part in outcome["data"].items():
        assert part["subsequences"] == report["sets"][name]["subsequences"]
        assert part["fractions_all"] == pytest.approx(report["sets"][name]["fractions_all"])


def test_preparing_needs_neither_keras_nor_a_backend(arguments):
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('|', *sys.modules))\n"
        "from helixer_ft.cli import main\n"
        "main(prog_name='helixer-ft')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "prepare", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.rpartition("|")[2].split())
    assert "pysam" in modules
    assert not modules & {"keras", "tensorflow", "jax"}


def test_ctrl_c_leaves_nothing_behind(arguments, tmp_path, monkeypatch):
    from helixer_ft.preparation import prepare

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "write_data", interrupt)
    assert run(*arguments).exit_code != 0
    assert os.listdir(tmp_path) == []


def test_values_of_the_report_are_those_of_the_files(arguments, tmp_path):
    outcome = prepared(arguments)
    for name, part in outcome["sets"].items():
        with h5py.File(tmp_path / "data" / f"{name}_data.h5") as file:
            counts = file["data/y"][:].sum(axis=(0, 1), dtype=np.int64)
        assert list(part["fractions_all"].values()) == pytest.approx(
            (counts / counts.sum()).tolist()
        )
        assert part["bases"] == counts.sum()
