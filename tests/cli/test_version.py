"""`helixer-ft --version`, and what is found out about the machine."""

import os
import platform
import subprocess
import sys
from importlib import metadata

import pytest
from click.testing import CliRunner

from helixer_ft import __version__
from helixer_ft.cli import main
from helixer_ft.runtime import accelerators, backend, hardware
from helixer_ft.runtime.hardware import Hardware


def version(**environment: str) -> list[str]:
    result = CliRunner(env=environment).invoke(main, ["--version"])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_version_says_backend_and_hardware():
    lines = version(KERAS_BACKEND="tensorflow")
    assert lines[0] == f"helixer-ft {__version__}"
    rows = dict(line.split(maxsplit=1) for line in lines[1:])
    assert rows["backend"] == f"tensorflow {metadata.version('tensorflow')} (KERAS_BACKEND)"
    assert rows["keras"].startswith(metadata.version("keras"))
    assert rows["python"].startswith(platform.python_version())
    assert f"{hardware.hardware().cores} cores" in rows["CPU"]
    assert rows["GPU"] == (", ".join(hardware.hardware().gpus) or "none")


def test_version_of_a_backend_that_is_not_there():
    assert "backend  nonesuch not installed (KERAS_BACKEND)" in version(KERAS_BACKEND="nonesuch")


def test_version_with_an_accelerator_loads_no_backend(monkeypatch):
    monkeypatch.setattr(accelerators, "accelerator_present", lambda: True)
    monkeypatch.setattr(accelerators, "ask", lambda name: pytest.fail(f"{name} was asked"))
    monkeypatch.setattr(backend, "_installed", lambda name: name == "tensorflow")
    line = version(KERAS_BACKEND="")[1]
    assert line.startswith("backend  tensorflow ")
    assert "a command finds that out" in line


def test_version_imports_neither_keras_nor_a_backend():
    code = (
        "import atexit, sys; atexit.register(lambda: print('|', *sys.modules))\n"
        "from helixer_ft.cli import main; main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.rpartition("|")[2].split())
    assert "helixer_ft.runtime.hardware" in modules
    assert not modules & {"keras", "tensorflow", "jax", "h5py", "numpy", "rich"}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A made-up machine: no files of the kernel, no drivers, no programs."""
    monkeypatch.setattr(hardware, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(hardware, "_NVIDIA", tmp_path / "gpus")
    monkeypatch.setattr(hardware, "_NVIDIA_DEVICE", tmp_path / "nvidiactl")
    monkeypatch.setenv("PATH", str(tmp_path))
    hardware.hardware.cache_clear()
    yield tmp_path
    hardware.hardware.cache_clear()


def test_hardware_from_the_kernel_and_the_driver(machine):
    (machine / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast CPU 9000\n" * 4)
    for slot in ("0000:01:00.0", "0000:02:00.0"):
        (machine / "gpus" / slot).mkdir(parents=True)
        text = "Model: \t\t NVIDIA A100 80GB\nIRQ: 5\n"
        (machine / "gpus" / slot / "information").write_text(text)
    found = hardware.hardware()
    assert (found.cpu, found.gpus) == ("Fast CPU 9000", ("NVIDIA A100 80GB",) * 2)
    assert found.cores == len(os.sched_getaffinity(0))
    pages = os.sysconf("SC_PHYS_PAGES")
    assert found.memory == pages * os.sysconf("SC_PAGE_SIZE")


def test_gpus_from_nvidia_smi_where_there_is_a_device(machine):
    program = machine / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3'\necho 'NVIDIA L4'\n")
    program.chmod(0o755)
    assert hardware.hardware().gpus == ()
    (machine / "nvidiactl").touch()
    hardware.hardware.cache_clear()
    assert hardware.hardware().gpus == ("NVIDIA H100 80GB HBM3", "NVIDIA L4")


def test_hardware_of_which_nothing_is_known(machine):
    (machine / "nvidiactl").touch()  # and no nvidia-smi
    found = hardware.hardware()
    assert found.cpu == (platform.processor() or platform.machine())
    assert found.gpus == ()


def test_hardware_as_text():
    assert str(Hardware("Fast CPU", 8, 64 * 10**9, ())) == "Fast CPU, 8 cores, 64 GB; no GPU"
