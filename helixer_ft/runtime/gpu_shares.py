"""The GPUs of a machine, shared by the processes of a run on it: each takes as many as another.

JAX itself gives one to each task of SLURM, and all of them to each process that is started by hand.
"""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path


def share_gpus(index: int, gather: Callable[[str], list[str]]) -> int:
    """Have JAX use the GPUs that are this process's own; return how many processes are here.

    Parameters
    ----------
    index
        Index of this process among those of the run.
    gather
        A text of each process, in their order.
    """
    import jax

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    host = socket.gethostname()
    everyone = [json.loads(text) for text in gather(json.dumps([host, visible or ""]))]
    here = [
        ("*" if i == index else "") + seen
        for i, (name, seen) in enumerate(everyone)
        if name == host
    ]
    present = len([path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()])
    gpus = own_gpus(visible, present, here)
    if gpus is not None and "JAX_LOCAL_DEVICE_IDS" not in os.environ:
        jax.config.update("jax_cuda_visible_devices", ",".join(map(str, gpus)))
    return len(here)


def own_gpus(visible: str | None, present: int, beside: list[str]) -> list[int] | None:
    """Which of the GPUs that this process sees are its own; None: all.

    Parameters
    ----------
    visible
        `CUDA_VISIBLE_DEVICES`.
    present
        GPUs of the machine.
    beside
        `visible` of the processes on this machine in their order, this one's marked by `*`.
    """
    own = next(i for i, text in enumerate(beside) if text.startswith("*"))
    n = present if visible is None else len([name for name in visible.split(",") if name])
    same = all(text.lstrip("*") == (visible or "") for text in beside)
    if len(beside) == 1 or not same or n < len(beside):  # each was given its own
        return None
    return list(range(n))[own :: len(beside)]
