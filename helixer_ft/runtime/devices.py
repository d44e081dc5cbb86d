"""The devices on which the backend in use computes, in this process and in all."""

from dataclasses import dataclass

from helixer_ft.runtime.backend import uses_accelerator
from helixer_ft.runtime.hardware import answer


@dataclass(frozen=True)
class Devices:
    """What computes.

    Attributes
    ----------
    names
        Names of those of this process, numbered where there are several.
    all
        How many there are in all processes of the run.
    accelerated
        Whether they are accelerators.
    """

    names: tuple[str, ...]
    all: int
    accelerated: bool


def local_devices() -> Devices:
    """Those of the backend in use; TensorFlow computes on one."""
    import keras

    accelerated = uses_accelerator()
    if keras.backend.backend() == "jax":
        import jax

        kinds = [device.device_kind for device in jax.local_devices()]
        return Devices(_numbered(kinds), jax.device_count(), accelerated)
    return Devices((_tensorflow_device(),), 1, accelerated)


def _numbered(kinds: list[str]) -> tuple[str, ...]:
    kinds = ["CPU" if kind == "cpu" else kind for kind in kinds]
    if len(kinds) == 1:
        return tuple(kinds)
    return tuple(f"{kind} #{i}" for i, kind in enumerate(kinds))


def _tensorflow_device() -> str:
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return "CPU"
    details = tf.config.experimental.get_device_details(gpus[0])
    return str(details.get("device_name", gpus[0].name))


@dataclass(frozen=True)
class GpuState:
    """What nvidia-smi says of a GPU.

    Attributes
    ----------
    name, memory, free
        Its model, and bytes in all and free.
    mig
        Whether it is divided into parts (MIG).
    """

    name: str
    memory: int
    free: int
    mig: bool


def gpu_states() -> list[GpuState]:
    """All GPUs that nvidia-smi shows; none where there is no such program, or no answer."""
    query = "--query-gpu=name,memory.total,memory.free,mig.mode.current"
    found = []
    for line in answer("nvidia-smi", query, "--format=csv,noheader,nounits").splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4:
            name, total, free, mig = parts
            found.append(GpuState(name, _mib(total), _mib(free), mig == "Enabled"))
    return found


def _mib(text: str) -> int:
    return int(text) * 2**20 if text.isdigit() else 0
