"""What computes, as the options of a command ask for."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from helixer_ft.progress import Progress
from helixer_ft.runtime.backend import Backend, select_backend, start_quietly

if TYPE_CHECKING:
    from helixer_ft.runtime.processes import Processes


def backend_for(options: dict[str, Any], *, several_processes: bool = False) -> Backend:
    """Choose the backend and tell Keras, before anything imports it.

    The backend is started, unless several processes have to be connected first.
    """
    backend = select_backend(
        options["backend"],
        options["gpu_id"],
        deterministic=options["deterministic"],
        several_processes=several_processes,
        require_gpu=options["require_gpu"],
    )
    if not several_processes:
        start_quietly(backend)
    source = click.get_current_context().get_parameter_source("backend")
    if options["backend"] != "auto" and source is ParameterSource.DEFAULT_MAP:
        return replace(backend, reason="--config")
    return backend


def start_together(backend: Backend, processes: "Processes") -> None:
    """Start the backend of several processes: all on accelerators, or all without."""
    seen = "GPU" if backend.accelerators else "CPU"
    processes.require_same({"what computes": seen})
    start_quietly(backend)


def check_device(
    options: dict[str, Any], progress: Progress, processes: "Processes | None" = None
) -> None:
    """See that an accelerator computes what it should, unless that is to be left out."""
    from helixer_ft.doctor.start_check import check_at_start
    from helixer_ft.runtime.backend import uses_accelerator

    if not options["skip_device_check"]:
        check_at_start(options["precision"], progress, processes)
    elif uses_accelerator():
        progress.warning("the device is not checked (--skip-device-check)")
