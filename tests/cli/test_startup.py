"""What is imported when, and which backend is taken."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import random_rows, tiny_model

from helixer_ft.cli import COMMANDS, main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.training.run_folder import RunFolder
from tests.data_files import write_data_file

NO_TENSORFLOW = """
import importlib.abc, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            print("tensorflow was asked for", file=sys.stderr)
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
"""
WORKFLOW = (
    *("prepare", "add-coverage", "whole", "freeze", "evaluate", "predict", "evaluate-genes"),
    *("inspect", "compare", "pseudo-label", "adapt", "doctor", "simulate", "demo"),
    "completion",
)
NO_JAX = "import sys; sys.modules['jax'] = None\n"
RUN = "from helixer_ft.cli import main; main(prog_name='helixer-ft')"


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, "-c", code, *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=inherited | environment,
    )


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_neither_keras_nor_the_numeric_libraries(arguments):
    report = "import atexit, sys; atexit.register(lambda: print('|', *sys.modules))\n"
    result = python(report + RUN, *arguments)
    assert result.returncode == 0, result.stderr
    modules = set(result.stdout.rpartition("|")[2].split())
    assert "click" in modules
    assert not modules & {"keras", "tensorflow", "jax", "h5py", "numpy", "pysam", "rich"}


def test_help_lists_the_commands_in_workflow_order():
    text = python(RUN, "--help").stdout
    places = [text.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)
    assert [name for name in WORKFLOW if name in COMMANDS] == list(COMMANDS)


@pytest.fixture
def run_arguments(model_path, data_dir, tmp_path) -> list[object]:
    options = ["-l", model_path, "-d", data_dir, "-s", tmp_path / "tuned.h5"]
    return [*options, "-e", "1", "-b", "4", "--val-test-batch-size", "8"]


def test_auto_takes_jax_where_it_is_installed(run_arguments, tmp_path):
    """And needs no TensorFlow then, with `freeze`; for `whole`, see the comparison below."""
    pytest.importorskip("jax")
    if any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/kfd")):
        pytest.skip("this machine has an accelerator")
    result = python(NO_TENSORFLOW + RUN, "freeze", *run_arguments)
    assert result.returncode == 0, result.stderr
    assert "tensorflow was asked for" not in result.stderr
    assert "Keras backend: jax (no accelerator" in result.stderr
    assert load_model(tmp_path / "tuned.h5")


def test_auto_takes_tensorflow_without_jax(tmp_path):
    """And predicts with it what JAX predicts."""
    write_model_file(tmp_path / "base.h5", tiny_model().to_file({}))
    write_data_file(tmp_path / "data.h5", random_rows(5))
    common = ["predict", "-l", tmp_path / "base.h5", "-t", tmp_path / "data.h5"]
    common += ["--val-test-batch-size", "4", "-p"]
    result = python(NO_JAX + RUN, *common, tmp_path / "tensorflow.h5")
    assert result.returncode == 0, result.stderr
    assert "Keras backend: tensorflow (no accelerator, and JAX is not installed)" in result.stderr
    here = CliRunner().invoke(main, [*map(str, common), str(tmp_path / "here.h5")])
    assert here.exit_code == 0, here.output
    with h5py.File(tmp_path / "tensorflow.h5") as one, h5py.File(tmp_path / "here.h5") as other:
        for name in ("predictions", "predictions_phase"):
            difference = one[name][()].astype(np.float64) - other[name][()]
            assert np.abs(difference).max() <= 1e-3


def test_a_backend_that_is_not_known_is_refused(run_arguments):
    result = python(RUN, "freeze", *run_arguments, "--dry-run", KERAS_BACKEND="torch")
    assert result.returncode == 2
    assert "'torch' (KERAS_BACKEND), expected one of tensorflow, jax" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "strategy",
    [
        "whole",
        pytest.param("freeze", marks=pytest.mark.slow),
        pytest.param("freeze --post-coverage-hidden-layer", marks=pytest.mark.slow),
    ],
)
def test_both_backends_learn_the_same(tmp_path, strategy):
    """Same weights to float tolerance; neither needs the other, and --backend beats the
    environment.
    """
    pytest.importorskip("jax")
    write_model_file(tmp_path / "base.h5", tiny_model().to_file({}))
    for name, seed in (("training", 1), ("validation", 2)):
        write_data_file(tmp_path / f"{name}_data.h5", random_rows(6, seed=seed, seqid=name))
    common = ["-l", tmp_path / "base.h5", "-d", tmp_path]
    common += ["-e", 3, "-b", 4, "--learning-rate", 0.001, "--save-every-check"]
    tuned = []
    for backend, without, options, reason in (
        ("jax", NO_TENSORFLOW, [], "KERAS_BACKEND"),
        ("tensorflow", NO_JAX, ["--backend", "tensorflow"], "--backend"),
    ):
        path = tmp_path / f"{backend}.h5"
        words = [*strategy.split(), *common, *options, "-s", path]
        result = python(without + RUN, *words, KERAS_BACKEND="jax")
        assert result.returncode == 0, result.stderr
        assert "tensorflow was asked for" not in result.stderr
        assert f"Keras backend: {backend} ({reason})" in result.stderr
        # that of the last check: of labels at random, nothing learnt is worth keeping
        last = max(RunFolder(path).path.rglob("check_*.h5"))
        tuned.append(load_model(last).weights)
    start = load_model(tmp_path / "base.h5").weights
    for name, arrays in tuned[0].items():
        for i, (one, other) in enumerate(zip(arrays, tuned[1][name], strict=True)):
            assert one == pytest.approx(other, abs=2e-4), (name, i)
    for name in ("conv1d", "bidirectional", "dense") if strategy == "whole" else ():
        assert np.abs(tuned[0][name][0] - start[name][0]).max() > 1e-3, name
