"""`helixer-ft predict` as a user calls it: what each option does, and what it refuses."""

import gzip
import hashlib
import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_model

import helixer_ft
from helixer_ft.cli import main, output, progress_display
from helixer_ft.formats.atomic import partial_path
from helixer_ft.formats.journal import Journal
from helixer_ft.formats.model_h5 import write_model_file
from tests.cli.workplace import CommandFolder, no_file_above
from tests.data_files import write_data_file

DATASETS = ["predictions", "predictions_phase"]


class Workplace(CommandFolder):
    """A folder with a model, a data file without labels and a genome, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model.h5"
        self.data = folder / "data.h5"
        self.fasta = folder / "my genome.fa"
        self.out = folder / "out.h5"

    def run(self, *options: object) -> Result:
        """The command; on the data file unless told otherwise."""
        given = {"-t", "--test-data", "--fasta", "--help"} & set(options)
        arguments = ["-l", self.model, "-p", self.out, *([] if given else ["-t", self.data])]
        if "--val-test-batch-size" not in options:  # one shape less to compile
            arguments += ["--val-test-batch-size", 4]
        return CliRunner().invoke(main, ["predict", *map(str, [*arguments, *options])])

    def predicted(self, *options: object) -> np.ndarray:
        """(outputs, N, L, 4) that the command writes."""
        result = self.run("--force", *options)
        assert result.exit_code == 0, result.output
        with h5py.File(self.out) as file:
            return np.stack([file[name][()] for name in sorted(file)]).astype(np.float64)


@pytest.fixture
def work(tmp_path) -> Workplace:
    work = Workplace(tmp_path)
    write_model_file(work.model, tiny_model().to_file({}))
    rows = random_rows(5)
    names = ("X", "seqids", "species", "start_ends")  # as fasta2h5 writes them
    write_data_file(work.data, {name: rows[name] for name in names})
    codes = rows["X"][:5].reshape(-1, 4)[:420]
    letters = np.frombuffer(b"CATG", np.uint8)[codes.argmax(-1)].tobytes()
    work.fasta.write_bytes(b">chr1 the same\n" + letters + b"\n")
    return work


# -- what it does ------------------------------------------------------------------------------


def test_the_file(work):
    result = work.run("-v")
    assert result.exit_code == 0, result.output
    with h5py.File(work.out) as file:
        assert sorted(file) == DATASETS
        for dataset in file.values():
            assert dataset.shape == (10, 90, 4)
            assert dataset.dtype == np.float16
            assert dataset.chunks == (1, 90, 4)
            assert (dataset.compression, dataset.shuffle) == ("gzip", True)
            assert dataset[()].sum(-1) == pytest.approx(1, abs=2e-3)
        attributes = dict(file.attrs)
    with h5py.File(work.model) as file:
        assert json.loads(attributes["model_config"]) == json.loads(file.attrs["model_config"])
    assert attributes["n_bases_removed"] == 0
    assert attributes["test_data_path"] == str(work.data)
    assert attributes["model_path"] == str(work.model)
    assert attributes["model_md5sum"] == hashlib.md5(work.model.read_bytes()).hexdigest()
    assert attributes["helixer_ft_version"] == helixer_ft.__version__
    assert shlex.split(attributes["helixer_ft_command_line"])[0] == "helixer-ft"
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", attributes["timestamp"])
    assert not partial_path(work.out).exists()
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Model: 2 conv × 4")
    assert lines[1] == "Windows: 18 of 90 bp, every 45 bp; the middle 67 bp count; 3 at once"
    assert lines[2].startswith(f"Written: {work.out} (10 rows, 0.00 Mb of both strands); ")
    assert "Keras backend: " in result.stderr


def test_json_and_quiet(work):
    result = work.run("--json", "-q")
    assert result.exit_code == 0
    assert result.stderr == ""
    outcome = json.loads(result.stdout)
    seconds, rate = outcome.pop("seconds"), outcome.pop("bases_per_second")
    assert rate == pytest.approx(840 / seconds, rel=0.01)
    assert outcome == {
        "prediction_output_path": str(work.out),
        "rows": 10,
        "windows": 18,
        "bases": 840,
        "subsequence_length": 90,
        "overlap_offset": 45,
        "core_length": 67,
        "n_bases_removed": 0,
        "resumed_from": None,
        "val_test_batch_size": 3,
        "coverage": None,
        "batchnorm": None,
        "genes": None,
    }


def test_dry_run_says_what_it_costs_and_writes_nothing(work):
    before = work.content()
    result = work.run("--dry-run")
    assert result.exit_code == 0, result.output
    time, memory, size, disk, last = result.stdout.splitlines()
    assert re.fullmatch(
        r"Time: about \d.* for 18 windows of 90 bp \(\d\.\d{3} s each, 3 at once\)", time
    )
    assert re.fullmatch(r"Memory: about \d+\.\d GB of \d+\.\d GB", memory)
    assert re.fullmatch(r"Predictions file: about \d.* (kB|bytes)", size)
    assert re.fullmatch(rf"Disk: about .* while it works, of .* free beside {work.out}", disk)
    assert last == "Dry run: everything is in order; nothing was predicted or written."
    assert work.content() == before
    found = json.loads(work.run("--dry-run", "--json", "-q").stdout)
    assert found["dry_run"] is True
    assert found["estimate"]["windows"] == found["windows"] == 18
    assert found["estimate"]["processes"] == 1
    assert found["estimate"]["seconds"] > 0
    assert work.content() == before


def test_dry_run_warns_of_a_small_disk(work, monkeypatch):
    monkeypatch.setattr("helixer_ft.inference.estimate.available_disk", lambda _: 10)
    result = work.run("--dry-run")
    assert result.exit_code == 0
    assert f"Warning: {work.out}: there is too little disk space" in result.stderr


def test_dry_run_refuses_what_the_run_would(work):
    work.refused("--dry-run", "-p", work.folder, parts=["is a folder"])
    work.out.write_bytes(b"old")
    work.refused("--dry-run", parts=["exists already"])


def test_the_output_without_a_name(work, monkeypatch):
    monkeypatch.chdir(work.folder)
    arguments = ["-l", work.model, "-t", work.data, "--val-test-batch-size", 4]
    result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    with h5py.File(work.folder / "predictions.h5") as file:
        assert sorted(file) == DATASETS


def test_a_genome_is_predicted_as_its_data_file(work):
    from_data = work.predicted()
    work.fasta.with_suffix(".fa.gz").write_bytes(gzip.compress(work.fasta.read_bytes()))
    for path in (work.fasta, work.fasta.with_suffix(".fa.gz")):
        found = work.predicted("--fasta", path, "--subsequence-length", 90)
        # the data file's minus rows repeat the plus ones' bases, the genome's are complements
        assert np.array_equal(found[:, :5], from_data[:, :5])
        assert found.shape == from_data.shape
        with h5py.File(work.out) as file:
            assert file.attrs["test_data_path"] == str(path)
            assert file.attrs["helixer_ft_species"] == "my_genome"


def test_species_and_default_length_of_a_genome(work):
    found = work.predicted("--fasta", work.fasta, "--species", "A_b")
    assert found.shape == (2, 2, 21384, 4)
    with h5py.File(work.out) as file:
        assert file.attrs["helixer_ft_species"] == "A_b"


def test_sequences_are_chosen(work):
    """Each option by itself; what is left is predicted as ever, and the file says so."""
    letters = work.fasta.read_text().split()[-1]
    sequences = {"chr1": letters, "a": letters[:100], "b": letters[100:170], "t": letters[:9]}
    work.fasta.write_text("".join(f">{name}\n{text}\n" for name, text in sequences.items()))
    genome = ["--fasta", work.fasta, "--subsequence-length", 90]
    every = work.predicted(*genome)
    rows = {"chr1": slice(0, 10), "a": slice(10, 14), "b": slice(14, 16), "t": slice(16, 18)}
    assert every.shape[1] == 18

    def attributes() -> dict:
        with h5py.File(work.out) as file:
            names = ("exclude", "seqids", "min_length", "shortest_computed")
            attrs = {name: file.attrs.get(f"helixer_ft_{name}") for name in names}
        return {name: value for name, value in attrs.items() if value is not None}

    assert attributes() == {"shortest_computed": 60}
    assert not every[:, rows["t"]].any()
    for options, kept, recorded in (
        (["--exclude", "a,t"], ["chr1", "b"], {"exclude": "a,t", "shortest_computed": 60}),
        (["--seqids", "b", "--seqids", "a"], ["a", "b"],
         {"seqids": "b,a", "shortest_computed": 60}),
        (["--min-length", 71], ["chr1", "a"], {"min_length": 71}),
    ):  # fmt: skip
        found = work.predicted(*genome, *options)
        expected = np.concatenate([every[:, rows[name]] for name in kept], axis=1)
        np.testing.assert_allclose(found, expected, atol=1e-3)
        assert attributes() == recorded
    computed = work.predicted(*genome, "--min-length", 1)
    assert computed[:, rows["t"]].any(axis=-1).all()
    np.testing.assert_allclose(computed[:, :16], every[:, :16], atol=1e-3)


def test_more_names_than_an_attribute_holds(work):
    """HDF5 has room for 64 kB."""
    names = [f"a_long_name_of_a_small_contig_{i}" for i in range(3000)]
    work.fasta.write_text("".join(f">{name}\nACGT\n" for name in ["kept", *names]))
    listed = ",".join(names)
    result = work.run("--fasta", work.fasta, "--exclude", listed)
    assert result.exit_code == 0, result.output
    with h5py.File(work.out) as file:
        assert len(file["predictions"]) == 2
        assert file.attrs["helixer_ft_exclude"] == f"{listed[:16_000]}..."


def test_what_short_sequences_cost_is_said_beforehand(work):
    work.fasta.write_text("".join(f">c{i}\n{'ACGTACGTAC' * 7}\n" for i in range(100)))
    options = ["--fasta", work.fasta, "--subsequence-length", 180, "--val-test-batch-size", 50]
    result = work.run(*options)
    assert result.exit_code == 0, result.output
    notice = result.stderr.index("Note: 61.1% of the 200 rows of 180 bp to be computed is padding")
    assert notice < result.stderr.index("predicting")


def test_the_case_of_tiny_contigs(shared, work):
    work.fasta.write_bytes((shared / "cases/predict_tiny_contigs/in.fa").read_bytes())
    result = work.run("-l", shared / "models/small.h5", "--fasta", work.fasta)
    assert result.exit_code == 0, result.output
    assert "Note: 40 sequences of fewer than 60 bp" in result.stderr


def test_overlap_options_change_the_result(work):
    default = work.predicted()
    assert np.array_equal(work.predicted("--overlap"), default)
    assert np.array_equal(work.predicted("--overlap-offset", 45, "--core-length", 67), default)
    others = [
        work.predicted("--no-overlap"),
        work.predicted("--overlap-offset", 30),
        work.predicted("--core-length", 90),
    ]
    for other in others:
        assert np.abs(other - default).max() > 0.005
    with h5py.File(work.out) as file:
        assert (file.attrs["helixer_ft_overlap_offset"], file.attrs["helixer_ft_core_length"]) == (
            45,
            90,
        )


@pytest.mark.parametrize("size", [1, 18, 100, "auto"])
def test_batch_size_does_not(work, size):
    default = work.predicted()
    assert work.predicted("--val-test-batch-size", size) == pytest.approx(default, abs=5e-4)
    result = work.run("--val-test-batch-size", size, "--json", "--force")
    used = json.loads(result.stdout)["val_test_batch_size"]
    # on JAX, cores compute parts of at most 4, of which 18 leave one half empty
    full = 9 if keras.backend.backend() == "jax" else 18
    assert used == {1: 1, 18: full, 100: 18}.get(size, used)
    assert ("windows at once (--val-test-batch-size auto)" in result.stderr) == (size == "auto")


def test_backend(work):
    """tests/cli/test_startup.py compares the predictions of the two."""
    pytest.importorskip("jax")
    running = os.environ["KERAS_BACKEND"]
    other = "tensorflow" if running == "jax" else "jax"
    work.refused("--backend", other, "--force", parts=[f"Keras runs on '{running}'"])
    assert f"Keras backend: {running} (--backend)" in work.run("--backend", running).stderr


def test_precision(work):
    difference = np.abs(work.predicted("--precision", "mixed_bfloat16") - work.predicted())
    assert 2e-4 < difference.max() < 0.1


def test_progress_in_a_log(work, monkeypatch):
    monkeypatch.setattr(progress_display, "LINE_SECONDS", 0)
    result = work.run("--force")
    lines = [line for line in result.stderr.splitlines() if line.startswith("predicting: ")]
    assert len(lines) == 10
    assert re.fullmatch(r"predicting: 5 of 10 \(50%\), \d\.\d{3} Mb/s, \d+(\.\d)? s left", lines[4])
    assert "predicting: " not in work.run("--force", "-q").stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_interrupts_and_resume_goes_on(work, monkeypatch, number):
    default = work.predicted()
    work.out.unlink()
    advance, calls = output.Printer.advance, []

    def signalled(self, steps=1, note=""):
        advance(self, steps, note)
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["helixer-ft", "predict", "-t", "my data.h5"])
        patch.setattr(output.Printer, "advance", signalled)
        result = work.run("--json")
    assert result.exit_code == 75, result.output
    assert result.stdout == ""
    assert "Interrupted: 5 of 10 rows are predicted, and kept in" in result.stderr
    assert "To resume:\n  helixer-ft predict -t 'my data.h5' --resume\n" in result.stderr
    work.refused(parts=["an interrupted prediction left 5 rows in out.h5.journal", "--force"])
    with monkeypatch.context() as patch:
        synced = []
        patch.setattr(Journal, "sync", lambda _self: synced.append(1))
        result = work.run("--json", "--resume", "--checkpoint-minutes", 0)
    assert result.exit_code == 0, result.output
    assert len(synced) == 5 + 1
    assert json.loads(result.stdout)["resumed_from"] == 5
    with h5py.File(work.out) as file:
        assert np.array_equal(np.stack([file[name][()] for name in DATASETS]), default)
    assert not work.out.with_name("out.h5.journal").exists()


def test_a_second_process_on_the_same_output(work):
    with Journal(work.folder / "out.h5.journal", work.out):
        for option in ("--force", "--resume"):
            work.refused(option, parts=["out.h5.journal: is in use by another process"])


def test_force(work):
    work.out.write_bytes(b"precious")
    work.refused(parts=[f"{work.out}: exists already and is not overwritten", "--force"])
    assert work.out.read_bytes() == b"precious"
    assert work.run("--force").exit_code == 0
    assert work.out.read_bytes() != b"precious"


def test_hybridmodels_words(work):
    default = work.predicted()
    assert np.array_equal(work.predicted("--predict-phase"), default)
    result = work.run("--workers", 4, "--force")
    assert "--workers is ignored" in result.stderr
    write_model_file(work.model, tiny_model(phase=False).to_file({}), force=True)
    work.refused("--predict-phase", "--force", parts=[f"{work.model}: does not predict phase"])


def test_gpu_id(work, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # given back afterwards
    assert work.run("--gpu-id", 3).exit_code == 0
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"


# -- what it refuses ---------------------------------------------------------------------------


def test_neither_or_both_inputs(work):
    work.refused("-t", work.data, "--fasta", work.fasta, parts=["there is both of them"])
    result = CliRunner().invoke(main, ["predict", "-l", str(work.model), "-p", str(work.out)])
    assert result.exit_code == 2
    assert "there is neither --test-data nor --fasta, expected one" in result.stderr


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["-t", "a.h5", "-t", "b.h5"], ["--test-data is given 2 times, expected one data file"]),
        (["-t", "nothing.h5"], ["nothing.h5: no such file", "a Helixer data file"]),
        (["--species", "x"], ["--species requires --fasta"]),
        (["--subsequence-length", "90"], ["--subsequence-length requires --fasta"]),
        (["--exclude", "a"], ["--exclude requires --fasta", "helixer-ft prepare --exclude"]),
        (["--seqids", "a"], ["--seqids requires --fasta"]),
        (["--min-length", "9"], ["--min-length requires --fasta"]),
        (["--overlap-offset", "40"], ["divisor of the subsequence length, 90", "Take 30."]),
        (["--overlap-offset", "0"], ["--overlap-offset is 0, expected"]),
        (["--core-length", "91"], ["--core-length is 91, expected at most", "90"]),
        (["--core-length", "30"], ["offset is 45 and the core length 30", "at most the core"]),
        (["--no-overlap", "--core-length", "50"], ["contradict --no-overlap"]),
        (["--val-test-batch-size", "0"], ["--val-test-batch-size is 0"]),
        (["--val-test-batch-size", "many"], ["'many' is neither a whole number nor auto"]),
        (["--precision", "float8"], ["float8"]),
    ],
)  # fmt: skip
def test_options(work, options, parts):
    work.refused(*options, parts=parts)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--subsequence-length", "100"], ["is 100, expected a multiple of 9", "Take 99 or 108."]),
        (["--subsequence-length", "9" * 12], ["expected at most 9999999"]),
        (["--subsequence-length", "5"], ["is 5, expected a multiple of 9", "Take 9."]),
        (["--species", "a/b"], ["--species is 'a/b'"]),
        (["--min-length", "0"], ["--min-length is 0, expected a whole number of at least 1"]),
        (["--min-length", "421"], ["leave no sequence of 1, the longest of 420 bp"]),
        (["--exclude", "chr1,x"], ["--exclude: no sequence is named 'x'"]),
        (["--exclude", "chr1", "--seqids", "chr1"], ["chr1: in --seqids and in --exclude"]),
    ],
)
def test_options_of_a_genome(work, options, parts):
    work.refused("--fasta", work.fasta, *options, parts=parts)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["is empty"]),
        (b"@r\nACGT\n+\nIIII\n", ["expected a genome in FASTA"]),
        (b">a\nACGT\n>a\nACGT\n", ["'a' is not unique"]),
        (b">a\nMKLE\n", ["characters that are not IUPAC nucleotide codes"]),
        (gzip.compress(b">a\n" + b"ACGT" * 99, mtime=0)[:-9], ["damaged or truncated"]),
    ],
    ids=["empty", "fastq", "twice", "protein", "truncated"],
)
def test_broken_genomes(work, content, parts):
    work.fasta.write_bytes(content)
    work.refused("--fasta", work.fasta, parts=[str(work.fasta), *parts])


def change(name, array=None):
    """Replace or remove a dataset of the data file."""

    def edit(file):
        del file[name]
        if array is not None:
            file[name] = array

    return edit


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        *[
            (change(f"data/{name}"), [f"data/{name} is missing", "with helixer-ft prepare."])
            for name in ("X", "seqids", "species", "start_ends")
        ],
        (change("data/X", np.zeros((10, 90, 5))), ["data/X is of shape (10, 90, 5)"]),
        (change("data/seqids", np.zeros(10)), ["data/seqids holds float64"]),
        (change("data/start_ends", np.zeros((9, 2), int)), ["data/start_ends is of shape (9, 2)"]),
        (lambda file: file["data/X"].__setitem__((7, 3), np.nan), ["data/X row 7 holds values"]),
        (
            lambda file: file["data/start_ends"].__setitem__(2, (90, 180)),
            ["rows 0-1 and 2-2 of sequence 'chr1' (sim), plus strand, belong together"],
        ),
        (
            lambda file: file["data/start_ends"].__setitem__(2, (180, 180)),
            ["data/start_ends of row 2 is 180, 180, expected 1 to 90 bases apart"],
        ),
    ],
)
def test_broken_data(work, edit, parts):
    with h5py.File(work.data, "a") as file:
        edit(file)
    work.refused(parts=[str(work.data), *parts])


def test_no_data_file(work):
    work.data.write_bytes(b"no HDF5 at all")
    work.refused(parts=[f"{work.data}: is not an HDF5 file, expected a Helixer data file"])
    work.refused("-t", work.folder, parts=["is a folder, expected a Helixer data file"])


def test_rows_shorter_than_a_step(work):
    write_data_file(work.data, random_rows(2, length=6))
    work.refused(parts=["the subsequences have 6 bases, fewer than the 9 bases"])


def test_no_model(work):
    work.refused("-l", work.data, parts=["has no attribute 'model_config'"])


def test_outputs_that_cannot_be_written(work):
    work.refused("-p", work.folder / "no" / "o.h5", parts=["no does not exist. Create it"])
    work.refused("-p", work.folder, parts=["is a folder, expected a file name"])
    for path in (work.model, work.data):
        work.refused("-p", path, "--force", parts=[f"{path}: is read, and never overwritten"])
    work.refused(
        "--fasta", work.fasta, "-p", work.fasta, "--force", parts=["is read, and never overwritten"]
    )


def test_a_full_disk(work):
    """A real one: no file above 64 KiB can be written, and the predictions take more."""
    write_data_file(work.data, random_rows(60, length=900))
    work.predicted()
    work.out.write_bytes(b"old")
    with no_file_above(65536):
        result = work.run("--force")
    assert result.exit_code == 1, result.stderr
    assert f"Error: {work.out}: could not be written" in result.stderr
    assert "ree disk space" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not partial_path(work.out).exists()
    assert work.out.read_bytes() == b"old"


def test_out_of_memory(work, monkeypatch):
    from helixer_ft.inference import predict as module

    def network(*_):
        def run(_batch):
            raise MemoryError

        return run

    monkeypatch.setattr(module, "prediction_function", network)
    said = "out of memory with one window of 90 bases at once. Give the job more memory"
    for size in (1, 4, "auto"):
        work.refused("--val-test-batch-size", size, parts=[said], status=1)
