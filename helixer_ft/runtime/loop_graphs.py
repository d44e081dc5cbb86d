"""Whole loops as one CUDA graph: the GPU starts the kernels of a recurrence by itself."""

import os

from helixer_ft.runtime.accelerators import driver_version, installed_version

FLAG = "--xla_gpu_enable_command_buffer"
JAXLIB = "0.10."
"""Releases that take the flag in this form; one that does not would end the process. Those of 0.8
may crash where a graph with a loop is started again (openxla/xla, pull request 35760)."""
LEAST_DRIVER = (550,)
"""NVIDIA's driver of CUDA 12.4. Loops in graphs came with 12.3."""


def loop_graph_flag() -> str | None:
    """What `XLA_FLAGS` needs for them; None where that is not known to be safe, or where the user
    has set the flag.
    """
    if FLAG in os.environ.get("XLA_FLAGS", "") or (driver_version() or ()) < LEAST_DRIVER:
        return None
    return f"{FLAG}=+WHILE" if installed_version("jaxlib").startswith(JAXLIB) else None
