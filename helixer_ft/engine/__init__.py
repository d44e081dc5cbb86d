"""Gradient steps and scoring on a backend: one module per backend behind one interface."""

from typing import Any

from helixer_ft.engine.base import Devices, Engine, EngineState, Forward, Read, ScoredBatch
from helixer_ft.runtime.resources import ProcessMemory

__all__ = [
    "Devices",
    "Engine",
    "EngineState",
    "Forward",
    "Read",
    "ScoredBatch",
    "device_memory",
    "device_notice",
    "engine_class",
    "forward_function",
]


def engine_class() -> type[Engine]:
    """The engine of the Keras backend in use."""
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.engine.jax import JaxEngine

        return JaxEngine
    from helixer_ft.engine.tensorflow import TensorFlowEngine

    return TensorFlowEngine


def device_memory() -> ProcessMemory:
    """Memory of the device that computes: of the accelerator where the backend tells, else the
    process's.
    """
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.engine.jax import device_memory as of_jax

        return of_jax()
    return ProcessMemory()


def device_notice() -> str | None:
    """What to say where there are several devices; None: there is one."""
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.engine.jax import device_notice as of_jax

        return of_jax()
    from helixer_ft.engine.tensorflow import device_notice as of_tensorflow

    return of_tensorflow()


def forward_function(model: Any, devices: Devices = "one") -> Forward:
    """A Keras model compiled for inference.

    On the devices of all processes, each process calls it at the same point of its work, and gets
    the output of the whole batch.
    """
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.engine.jax import JaxForward

        return JaxForward(model, devices)
    from helixer_ft.engine.tensorflow import TensorFlowForward

    return TensorFlowForward(model)
