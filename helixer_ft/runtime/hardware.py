"""What computes, found out without loading a backend."""

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from helixer_ft.progress import size_text

_CPU_INFO = Path("/proc/cpuinfo")
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_NVIDIA_DEVICE = Path("/dev/nvidiactl")


@dataclass(frozen=True)
class Hardware:
    """A machine, as this process sees it.

    Attributes
    ----------
    cpu
        Its model.
    cores
        Logical cores that this process may use.
    memory
        Bytes of the machine; a job may be granted less.
    gpus
        Models of the NVIDIA GPUs, those too that this process may not use.
    """

    cpu: str
    cores: int
    memory: int
    gpus: tuple[str, ...]

    def __str__(self) -> str:
        gpus = ", ".join(self.gpus) or "no GPU"
        return f"{self.cpu}, {self.cores} cores, {size_text(self.memory)}; {gpus}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@lru_cache(maxsize=1)
def hardware() -> Hardware:
    """The machine that this runs on."""
    return Hardware(cpu=_cpu(), cores=_cores(), memory=_memory(), gpus=_gpus())


def _cpu() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    if models:
        return models[0]
    if platform.system() == "Darwin":
        return _answer("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine() or "unknown CPU"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _gpus() -> tuple[str, ...]:
    """From the driver's own files, else from nvidia-smi."""
    found = []
    for path in sorted(_NVIDIA.glob("*/information")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    if not found and _NVIDIA_DEVICE.exists():
        found = _answer("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    return tuple(name.strip() for name in found if name.strip())


def _answer(*command: str) -> str:
    """What a program prints, or "" where it is not there, fails or takes long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
