"""Weights of a model file <-> weights per layer of an `Architecture`."""

from collections.abc import Mapping

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.model_h5 import Weights
from helixer_ft.network.architecture import Architecture, Layer

LayerWeights = dict[str, list[np.ndarray]]
"""Layer name -> float32 arrays in the order of `Layer.weight_shapes`."""


def weights_by_layer(architecture: Architecture, weights: Weights, source: str) -> LayerWeights:
    """Pick each layer's arrays out of the file's groups, checking names and shapes.

    Raises
    ------
    InputError
        A weight is missing, has another shape, or there is one too many; by name.
    """
    result: LayerWeights = {}
    for layer, width in architecture.layers():
        named = _named(layer, weights, source)
        expected = layer.weight_shapes(width)
        if len(named) != len(expected):
            raise InputError(
                f"{source}: layer '{layer.name}' has {len(named)} weights "
                f"({', '.join(named) or 'none'}), expected {len(expected)} "
                f"({', '.join(suffix for suffix, _ in expected)}). The file is damaged."
            )
        arrays = []
        for (name, array), (suffix, shape) in zip(named.items(), expected, strict=True):
            if not name.endswith("/" + suffix) or array.shape != shape:
                raise InputError(
                    f"{source}: the weight '{name}' of layer '{layer.name}' has shape "
                    f"{array.shape}, expected '{suffix}' of shape {shape}. "
                    "The file's weights do not belong to its architecture."
                )
            arrays.append(array)
        result[layer.name] = arrays
    return result


def weights_for_file(
    architecture: Architecture, values: Mapping[str, list[np.ndarray]], template: Weights
) -> Weights:
    """The file's groups with the arrays of `values` in place; groups without a layer go.

    Names and order are those of `template` (the source file) where it has the layer.
    """
    known = {layer.name: layer for layer in (*architecture.body, *architecture.head)}
    groups: Weights = {}
    for group, old in template.items():
        if old and group not in {layer.group or layer.name for layer in known.values()}:
            continue  # a layer of the old head
        groups[group] = dict(old) if group not in known else {}
    for layer, width in architecture.layers():
        arrays = values[layer.name]
        names = list(_group_of(layer, template))
        if len(names) != len(arrays):
            names = weight_names(layer, width)
        groups.setdefault(layer.group or layer.name, {}).update(zip(names, arrays, strict=True))
    return groups


def weight_names(layer: Layer, width: int) -> list[str]:
    """Names that Keras 2 gives the weights of a layer."""
    suffixes = [suffix for suffix, _ in layer.weight_shapes(width)]
    if len(suffixes) != 6:
        return [f"{layer.name}/{suffix}" for suffix in suffixes]
    directions = ["forward_lstm"] * 3 + ["backward_lstm"] * 3
    return [
        f"{layer.name}/{direction}/lstm_cell/{suffix}"
        for direction, suffix in zip(directions, suffixes, strict=True)
    ]


def _named(layer: Layer, weights: Weights, source: str) -> dict[str, np.ndarray]:
    if (layer.group or layer.name) not in weights:
        raise InputError(
            f"{source}: has no weights for layer '{layer.name}'. The file is damaged: copy it "
            "again."
        )
    return _group_of(layer, weights)


def _group_of(layer: Layer, weights: Weights) -> dict[str, np.ndarray]:
    group = weights.get(layer.group or layer.name, {})
    if layer.group in ("", layer.name):
        return group
    return {name: array for name, array in group.items() if name.startswith(f"{layer.name}/")}
