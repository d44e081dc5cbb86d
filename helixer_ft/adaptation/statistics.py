"""Exact means and variances of what the batch norms of a network see of a genome.

Layer by layer: the input of batch norm k is computed with the new statistics of those before it,
as it will be in the adapted network. So there is a pass over the windows for each batch norm; a
pass computes no more than the convolutions before it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from helixer_ft.adaptation.windows import WindowSource
from helixer_ft.dataset.batch import PADDING, UNKNOWN, Batch
from helixer_ft.engine import forward_function
from helixer_ft.errors import InputError
from helixer_ft.network.architecture import BatchNorm
from helixer_ft.network.model import TrainedModel, build_sums, set_weights
from helixer_ft.network.weights import LayerWeights
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import read_ahead

MEAN, VARIANCE = 2, 3
"""Places of the moving statistics among the weights of a batch norm."""


@dataclass(frozen=True)
class LayerStatistics:
    """What a batch norm subtracts and divides by.

    Attributes
    ----------
    mean, variance
        (channels,) float32.
    """

    mean: np.ndarray
    variance: np.ndarray


Statistics = dict[str, LayerStatistics]
"""Name of a batch norm -> its statistics, in the order of the network."""


def batch_norms(model: TrainedModel) -> list[BatchNorm]:
    """The batch norms of a network, in order."""
    return [layer for layer in model.architecture.body if isinstance(layer, BatchNorm)]


def statistics_of(model: TrainedModel) -> Statistics:
    """Those in the model's weights."""
    return {
        layer.name: LayerStatistics(*model.weights[layer.name][MEAN : VARIANCE + 1])
        for layer in batch_norms(model)
    }


def with_statistics(weights: LayerWeights, statistics: Statistics) -> LayerWeights:
    """Weights with other batch-norm statistics; all other arrays are the same objects."""
    return weights | {
        name: [*weights[name][:MEAN], own.mean, own.variance] for name, own in statistics.items()
    }


def count_bases(source: WindowSource) -> int:
    """Bases of all windows, both strands; padding and N are none."""
    return sum(int(_is_base(batch).sum()) for batch in source.batches())


def measure(model: TrainedModel, source: WindowSource, progress: Progress) -> Statistics:
    """The statistics of every batch norm over windows, float64 sums rounded at the end.

    A position counts where its base is neither padding nor N. What a convolution sees beyond it
    is what it sees in prediction too, and not changed.

    Parameters
    ----------
    model
        The network; its coverage plays no part.
    source
        The windows.
    progress
        Reports each pass.

    Raises
    ------
    InputError
        Damaged data.
    Interrupted
        `progress` said so.
    """
    weights, found = model.weights, Statistics()
    layers = batch_norms(model)
    for number, layer in enumerate(layers, start=1):
        network = build_sums(model.architecture, layer.name)
        set_weights(network, weights)
        forward = forward_function(network)
        size = source.at_once

        def compute(
            batch: Batch, forward: Callable[[Batch], np.ndarray] = forward, size: int = size
        ) -> tuple[Batch, np.ndarray]:
            return batch, forward(batch.filled(size))[: len(batch)]

        task = f"batch-norm statistics, layer {number} of {len(layers)}"
        found[layer.name] = _summed(compute, source, progress, task)
        weights = with_statistics(weights, {layer.name: found[layer.name]})
    return found


def _summed(
    compute: Callable[[Batch], tuple[Batch, np.ndarray]],
    source: WindowSource,
    progress: Progress,
    task: str,
) -> LayerStatistics:
    """Mean and variance of each channel over all bases of all windows."""
    bases, both = 0, np.zeros(1)
    with closing(read_ahead(lambda batch: batch, source.batches())) as batches:
        computed = read_ahead(compute, batches)
        with closing(computed):
            for batch, values in _tracked(computed, source.n_windows, progress, task):
                bases += int(_is_base(batch).sum())
                for tiles in values:  # window by window: the batch size does not matter
                    both = both + tiles.sum(axis=0, dtype=np.float64)
    if not bases:
        raise InputError("there is no base that is neither padding nor N.")
    mean, square = np.split(both / bases, 2)
    variance = np.maximum(square - mean**2, 0)
    return LayerStatistics(mean.astype(np.float32), variance.astype(np.float32))


def _tracked(
    computed: Iterator[tuple[Batch, np.ndarray]], total: int, progress: Progress, task: str
) -> Iterator[tuple[Batch, np.ndarray]]:
    return progress.track(task, total, computed, "windows", lambda pair: len(pair[0]))


def _is_base(batch: Batch) -> np.ndarray:
    """(n, L) bool: neither padding nor N."""
    codes = batch.rows[:, 0]
    return (codes != PADDING) & (codes != UNKNOWN)
