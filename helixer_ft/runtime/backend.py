"""Choosing the Keras backend, which must happen before Keras is imported."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helixer_ft.errors import InputError
from helixer_ft.runtime.loop_graphs import loop_graph_flag

BACKENDS = ("tensorflow", "jax")
BIT_IDENTICAL_CPU = "bit-identical (CPU)"
BIT_IDENTICAL_GPU = "bit-identical (GPU, --deterministic)"
FLOAT_TOLERANCE = "to float tolerance (GPU without --deterministic)"
_XLA_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
_FIXED_WORKSPACE = ":4096:2"
"""cuBLAS in cuDNN's recurrence: which of several memory blocks it takes decides what it adds up in
which order."""
_ACCELERATOR_DEVICES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/accel0")


@dataclass(frozen=True)
class Backend:
    """The backend in use and why it was taken."""

    name: str
    reason: str


def select_backend(
    choice: str = "auto",
    gpu_id: int | None = None,
    *,
    deterministic: bool = False,
    several_processes: bool = False,
) -> Backend:
    """Choose the backend and tell Keras through its environment variable.

    Parameters
    ----------
    choice
        "tensorflow", "jax", or "auto": `KERAS_BACKEND` where it is set, else the one that sees an
        accelerator, else JAX where it is installed, else TensorFlow.
    gpu_id
        Use this GPU alone (`CUDA_VISIBLE_DEVICES`).
    deterministic
        Compute so that a GPU, too, gives the same bits each time (see `determinism`). JAX is told
        through `XLA_FLAGS`, which it reads when it first looks for devices.
    several_processes
        They will work together, which JAX can; it must not compute anything before.

    Raises
    ------
    InputError
        The backend is unknown or not installed, cannot do what is asked for, or Keras runs on
        another one already.
    """
    if gpu_id is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu_id)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if deterministic:
        _add_xla_flag(_XLA_DETERMINISTIC)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _FIXED_WORKSPACE)
    backend = _choose(choice, several_processes)
    if several_processes and backend.name == "tensorflow":
        raise InputError(
            f"the Keras backend is TensorFlow ({backend.reason}), which trains in one process on "
            'one device here. Several need JAX: pip install ".[jax]" (or, for NVIDIA GPUs, '
            '".[cuda]") in the repository of helixer-ft, and --backend jax.'
        )
    if backend.name not in BACKENDS:
        raise InputError(
            f"the Keras backend is '{backend.name}' ({backend.reason}), expected one of "
            f"{', '.join(BACKENDS)}."
        )
    if not _installed(backend.name):
        extra = (
            'pip install ".[jax]" in the repository of helixer-ft'
            if backend.name == "jax"
            else "pip install tensorflow"
        )
        raise InputError(
            f"the Keras backend '{backend.name}' ({backend.reason}) is not installed. "
            f"Install it ({extra}), or choose another with --backend."
        )
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if running != backend.name:
            raise InputError(
                f"Keras runs on '{running}' in this process already, asked for '{backend.name}'."
            )
    os.environ["KERAS_BACKEND"] = backend.name
    if backend.name == "jax" and (flag := loop_graph_flag()):
        _add_xla_flag(flag)
    if deterministic and backend.name == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    return backend


def likely_backend() -> Backend:
    """What "auto" comes to, as far as that shows without loading a backend."""
    if not os.environ.get("KERAS_BACKEND") and _accelerator_present():
        name = "jax" if _installed("jax") else "tensorflow"
        return Backend(name, "where it sees the accelerator: a command finds that out")
    return _choose("auto")


def _choose(choice: str, several_processes: bool = False) -> Backend:
    if choice != "auto":
        return Backend(choice, "--backend")
    if os.environ.get("KERAS_BACKEND"):
        return Backend(os.environ["KERAS_BACKEND"], "KERAS_BACKEND")
    if several_processes:
        return Backend("jax", "several processes need it")
    if _accelerator_present():
        if _installed("jax") and _jax_sees_accelerator():
            return Backend("jax", "it sees an accelerator")
        if _installed("tensorflow") and _tensorflow_sees_accelerator():
            return Backend("tensorflow", "it sees an accelerator")
    if _installed("jax"):
        return Backend("jax", "no accelerator; faster than TensorFlow on the CPU")
    return Backend("tensorflow", "no accelerator, and JAX is not installed")


def _installed(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    return importlib.util.find_spec(name) is not None


def _accelerator_present() -> bool:
    return any(Path(device).exists() for device in _ACCELERATOR_DEVICES)


def _jax_sees_accelerator() -> bool:
    import jax

    return bool(jax.default_backend() != "cpu")


def _tensorflow_sees_accelerator() -> bool:
    """Asked in a process of its own: TensorFlow must not be imported where JAX may be used."""
    question = "import tensorflow as t; print(len(t.config.list_physical_devices('GPU')))"
    answer = subprocess.run(
        [sys.executable, "-c", question], capture_output=True, text=True, check=False, timeout=120
    )
    return answer.stdout.strip() not in ("", "0")


def is_deterministic() -> bool:
    """Whether the backend in use was told to give the same bits each time, on a GPU too."""
    if _backend_in_use() == "jax":
        return _XLA_DETERMINISTIC in os.environ.get("XLA_FLAGS", "").split()
    from tensorflow.python.framework import config  # not in the public interface

    return bool(config.is_op_determinism_enabled())


def chosen_options() -> dict[str, Any]:
    """The options that choose what computes, as they came out."""
    return {"backend": _backend_in_use(), "deterministic": is_deterministic()}


def determinism() -> str:
    """How alike two runs of the same command on the same machine are."""
    if not _uses_gpu():
        return BIT_IDENTICAL_CPU
    return BIT_IDENTICAL_GPU if is_deterministic() else FLOAT_TOLERANCE


def _backend_in_use() -> str:
    import keras

    return str(keras.backend.backend())


def _uses_gpu() -> bool:
    if _backend_in_use() == "jax":
        return _jax_sees_accelerator()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _add_xla_flag(flag: str) -> None:
    """Beside the flags of the user."""
    flags = os.environ.get("XLA_FLAGS", "").split()
    if flag not in flags:
        os.environ["XLA_FLAGS"] = " ".join([*flags, flag])


def versions() -> dict[str, str]:
    """Versions that a result depends on, of what is loaded."""
    import platform

    import h5py
    import keras
    import numpy as np

    import helixer_ft

    name = keras.backend.backend()
    return {
        "helixer_ft": helixer_ft.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": f"{name} {sys.modules[name].__version__}",
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }
