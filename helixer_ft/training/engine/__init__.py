"""Gradient steps and scoring on a backend: one module per backend behind one interface."""

from helixer_ft.training.engine.base import Engine, ScoredBatch

__all__ = ["Engine", "ScoredBatch", "engine_class"]


def engine_class() -> type[Engine]:
    """The engine of the Keras backend in use."""
    import keras

    if keras.backend.backend() == "jax":
        from helixer_ft.training.engine.jax import JaxEngine

        return JaxEngine
    from helixer_ft.training.engine.tensorflow import TensorFlowEngine

    return TensorFlowEngine
