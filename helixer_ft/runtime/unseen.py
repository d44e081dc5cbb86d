"""Why a backend does not see the accelerator that is there, and what to do about it."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from helixer_ft.runtime.accelerators import (
    ANSWER_SECONDS,
    Answer,
    cuda_plugins,
    device_files,
    driver_version,
    installed_version,
)

LEAST_DRIVER = {"jax-cuda12-plugin": 525, "jax-cuda13-plugin": 580}
"""Major version of NVIDIA's driver that the CUDA libraries of each plugin need."""
_APPTAINER, _CONTAINERS = Path("/.singularity.d"), (Path("/.dockerenv"), Path("/run/.containerenv"))
_HIDING = ("", "-1", "NoDevFiles", "none", "void")
"""Values of CUDA_VISIBLE_DEVICES that hide every GPU; SLURM sets NoDevFiles in jobs without one."""
_SIGNS = (
    (
        ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "driver version is insufficient",
         "CUDA_ERROR_COMPAT_NOT_SUPPORTED", "driver too old", "cudaErrorInsufficientDriver"),
        "the driver is older than the CUDA libraries that are installed. Ask for a newer driver, "
        'or install older libraries: pip install ".[cuda12]" in the repository of helixer-ft',
    ),
    (
        ("CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "RESOURCE_EXHAUSTED"),
        "the GPU has no free memory: another program holds it (nvidia-smi shows which). Wait for "
        "it, or choose another GPU with CUDA_VISIBLE_DEVICES",
    ),
    (
        ("CUDA_ERROR_SYSTEM_NOT_READY", "CUDA_ERROR_NOT_INITIALIZED"),
        "the driver says that the GPUs are not ready (NVIDIA's fabric manager may not run). Tell "
        "the administrator of the machine",
    ),
    (
        ("CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"),
        "CUDA_VISIBLE_DEVICES names a GPU that is not there (nvidia-smi -L lists those that are; "
        "of one that is divided by MIG, name a part: MIG-...)",
    ),
    (
        ("CUDA_ERROR_DEVICE_UNAVAILABLE", "all CUDA-capable devices are busy"),
        "the GPU is in use by another program, and set to serve one at a time. Wait for it, or "
        "choose another GPU with CUDA_VISIBLE_DEVICES",
    ),
    (
        ("Outdated ", "Unable to load cu", "Unable to load CU", "Could not load dynamic library",
         "Cannot dlopen some GPU libraries"),
        "CUDA libraries are missing or older than the backend needs. Install those that belong to "
        'it: pip install --upgrade ".[cuda]" in the repository of helixer-ft; an LD_LIBRARY_PATH '
        "(module load cuda) may also name older ones: unset it",
    ),
    (
        ("CUDA_ERROR_NO_DEVICE", "no CUDA-capable device", "No visible GPU devices",
         "no supported devices found"),
        "the driver shows no GPU to this process. In a job, ask for one (SLURM: --gpus=1); where "
        "it is divided by MIG, name a part of it in CUDA_VISIBLE_DEVICES (nvidia-smi -L)",
    ),
)  # fmt: skip


def nothing_there() -> str:
    """What to say where the machine shows no accelerator at all, and one is required."""
    return (
        "this machine shows no accelerator (no /dev/nvidia*, /dev/kfd or /dev/dxg). In a job, ask "
        "for one (SLURM: --gpus=1); in a container, start it with --nv (Apptainer) or "
        "--gpus all (Docker)"
    )


def two_plugins() -> str | None:
    """What to say where two CUDA plugins are installed, of which JAX can use one."""
    found = cuda_plugins()
    if len(found) < 2:
        return None
    names = " and ".join(f"{name} {version}" for name, version in found.items())
    return (
        f"{names} are both installed, and JAX can use one of them. Make a new environment with "
        'one of the extras ".[cuda12]" and ".[cuda13]", or remove one: pip uninstall '
        "jax-cuda12-plugin jax-cuda12-pjrt"
    )


def why_unseen(backend: str, answer: Answer) -> str:
    """Why a backend sees no accelerator although there is one; the likeliest reason, with advice.

    Parameters
    ----------
    backend
        "jax" or "tensorflow".
    answer
        What it said when it was asked.
    """
    reason = _hidden(backend) or (two_plugins() if backend == "jax" else None)
    if reason is not None:
        return reason
    if answer.timed_out:
        return (
            f"{backend} did not answer within {ANSWER_SECONDS:.0f} s when asked for its devices. "
            "The driver may hang (does nvidia-smi answer?), or loading from a slow file system "
            "takes that long: try again"
        )
    return (
        _no_files()
        or _no_libraries(backend)
        or _old_driver(backend)
        or _no_driver_library()
        or _not_permitted()
        or _by_signs(answer.error)
        or _unknown(backend, answer.error)
    )


def _hidden(backend: str) -> str | None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in _HIDING:
        return (
            f"CUDA_VISIBLE_DEVICES is '{visible}', which hides every GPU. In a job, ask for a GPU "
            "(SLURM: --gpus=1); else unset it"
        )
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if backend == "jax" and platforms and not {"cuda", "gpu", "rocm"} & set(platforms.split(",")):
        return f"JAX_PLATFORMS is '{platforms}', which leaves GPUs out. Unset it"
    return None


def _container_flags() -> list[str]:
    """What gives a container its GPUs, by the kind of container that this seems to be."""
    flags = ["--nv"] if _APPTAINER.exists() else []
    return flags + (["--gpus all"] if any(path.exists() for path in _CONTAINERS) else [])


def _no_files() -> str | None:
    """The kernel module is loaded, and nothing leads to it: a container, or a job without GPU."""
    if device_files():
        return None
    if flags := _container_flags():
        return f"this container was started without its GPUs. Start it with {' or '.join(flags)}"
    return (
        "NVIDIA's driver is loaded, but there is no device file (/dev/nvidia0). In a job, ask for "
        "a GPU (SLURM: --gpus=1)"
    )


def _no_libraries(backend: str) -> str | None:
    if not _is_nvidia():
        return None
    if backend == "jax":
        if cuda_plugins() or find_spec("jax_plugins") is not None:
            return _other_version()
        return (
            "JAX is installed without its CUDA libraries. Install them: "
            'pip install ".[cuda]" in the repository of helixer-ft'
        )
    if installed_version("nvidia-cudnn-cu12"):
        return None
    return (
        "TensorFlow is installed without its CUDA libraries. Install JAX with them, which is "
        'faster here: pip install ".[cuda]" in the repository of helixer-ft; or those of '
        'TensorFlow: pip install ".[tensorflow-cuda]" in an environment without JAX\'s'
    )


def _other_version() -> str | None:
    """JAX takes a plugin of its own version alone."""
    jaxlib = installed_version("jaxlib")
    for name, version in cuda_plugins().items():
        if jaxlib and _release(version) != _release(jaxlib):
            return (
                f"{name} is {version} and jaxlib {jaxlib}, which do not work together. Install "
                f'both anew: pip install --upgrade ".[{name.split("-")[1]}]" in the repository of '
                "helixer-ft"
            )
    return None


def _release(version: str) -> list[str]:
    return version.split("+")[0].split(".")[:3]


def _old_driver(backend: str) -> str | None:
    driver = driver_version()
    if driver is None:
        return None
    plugins = cuda_plugins() if backend == "jax" else {"jax-cuda12-plugin": ""}  # TensorFlow's: 12
    for name in plugins:
        least, cuda = LEAST_DRIVER[name], name.split("-")[1].removeprefix("cuda")
        if driver[0] < least:
            older = (
                ', or install the libraries of CUDA 12: pip install ".[cuda12]" in the repository '
                "of helixer-ft"
                if cuda == "13" and driver[0] >= LEAST_DRIVER["jax-cuda12-plugin"]
                else ""
            )
            return (
                f"NVIDIA's driver is {'.'.join(map(str, driver))}, too old for the CUDA {cuda} "
                f"libraries, which need {least} or later. Ask for a newer driver{older}"
            )
    return None


def _no_driver_library() -> str | None:
    """Apptainer shows the host's device files even where the driver's library is not inside."""
    import ctypes

    if not sys.platform.startswith("linux") or not _is_nvidia():
        return None
    for name in ("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return None
    if flags := _container_flags():
        return f"the driver's library is not in this container. Start it with {flags[0]}"
    return (
        "the driver's library (libcuda.so.1) is not found. In a container, start it with --nv "
        "(Apptainer) or --gpus all (Docker); else the driver is not fully installed"
    )


def _not_permitted() -> str | None:
    numbered = [path for path in device_files() if path.removeprefix("/dev/nvidia").isdigit()]
    if numbered and not any(os.access(path, os.R_OK | os.W_OK) for path in numbered):
        return (
            f"this process may not open {numbered[0]}. In a job, ask for a GPU (SLURM: --gpus=1); "
            "else you may need to be in the group that may"
        )
    return None


def _by_signs(text: str) -> str | None:
    return next((reason for signs, reason in _SIGNS if any(sign in text for sign in signs)), None)


def _unknown(backend: str, text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = f" ({lines[0][:200]})" if lines else ""
    text = f"{backend} finds none it can use{said}. helixer-ft doctor shows what is installed"
    return text if _is_nvidia() else f"{text}; the extras bring libraries for NVIDIA GPUs alone"


def _is_nvidia() -> bool:
    return driver_version() is not None or any(
        "nv" in Path(path).name or path.endswith("dxg") for path in device_files()
    )
