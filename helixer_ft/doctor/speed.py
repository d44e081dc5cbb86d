"""How fast the full-size network trains and predicts here, and how much memory that takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from helixer_ft.dataset.batch import BaseTable, Batch
from helixer_ft.engine import Engine, engine_class
from helixer_ft.errors import is_out_of_memory
from helixer_ft.formats.data_names import DEFAULT_LENGTH
from helixer_ft.network.architecture import Architecture, BatchNorm, BiLSTM, Conv, Dense, Pool
from helixer_ft.network.model import new_model
from helixer_ft.network.strategies import Whole
from helixer_ft.runtime.devices import local_devices
from helixer_ft.runtime.memory import largest_batch
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
        For each number of windows that was tried and for which there was memory.
    memory_per_window
        Bytes that a training step takes for one window of the usual length; None: unknown.
    memory
        Bytes of the device (of the job, on processors) that may be used.
    batch_size
        Subsequences of the usual length for which there is memory, on all devices together, at most
        256; None: unknown.
    to_device
        Bytes per second from the host's memory to an accelerator; None: there is none.
    """

    length: int
    usual_length: int
    steps: tuple[StepTime, ...]
    memory_per_window: int | None
    memory: int
    batch_size: int | None
    to_device: float | None

    @property
    def windows_per_second(self) -> float:
        """Trained, windows of the usual length, at best."""
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
    idle = engine.memory.in_use()
    limit = idle + engine.memory.available()
    fixed, each = memory_of_steps(engine, length)
    scale = DEFAULT_LENGTH / length
    return Speed(
        length=length,
        usual_length=DEFAULT_LENGTH,
        steps=tuple(steps),
        memory_per_window=None if each is None else int(each * scale),
        memory=limit,
        batch_size=None
        if each is None
        else largest_batch(limit, idle + fixed, each * scale, devices.all),
        to_device=_transfer_rate() if devices.accelerated else None,
    )


def memory_of_steps(engine: Engine, length: int) -> tuple[int, float | None]:
    """Bytes that a training step takes on a device whatever its batch, and for each window.

    From the compiler's plan for one and for two windows on each device; nothing is computed. None
    where the backend makes no such plan.
    """
    compiled = getattr(engine, "_compiled_gradients", None)
    if not hasattr(compiled, "lower"):
        return 0, None
    one, two = (_planned(engine, n * engine.devices, length) for n in (1, 2))
    return max(0, 2 * one - two), float(two - one)


def _planned(engine: Any, n: int, length: int) -> int:
    """Bytes of the compiled step for a batch, results and temporaries."""
    batch, shards = _batch(n, length), engine._shards
    arguments = (
        engine._trainable, engine._fixed, engine._state, shards.place_input(batch.input),
        shards.place(batch.labels), shards.place(batch.transitions), shards.copy(np.float32(n)),
    )  # fmt: skip
    plan = engine._compiled_gradients.lower(*arguments).compile().memory_analysis()
    return int(plan.temp_size_in_bytes + plan.output_size_in_bytes)


def _time(engine: Engine, n: int, length: int) -> StepTime:
    batch = engine.reading(lambda _: _batch(n, length), n)(np.arange(n))

    def train() -> None:
        engine.add_gradients(batch, n)
        engine.update()
        engine.get_weights()  # waits for the update

    first = _seconds(train)
    training = min(_seconds(train) for _ in range(2))
    engine.score(batch, n)
    scoring = _seconds(lambda: engine.score(batch, n))
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
    return _TRANSFER / min(_seconds(place) for _ in range(3))


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
