"""What `whole` and `freeze` do alike: options to a request, the run, its result printed."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from helixer_ft.cli.base import PROCESS, tell_of_signal
from helixer_ft.cli.computing import backend_for
from helixer_ft.cli.options import cache_settings_from, command_line, settings_from
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.interruption import Stop, stop_on_signals
from helixer_ft.runtime.launch import Launch, launch_from
from helixer_ft.runtime.processes import Processes, started
from helixer_ft.training.history import TrainingProgress

if TYPE_CHECKING:
    from helixer_ft.cli.run_output import RunPrinter
    from helixer_ft.settings import TrainingSettings
    from helixer_ft.training.outcome import Outcome
    from helixer_ft.training.request import FineTuneRequest


def run_command(command: Literal["whole", "freeze"], options: dict[str, Any]) -> None:
    """Run a fine-tuning command to its end, or to a signal to stop."""
    settings = settings_from(options)

    from helixer_ft.cli.run_output import RunPrinter

    launch = launch_from(
        options["coordinator"], options["num_processes"], options["process_id"], os.environ
    )
    first = launch is None or launch.index == 0
    if launch is not None:
        click.get_current_context().meta[PROCESS] = f"{launch.name}: "
    with (
        _quiet_end(launch),
        stop_on_signals(tell_of_signal if first else lambda _: None) as stop,
    ):
        printer = RunPrinter(quiet=options["quiet"] or not first, as_json=options["as_json"])
        printer.stop = stop
        _run(command, options, settings, printer, launch)


@contextlib.contextmanager
def _quiet_end(launch: Launch | None) -> Iterator[None]:
    """That all processes were stopped, the first one alone says."""
    try:
        yield
    except Interrupted as error:
        if launch is None or launch.index == 0:
            raise
        sys.exit(error.exit_code)


def _run(
    command: Literal["whole", "freeze"],
    options: dict[str, Any],
    settings: "TrainingSettings",
    printer: "RunPrinter",
    launch: Launch | None,
) -> None:
    printer.model(options["load_model_path"])
    for notice in _hybridmodel_notices(command, options):
        printer.notice(notice)
    backend = backend_for(options, several_processes=launch is not None)

    from helixer_ft.training.request import FineTuneRequest
    from helixer_ft.training.run_folder import RunFolder

    request = FineTuneRequest(
        command=command,
        load_model_path=options["load_model_path"],
        data_dir=options["data_dir"],
        test_data=tuple(options["test_data"]),
        save_model_path=options["save_model_path"],
        freeze_batchnorm=options.get("freeze_batchnorm", False),
        post_coverage_hidden_layer=options.get("post_coverage_hidden_layer", False),
        hidden_units=options.get("hidden_units"),
        keep_head=options.get("keep_head", False) or options["fine_tune_resume"],
        input_coverage=options.get("input_coverage", False),
        coverage_prefix=options.get("coverage_prefix"),
        coverage_norm=options.get("coverage_norm"),
        ablate_coverage=options.get("ablate_coverage", False),
        settings=settings,
        cache=cache_settings_from(options),
        predict_phase=options["predict_phase"],
        force=options["force"],
        resume=options["resume"],
        command_line=command_line(),
    )

    def tell(text: str) -> None:
        printer.close()
        click.echo(f"Error: {launch.name if launch else ''}: {text}", err=True)

    folder = RunFolder(request.save_model_path)
    with started(launch, tell, lambda: folder.is_interrupted, _Waiting(printer.stop)) as processes:
        progress = printer if processes.is_first else _Silent(printer.stop)
        _run_in(processes, request, options, printer, progress, backend)


def _run_in(
    processes: Processes,
    request: "FineTuneRequest",
    options: dict[str, Any],
    printer: "RunPrinter",
    progress: TrainingProgress,
    backend: Backend,
) -> None:
    """The run, in one of its processes; the first one prints."""
    from helixer_ft.engine import device_notice
    from helixer_ft.training.estimate import estimate
    from helixer_ft.training.fine_tune import run
    from helixer_ft.training.prepared import check_save_path, prepare_run
    from helixer_ft.training.run_folder import RunFolder
    from helixer_ft.training.run_lock import run_lock

    check_save_path(request)
    dry, folder = options["dry_run"], RunFolder(request.save_model_path)
    locks = processes.is_first and not dry
    with run_lock(folder.path, printer) if locks else contextlib.nullcontext():
        prepared = prepare_run(request, progress, dry=dry, processes=processes)
        if processes.is_first:
            printer.notice(f"Keras backend: {backend.name} ({backend.reason})")
            if text := device_notice():
                printer.notice(text)
            printer.preparation(prepared, verbose=options["verbose"])
        if dry:
            estimated = estimate(prepared)
            if processes.is_first:
                printer.dry_run(prepared, estimated)
            return
        report = folder.report_path

        def finish(outcome: "Outcome") -> None:
            printer.close()
            if processes.is_first:
                _report(outcome, report, printer)

        with printer:
            outcome = run(prepared, progress, finish)
        if processes.is_first:
            shown = report if report.exists() else None
            printer.outcome(outcome, shown, verbose=options["verbose"])


def _report(outcome: "Outcome", path: Path, printer: "RunPrinter") -> None:
    """Write the page about a run; where that fails, the run's result is shown all the same."""
    from helixer_ft.report import write_report

    try:
        write_report(outcome, path)
    except Exception as error:  # whatever it is, hours of training must not end in it
        printer.warning(f"{path}: the report could not be written: {error}")


class _Silent(TrainingProgress):
    """All processes but the first one."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def interrupted(self) -> bool:
        return self._stop.requested()


class _Waiting(_Silent):
    """A process that looks for the others: each says that, as the first may be the one missing."""

    def notice(self, text: str) -> None:
        click.echo(f"Note: {text}", err=True)


def _hybridmodel_notices(command: str, options: dict[str, Any]) -> list[str]:
    """What to say of HybridModel.py's words; those that contradict the command are refused."""
    used = [
        "--" + name.replace("_", "-")
        for name in ("resume_training", "fine_tune", "fine_tune_resume", "predict_phase")
        if options[name]
    ]
    if command == "whole" and (options["fine_tune"] or options["fine_tune_resume"]):
        contradiction = next(word for word in used if word.startswith("--fine-tune"))
        raise InputError(
            f"{contradiction} keeps the body fixed, 'whole' trains every layer. "
            f"Use 'helixer-ft freeze', or leave {contradiction} out."
        )
    notices = []
    if options["workers"] is not None:
        used.append("--workers")
        notices.append("--workers has no meaning here: data are read ahead in one thread")
    if options["gpu_id"] is not None:
        used.append("--gpu-id")
    if used:
        notices.insert(
            0,
            f"{', '.join(used)}: HybridModel.py's words. Defaults differ: at most 100 epochs (not "
            "10000), class and transition weights as recommended (not none), coverage normalised "
            "by log (not as it is); "
            "--resume-training loads trained weights, it does not go on with an interrupted run "
            "(--resume does)",
        )
    return notices
