"""Which batch size keeps a GPU busy, and which learning rate goes with it: rules of thumb."""

import math
from dataclasses import dataclass

BUSY = 64
"""Subsequences on each device up to which a training step takes about as long as one of 8. The
steps of an LSTM follow one another: with few subsequences, each is too little work for a GPU.
"""
UPDATES_PER_EPOCH = 16
"""No batch is advised that leaves fewer in an epoch."""


@dataclass(frozen=True)
class BatchAdvice:
    """What to try with `--batch-size` and `--learning-rate`."""

    batch_size: int
    learning_rate: float


def batch_advice(
    fits: int,
    *,
    batch_size: int,
    learning_rate: float,
    devices: int = 1,
    windows: int | None = None,
) -> BatchAdvice | None:
    """A larger batch that takes about as long per step, where there is one.

    The learning rate grows with the square root of the batch, the usual rule for Adam and AdamW
    (Malladi et al. 2022, arXiv:2205.10287). Neither rule was measured on GPUs with this program.

    Parameters
    ----------
    fits
        The most subsequences that there is memory for, on all devices together.
    batch_size, learning_rate
        Subsequences of an update, as it is now, and the learning rate that goes with them.
    devices
        How many share a batch.
    windows
        Subsequences to train on; None: many.
    """
    most = min(fits, BUSY * devices)
    if windows is not None:
        most = min(most, windows // UPDATES_PER_EPOCH)
    if most < devices:
        return None
    size = devices * 2 ** int(math.log2(most // devices))
    if size <= batch_size:
        return None
    rate = learning_rate * math.sqrt(size / batch_size)
    return BatchAdvice(size, float(f"{rate:.2g}"))
