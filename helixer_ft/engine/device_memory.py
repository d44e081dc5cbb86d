"""Memory of JAX's devices, and what compiled programs take of it by XLA's own plan.

XLA lays out the memory of a program when it compiles it: what it will take is known before it runs,
and whatever ran before. The peak that a device tells of cannot be reset.
"""

from typing import Any

import jax

from helixer_ft.errors import is_out_of_memory
from helixer_ft.runtime.resources import ProcessMemory


class DeviceMemory(ProcessMemory):
    """Memory of the first accelerator."""

    is_host = False

    def in_use(self) -> int:
        return self._statistic("bytes_in_use")

    def available(self) -> int:
        return self._statistic("bytes_limit") - self.in_use()

    def peak(self) -> int:
        """Since the start."""
        return self._statistic("peak_bytes_in_use")

    def reset_peak(self) -> None:
        """Cannot be done."""

    @staticmethod
    def _statistic(name: str) -> int:
        return int(jax.local_devices()[0].memory_stats().get(name, 0))


def device_memory() -> ProcessMemory:
    """See `helixer_ft.engine.device_memory`."""
    return DeviceMemory() if jax.local_devices()[0].memory_stats() else ProcessMemory()


def planned_bytes(program: Any, arguments: tuple[Any, ...], resident: int) -> float:
    """Bytes that a call of a program takes on each device, on top of what is there before it.

    Parameters
    ----------
    program
        Made by `Shards.compile`; compiled for these arguments here, unless it is already.
    arguments
        Arrays, or shapes (`jax.ShapeDtypeStruct`, with shardings).
    resident
        Bytes of those that are on each device anyway.

    Returns
    -------
    float
        Infinity where the compiler itself has no memory to try the program's operations.
    """
    try:
        plan = program.lower(*arguments).compile().memory_analysis()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return float("inf")
    total = (
        plan.argument_size_in_bytes
        + plan.output_size_in_bytes
        + plan.temp_size_in_bytes
        - plan.alias_size_in_bytes
    )
    return float(total - resident)
