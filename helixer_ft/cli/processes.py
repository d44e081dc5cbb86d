"""The processes of a command: what each of them does, and which one prints."""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from helixer_ft.cli import computing
from helixer_ft.cli.base import tell_of_signal
from helixer_ft.cli.output import Printer
from helixer_ft.errors import Interrupted
from helixer_ft.progress import Progress
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.interruption import Stop, stop_on_signals
from helixer_ft.runtime.launch import Launch
from helixer_ft.runtime.processes import Processes, started
from helixer_ft.training.history import TrainingProgress

Work = Callable[[Printer, Backend, Processes], None]
"""What is done in each of the processes; the first one prints."""


def run_in_processes(
    options: dict[str, Any],
    models: Sequence[Path],
    notices: Sequence[str],
    resumable: Callable[[], bool] | None,
    work: Work,
    make_printer: Callable[..., Printer] = Printer,
) -> None:
    """Do the work of a command, alone or as one of several processes.

    Parameters
    ----------
    options
        Of the command.
    models, notices
        What it loads, and what is to be said first.
    resumable
        Whether there is something to resume, should a process be lost; None: the command has
        nothing to resume, so that a signal ends it at once.
    work
        The work.
    make_printer
        Makes what prints.
    """
    launch = computing.launch_of(options)
    first = launch is None or launch.index == 0
    tell = tell_of_signal if first else lambda _: None
    with nullcontext(Stop()) if resumable is None else stop_on_signals(tell) as stop:
        printer = make_printer(quiet=options["quiet"] or not first, as_json=options["as_json"])
        printer.stop = stop
        try:
            for path in models:
                printer.model(path)
            for notice in notices:
                printer.notice(notice)
            _run(options, resumable or (lambda: False), work, printer, launch)
        except Interrupted as error:
            if first:  # it speaks for all processes
                raise
            sys.exit(error.exit_code)


def _run(
    options: dict[str, Any],
    resumable: Callable[[], bool],
    work: Work,
    printer: Printer,
    launch: Launch | None,
) -> None:
    backend = computing.backend_for(options, several_processes=launch is not None)
    if backend.warning:
        printer.warning(backend.warning)
    tell, waiting = computing.tell_of_end(launch, printer), _Waiting(printer.stop)
    with started(launch, tell, resumable, waiting) as processes:
        if launch is not None:
            computing.start_together(backend, processes)
        work(printer, backend, processes)


def tell_what_computes(printer: Printer, backend: Backend, instead: str | None = None) -> None:
    """Say which backend on which devices does the work; or `instead` of the devices."""
    from helixer_ft.engine import device_notice

    printer.notice(f"Keras backend: {backend.name} ({backend.reason})")
    if text := instead or device_notice():
        printer.notice(text)


def start_scoring(
    options: dict[str, Any], printer: Printer, backend: Backend, processes: Processes
) -> Progress:
    """Say what computes where processes share the rows, check that it does so correctly, and return
    what reports the work of this one.
    """
    several = f"{processes.count} processes share the rows" if processes.count > 1 else None
    tell_what_computes(printer, backend, several)
    progress = printer if processes.is_first else Silent(printer.stop)
    computing.check_device(options, progress, processes)
    return progress


class Silent(TrainingProgress):
    """All processes but the first one."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def interrupted(self) -> bool:
        return self._stop.requested()


class _Waiting(Silent):
    """A process that looks for the others: each says that, as the first may be the one missing."""

    def notice(self, text: str) -> None:
        click.echo(f"Note: {text}", err=True)
