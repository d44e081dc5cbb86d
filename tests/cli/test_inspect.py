"""`helixer-ft inspect` as a user calls it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inspection.inspect import inspect
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.progress import Progress
from tests.data_files import write_data_file
from tests.plans import plan_freeze


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def inspected(*arguments: object) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_model(model_path):
    found = inspected(model_path)
    with h5py.File(model_path) as file:
        sizes = {
            name: sum(file[f"model_weights/{name}/{weight}"].size
                      for weight in file[f"model_weights/{name}"].attrs["weight_names"])
            for name in file["model_weights"].attrs["layer_names"]
        }  # fmt: skip
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert {name: layer["parameters"] for name, layer in layers.items()} == {
        name: size for name, size in sizes.items() if name in layers
    }
    assert found["parameters"] == sum(sizes.values())
    assert [layer["kind"] for layer in found["layers"]] == [
        "Conv", "BatchNorm", "Conv", "Pool", "BiLSTM", "Dense",
    ]  # fmt: skip
    assert (layers["conv1d"]["step"], layers["conv1d"]["width"]) == (1, 4)
    assert (layers["reshape"]["step"], layers["reshape"]["width"]) == (9, 36)
    assert (layers["bidirectional"]["step"], layers["bidirectional"]["width"]) == (9, 6)
    assert [layer["part"] for layer in found["layers"]] == ["body"] * 5 + ["head"]
    assert (found["pool_size"], found["outputs"]) == (9, ["genic", "phase"])
    assert (found["input_width"], found["coverage_tracks"]) == (4, 0)
    assert found["sha256"] == file_sha256(model_path)
    assert found["keras_version"] == "2.15.0"
    assert found["provenance"] == {}


def test_what_would_train(model_path):
    trains = inspected(model_path)["trains"]
    total, head = inspected(model_path)["parameters"], 6 * 72 + 72
    statistics = 8
    hidden = 6 * 3 + 3 + 3 * 72 + 72
    expected = {
        "whole": (total - statistics, total),
        "whole --freeze-batchnorm": (total - statistics, total),
        "freeze": (head, total),
        "freeze --post-coverage-hidden-layer": (hidden, total - head + hidden),
        "freeze --keep-head": (head, total),
    }
    assert trains == {
        name: {"trainable_parameters": some, "total_parameters": whole}
        for name, (some, whole) in expected.items()
    }


def test_a_model_without_batch_norm_or_phase(tmp_path):
    write_model_file(tmp_path / "m.h5", tiny_model(convs=1, phase=False).to_file({}))
    found = inspected(tmp_path / "m.h5")
    assert "whole --freeze-batchnorm" not in found["trains"]
    assert found["outputs"] == ["main"]


def test_provenance(tmp_path):
    settings = {"epochs": 3, "class_weights": [0.7, 1.6, 1.2, 1.2]}
    provenance = {"version": "0.1", "settings": json.dumps(settings), "strategy": "{not json"}
    write_model_file(tmp_path / "m.h5", tiny_model().to_file(provenance))
    assert inspected(tmp_path / "m.h5")["provenance"] == provenance | {"settings": settings}
    text = run(tmp_path / "m.h5").stdout
    assert "Provenance:\n  settings:\n    epochs: 3\n" in text
    assert "  version: 0.1\n" in text
    assert "  strategy: {not json\n" in text


def test_text_of_a_model(model_path):
    lines = run(model_path).stdout.splitlines()
    assert lines[0] == f"{model_path}: a trained model"
    assert lines[1] == "Network: 2 conv × 4 (kernel 5), pool 9, 1 BiLSTM × 3, head 72"
    assert lines[2:4] == [
        "Input: 4 bases, no coverage",
        "Outputs: genic, phase. Subsequence lengths: multiples of 9",
    ]
    dense = next(line for line in lines if line.startswith("dense ")).split()
    assert dense == ["dense", "Dense", "L/9", "×", "72", "504"]
    assert "freeze --keep-head" in run(model_path).stdout
    assert lines[-1] == "Provenance: none recorded (not written by helixer-ft)"


@pytest.mark.parametrize("recorded", [True, False])
def test_a_model_with_coverage(tmp_path, recorded):
    tracks = CoverageInput("cage", "log", (Track("leaf"), Track("root", "signal")))
    model = plan_freeze(tiny_model(), coverage=tracks).model
    write_model_file(tmp_path / "m.h5", model.to_file({}))
    if not recorded:  # as in a model of Helixer itself
        with h5py.File(tmp_path / "m.h5", "a") as file:
            del file.attrs["helixer_ft_coverage"]
    found = inspected(tmp_path / "m.h5")
    assert (found["input_width"], found["coverage_tracks"]) == (8, 2)
    assert found["layers"][-1]["parameters"] == (6 + 9 * 4) * 72 + 72
    assert found["trains"]["freeze"]["trainable_parameters"] == 6 * 72 + 72
    assert found["trains"]["freeze --keep-head"]["trainable_parameters"] == 42 * 72 + 72
    line = run(tmp_path / "m.h5").stdout.splitlines()[2]
    assert line == "Input: 4 bases, " + (
        "coverage 'cage' (log): leaf (reads), root (signal)"
        if recorded
        else "coverage of 2 track(s); the file does not say which"
    )


class Steps(Progress):
    def __init__(self):
        self.total = self.done = self.steps = 0

    def start(self, task, total, unit="", done=0):
        self.total += total

    def advance(self, steps=1, note=""):
        self.done += steps
        self.steps += 1


def test_a_data_file_is_read_a_few_rows_at_a_time(tmp_path, rows):
    write_data_file(tmp_path / "d.h5", rows)
    steps = Steps()
    inspect(tmp_path / "d.h5", steps)
    assert steps.done == steps.total == len(rows["y"])
    assert steps.steps == 3


@pytest.fixture
def rows():
    rows = random_rows(20, seed=3, masked=5)
    rows["is_annotated"][30:] = False
    rows["err_samples"][:4] = False
    rows["seqids"][10:] = b"chr2"
    return rows


def test_data(tmp_path, rows):
    write_data_file(tmp_path / "d.h5", rows)
    found = inspected(tmp_path / "d.h5")
    assert (found["kind"], found["windows"], found["subsequence_length"]) == ("data", 40, 90)
    assert found["species"] == {"sim": {"chr1": 10, "chr2": 30}}
    labels = found["labels"]
    assert (labels["annotated_windows"], labels["usable_windows"]) == (30, 26)
    y, valid = rows["y"].reshape(-1, 4), rows["sample_weights"].reshape(-1) == 1
    assert labels["bases"] == y.sum() < 40 * 90
    assert labels["valid_bases"] == y[valid].sum() < y.sum()
    assert labels["masked_share"] == pytest.approx(1 - y[valid].sum() / y.sum())
    classes = ["intergenic", "UTR", "CDS", "intron"]
    for key, part in (("fractions_all", y), ("fractions_valid", y[valid])):
        assert list(labels[key]) == classes
        assert list(labels[key].values()) == pytest.approx(part.sum(axis=0) / part.sum())
    assert found["coverage"] == {}
    text = run(tmp_path / "d.h5").stdout
    assert text.splitlines()[:3] == [
        f"{tmp_path / 'd.h5'}: data, with labels",
        "40 windows of 90 bp (both strands), 2 sequence(s)",
        "Species sim: 40 windows of chr1, chr2",
    ]
    assert (
        f"Annotated windows: 30; usable for training: 26. Masked: {labels['masked_share']:.1%}"
        in text
    )
    assert f"{labels['fractions_valid']['CDS']:.1%}" in text


def test_data_to_predict_on(tmp_path, rows):
    names = ("X", "seqids", "species", "start_ends")
    write_data_file(tmp_path / "d.h5", {name: rows[name] for name in names})
    found = inspected(tmp_path / "d.h5")
    assert found["labels"] is None
    assert found["datasets"] == sorted(names)
    assert "d.h5: data, without labels\n" in run(tmp_path / "d.h5").stdout


def test_coverage(tmp_path, rows):
    write_data_file(tmp_path / "d.h5", rows)
    with h5py.File(tmp_path / "d.h5", "a") as file:
        for prefix, tracks in (("rnaseq", 2), ("atac", 1)):
            for name in ("coverage", "spliced_coverage"):
                file[f"evaluation/{prefix}_{name}"] = np.zeros((40, 90, tracks), np.int64)
        file["evaluation/rnaseq_meta/bam_files"] = np.array([b"runs/leaf.bam", b"root.bam"])
        file["evaluation/atac_meta/bam_files"] = np.array([b"signal.bw"])
        file["evaluation/atac_meta/track_names"] = np.array([b"open"])
        file["evaluation/atac_meta/track_kinds"] = np.array([b"signal"])
    assert inspected(tmp_path / "d.h5")["coverage"] == {
        "atac": [{"name": "open", "kind": "signal"}],
        "rnaseq": [{"name": "leaf", "kind": "reads"}, {"name": "root", "kind": "reads"}],
    }
    text = run(tmp_path / "d.h5").stdout
    assert "Coverage 'rnaseq': 2 track(s): leaf (reads), root (reads)\n" in text
    with h5py.File(tmp_path / "d.h5", "a") as file:
        del file["evaluation/atac_coverage"]
        file["evaluation/atac_coverage"] = np.zeros((3, 90, 1))
    result = run(tmp_path / "d.h5")
    assert result.exit_code == 2
    assert "evaluation/atac_coverage" in result.stderr


def test_predictions(tmp_path, model_path):
    path = tmp_path / "p.h5"
    with h5py.File(path, "w") as file, h5py.File(model_path) as model:
        file["predictions"] = np.zeros((6, 90, 4), np.float16)
        file["predictions_phase"] = np.zeros((6, 90, 4), np.float16)
        file.attrs["model_config"] = model.attrs["model_config"]
        file.attrs["model_path"] = "small.h5"
        file.attrs["n_bases_removed"] = 3
        file.attrs["test_data_path"] = np.array([b"a.h5", b"b.h5"])
    found = inspected(path)
    assert found["kind"] == "predictions"
    shape = {"shape": [6, 90, 4], "dtype": "float16"}
    assert found["datasets"] == {"predictions": shape, "predictions_phase": shape}
    assert found["model"] == "2 conv × 4 (kernel 5), pool 9, 1 BiLSTM × 3, head 72"
    assert found["attributes"] == {
        "model_path": "small.h5", "n_bases_removed": "3", "test_data_path": "a.h5, b.h5",
    }  # fmt: skip
    text = run(path).stdout
    assert "predictions_phase: 6 windows of 90 bp, 4 classes (float16)\n" in text
    assert "model_path: small.h5\n" in text


def test_predictions_of_another_shape(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["predictions"] = np.zeros((6, 90))
    result = run(tmp_path / "p.h5")
    assert result.exit_code == 2
    assert "predictions is of shape (6, 90), expected (windows" in result.stderr


def test_every_key_is_documented(tmp_path, model_path, rows):
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    table = page.split("## `inspect --json`")[1].split("\n## ")[0]
    words = set(re.findall(r"`([^`]+)`", table))
    write_data_file(tmp_path / "d.h5", rows)
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["predictions"] = np.zeros((6, 90, 4), np.float16)
    model, data, predictions = (
        inspected(path) for path in (model_path, tmp_path / "d.h5", tmp_path / "p.h5")
    )
    keys = {*model, *model["layers"][0], *model["trains"]["whole"], *data, *data["labels"]}
    keys |= {*predictions, *predictions["datasets"]["predictions"]}
    keys |= {found["kind"] for found in (model, data, predictions)}
    assert keys - words == set()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file, expected a Helixer model, data file or predictions"),
        (lambda path: path.write_text(">chr1\nACGT\n"), "is not an HDF5 file, expected a Helixer"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: h5py.File(path, "w").close(), "holds nothing, expected a Helixer model"),
    ],
)
def test_neither(tmp_path, make, message):
    make(tmp_path / "x.h5")
    result = run(tmp_path / "x.h5")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_neither_says_what_was_found(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["counts"] = [1]
        file["data/y"] = [1]
        file.attrs["who"] = "me"
    message = run(tmp_path / "x.h5").stderr
    assert "x.h5: holds counts, data, attribute who, expected a Helixer model" in message


def broken_data(rows, tmp_path, change) -> str:
    write_data_file(tmp_path / "d.h5", rows)
    with h5py.File(tmp_path / "d.h5", "a") as file:
        change(file["data"])
    result = run(tmp_path / "d.h5")
    assert result.exit_code == 2
    return result.stderr


def test_broken_data(tmp_path, rows):
    def delete(group):
        del group["seqids"]

    def shorten(group):
        del group["y"]
        group["y"] = np.zeros((40, 80, 4))

    def retype(group):
        del group["sample_weights"]
        group["sample_weights"] = np.full((40, 90), b"1")

    assert "data/seqids is missing, expected (40,)" in broken_data(rows, tmp_path, delete)
    (tmp_path / "d.h5").unlink()
    assert "data/y is of shape (40, 80, 4), expected (40, 90" in broken_data(
        rows, tmp_path, shorten
    )
    (tmp_path / "d.h5").unlink()
    assert "data/sample_weights holds |S1, expected numbers" in broken_data(rows, tmp_path, retype)


def test_a_broken_model_is_still_called_a_model(model_path):
    with h5py.File(model_path, "a") as file:
        del file["model_weights"]
    result = run(model_path)
    assert result.exit_code == 2
    assert "has no weights" in result.stderr


def test_debug_lets_the_traceback_through(tmp_path):
    assert type(run(tmp_path / "none", "--debug").exception).__name__ == "InputError"


def test_no_keras_is_imported(model_path):
    code = (
        "import sys; from helixer_ft.cli import main; "
        "main(['inspect', sys.argv[1]], standalone_mode=False); "
        "print('|', *sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(model_path)], capture_output=True, text=True, check=True
    )
    modules = set(result.stdout.rpartition("|")[2].split())
    assert "h5py" in modules
    assert not modules & {"keras", "tensorflow", "jax"}
