"""The same command twice: the same model; and what is recorded of how alike two runs are."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.runtime import backend
from helixer_ft.runtime.backend import (
    BIT_IDENTICAL_CPU,
    BIT_IDENTICAL_GPU,
    FLOAT_TOLERANCE,
    determinism,
    select_backend,
)
from helixer_ft.runtime.hardware import hardware

FLAG = "--xla_gpu_deterministic_ops=true"


@pytest.fixture
def run(tmp_path, data_dir):
    """`whole` on a network with dropout, to the same path each time."""
    write_model_file(tmp_path / "base.h5", tiny_model(dropout=0.3).to_file({}))
    common = ["-l", tmp_path / "base.h5", "-d", data_dir, "-s", tmp_path / "tuned.h5", "--force"]

    def run(*options: object) -> bytes:
        arguments = ["whole", *common, "-e", 1, "-b", 4, *options]
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        return (tmp_path / "tuned.h5").read_bytes()

    return run


def test_same_seed_same_bytes(run, tmp_path):
    first, second, other = run("--seed", 3), run("--seed", 3), run("--seed", 4)
    assert first == second
    assert first != other
    with h5py.File(tmp_path / "tuned.h5") as file:
        attributes = dict(file.attrs)
    assert json.loads(attributes["helixer_ft_hardware"]) == json.loads(
        json.dumps(hardware().to_dict())
    )
    assert attributes["helixer_ft_determinism"] == determinism()
    config = tomllib.loads((tmp_path / "tuned.run" / "config.toml").read_text())
    assert config["backend"] == os.environ["KERAS_BACKEND"]
    assert config["deterministic"] is False


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (None, FLAG),
        ("--xla_dump_to=/nowhere", f"--xla_dump_to=/nowhere {FLAG}"),
        (FLAG, FLAG),
    ],
)
def test_deterministic_tells_xla_beside_the_flags_of_the_user(monkeypatch, flags, expected):
    monkeypatch.setenv("XLA_FLAGS", flags or "")
    select_backend()
    assert os.environ["XLA_FLAGS"] == (flags or "")
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        pytest.skip("would change the TensorFlow of all tests")
    select_backend(deterministic=True)
    assert os.environ["XLA_FLAGS"] == expected


@pytest.mark.parametrize(("given", "expected"), [(None, ":4096:2"), (":16:8", ":16:8")])
def test_deterministic_fixes_the_workspace_of_cublas(monkeypatch, given, expected):
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        pytest.skip("would change the TensorFlow of all tests")
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", given or "")
    if given is None:
        del os.environ["CUBLAS_WORKSPACE_CONFIG"]
    select_backend()
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == given
    select_backend(deterministic=True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == expected


def test_levels(monkeypatch):
    monkeypatch.setattr(backend, "uses_accelerator", lambda: False)
    assert determinism() == BIT_IDENTICAL_CPU
    monkeypatch.setattr(backend, "uses_accelerator", lambda: True)
    monkeypatch.setattr(backend, "_backend_in_use", lambda: "jax")
    monkeypatch.setenv("XLA_FLAGS", "")
    assert determinism() == FLOAT_TOLERANCE
    monkeypatch.setenv("XLA_FLAGS", f"--xla_dump_to=/nowhere {FLAG}")
    assert determinism() == BIT_IDENTICAL_GPU


STATE = """
import sys
from helixer_ft.cli import main
main(sys.argv[1:], prog_name="helixer-ft", standalone_mode=False)
from helixer_ft.runtime.backend import is_deterministic
import os
print(is_deterministic(), os.environ.get("XLA_FLAGS"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jax", "tensorflow"])
def test_deterministic_runs_of_both_backends(tmp_path, data_dir, name):
    """The flag is taken by each backend, recorded, and changes nothing on the CPU."""
    pytest.importorskip(name)
    write_model_file(tmp_path / "base.h5", tiny_model(dropout=0.3).to_file({}))

    def tuned(path: Path, *options: str) -> tuple[str, dict]:
        arguments = ["-l", "base.h5", "-d", data_dir, "-s", path, "-e", "1", "-b", "4", "-q"]
        arguments += ["--backend", name, *options]
        environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
        done = subprocess.run(
            [sys.executable, "-c", STATE, "whole", *map(str, arguments)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        config = tomllib.loads((path.with_suffix(".run") / "config.toml").read_text())
        assert config["deterministic"] is bool(options)
        return done.stdout.splitlines()[-1], load_model(path).weights

    plain, first = tuned(tmp_path / "a.h5")
    state, second = tuned(tmp_path / "b.h5", "--deterministic")
    assert plain == "False None"
    assert state == f"True {FLAG}"
    for layer, arrays in first.items():
        for one, other in zip(arrays, second[layer], strict=True):
            assert np.array_equal(one, other), layer
