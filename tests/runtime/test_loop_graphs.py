"""Loops as CUDA graphs are asked for where JAX and the driver can, and nowhere else."""

import os

import pytest

from helixer_ft.runtime import accelerators, backend, loop_graphs

FLAG = "--xla_gpu_enable_command_buffer=+WHILE"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Wed Apr 17 17:44:18 UTC 2024\n"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (root@host)"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a driver and a JAX; the flags that were set."""
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("KERAS_BACKEND", backend._backend_in_use())

    def make(driver: str | None, jaxlib: str) -> None:
        path = tmp_path / "driver" / "nvidia" / "version"
        path.parent.mkdir(parents=True)
        if driver:
            path.write_text(driver)
        monkeypatch.setattr(accelerators, "_PROC", tmp_path)
        monkeypatch.setattr(loop_graphs, "installed_version", lambda name: {"jaxlib": jaxlib}[name])

    return make


@pytest.mark.parametrize(
    ("driver", "jaxlib", "expected"),
    [
        (CLOSED.format("550.54.15"), "0.10.2", FLAG),
        (OPEN.format("570.86.15"), "0.10.0", FLAG),
        (CLOSED.format("545.23.08"), "0.10.2", None),
        (CLOSED.format("570.86.15"), "0.9.2", None),  # crashes in the second run
        (CLOSED.format("570.86.15"), "0.11.0", None),  # not known
        ("something else", "0.10.2", None),
        (None, "0.10.2", None),
    ],
)
def test_where_it_is_safe(machine, driver, jaxlib, expected):
    machine(driver, jaxlib)
    assert loop_graphs.loop_graph_flag() == expected


def test_jax_is_told_beside_the_flags_of_the_user(machine, monkeypatch):
    machine(CLOSED.format("550.54.15"), "0.10.2")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    name = backend.select_backend(backend._backend_in_use()).name
    added = [FLAG] if name == "jax" else []
    assert os.environ["XLA_FLAGS"].split() == ["--xla_dump_to=/nowhere", *added]


def test_the_user_decides(machine, monkeypatch):
    machine(CLOSED.format("550.54.15"), "0.10.2")
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_enable_command_buffer=")
    backend.select_backend(backend._backend_in_use())
    assert os.environ["XLA_FLAGS"] == "--xla_gpu_enable_command_buffer="
