"""Gradient steps and scoring on a backend: one module per backend behind one interface."""

from types import ModuleType
from typing import Any

from helixer_ft.engine.base import Devices, Engine, Read
from helixer_ft.engine.forward import Forward
from helixer_ft.engine.values import EngineState, ScoredBatch

__all__ = [
    "Devices",
    "Engine",
    "EngineState",
    "Forward",
    "Read",
    "ScoredBatch",
    "device_notice",
    "engine_class",
    "forward_function",
]


def engine_class() -> type[Engine]:
    """The engine of the Keras backend in use."""
    engine: type[Engine] = _backend().ENGINE
    return engine


def device_notice() -> str | None:
    """What to say where there are several devices; None: there is one."""
    notice: str | None = _backend().device_notice()
    return notice


def forward_function(model: Any, devices: Devices = "one") -> Forward:
    """A Keras model compiled for inference.

    On the devices of all processes, each process calls it at the same point of its work, and gets
    the output of the whole batch.
    """
    forward: Forward = _backend().FORWARD(model, devices)
    return forward


def _backend() -> ModuleType:
    """The module of the Keras backend in use, imported only when it is needed."""
    import keras

    backend: ModuleType
    if keras.backend.backend() == "jax":
        from helixer_ft.engine import jax as backend
    else:
        from helixer_ft.engine import tensorflow as backend
    return backend
