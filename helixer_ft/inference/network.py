"""A trained network that turns batches of windows into probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from helixer_ft.dataset.batch import TABLE_SIZE, Batch, even_batch_size
from helixer_ft.engine import Devices, Forward, forward_function
from helixer_ft.engine.windows_at_once import MAX_ON_HOST, windows_at_once
from helixer_ft.errors import HelixerFtError, is_out_of_memory
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.model import TrainedModel, build_keras, probabilities, set_weights
from helixer_ft.progress import Progress
from helixer_ft.runtime.memory import OutOfMemoryError, measured_bytes
from helixer_ft.runtime.processes import Processes
from helixer_ft.runtime.resources import ProcessMemory

Predict = Callable[[Batch], np.ndarray]


@dataclass(frozen=True)
class CompiledNetwork:
    """A network compiled: batch of n windows -> (n, outputs, L, 4) float32 probabilities."""

    forward: Forward

    def __call__(self, batch: Batch) -> np.ndarray:
        values = self.forward(batch)
        return values.reshape(len(values), values.shape[1], -1, values.shape[-1])


def prediction_function(
    model: TrainedModel, precision: str = "float32", devices: Devices = "one"
) -> CompiledNetwork:
    """The network compiled for prediction."""
    import keras
    from keras import ops

    network = build_keras(model.architecture, precision=precision)
    set_weights(network, model.weights)
    # as a layer: probabilities are taken on the device
    output = ops.transpose(probabilities(network.output), (0, 2, 1, 3, 4))
    return CompiledNetwork(forward_function(keras.Model(network.input, output), devices))


class BatchedPrediction:
    """Predicts on batches of any size; where the device has no memory for one, on parts of it.

    Parameters
    ----------
    predict
        See `prediction_function`.
    batch_size
        Windows at once; smaller batches are filled up, so that one compiled shape serves all.
    progress
        Reports where the size is reduced.
    """

    def __init__(self, predict: Predict, batch_size: int, progress: Progress) -> None:
        self._predict = predict
        self.batch_size = batch_size
        self._progress = progress

    def __call__(self, batch: Batch) -> np.ndarray:
        """(n, outputs, L, 4) float32 probabilities.

        Raises
        ------
        OutOfMemoryError
            There is no memory for one window.
        HelixerFtError
            What the network computes is no number.
        """
        while True:
            try:
                return np.concatenate([self._part(part) for part in self._parts(batch)])
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.batch_size == 1:
                    raise _no_memory_for_one(batch.rows.shape[-1]) from error
            self.batch_size = -(-self.batch_size // 2)
            self._progress.notice(
                "the device has no memory for so many windows at once: continuing with "
                f"{self.batch_size}"
            )

    def _parts(self, batch: Batch) -> list[Batch]:
        size = self.batch_size
        return [batch.part(start, start + size) for start in range(0, len(batch), size)]

    def _part(self, batch: Batch) -> np.ndarray:
        values = self._predict(batch.filled(self.batch_size))[: len(batch)]
        if not np.isfinite(values).all():
            raise HelixerFtError(
                "the predictions are not numbers (NaN). With --precision mixed_float16, large "
                "numbers overflow: use mixed_bfloat16 or float32. Otherwise the device may be at "
                "fault: helixer-ft doctor tells."
            )
        return values


def choose_batch_size(
    predict: Predict,
    length: int,
    n_windows: int,
    memory: ProcessMemory | None = None,
    *,
    coverage_channels: int = 0,
    processes: Processes | None = None,
) -> int:
    """The most windows that fit into the memory left.

    Parameters
    ----------
    predict
        See `prediction_function`. Of any other function, what one window takes is measured.
    length
        Bases of a window that the network takes.
    n_windows
        All there are.
    memory
        Memory of the device; None: asked for.
    coverage_channels
        Values of coverage per base that the network takes.
    processes
        Those that share the work; on processors, the memory of a machine too.

    Raises
    ------
    OutOfMemoryError
        There is no memory for one window.
    """
    coverage = np.zeros((1, length, coverage_channels), np.float16) if coverage_channels else None
    codes, table = np.ones((1, 1, length), np.uint8), np.zeros((TABLE_SIZE, 4), np.float32)
    one = Batch(codes, table, coverage=coverage)
    devices, most_on_host, processes = 1, MAX_ON_HOST, processes or Processes()
    if isinstance(predict, CompiledNetwork):
        devices, most_on_host = predict.forward.devices, predict.forward.most_on_host
        memory = memory or predict.forward.memory
        bytes_of: Callable[[int], float] = partial(predict.forward.step_bytes, one)
    else:
        memory = memory or ProcessMemory()
        taken = measured_bytes(memory, partial(predict, one))

        def bytes_of(n: int) -> float:
            return n * taken

    shared_by = processes.beside if memory is not None and memory.is_host else 1
    size = windows_at_once(
        [n_windows],
        memory,
        bytes_of,
        devices=devices,
        most_on_host=most_on_host,
        filled=_filled_by(predict),
        agree=lambda room: processes.least(room // shared_by),
    )
    if size == 0 and memory is not None and bytes_of(1) > memory.available():
        raise _no_memory_for_one(length)
    return max(1, size)


def batch_size_for(
    predict: Predict,
    model: TrainedModel,
    overlap: Overlap,
    n_windows: Sequence[int],
    asked: int | None,
    progress: Progress,
    processes: Processes,
) -> int:
    """Windows at once: those asked for (None: as many as fit), in even batches.

    Parameters
    ----------
    predict, model
        See `prediction_function`.
    overlap, n_windows
        The windows, and their number in each set of data.
    asked, progress
        As given with --val-test-batch-size; is told what "auto" comes to.
    processes
        Those that share the work.
    """
    if asked is not None:
        return even_batch_size(n_windows, asked, _filled_by(predict))
    length, channels = overlap.length - overlap.removed, model.architecture.coverage_channels
    size = choose_batch_size(
        predict, length, max(n_windows), coverage_channels=channels, processes=processes
    )
    progress.notice(f"{size} windows at once (--val-test-batch-size auto)")
    return size


def _filled_by(predict: Predict) -> Callable[[int], int]:
    """See `Forward.filled`; any other function computes what it is given."""
    return predict.forward.filled if isinstance(predict, CompiledNetwork) else lambda size: size


def _no_memory_for_one(length: int) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"out of memory with one window of {length:,} bases at once. Give the job more memory, or "
        "predict on data with a smaller --subsequence-length."
    )
