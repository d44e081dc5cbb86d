"""How fast the full-size network trains and predicts here, and how much memory that takes."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from timeit import repeat, timeit
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import BaseTable, Batch
from helixer_ft.engine import Engine, engine_class
from helixer_ft.errors import is_out_of_memory
from helixer_ft.formats.data_names import DEFAULT_LENGTH
from helixer_ft.network.architecture import Architecture, BatchNorm, BiLSTM, Conv, Dense, Pool
from helixer_ft.network.model import new_model
from helixer_ft.network.strategies import Whole
from helixer_ft.runtime.batch_size import BatchAdvice, batch_advice
from helixer_ft.runtime.devices import local_devices
from helixer_ft.runtime.memory import MAX_SUGGESTION, largest_batch, room_for_batch
from helixer_ft.settings import TrainingSettings

_SHORT = 2_142
"""Bases of a window that is timed on processors: a tenth of the usual length."""
_SIZES = (8, 32)
"""Windows of a step on each accelerator; the smallest is the default of the command line."""
_TRANSFER = 128 * 2**20


@dataclass(frozen=True)
class StepTime:
    """A step of the full-size network, float32, on all devices together.

    Attributes
    ----------
    windows
        Subsequences of the step.
    training, scoring
        Seconds of a training step, and of scoring as many.
    compiling
        Seconds that the first training step took beyond that.
    """

    windows: int
    training: float
    scoring: float
    compiling: float


@dataclass(frozen=True)
class Speed:
    """What was timed.

    Attributes
    ----------
    length
        Bases of a window that was timed; on processors a tenth of `usual_length`.
    usual_length
        Bases of a window as `prepare` makes them.
    steps
        For each number of windows that was tried and fitted into memory.
    memory_per_window
        Bytes that a training step takes for one window of the usual length; None: unknown.
    memory
        Usable bytes of the device (of the job, on processors); None: unknown.
    batch_size
        Subsequences of the usual length for which there is memory, on all devices together, at most
        256 on each; None: unknown.
    advice
        The batch size to try on an accelerator, and its learning rate; None: the default.
    to_device
        Bytes per second from the host's memory to an accelerator; None: there is none.
    """

    length: int
    usual_length: int
    steps: tuple[StepTime, ...]
    memory_per_window: int | None
    memory: int | None
    batch_size: int | None
    advice: BatchAdvice | None
    to_device: float | None

    @property
    def windows_per_second(self) -> float:
        """Best training rate, in windows of the usual length."""
        share = self.length / self.usual_length
        return max((step.windows / step.training for step in self.steps), default=0.0) * share

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"windows_per_second": self.windows_per_second}


def full_size() -> Architecture:
    """The network of Helixer's released models."""
    body: list[Any] = [Conv("conv1d", 96, 10)]
    for i in range(3):
        suffix = f"_{i}" if i else ""
        body += [BatchNorm(f"batch_normalization{suffix}"), Conv(f"conv1d_{i + 1}", 96, 10)]
    body.append(Pool("reshape", 9))
    body += [BiLSTM(f"bidirectional{f'_{i}' if i else ''}", 128) for i in range(3)]
    return Architecture(body=tuple(body), head=(Dense("dense", 72),), pool_size=9)


def measure(sizes: Sequence[int] | None = None, length: int | None = None) -> Speed:
    """Time the full-size network; all processes of a run call this together.

    Parameters
    ----------
    sizes
        Windows of a step on each device; None: as fits a minute.
    length
        Bases of a window; None: the usual length, on processors a tenth of it.
    """
    devices = local_devices()
    length = length or (DEFAULT_LENGTH if devices.accelerated else _SHORT)
    sizes = sizes or (_SIZES if devices.accelerated else (1,))
    model = new_model(full_size(), 0)
    plan, settings = Whole().plan(model), TrainingSettings()
    engine = engine_class()(model.architecture, model.weights, plan, settings)
    steps: list[StepTime] = []
    for size in sizes:
        try:
            steps.append(_time(engine, size * devices.all, length))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            break
    room, each, fits = _memory(engine, length)
    advice = None
    if fits and devices.accelerated:
        size, rate = settings.batch_size, settings.learning_rate
        advice = batch_advice(fits, batch_size=size, learning_rate=rate, devices=devices.all)
    return Speed(
        length=length,
        usual_length=DEFAULT_LENGTH,
        steps=tuple(steps),
        memory_per_window=each,
        memory=room,
        batch_size=fits,
        advice=advice,
        to_device=_transfer_rate() if devices.accelerated else None,
    )


def _memory(engine: Engine, length: int) -> tuple[int | None, int | None, int | None]:
    """Usable bytes of a device, bytes of a training step there per window of the usual length, and
    windows that fit on all devices together; None: unknown.

    Measured on windows of `length` and scaled, so that nothing large has to run.
    """
    if engine.memory is None:
        return None, None, None
    batch, devices = _batch(1, length), engine.devices
    one, two = (engine.step_bytes(batch, n * devices, training=True) for n in (1, 2))
    if not math.isfinite(two):  # there is none for two windows
        return engine.memory.in_use() + engine.memory.available(), None, 0
    each = (two - one) * DEFAULT_LENGTH / length
    fits = largest_batch(
        lambda n: max(0.0, 2 * one - two) + each * n / devices,
        room_for_batch(engine.memory),
        MAX_SUGGESTION * devices,
        MAX_SUGGESTION * devices,
    )
    return engine.memory.in_use() + engine.memory.available(), int(each), fits


def _time(engine: Engine, n: int, length: int) -> StepTime:
    batch = engine.reading(lambda _: _batch(n, length), n)(np.arange(n))

    def train() -> None:
        engine.add_gradients(batch, n)
        engine.update()
        engine.get_weights()  # waits for the update

    first = timeit(train, number=1)
    training = min(repeat(train, repeat=2, number=1))
    engine.score(batch, n)
    scoring = timeit(lambda: engine.score(batch, n), number=1)
    return StepTime(n, training, scoring, max(0.0, first - training))


def _batch(n: int, length: int) -> Batch:
    random = np.random.default_rng(0)
    bases, labels = random.integers(1, 5, (n, length)), 64 + random.integers(0, 4, (n, length))
    rows = np.stack([bases, labels, np.zeros_like(bases)], axis=1).astype(np.uint8)
    return Batch(rows, BaseTable().padded())


def _transfer_rate() -> float:
    """Bytes per second to the first device of this process."""
    import keras

    array = np.ones(_TRANSFER // 4, np.float32)
    if keras.backend.backend() == "jax":
        import jax

        device = jax.local_devices()[0]

        def place() -> None:
            jax.block_until_ready(jax.device_put(array, device))
    else:
        import tensorflow as tf

        def place() -> None:
            with tf.device("/GPU:0"):
                tf.identity(tf.constant(array))[:1].numpy()

    place()
    return _TRANSFER / min(repeat(place, repeat=3, number=1))
