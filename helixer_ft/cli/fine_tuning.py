"""What commands that train do alike: options to a request, the processes of a run, its result
printed.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import computing
from helixer_ft.cli.base import tell_of_signal
from helixer_ft.cli.command_line import command_line
from helixer_ft.cli.hybridmodel import training_notices
from helixer_ft.cli.option_kinds import from_options
from helixer_ft.cli.output import Printer
from helixer_ft.cli.run_output import show, show_dry_run, show_preparation
from helixer_ft.errors import Interrupted
from helixer_ft.network.strategies import Strategy
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.interruption import Stop, stop_on_signals
from helixer_ft.runtime.launch import Launch
from helixer_ft.runtime.processes import Processes, started
from helixer_ft.settings import CacheSettings, TrainingSettings
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.run_folder import RunFolder

if TYPE_CHECKING:
    from helixer_ft.comparison.outcome import CompareOutcome
    from helixer_ft.training.outcome import Outcome
    from helixer_ft.training.prepared import PreparedRun


def fine_tune_request(strategy: type[Strategy], options: dict[str, Any]) -> FineTuneRequest:
    """The run that a command's options ask for; those of a strategy are the fields of its class."""
    features = options.get("cache_features", CacheSettings.features)
    precision = options.get("cache_precision", CacheSettings.precision)
    return from_options(
        FineTuneRequest,
        options,
        strategy=from_options(strategy, options),
        settings=from_options(TrainingSettings, options),
        cache=CacheSettings(features, options["cache_dir"], precision, options["keep_cache"]),
        compare_coverage=FineTuneRequest.compare_coverage,
        command_line=command_line(),
    )


Work = Callable[[Printer, Backend, Processes], None]
"""What is done in each of the processes; the first one prints."""


def run_command(request: FineTuneRequest, options: dict[str, Any]) -> None:
    """Run a fine-tuning command to its end, or until a signal stops it."""
    folder = RunFolder(request.save_model_path)
    work = partial(_work, request, options)
    run_in_processes(
        options,
        [request.load_model_path],
        training_notices(options),
        lambda: folder.is_interrupted,
        work,
        Printer,
    )


def run_in_processes(
    options: dict[str, Any],
    models: Sequence[Path],
    notices: Sequence[str],
    resumable: Callable[[], bool],
    work: Work,
    make_printer: Callable[..., Printer],
) -> None:
    """Do the work of a command that trains, alone or as one of several processes.

    Parameters
    ----------
    options
        Of the command.
    models, notices
        What it loads, and what is to be said first.
    resumable
        Whether there is something to resume, should a process be lost.
    work
        The work.
    make_printer
        Makes what prints.
    """
    launch = computing.launch_of(options)
    first = launch is None or launch.index == 0
    with stop_on_signals(tell_of_signal if first else lambda _: None) as stop:
        printer = make_printer(quiet=options["quiet"] or not first, as_json=options["as_json"])
        printer.stop = stop
        try:
            for path in models:
                printer.model(path)
            for notice in notices:
                printer.notice(notice)
            _run(options, resumable, work, printer, launch)
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


def _work(
    request: FineTuneRequest,
    options: dict[str, Any],
    printer: Printer,
    backend: Backend,
    processes: Processes,
) -> None:
    """The run or the dry run, in one of its processes; the first one prints."""
    from helixer_ft.training.estimate import estimate
    from helixer_ft.training.fine_tune import fine_tune
    from helixer_ft.training.prepared import prepare_run

    first, verbose = processes.is_first, options["verbose"]
    progress = printer if first else Silent(printer.stop)
    computing.check_device(options, progress, processes)

    def on_prepared(prepared: "PreparedRun") -> None:
        if first:
            _show_prepared(prepared, printer, backend, verbose)

    def report(outcome: "Outcome", path: Path) -> None:
        printer.close()
        write_report(outcome, path)

    if options["dry_run"]:
        prepared = prepare_run(request, progress, dry=True, processes=processes)
        on_prepared(prepared)
        estimated = estimate(prepared)
        if first:
            show_dry_run(prepared, estimated, printer)
        return
    with printer:
        outcome = fine_tune(
            request, progress, report=report, on_prepared=on_prepared, processes=processes
        )
    if first:
        path = RunFolder(request.save_model_path).report_path
        show(outcome, printer, report=path if path.exists() else None, verbose=verbose)


def _show_prepared(
    prepared: "PreparedRun", printer: Printer, backend: Backend, verbose: bool
) -> None:
    tell_what_computes(printer, backend)
    show_preparation(prepared, printer, verbose=verbose)


def tell_what_computes(printer: Printer, backend: Backend) -> None:
    """Say which backend on which devices does the work."""
    from helixer_ft.engine import device_notice

    printer.notice(f"Keras backend: {backend.name} ({backend.reason})")
    if text := device_notice():
        printer.notice(text)


def write_report(outcome: "Outcome", path: Path) -> None:
    """Write the page about a run; what draws it is loaded when it is needed."""
    from helixer_ft import report

    report.write_report(outcome, path)


def write_comparison(outcome: "CompareOutcome", path: Path) -> None:
    """Write the page about a comparison."""
    from helixer_ft import report

    report.write_comparison(outcome, path)


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
