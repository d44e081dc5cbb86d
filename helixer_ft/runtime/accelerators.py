"""Which accelerators this machine shows, and whether a backend sees them.

A driver and CUDA libraries that do not fit one another can abort the process that tries them, or
never answer. So a backend is asked in a process of its own, with a time limit.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

_DEV, _PROC = Path("/dev"), Path("/proc")
_PATTERNS = ("nvidia[0-9]*", "nvidiactl", "nvhost-gpu", "nvgpu", "kfd", "dxg", "accel[0-9]*")
"""NVIDIA (Jetson too), AMD, any vendor under WSL2, and others in `/dev`."""
ANSWER_SECONDS = 120.0
"""How long a backend may take to say which devices it sees."""
CUDA_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")
"""Distributions that bring CUDA to JAX; only one of them can be used at a time."""

_QUESTIONS = {
    "jax": """
import json, jax
kinds, error = [], ""
try:
    kinds = [one.device_kind for one in jax.local_devices() if one.platform != "cpu"]
    if not kinds:
        jax.devices("gpu")
except Exception as reason:
    error = str(reason)
print(json.dumps({"kinds": kinds, "error": error}))
""",
    "tensorflow": """
import json, tensorflow as tf
names = []
for gpu in tf.config.list_physical_devices("GPU"):
    names.append(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
print(json.dumps({"kinds": names, "error": ""}))
""",
}
_UNENDED: list[subprocess.Popen[bytes]] = []
"""Asked, and not to be ended: a process that waits for a dead driver cannot be killed."""


@dataclass(frozen=True)
class Answer:
    """What a backend says of the accelerators that it can use.

    Attributes
    ----------
    kinds
        Name of each.
    error
        What it says of those that it cannot use, its log included; "" where nothing went wrong.
    timed_out
        It did not answer in time.
    """

    kinds: tuple[str, ...] = ()
    error: str = ""
    timed_out: bool = False


def device_files() -> tuple[str, ...]:
    """Paths in `/dev` that stand for accelerators; they may be there and not be usable."""
    found = [path for pattern in _PATTERNS for path in _DEV.glob(pattern)]
    return tuple(sorted(str(path) for path in found))


def accelerator_present() -> bool:
    """Whether this machine shows an accelerator, to this process or to others."""
    return bool(device_files()) or driver_version() is not None


def driver_version() -> tuple[int, ...] | None:
    """Version of NVIDIA's kernel module, containers see it too: (535, 104, 5); None: not loaded."""
    try:
        text = (_PROC / "driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"\s(\d+(?:\.\d+)+)\s", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else None


def nvidia_gpus() -> int:
    """NVIDIA GPUs of this machine, those included that this process may not use; 0: unknown."""
    numbered = [path for path in _DEV.glob("nvidia[0-9]*") if path.name[6:].isdigit()]
    return max(len(numbered), len(list((_PROC / "driver/nvidia/gpus").glob("*"))))


def installed_version(distribution: str) -> str:
    """Version of an installed package, or ""."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def cuda_plugins() -> dict[str, str]:
    """The CUDA plugins of JAX that are installed, and their versions."""
    versions = {name: installed_version(name) for name in CUDA_PLUGINS}
    return {name: version for name, version in versions.items() if version}


def ask(backend: str) -> Answer:
    """Which accelerators a backend sees; asked once in a run."""
    variables = ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "XLA_FLAGS", "LD_LIBRARY_PATH")
    return _ask(backend, tuple(os.environ.get(name) for name in variables))


@lru_cache
def _ask(backend: str, _environment: tuple[str | None, ...]) -> Answer:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, "-c", _QUESTIONS[backend]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=os.environ
            | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"},
            start_new_session=True,  # a Ctrl-C is for this process alone
        )
        try:
            status = process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _UNENDED.append(process)
            return Answer(error=_text(err), timed_out=True)
        except BaseException:
            process.kill()
            raise
        said = _parsed(_text(out))
        if said is None:
            return Answer(error=f"{_text(err)}\n(its process ended with status {status})")
        kinds = tuple(said["kinds"])
        return Answer(kinds, "" if kinds else f"{said['error']}\n{_text(err)}".strip())


def _text(file: Any) -> str:
    file.seek(0)
    text: str = file.read().decode(errors="replace")
    return text.strip()


def _parsed(text: str) -> dict[str, Any] | None:
    """The last line, which is the answer; libraries may have printed before."""
    try:
        said = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return said if isinstance(said, dict) else None
