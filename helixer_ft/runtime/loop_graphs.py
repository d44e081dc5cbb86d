"""Whole loops as one CUDA graph: the GPU starts the kernels of a recurrence by itself."""

import os
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FLAG = "--xla_gpu_enable_command_buffer"
JAXLIB = "0.10."
"""Releases that take the flag in this form; one that does not would end the process. Those of 0.8
may crash where a graph with a loop is started again (openxla/xla, pull request 35760)."""
LEAST_DRIVER = 550
"""NVIDIA's driver of CUDA 12.4. Loops in graphs came with 12.3."""
_DRIVER = Path("/proc/driver/nvidia/version")


def loop_graph_flag() -> str | None:
    """What `XLA_FLAGS` needs for them; None where that is not known to be safe, or where the user
    has set the flag.
    """
    if FLAG in os.environ.get("XLA_FLAGS", "") or _driver() < LEAST_DRIVER:
        return None
    try:
        supported = version("jaxlib").startswith(JAXLIB)
    except PackageNotFoundError:
        return None
    return f"{FLAG}=+WHILE" if supported else None


def _driver() -> int:
    """Major version of NVIDIA's driver on this machine; 0: there is none."""
    try:
        text = _DRIVER.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    found = re.search(r"Module\D*?(?:x86_64|aarch64)?\s+(\d+)\.\d", text)
    return int(found.group(1)) if found else 0
