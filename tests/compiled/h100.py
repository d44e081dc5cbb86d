"""The programs of training and prediction, compiled for an H100 that is not there.

XLA compiles for a described GPU where the packages jax-cuda12-plugin and jax-cuda12-pjrt of JAX's
version are installed (the extra `aot`); it takes no driver, no CUDA library and no GPU. What comes
out shows the kernels, their number and the plan of the memory, and says nothing about time.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")  # there are no CUDA libraries
os.environ["KERAS_BACKEND"] = "jax"

import jax
import numpy as np
from jax.experimental import topologies

from helixer_ft.dataset.batch import PLANES, TABLE_SIZE, Batch
from helixer_ft.engine.jax import JaxEngine
from helixer_ft.engine.shards import Shards
from helixer_ft.inference.network import prediction_function
from helixer_ft.network.architecture import Architecture, BatchNorm, BiLSTM, Conv, Dense, Pool
from helixer_ft.network.model import new_model
from helixer_ft.settings import TrainingSettings
from tests.compiled.hlo import custom_calls, kernels, loop_types, product_types, sum_types
from tests.plans import plan_whole

TARGET = Path(__file__).with_name("h100.txtpb")
PROGRAMS = ("gradients", "apply", "score", "forward")
"""A training step is the first two; `forward` predicts."""
LENGTH = 21384


@dataclass(frozen=True)
class Program:
    """One of `PROGRAMS`, compiled.

    Attributes
    ----------
    lowered
        StableHLO: what XLA is given, with the types as they were asked for.
    compiled
        What XLA makes of it.
    """

    lowered: str
    compiled: Any

    @cached_property
    def text(self) -> str:
        """The compiled program in HLO, scheduled."""
        return str(self.compiled.as_text())

    def figures(self) -> dict[str, Any]:
        """Kernels and bytes of memory of each device, what is called, and in which types."""
        memory = self.compiled.memory_analysis()
        return {
            "kernels": kernels(self.text),
            "temporaries": memory.temp_size_in_bytes,
            "arguments": memory.argument_size_in_bytes,
            "results": memory.output_size_in_bytes,
            "custom_calls": custom_calls(self.text),
            "asked_calls": custom_calls(self.lowered),
            "loops": loop_types(self.text),
            "sums": sum_types(self.lowered),
            "products": product_types(self.lowered),
        }


def full_size() -> Architecture:
    """The network of Helixer's land plant model: 3 bidirectional LSTMs of 128 units."""
    return _architecture(convs=4, filters=96, kernel=10, lstms=3, units=128)


def small() -> Architecture:
    """One of the same shape that compiles in a second or two."""
    return _architecture(convs=2, filters=8, kernel=5, lstms=1, units=8)


def _architecture(*, convs: int, filters: int, kernel: int, lstms: int, units: int) -> Architecture:
    body: list[Any] = [Conv("conv1d", filters, kernel)]
    for i in range(1, convs):
        body += [BatchNorm(f"batch_normalization_{i}"), Conv(f"conv1d_{i}", filters, kernel)]
    body += [Pool("reshape", 9), *(BiLSTM(f"bidirectional_{i}", units) for i in range(lstms))]
    return Architecture(body=tuple(body), head=(Dense("dense", 72),), pool_size=9)


class Compiler:
    """Compiles the programs of a network for some H100s.

    Parameters
    ----------
    architecture
        The network; its weights do not matter.
    precision, batch_size, length
        Of the programs; the batch is that of all devices.
    devices
        Number of GPUs, in one machine.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        precision: str = "float32",
        devices: int = 1,
        batch_size: int = 8,
        length: int = LENGTH,
    ) -> None:
        self._shards = Shards(gpus(devices))
        model = new_model(architecture, 0)
        settings = TrainingSettings(precision=precision)
        self._functions: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}
        with mock.patch.object(Shards, "compile", self._keep):
            engine = JaxEngine(architecture, model.weights, plan_whole(model), settings)
            prediction_function(model, precision)
        trainable, fixed, state = map(self._whole, engine._values().values())
        rows = np.zeros((batch_size, PLANES, length), np.uint8)
        batch = Batch(rows, np.zeros((TABLE_SIZE, 4), np.float32))
        table, codes = self._whole([batch.base_table]), self._split([batch.input["codes"]])
        given = {"codes": codes[0], "table": table[0]}
        labels, transitions = self._split([batch.labels, batch.transitions])
        (n,) = self._whole([np.float32(1)])
        self._arguments = {
            "gradients": (trainable, fixed, state, given, labels, transitions, n),
            "apply": (trainable, state, trainable),
            "score": (trainable, fixed, given, labels),
            "forward": (trainable, fixed, given),
        }

    def compile(self, name: str) -> Program:
        """One of `PROGRAMS`."""
        lowered = self.lower(name)
        return Program(lowered.as_text(), lowered.compile())

    def lower(self, name: str) -> Any:
        """What XLA is given."""
        function, options = self._functions[name]
        if name == "forward":
            options = {"out_shardings": self._shards.split}
        jitted = self._shards.compile(function, **options)
        return jitted.trace(*self._arguments[name]).lower(lowering_platforms=("cuda",))

    def _keep(self, function: Callable[..., Any], **options: Any) -> None:
        self._functions[function.__name__] = (function, options)

    def _whole(self, arrays: Any) -> list[Any]:
        return [self._shape(array, self._shards.whole) for array in arrays]

    def _split(self, arrays: Any) -> list[Any]:
        return [self._shape(array, self._shards.split) for array in arrays]

    @staticmethod
    def _shape(array: Any, sharding: Any) -> Any:
        return jax.ShapeDtypeStruct(np.shape(array), array.dtype, sharding=sharding)


def gpus(count: int) -> list[Any]:
    """H100s of one machine, described."""
    topology = topologies.get_topology_desc(
        "", "cuda", target_config=TARGET.read_text(), topology=f"1x1x{count}"
    )
    return list(topology.devices)
