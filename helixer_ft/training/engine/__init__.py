"""Gradient steps and scoring on a backend: one module per backend behind one interface."""

from collections.abc import Callable
from typing import Any

import numpy as np

from helixer_ft.training.batch import Batch
from helixer_ft.training.engine.base import Engine, ScoredBatch

__all__ = ["Engine", "ScoredBatch", "engine_class", "forward_function"]


def engine_class() -> type[Engine]:
    """The engine of the Keras backend in use."""
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.training.engine.jax import JaxEngine

        return JaxEngine
    from helixer_ft.training.engine.tensorflow import TensorFlowEngine

    return TensorFlowEngine


def forward_function(model: Any) -> Callable[[Batch], np.ndarray]:
    """A Keras model compiled for inference, on the bases of batches of one size."""
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.training.engine.jax import forward
    else:
        from helixer_ft.training.engine.tensorflow import forward
    return forward(model)
