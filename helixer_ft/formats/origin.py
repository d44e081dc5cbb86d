"""What a result follows from, as JSON values by name: kept with it, compared before use."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def differing(
    before: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]
) -> list[tuple[str, Any, Any]]:
    """(name, value before, value now) of those names whose values differ; None where missing."""
    pairs = [(name, before.get(name), now.get(name)) for name in names]
    return [(name, one, other) for name, one, other in pairs if one != other]


def digest(arrays: Iterable[np.ndarray]) -> str:
    """A short text that differs where any of the arrays does."""
    total = hashlib.blake2b(digest_size=16)
    for array in arrays:
        total.update(array.tobytes())
    return total.hexdigest()
