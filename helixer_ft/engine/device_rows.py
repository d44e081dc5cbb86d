"""Rows that stay on JAX's devices, and batches of them: nothing has to be moved there in a step."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from helixer_ft.dataset.batch import RowsOnDevice
from helixer_ft.engine.shards import Shards


def upload(
    shards: Shards, rows: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> Any:
    """Rows, which come in parts, as one array on every device; no part is there twice for long."""
    values = jax.device_put(jnp.zeros(shape, dtype), shards.whole)
    start = 0
    for part in rows:
        values = _put(values, part, start)
        start += len(part)
    return values


def gather(shards: Shards, rows: RowsOnDevice) -> Any:
    """The rows as an array over the batch, divided among the devices."""
    return _gatherer(shards.split)(rows.values, rows.numbers)


@partial(jax.jit, donate_argnums=0)
def _put(values: Any, part: Any, start: Any) -> Any:
    return jax.lax.dynamic_update_slice_in_dim(values, part, start, axis=0)


@lru_cache(maxsize=4)
def _gatherer(split: Any) -> Any:
    def take(values: Any, numbers: Any) -> Any:
        places = jnp.where(numbers > 0, numbers - 1, len(values))  # beyond the end: zeros
        return jnp.take(values, places, axis=0, mode="fill", fill_value=0)

    return jax.jit(take, out_shardings=split)
