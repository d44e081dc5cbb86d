"""What commands that train do alike: options to a request, a run, its result printed."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helixer_ft.cli import computing
from helixer_ft.cli.command_line import command_line
from helixer_ft.cli.hybridmodel import training_notices
from helixer_ft.cli.option_kinds import from_options
from helixer_ft.cli.output import Printer
from helixer_ft.cli.processes import Silent, run_in_processes, tell_what_computes
from helixer_ft.cli.run_output import show, show_dry_run, show_preparation
from helixer_ft.network.strategies import Strategy
from helixer_ft.runtime.backend import Backend
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import CacheSettings, TrainingOptions
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
        settings=from_options(TrainingOptions, options),
        cache=CacheSettings(features, options["cache_dir"], precision, options["keep_cache"]),
        compare_coverage=FineTuneRequest.compare_coverage,
        command_line=command_line(),
    )


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


def write_report(outcome: "Outcome", path: Path) -> None:
    """Write the page about a run; what draws it is loaded when it is needed."""
    from helixer_ft import report

    report.write_report(outcome, path)


def write_comparison(outcome: "CompareOutcome", path: Path) -> None:
    """Write the page about a comparison."""
    from helixer_ft import report

    report.write_comparison(outcome, path)
