"""What `whole` and `freeze` do alike: options to a request, the run, its result printed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from helixer_ft.backend import select_backend
from helixer_ft.cli import output
from helixer_ft.cli.options import cache_settings_from, command_line, settings_from
from helixer_ft.errors import InputError

if TYPE_CHECKING:
    from helixer_ft.training.outcome import Outcome


def run_command(command: Literal["whole", "freeze"], options: dict[str, Any]) -> None:
    """Run a fine-tuning command to its end."""
    settings = settings_from(options)
    printer = output.Printer(quiet=options["quiet"], as_json=options["as_json"])
    printer.model(options["load_model_path"])
    for notice in _hybridmodel_notices(command, options):
        printer.notice(notice)
    backend = select_backend(options["backend"], options["gpu_id"])

    from helixer_ft.training.estimate import estimate
    from helixer_ft.training.fine_tune import run
    from helixer_ft.training.prepared import prepare_run
    from helixer_ft.training.request import FineTuneRequest

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
        command_line=command_line(),
    )
    prepared = prepare_run(request, printer, dry=options["dry_run"])
    printer.notice(f"Keras backend: {backend.name} ({backend.reason})")
    printer.preparation(prepared, verbose=options["verbose"])
    if options["dry_run"]:
        printer.dry_run(prepared, estimate(prepared))
        return
    outcome = run(prepared, printer)
    printer.outcome(outcome, _report(outcome, printer), verbose=options["verbose"])


def _report(outcome: "Outcome", printer: output.Printer) -> Path | None:
    """Write the page about a run; where that fails, the run's result is shown all the same."""
    from helixer_ft.report import write_report
    from helixer_ft.training.run_folder import RunFolder

    path = RunFolder(outcome.prepared.request.save_model_path).report_path
    try:
        write_report(outcome, path)
    except Exception as error:  # whatever it is, hours of training must not end in it
        printer.warning(f"{path}: the report could not be written: {error}")
        return None
    return path


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
            "--resume-training loads trained weights, it does not go on with an interrupted run",
        )
    return notices
