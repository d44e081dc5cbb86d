"""`helixer-ft doctor`, and what the other commands do about the device before they start.

The doctor here examines one precision and times a tiny network; a slow test runs it whole.
"""

import json
import os
import time
import tomllib

import h5py
import keras
import pytest
from click.testing import CliRunner, Result
from conftest import tiny_architecture

from helixer_ft.cli import main
from helixer_ft.cli.computing import start_together
from helixer_ft.doctor import diagnosis, facts, speed
from helixer_ft.doctor.comparison import Comparison
from helixer_ft.doctor.speed import Speed, StepTime
from helixer_ft.runtime import accelerators, devices
from helixer_ft.runtime.accelerators import Answer
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.processes import Processes
from tests.doctor.broken import break_recurrence

RUNNING = keras.backend.backend()


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, list(map(str, arguments)))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(diagnosis, "PRECISIONS", ("float32",))
    monkeypatch.setattr(speed, "full_size", tiny_architecture)
    monkeypatch.setattr(speed, "_SHORT", 90)


@pytest.fixture
def made_up(monkeypatch):
    """Nothing is computed: everything agrees."""
    right = Comparison("CPU", "float32", "states", 1e-6, 1e-5)
    timed = Speed(90, 90, (StepTime(1, 0.1, 0.1, 1.0),), None, 10**9, None, None, None)
    monkeypatch.setattr(diagnosis, "compare", lambda precision: [right])
    monkeypatch.setattr(diagnosis, "measure", lambda: timed)


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """The CPU, taken for an accelerator; the user's cache is empty."""
    monkeypatch.setattr(devices, "uses_accelerator", lambda: True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def unseen_gpu(monkeypatch, tmp_path):
    """A device file, and no backend that sees what is behind it."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    monkeypatch.setattr(accelerators, "_DEV", tmp_path / "dev")
    monkeypatch.setattr(accelerators, "ask", lambda name: Answer(error="CUDA_ERROR_NO_DEVICE"))
    monkeypatch.setitem(os.environ, "JAX_PLATFORMS", "")  # put back after the test


# -- doctor ------------------------------------------------------------------------------------


def test_text_ends_in_a_verdict(quick, tmp_path):
    result = run("doctor", "--cache-dir", tmp_path)
    assert result.exit_code == 0, result.output
    *lines, verdict = result.stdout.splitlines()
    assert verdict == "Fit for training on the CPU (no accelerator), and all numbers agree."
    text = "\n".join(lines)
    for part in (
        "Versions: helixer-ft ", f"keras {keras.__version__}", f"Backend:  {RUNNING} (",
        "states", "gradients", "TF32", "windows/s", "one device", f"caches: {tmp_path}",
    ):  # fmt: skip
        assert part in text, part
    if RUNNING == "jax":
        assert "per window of 21,384 bases" in text


def test_json(quick, tmp_path):
    result = run("doctor", "--json", "--cache-dir", tmp_path)
    found = json.loads(result.stdout)
    assert found["fit"] is True
    assert found["problems"] == found["warnings"] == []
    assert {one["quantity"] for one in found["comparisons"]} == {
        "states", "predictions", "gradients", "step",
    }  # fmt: skip
    assert all(one["agrees"] for one in found["comparisons"])
    assert found["speed"]["windows_per_second"] > 0
    assert found["cache"]["write"] > 0
    assert found["cache"]["folder"] == str(tmp_path)
    assert found["exchange"] is None
    assert list(tmp_path.iterdir()) == [], "nothing is left there"


def test_a_broken_recurrence_is_exit_status_1(quick, monkeypatch):
    break_recurrence(monkeypatch)
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("NOT fit for training: CPU computes wrong")
    assert result.stdout.count("WRONG") == 3
    assert result.stderr.count("Warning: CPU computes wrong") == 3


def test_a_cache_folder_that_cannot_be_used_is_a_warning(made_up, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_TMPDIR", "/proc")
    result = run("doctor")
    assert result.exit_code == 0
    assert "cannot hold caches" in result.stderr


def test_a_cache_folder_that_is_not_there_is_refused_at_once(quick, tmp_path):
    result = run("doctor", "--cache-dir", tmp_path / "missing")
    assert result.exit_code == 2
    assert f"--cache-dir is {tmp_path / 'missing'}, which is not a folder" in result.stderr
    assert result.stdout == ""


def test_nothing_is_written_to_the_home(made_up, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    result = run("doctor", HOME=str(home), XDG_CACHE_HOME="")
    assert result.exit_code == 0, result.output
    assert list(home.iterdir()) == []


def test_an_accelerator_that_is_not_seen(made_up, unseen_gpu):
    result = run("doctor", CUDA_VISIBLE_DEVICES="")
    assert result.exit_code == 0
    assert "nvidia0" in result.stderr
    assert "CUDA_VISIBLE_DEVICES is ''" in result.stderr
    assert "on the CPU alone, which is many times slower" in result.stdout
    refused = run("doctor", "--require-gpu")
    assert refused.exit_code == 2
    assert refused.stdout == ""


def test_gpus_as_nvidia_smi_has_them(made_up, monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    rows = "NVIDIA A100, 40960, 39000, Enabled\nNVIDIA L4, 23034, 120, [N/A]\n"
    program.write_text(f"#!/bin/sh\nprintf '{rows}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(facts, "device_files", lambda: ("/dev/nvidia0",))
    result = run("doctor")
    assert "NVIDIA A100, 41 GB of 43 GB free, divided into parts (MIG)" in result.stdout
    assert "Warning: NVIDIA A100 is divided into parts (MIG)" in result.stderr
    assert "Warning: NVIDIA L4 has 126 MB of 24 GB free: another program" in result.stderr


def test_no_memory_for_one_window(made_up, monkeypatch):
    def fail():
        raise MemoryError

    monkeypatch.setattr(diagnosis, "measure", fail)
    result = run("doctor")
    assert result.exit_code == 1
    assert "NOT fit for training: there is not enough memory for one window" in result.stdout


@pytest.mark.slow
def test_the_whole_of_it_in_a_minute():
    started = time.monotonic()
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert len(found["comparisons"]) == 12
    assert time.monotonic() - started < 180, "three times what it should take on an idle machine"


# -- the other commands ------------------------------------------------------------------------


@pytest.fixture(params=["whole", "freeze", "evaluate", "predict"])
def arguments(request, model_path, data_dir, tmp_path) -> list[object]:
    common = [request.param, "-l", model_path]
    data = data_dir / "validation_data.h5"
    return (
        common
        + {
            "whole": ["-d", data_dir, "-s", tmp_path / "o.h5", "-e", 1, "-b", 4],
            "freeze": ["-d", data_dir, "-s", tmp_path / "o.h5", "-e", 1, "-b", 4],
            "evaluate": ["-t", data],
            "predict": ["-t", data, "-p", tmp_path / "o.h5"],
        }[request.param]
    )


def test_no_command_starts_on_a_device_that_computes_wrong(arguments, gpu, monkeypatch, tmp_path):
    break_recurrence(monkeypatch)
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "CPU computes wrong predictions" in result.stderr
    assert "--skip-device-check" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "o.h5").exists()


def test_the_gpu_that_is_there_is_used_or_told_of(arguments, unseen_gpu, tmp_path):
    result = run(*arguments, "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("does not see it") == 1
    (tmp_path / "o.h5").unlink(missing_ok=True)
    refused = run(*arguments, "--require-gpu", "--force")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: --require-gpu: this machine has an accelerator (")
    assert not (tmp_path / "o.h5").exists()


def test_a_check_that_passed_is_not_made_again(gpu, model_path, data_dir):
    arguments = ("evaluate", "-l", model_path, "-t", data_dir / "validation_data.h5")
    assert "checking CPU against" in run(*arguments).stderr
    assert "checking CPU against" not in run(*arguments).stderr


def test_skipping_the_check_is_recorded(gpu, monkeypatch, model_path, data_dir, tmp_path):
    break_recurrence(monkeypatch)
    data = data_dir / "validation_data.h5"
    result = run(
        *("whole", "-l", model_path, "-d", data_dir, "-s", tmp_path / "o.h5", "-e", 1),
        "--skip-device-check",
    )
    assert result.exit_code == 0, result.output
    config = tomllib.loads((tmp_path / "o.run/config.toml").read_text())
    assert config["skip_device_check"] is True
    with h5py.File(tmp_path / "o.h5") as file:
        assert file.attrs["helixer_ft_device_check"] == "skipped"
    result = run(
        *("predict", "-l", model_path, "-t", data, "-p", tmp_path / "p.h5"), "--skip-device-check"
    )
    assert result.exit_code == 0, result.output
    with h5py.File(tmp_path / "p.h5") as file:
        assert file.attrs["helixer_ft_device_check"] == "skipped"
    scores = run("evaluate", "-l", model_path, "-t", data, "--skip-device-check", "--json")
    assert json.loads(scores.stdout)["device_check"] == "skipped"


class Recorded(Processes):
    def require_same(self, values):
        self.values = values


def test_processes_with_and_without_gpu_do_not_work_together():
    values = []
    for seen in ((), ("H100",)):
        processes = Recorded()
        start_together(Backend(RUNNING, "", seen), processes)
        values.append(processes.values)
    assert values[0] != values[1]
