"""The package's own small model on the devices of this process, against the reference."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from helixer_ft.dataset.batch import BaseTable, Batch
from helixer_ft.doctor.reference import Array, Reference, reference, updated
from helixer_ft.engine import Engine, engine_class, forward_function
from helixer_ft.inference.network import prediction_function
from helixer_ft.network.architecture import BatchNorm
from helixer_ft.network.model import TrainedModel, build_body, load_model, set_weights
from helixer_ft.network.strategies import Whole
from helixer_ft.runtime.devices import local_devices
from helixer_ft.settings import TrainingSettings
from helixer_ft.simulate.files import SOURCE_MODEL

LENGTH = 279
"""Bases of a subsequence that is compared: 31 steps of the LSTM."""
Quantity = Literal["states", "predictions", "gradients", "step"]
QUANTITIES: tuple[Quantity, ...] = ("states", "predictions", "gradients", "step")

_BOUNDS = {"float32": (5e-5, 2e-4), "mixed_float16": (3e-2, 1e-1), "mixed_bfloat16": (2e-1, 3e-1)}
"""Precision -> the bound of states and predictions, and that of gradients."""
_TF32 = 2e-2, 5e-2
"""Accelerators may multiply float32 numbers with the 10 bits of TF32, 1e-3 of each product;
float16, which has as many, comes to 9e-3 of the largest state of the small model."""
_STEP = 2e-3
"""For a step of 3e-4 in weights of about 1, which float32 holds to 1e-7. The optimiser multiplies
no matrices, so this applies in every precision."""
_MOST_OVERFLOWS = 16
"""Steps in which mixed_float16 may halve its loss scale."""


@dataclass(frozen=True)
class Comparison:
    """One quantity of one device, against the reference.

    Attributes
    ----------
    device
        Its name.
    precision
        Precision of the network.
    quantity
        States of the LSTM, predictions, gradients, or weights after a training step.
    difference
        The largest one, as a share of the largest number in the array it is in; infinite where
        a number is not finite.
    bound
        The largest difference that rounding explains.
    """

    device: str
    precision: str
    quantity: Quantity
    difference: float
    bound: float

    @property
    def agrees(self) -> bool:
        """Whether it is within its bound."""
        return self.difference <= self.bound

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity."""
        values = asdict(self) | {"agrees": self.agrees}
        finite = np.isfinite(self.difference)
        return values | {"difference": self.difference if finite else None}


def compare(precision: str, quantities: Sequence[Quantity] = QUANTITIES) -> Iterator[Comparison]:
    """Compute on every device, and compare; all processes of a run call this together.

    Parameters
    ----------
    precision
        See `TrainingSettings`.
    quantities
        Which; each takes a compilation or two.
    """
    devices = local_devices()
    model, batch = _model(), _batch(max(4, 2 * devices.all))
    settings = TrainingSettings(precision=precision)  # type: ignore[arg-type]
    expected = _expected(len(batch))
    names = devices.names
    if "states" in quantities:
        network = build_body(model.architecture, precision=precision)
        set_weights(network, model.weights)
        states = forward_function(network, "own")(batch)
        yield from _by_device(names, precision, "states", states, expected.states)
    if "predictions" in quantities:
        predictions = prediction_function(model, precision, devices="own")(batch)
        yield from _by_device(names, precision, "predictions", predictions, expected.predictions)
    if {"gradients", "step"} & set(quantities):
        together = " + ".join(dict.fromkeys(names))
        for quantity, difference in _training(model, batch, settings, expected):
            if quantity in quantities:
                bound = _bound(precision, quantity)
                yield Comparison(together, precision, quantity, difference, bound)


def _training(
    model: TrainedModel, batch: Batch, settings: TrainingSettings, expected: Reference
) -> Iterator[tuple[Quantity, float]]:
    """Differences of the gradients, and of the weights after a step with these gradients."""
    engine = engine_class()(model.architecture, model.weights, Whole().plan(model), settings)
    gradients, passes = _first_gradients(engine, batch)
    after = engine.get_weights()
    remaining = iter(gradients)
    of_gradients, of_weights = [], []
    for layer in engine.model.layers:
        for i in range(len(layer.trainable_variables)):
            gradient = next(remaining)
            of_gradients.append(difference(gradient, expected.gradients[layer.name][i]))
            before = model.weights[layer.name][i].astype(np.float64)
            step = updated(before, gradient, settings) - before
            of_weights.append(difference(after[layer.name][i] - before, step))
    # what batch norm has seen comes from the network, so the network's precision bounds it
    share = _STEP / _bound(settings.precision, "gradients")
    for norm in model.architecture.body:
        if isinstance(norm, BatchNorm):
            kept = norm.momentum**passes
            for i, now in enumerate(expected.statistics[norm.name], start=2):
                moving = kept * model.weights[norm.name][i] + (1 - kept) * now
                of_weights.append(share * difference(after[norm.name][i], moving))
    yield "gradients", max(of_gradients)
    yield "step", max(of_weights)


def _first_gradients(engine: Engine, batch: Batch) -> tuple[list[Array], int]:
    """Gradients from which the optimiser made its first step, and the batches until then.

    mixed_float16 scales the loss up, and halves the scale where the gradients overflow, in a step
    that changes nothing else.
    """
    scale = float(getattr(engine.optimizer, "initial_scale", 1.0))
    passes = 0
    while True:
        engine.add_gradients(batch, len(batch))
        passes += 1
        ((_, scaled),) = engine.state().accumulated
        engine.update()
        gradients = [np.asarray(one, np.float64) / scale for one in scaled]
        overflowed = not all(np.isfinite(one).all() for one in gradients)
        if not overflowed or scale == 1 or passes > _MOST_OVERFLOWS:
            return gradients, passes
        scale /= 2


def difference(found: Any, expected: Array) -> float:
    """The largest one, as a share of the largest number that is expected."""
    found = np.asarray(found, np.float64)
    if not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _by_device(
    names: Sequence[str], precision: str, quantity: Quantity, found: Any, expected: Array
) -> Iterator[Comparison]:
    """Compare device by device: each computed an equal share of the rows, in order."""
    each = len(expected) // len(names)
    for i, name in enumerate(names):
        here = slice(i * each, (i + 1) * each)
        off = difference(found[here], expected[here])
        yield Comparison(name, precision, quantity, off, _bound(precision, quantity))


def _bound(precision: str, quantity: Quantity) -> float:
    if quantity == "step":
        return _STEP
    tf32 = precision == "float32" and local_devices().accelerated
    forward, backward = _TF32 if tf32 else _BOUNDS[precision]
    return backward if quantity == "gradients" else forward


@lru_cache
def _model() -> TrainedModel:
    return load_model(SOURCE_MODEL)


@lru_cache
def _batch(n: int) -> Batch:
    """Subsequences with every kind of label."""
    random = np.random.default_rng(0)
    shape = (n, LENGTH)
    bases = random.integers(1, 5, shape)
    labels = random.integers(0, 4, shape) + 8 * random.integers(0, 4, shape)
    labels += 64 * (random.random(shape) > 0.02)  # the rest is masked
    kinds = random.integers(0, 6, shape)
    transitions = np.where(random.random(shape) < 0.05, 1 << kinds, 0)
    rows = np.stack([bases, labels, transitions], axis=1).astype(np.uint8)
    return Batch(rows, BaseTable().padded())


@lru_cache
def _expected(n: int) -> Reference:
    model = _model()
    return reference(model.architecture, model.weights, _batch(n), TrainingSettings())
