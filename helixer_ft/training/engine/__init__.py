"""Gradient steps and scoring on a backend: one module per backend behind one interface."""

from collections.abc import Callable
from typing import Any

import numpy as np

from helixer_ft.training.batch import Batch
from helixer_ft.training.engine.base import Engine, EngineState, ScoredBatch
from helixer_ft.training.resources import ProcessMemory

__all__ = [
    "Engine",
    "EngineState",
    "ScoredBatch",
    "device_memory",
    "engine_class",
    "forward_function",
]


def engine_class() -> type[Engine]:
    """The engine of the Keras backend in use."""
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.training.engine.jax import JaxEngine

        return JaxEngine
    from helixer_ft.training.engine.tensorflow import TensorFlowEngine

    return TensorFlowEngine


def device_memory() -> ProcessMemory:
    """Memory of the device that computes: of the accelerator where the backend tells, else the
    process's.
    """
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.training.engine.jax import device_memory as of_jax

        return of_jax()
    return ProcessMemory()


def forward_function(model: Any) -> Callable[[Batch], np.ndarray]:
    """A Keras model compiled for inference, on batches of one size: their bases, and their coverage
    where the model takes it.
    """
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.training.engine.jax import forward
    else:
        from helixer_ft.training.engine.tensorflow import forward
    return forward(model)
