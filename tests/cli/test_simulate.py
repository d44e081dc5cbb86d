"""`helixer-ft simulate`."""

import os
import re
import subprocess
import sys

import h5py
import pysam
import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.reads import write_reads
from helixer_ft.simulate.species import TARGET
from scripts.shipped_model import main as pretrain

SMALL = ["--sequences", "3", "--sequence-length", "10000", "--subsequence-length", "1008"]


def run(*arguments):
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)])


def test_writes_a_species_and_sums_it_up(tmp_path):
    result = run("--out-dir", tmp_path / "out", "--species", "source", "--seed", "3", *SMALL)
    assert result.exit_code == 0
    with h5py.File(tmp_path / "out" / "training_data.h5") as file:
        assert file["data/species"][0] == b"simulated_source"
        n_rows, length, _ = file["data/X"].shape
        shares = file["data/y"][:].reshape(-1, 4).sum(axis=0)
    assert length == 1008
    training = re.search(r"^\s*training\s+1\s+(\d+)\s+(\d+)\s+([\d.]+) %", result.output, re.M)
    genes = (tmp_path / "out" / "genes.gff3").read_text()
    assert int(training[1]) == len(re.findall(r"^chr01\t.*\tgene\t", genes, re.M))
    assert int(training[2]) == n_rows
    assert float(training[3]) == pytest.approx(100 * shares[0] / shares.sum(), abs=0.06)


def test_reads_of_the_same_species(tmp_path):
    assert run("--out-dir", tmp_path / "out", "--seed", "3", "--reads", *SMALL).exit_code == 0
    genome = simulate(TARGET, 3, 10_000, 3)
    write_reads(tmp_path / "expected.bam", genome, 3)
    with (
        pysam.AlignmentFile(str(tmp_path / "out" / "rnaseq.bam")) as file,
        pysam.AlignmentFile(str(tmp_path / "expected.bam")) as expected,
    ):
        names = {name: len(bases) for name, bases in genome.sequences.items()}
        assert dict(zip(file.references, file.lengths, strict=True)) == names
        reads = [read.to_string() for read in file]
        assert len(reads) > 100
        assert reads == [read.to_string() for read in expected]
        assert file.count("chr01") > 0
    assert not list((tmp_path / "out").glob(".*"))


def test_no_reads_unless_asked_for(tmp_path):
    assert run("--out-dir", tmp_path / "out", *SMALL).exit_code == 0
    assert not list((tmp_path / "out").glob("rnaseq*"))


def test_options_take_effect(tmp_path):
    for name, options in {
        "a": [],
        "seed": ["--seed", "1"],
        "species": ["--species", "source"],
        "more": ["--sequences", "4"],
        "longer": ["--sequence-length", "12000"],
        "window": ["--subsequence-length", "2016"],
    }.items():
        assert run("--out-dir", tmp_path / name, *SMALL, *options).exit_code == 0
    texts = {path.name: (path / "genome.fa").read_text() for path in tmp_path.iterdir()}
    assert len(set(texts.values())) == 5
    assert texts["window"] == texts["a"]
    assert texts["more"].startswith(texts["a"])
    assert len(texts["longer"]) > 1.15 * len(texts["a"])
    with h5py.File(tmp_path / "window" / "test_data.h5") as file:
        assert file["data/X"].shape[1] == 2016


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--subsequence-length", "1000"],
            "multiple of 9, because Helixer's networks pool",
        ),
        (["--subsequence-length", "0"], "multiple of 9"),
        (["--subsequence-length", "nine"], "nine"),
        (["--seed", "-1"], "--seed"),
        (["--sequences", "2"], "--sequences"),
        (["--sequence-length", "9999"], "--sequence-length"),
        (["--species", "human"], "human"),
    ],
)
def test_bad_values_end_in_a_message_and_exit_2(tmp_path, options, said):
    result = run("--out-dir", tmp_path / "out", *SMALL, *options)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert os.listdir(tmp_path) == []


def test_out_dir_is_required():
    assert run(*SMALL).exit_code == 2


def test_refuses_to_overwrite_unless_forced(tmp_path):
    out = tmp_path / "out"
    assert run("--out-dir", out, *SMALL).exit_code == 0
    before = (out / "genome.fa").read_bytes()
    refused = run("--out-dir", out, "--seed", "1", *SMALL)
    assert refused.exit_code == 2
    assert re.fullmatch(r"Error: .*not empty.*--force.*\n", refused.output)
    assert (out / "genome.fa").read_bytes() == before
    assert run("--out-dir", out, "--seed", "1", "--force", *SMALL).exit_code == 0
    assert (out / "genome.fa").read_bytes() != before


def test_as_a_module_without_a_traceback(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "helixer_ft", "simulate", "--out-dir", str(tmp_path / "file")]
    result = subprocess.run([*command, *SMALL], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "is not a folder" in result.stderr


def test_needs_no_keras():
    code = "import sys, helixer_ft.cli.simulate as m; print('keras' in sys.modules, m.command)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("False <Command")


def test_defaults_make_a_useful_quick_start(tmp_path):
    result = run("--out-dir", tmp_path / "out")
    assert result.exit_code == 0
    rows = {}
    for name in ("training", "test"):
        with h5py.File(tmp_path / "out" / f"{name}_data.h5") as file:
            ends = file["data/start_ends"][:]
            rows[name] = (ends[:, 0] < ends[:, 1]).sum()
            shares = file["data/y"][:].reshape(-1, 4).sum(axis=0)
            assert 0.5 < shares[0] / shares.sum() < 0.7
    assert int(re.search(r"training\s+8\s+(\d+)", result.output)[1]) >= 200
    assert rows["test"] >= 25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs is 0, expected a whole number"),
        (["--out", "missing/model.h5"], "the folder missing does not exist"),
    ],
)
def test_pretraining_refuses_before_any_work(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(pretrain, ["--out", "model.h5", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert os.listdir(tmp_path) == []
