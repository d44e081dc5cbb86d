"""What computes, found out without loading a backend."""

import platform
import subprocess
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from helixer_ft.progress import size_text
from helixer_ft.runtime.parallel import default_threads
from helixer_ft.runtime.resources import machine_memory

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
    return Hardware(cpu=_cpu(), cores=default_threads(), memory=machine_memory(), gpus=_gpus())


def _cpu() -> str:
    if models := _values(_CPU_INFO, "model name"):
        return models[0]
    if platform.system() == "Darwin":
        return answer("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine() or "unknown CPU"


def _gpus() -> tuple[str, ...]:
    """From the driver's own files, else from nvidia-smi."""
    paths = sorted(_NVIDIA.glob("*/information"))
    found = [name for path in paths for name in _values(path, "Model:")]
    if not found and _NVIDIA_DEVICE.exists():
        found = answer("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    return tuple(name.strip() for name in found if name.strip())


def _values(path: Path, key: str) -> list[str]:
    """Those of a key in a file of "key: value" lines; none where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith(key)]


def answer(*command: str) -> str:
    """What a program prints, or "" where it is not installed, fails or takes long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
