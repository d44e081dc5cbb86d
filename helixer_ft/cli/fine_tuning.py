"""What `whole` and `freeze` do alike: options to a request, the run, its result printed."""

import contextlib
import os
from typing import Any, Literal

from helixer_ft.backend import select_backend
from helixer_ft.cli import output
from helixer_ft.cli.options import cache_settings_from, command_line, settings_from
from helixer_ft.errors import InputError
from helixer_ft.interruption import stop_on_signals


def run_command(command: Literal["whole", "freeze"], options: dict[str, Any]) -> None:
    """Run a fine-tuning command to its end, or to a signal to stop."""
    printer = output.Printer(quiet=options["quiet"], as_json=options["as_json"])
    with stop_on_signals(_tell) as printer.stop:
        _run(command, options, printer)


def _tell(signal: str) -> None:
    text = f"\n{signal}: stopping after this step (Ctrl-C: at once)\n"
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


def _run(
    command: Literal["whole", "freeze"], options: dict[str, Any], printer: output.Printer
) -> None:
    settings = settings_from(options)
    printer.model(options["load_model_path"])
    for notice in _hybridmodel_notices(command, options):
        printer.notice(notice)
    backend = select_backend(options["backend"], options["gpu_id"])

    from helixer_ft.training.estimate import estimate
    from helixer_ft.training.fine_tune import run
    from helixer_ft.training.prepared import check_save_path, prepare_run
    from helixer_ft.training.request import FineTuneRequest
    from helixer_ft.training.run_folder import RunFolder
    from helixer_ft.training.run_lock import run_lock

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
    check_save_path(request)
    dry, folder = options["dry_run"], RunFolder(request.save_model_path).path
    with contextlib.nullcontext() if dry else run_lock(folder, printer):
        prepared = prepare_run(request, printer, dry=dry)
        printer.notice(f"Keras backend: {backend.name} ({backend.reason})")
        printer.preparation(prepared, verbose=options["verbose"])
        if dry:
            printer.dry_run(prepared, estimate(prepared))
            return
        printer.outcome(run(prepared, printer), verbose=options["verbose"])


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
