"""`helixer-ft compare`."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.base import Command
from helixer_ft.cli.hybridmodel import SCORING_NOTE, scoring_notices, scoring_words
from helixer_ft.cli.training_options import data_options, setting_options
from helixer_ft.cli.types import Duration
from helixer_ft.formats.coverage_names import DEFAULT_NORMALIZATION, DEFAULT_PREFIX
from helixer_ft.settings import CACHE_PRECISIONS, CacheSettings

if TYPE_CHECKING:
    from helixer_ft.cli.output import Printer
    from helixer_ft.comparison.request import CompareRequest
    from helixer_ft.runtime.backend import Backend
    from helixer_ft.runtime.processes import Processes
    from helixer_ft.training.prepared import PreparedRun


@click.command("compare", cls=Command, epilog=SCORING_NOTE)
@shared.load_model_option("", " Repeatable: the best untouched one is tuned.", multiple=True)
@data_options
@kinds.path(
    "--out-dir",
    "Folder for the tuned models, each with the folder of its run, compare.json and report.html.",
    "DIR",
    default="comparison",
)
@kinds.name_lists(
    "--strategies",
    "What to train, separated by commas: adapted, head, hidden-layer, kept-head, head-coverage, "
    "hidden-layer-coverage, whole, whole-batchnorm, head-then-whole.  [default: all that model "
    "and data allow]",
)
@kinds.flag(
    "--train-all-models", "Tune every model, not only the best untouched one on validation data."
)
@kinds.option(
    "--time-limit",
    "Begin no training that would probably not end within 90m, 8h, 1d; those that have begun are "
    "not cut short.",
    type=Duration(),
)
@shared.coverage_prefix_option(f", where the data have them.  [default: {DEFAULT_PREFIX}]")
@shared.coverage_norm_option(f"ln(x + 1.1), x / 100 or x.  [default: {DEFAULT_NORMALIZATION}]")
@kinds.choice(
    "--cache-precision",
    "Precision of the cached body output; float16 takes half the space and rounds it.",
    CACHE_PRECISIONS,
    default=CacheSettings.precision,
)
@setting_options
@shared.options_file
@shared.output_options(verbose="F1 per class too.", force="Overwrite an earlier comparison.")
@scoring_words
def command(**options: Any) -> None:
    """Train every strategy the data allow, and recommend one.

    Scores the untouched models first. Checkpoints and strategy are chosen on the validation data,
    the verdict is based on the test data.

    \b
    Examples:
      helixer-ft compare -l land_plant.h5 -d data/ -t test_data.h5 --out-dir tuned
      helixer-ft compare -l land_plant -l fungi -d data/ --time-limit 8h
      helixer-ft compare --strategies head,whole -l land_plant.h5 -d data/
    """
    from helixer_ft.cli.compare_output import ComparePrinter
    from helixer_ft.cli.processes import run_in_processes
    from helixer_ft.comparison.folder import CompareFolder

    request = request_from(options)
    failed: list[bool] = []
    folder = CompareFolder(request)
    run_in_processes(
        options,
        request.load_model_paths,
        scoring_notices(options),
        lambda: folder.is_unfinished,
        partial(_work, request, options, failed.append),
        ComparePrinter,
    )
    if any(failed):  # only now, when no other process could be cut short
        sys.exit(1)


def request_from(options: dict[str, Any]) -> "CompareRequest":
    """The comparison that the options ask for."""
    from helixer_ft.cli.command_line import command_line
    from helixer_ft.comparison.folder import FEATURES
    from helixer_ft.comparison.request import CompareRequest
    from helixer_ft.settings import TrainingOptions

    folder, keep = options["cache_dir"], options["keep_cache"]
    if keep and folder is None:
        folder = options["out_dir"] / FEATURES  # one for all trainings
    cache = CacheSettings(folder=folder, precision=options["cache_precision"], keep=keep)
    return kinds.from_options(
        CompareRequest,
        options | {"load_model_paths": options["load_model_path"]},
        settings=kinds.from_options(TrainingOptions, options),
        cache=cache,
        command_line=command_line(),
    )


def _work(
    request: "CompareRequest",
    options: dict[str, Any],
    tell_failed: Callable[[bool], None],
    printer: "Printer",
    backend: "Backend",
    processes: "Processes",
) -> None:
    """The comparison or the dry run, in one of its processes; the first one prints."""
    from helixer_ft.cli import compare_output, computing, fine_tuning
    from helixer_ft.cli.processes import tell_what_computes
    from helixer_ft.comparison.compare import compare
    from helixer_ft.comparison.dry_run import plan_comparison

    first = processes.is_first
    progress: Any = printer if first else compare_output.SilentComparison(printer.stop)
    computing.check_device(options, progress, processes)

    def on_prepared(prepared: "PreparedRun") -> None:
        if first:
            tell_what_computes(printer, backend)
            compare_output.show_data(prepared, printer)

    if options["dry_run"]:
        planned = plan_comparison(request, progress, processes)
        on_prepared(planned.prepared)
        if first:
            compare_output.show_dry_run(planned, printer)
        return
    with printer:
        outcome = compare(
            request,
            progress,
            report=fine_tuning.write_report,
            page=fine_tuning.write_comparison,
            on_prepared=on_prepared,
            processes=processes,
        )
    if first:
        compare_output.show(outcome, printer, verbose=options["verbose"])
    tell_failed(bool(outcome.failed))
