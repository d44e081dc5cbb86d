"""Choosing the Keras backend, which must happen before Keras is imported."""

import importlib.util
import os
import re
import sys
from dataclasses import dataclass, replace
from typing import Any

from helixer_ft.errors import InputError
from helixer_ft.runtime import accelerators
from helixer_ft.runtime.heap import share_one_heap
from helixer_ft.runtime.loop_graphs import loop_graph_flag
from helixer_ft.runtime.quiet import quiet_libraries
from helixer_ft.runtime.unseen import nothing_there, two_plugins, why_unseen

BACKENDS = ("tensorflow", "jax")
LEAST_KERAS = (3, 13)
BIT_IDENTICAL_CPU = "bit-identical (CPU)"
BIT_IDENTICAL_GPU = "bit-identical (GPU, --deterministic)"
FLOAT_TOLERANCE = "to float tolerance (GPU without --deterministic)"
_XLA_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
_FIXED_WORKSPACE = ":4096:2"
"""cuBLAS in cuDNN's recurrence: which of several memory blocks it takes decides what it adds up in
which order."""


@dataclass(frozen=True)
class Backend:
    """The backend in use and why it was taken.

    Attributes
    ----------
    name, reason
        "jax" or "tensorflow", and why.
    accelerators
        Those that it sees, by name; empty: the CPU computes.
    unseen
        Why it sees none where there is one; else "".
    """

    name: str
    reason: str
    accelerators: tuple[str, ...] = ()
    unseen: str = ""

    @property
    def warning(self) -> str:
        """What the user must know of an accelerator that is not used; or ""."""
        if not self.unseen:
            return ""
        return (
            f"{self.unseen}. The CPU computes instead, many times slower; --require-gpu makes this "
            "an error"
        )


def select_backend(
    choice: str = "auto",
    gpu_id: int | None = None,
    *,
    deterministic: bool = False,
    several_processes: bool = False,
    require_gpu: bool = False,
) -> Backend:
    """Choose the backend and tell Keras through its environment variable; from here on, threads
    share one heap.

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
    require_gpu
        Refuse to compute on the CPU.

    Raises
    ------
    InputError
        The backend is unknown or not installed, cannot do what is asked for, or Keras runs on
        another one already; there is no such GPU; none is seen, and one is required.
    """
    share_one_heap()
    if gpu_id is not None:
        _check_gpu_id(gpu_id)
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu_id)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if deterministic:
        _add_xla_flag(_XLA_DETERMINISTIC)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _FIXED_WORKSPACE)
    backend = _choose(choice, several_processes)
    _check_choice(backend, several_processes)
    _check_keras()
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if running != backend.name:
            raise InputError(
                f"Keras runs on '{running}' in this process already, asked for '{backend.name}'."
            )
    backend = _with_accelerators(backend)
    if require_gpu and not backend.accelerators:
        raise InputError(f"--require-gpu: {backend.unseen or nothing_there()}.")
    os.environ["KERAS_BACKEND"] = backend.name
    if backend.name == "jax" and (flag := loop_graph_flag()):
        _add_xla_flag(flag)
    if deterministic and backend.name == "tensorflow":
        with quiet_libraries():
            import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    return backend


def _check_choice(backend: Backend, several_processes: bool) -> None:
    if several_processes and backend.name == "tensorflow":
        raise InputError(
            f"the Keras backend is TensorFlow ({backend.reason}), which computes in one process on "
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


def start_quietly(backend: Backend) -> None:
    """Load the backend and have it look for devices, without what its libraries say meanwhile.

    Several processes on JAX are connected before.
    """
    with quiet_libraries():
        if backend.name == "jax":
            import jax

            jax.local_devices()
        else:
            import tensorflow as tf

            tf.config.list_physical_devices("GPU")


def _check_keras() -> None:
    installed = accelerators.installed_version("keras")
    numbers = re.match(r"(\d+)\.(\d+)", installed)
    if numbers and tuple(map(int, numbers.groups())) < LEAST_KERAS:
        least = ".".join(map(str, LEAST_KERAS))
        raise InputError(
            f"Keras {installed} is installed, expected {least} or later: older ones have other "
            f'layers. Update it: pip install --upgrade "keras>={least}", or install helixer-ft in '
            "an environment of its own."
        )


def _check_gpu_id(gpu_id: int) -> None:
    present = accelerators.nvidia_gpus()
    if present and gpu_id >= present:
        numbers = "0" if present == 1 else f"0 to {present - 1}"
        raise InputError(
            f"--gpu-id is {gpu_id}, but this machine has {present} NVIDIA "
            f"GPU{'s' if present > 1 else ''}: expected {numbers}."
        )


def _with_accelerators(backend: Backend) -> Backend:
    """The backend with the accelerators that it sees, and what to say where it sees none.

    JAX is kept from trying a GPU that it cannot use: that may end the process.
    """
    if not accelerators.accelerator_present():
        if sys.platform == "linux" and accelerators.cuda_plugins():  # which would complain
            os.environ.setdefault("JAX_PLATFORMS", "cpu")
        return backend
    if backend.name == "jax" and (text := two_plugins()):
        raise InputError(f"{text}.")
    answer = accelerators.ask(backend.name)
    if answer.kinds:
        return replace(backend, accelerators=answer.kinds)
    files = ", ".join(accelerators.device_files()) or "NVIDIA's driver is loaded"
    reason = why_unseen(backend.name, answer)
    if backend.name == "jax":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    there = f"this machine has an accelerator ({files})"
    return replace(backend, unseen=f"{there}, but {backend.name} does not see it: {reason}")


def likely_backend() -> Backend:
    """What "auto" comes to, as far as that shows without loading a backend."""
    if not os.environ.get("KERAS_BACKEND") and accelerators.accelerator_present():
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
    if accelerators.accelerator_present():
        if _installed("jax") and not two_plugins() and accelerators.ask("jax").kinds:
            return Backend("jax", "it sees an accelerator")
        if _installed("tensorflow") and accelerators.ask("tensorflow").kinds:
            return Backend("tensorflow", "it sees an accelerator")
        why = "no accelerator that can be used"
    else:
        why = "no accelerator"
    if _installed("jax"):
        return Backend("jax", f"{why}; faster than TensorFlow on the CPU")
    return Backend("tensorflow", f"{why}, and JAX is not installed")


def _installed(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    return importlib.util.find_spec(name) is not None


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
    if not uses_accelerator():
        return BIT_IDENTICAL_CPU
    return BIT_IDENTICAL_GPU if is_deterministic() else FLOAT_TOLERANCE


def _backend_in_use() -> str:
    import keras

    return str(keras.backend.backend())


def uses_accelerator() -> bool:
    """Whether the backend in use computes on one."""
    if _backend_in_use() == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
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
