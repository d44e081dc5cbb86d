"""What is installed and what the machine has, for a bug report or a record."""

import os
import platform
import sys
from dataclasses import dataclass

from helixer_ft import __version__
from helixer_ft.runtime.accelerators import device_files, driver_version, installed_version
from helixer_ft.runtime.devices import GpuState, gpu_states
from helixer_ft.runtime.hardware import Hardware, hardware

_PACKAGES = (
    *("keras", "jax", "jaxlib", "tensorflow", "tensorflow-cpu", "numpy", "h5py"),
    *("jax-cuda12-plugin", "jax-cuda13-plugin", "jax-rocm7-plugin"),
)
_LIBRARIES = ("cublas", "cuda-nvcc", "cuda-runtime", "cudnn", "nccl")
VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "LD_LIBRARY_PATH", "XLA_FLAGS"),
    *("XLA_PYTHON_CLIENT_MEM_FRACTION", "JAX_COMPILATION_CACHE_DIR"),
)
"""Those that change what computes, and how."""


@dataclass(frozen=True)
class Facts:
    """A machine and what is installed on it.

    Attributes
    ----------
    versions
        Versions of helixer-ft, Python and the installed packages that compute.
    machine
        Processor, cores, memory, GPUs.
    driver
        Version of NVIDIA's driver; "" without one.
    device_files
        Those of accelerators.
    gpus
        As nvidia-smi reports them.
    variables
        Environment variables that are set, of those in `VARIABLES`.
    """

    versions: dict[str, str]
    machine: Hardware
    driver: str
    device_files: tuple[str, ...]
    gpus: tuple[GpuState, ...]
    variables: dict[str, str]


def facts() -> Facts:
    """Collect the facts about this machine, without loading a backend."""
    return Facts(
        versions=installed_versions(),
        machine=hardware(),
        driver=".".join(map(str, driver_version() or ())),
        device_files=device_files(),
        gpus=tuple(gpu_states()) if device_files() else (),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def installed_versions() -> dict[str, str]:
    """Versions of helixer-ft, Python and every package that what is computed depends on."""
    found = {"helixer-ft": __version__, "python": platform.python_version()}
    names = [
        *_PACKAGES,
        *(f"nvidia-{name}{suffix}" for name in _LIBRARIES for suffix in ("-cu12", "-cu13", "")),
    ]
    found |= {name: version for name in names if (version := installed_version(name))}
    if sys.platform != "linux":
        found["system"] = platform.platform()
    return found
