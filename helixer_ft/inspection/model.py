"""What is in a trained model."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helixer_ft.formats.label_source import LabelSource
from helixer_ft.formats.model_h5 import BATCHNORM_ORIGINAL, LABEL_SOURCES
from helixer_ft.network.architecture import Architecture, Pool
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import STRATEGIES


@dataclass(frozen=True)
class LayerContent:
    """One layer.

    Attributes
    ----------
    name, kind
        As in the file; Conv, BatchNorm, Pool, Dropout, BiLSTM or Dense.
    step, width
        Its output: one row of `width` values per `step` bases.
    parameters
        Weights, batch-norm statistics included.
    part
        "body" or "head".
    """

    name: str
    kind: str
    step: int
    width: int
    parameters: int
    part: str


@dataclass(frozen=True)
class ModelContent:
    """A trained model.

    Attributes
    ----------
    path, sha256
        The file.
    architecture
        Its network.
    coverage
        The tracks it takes in addition to the bases; None without, or where the file does not say.
    layers
        Body, then head.
    parameters
        Number in all layers.
    trains
        Command, as typed -> (parameters that it would train, of how many then).
    keras_version, backend
        Those of the program that wrote it.
    provenance
        What helixer-ft recorded in it (attribute names without the prefix), JSON parsed; empty for
        a model that Helixer wrote.
    labels
        Set of data ("training", ...) -> where its labels came from, in words; empty where all came
        from annotations, or the model does not say.
    """

    path: Path
    sha256: str
    architecture: Architecture
    coverage: CoverageInput | None
    layers: tuple[LayerContent, ...]
    parameters: int
    trains: dict[str, tuple[int, int]]
    keras_version: str
    backend: str
    provenance: dict[str, Any]
    labels: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        network = self.architecture
        return {
            "kind": "model",
            "path": str(self.path),
            "sha256": self.sha256,
            "summary": network.summary(),
            "input_width": network.input_width,
            "pool_size": network.pool_size,
            "coverage_tracks": network.coverage_channels // 2,
            "outputs": list(network.outputs),
            "layers": [vars(layer) for layer in self.layers],
            "parameters": self.parameters,
            "trains": {
                command: {"trainable_parameters": trains, "total_parameters": total}
                for command, (trains, total) in self.trains.items()
            },
            "keras_version": self.keras_version,
            "backend": self.backend,
            "labels": self.labels,
            "provenance": self.provenance,
        }


def inspect_model(path: Path) -> ModelContent:
    """Read a model without building its network.

    Raises
    ------
    InputError
        As `helixer_ft.network.model.load_model`.
    """
    model = load_model(path)
    return ModelContent(
        path=path,
        sha256=model.file.sha256,
        architecture=model.architecture,
        coverage=model.coverage,
        layers=tuple(_layers(model.architecture)),
        parameters=model.architecture.parameters(),
        trains={
            strategy.typed: (plan.trainable_parameters, plan.total_parameters)
            for kind in STRATEGIES
            for strategy in kind.variants(model)
            for plan in [strategy.plan(model)]
        },
        keras_version=model.file.keras_version,
        backend=model.file.backend,
        provenance=_provenance(model.file.provenance),
        labels=_labels(model.file.provenance),
    )


def _layers(architecture: Architecture) -> Iterator[LayerContent]:
    head = {layer.name for layer in architecture.head}
    step = 1
    for layer, width in architecture.layers():
        step *= layer.size if isinstance(layer, Pool) else 1
        yield LayerContent(
            layer.name,
            type(layer).__name__,
            step,
            layer.output_width(width),
            layer.parameters(width),
            "head" if layer.name in head else "body",
        )


def _provenance(attributes: Mapping[str, str]) -> dict[str, Any]:
    """The attributes, without the numbers of statistics that are kept for another adaptation."""
    values = {name: _parsed(text) for name, text in attributes.items()}
    if isinstance(kept := values.get(BATCHNORM_ORIGINAL), dict):
        values[BATCHNORM_ORIGINAL] = f"kept, of {', '.join(map(str, kept))}"
    return values


def _labels(attributes: Mapping[str, str]) -> dict[str, str]:
    """Where the labels of each set came from; empty too where that cannot be read."""
    try:
        sets = json.loads(attributes.get(LABEL_SOURCES, "{}"))
        return {
            str(name): ", ".join(LabelSource.from_dict(one).text for one in sources)
            for name, sources in sets.items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _parsed(text: str) -> Any:
    """JSON objects and lists as such, everything else as text."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
