"""The backend, its devices and processes, as the options of a command ask for."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from helixer_ft.cli.base import PROCESS
from helixer_ft.progress import Progress
from helixer_ft.runtime.backend import Backend, select_backend, start_quietly
from helixer_ft.runtime.launch import Launch, launch_from

if TYPE_CHECKING:
    from helixer_ft.cli.output import Printer
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


def launch_of(options: dict[str, Any]) -> Launch | None:
    """Which of several processes this one is, which its errors then say; None: it is alone."""
    launch = launch_from(
        options["coordinator"], options["num_processes"], options["process_id"], os.environ
    )
    if launch is not None:
        click.get_current_context().meta[PROCESS] = f"{launch.name}: "
    return launch


def tell_of_end(launch: Launch | None, printer: "Printer") -> Callable[[str], None]:
    """A function that says why one of several processes ends; any thread may call it."""

    def tell(text: str) -> None:
        printer.close()
        click.echo(f"Error: {launch.name if launch else ''}: {text}", err=True)

    return tell


def start_together(backend: Backend, processes: "Processes") -> None:
    """Start the backend of several processes: all on accelerators, or all without."""
    seen = "GPU" if backend.accelerators else "CPU"
    processes.require_same({"what computes": seen})
    start_quietly(backend)


def scoring_printer(options: dict[str, Any], model: Path) -> "Printer":
    """Start the backend for a command in one process, and report what computes."""
    backend = backend_for(options)

    from helixer_ft.cli.output import Printer

    printer = Printer(quiet=options["quiet"], as_json=options["as_json"])
    printer.model(model)
    printer.backend(backend)
    check_device(options, printer)
    return printer


def check_device(
    options: dict[str, Any], progress: Progress, processes: "Processes | None" = None
) -> None:
    """Check that an accelerator computes correctly, unless told to skip that."""
    from helixer_ft.doctor.start_check import check_at_start
    from helixer_ft.runtime.backend import uses_accelerator

    if not options["skip_device_check"]:
        check_at_start(options["precision"], progress, processes)
    elif uses_accelerator():
        progress.warning("the device was not checked (--skip-device-check)")
