"""`helixer-ft doctor`."""

import contextlib
import os
import sys
from typing import Any

import click

from helixer_ft.cli.base import PROCESS, Command
from helixer_ft.cli.shared_options import (
    backend_option,
    output_options,
    processes_options,
    require_gpu_option,
)
from helixer_ft.cli.types import FILE


@click.command("doctor", cls=Command)
@backend_option
@require_gpu_option
@click.option(
    "--cache-dir",
    type=FILE,
    metavar="DIR",
    help="Folder that caches are to go to.  [default: $SLURM_TMPDIR, $TMPDIR or this folder]",
)
@processes_options
@output_options(outcome="everything", quiet=False)
def command(**options: Any) -> None:
    """Say whether this machine, with its GPUs, is fit to train, and computes right.

    Takes less than a minute on most machines: versions, driver and devices; a small model on every
    device in every precision, against the same computed step by step in NumPy; speed and memory of
    the full-size network; what devices and processes exchange; the folder for caches. Exit status
    1 where anything disagrees. Paste the output into a question.

    \b
    Examples:
      helixer-ft doctor
      srun --gpus=1 helixer-ft doctor --require-gpu
    """
    from helixer_ft.cli.computing import start_together
    from helixer_ft.cli.doctor_output import show
    from helixer_ft.cli.output import Printer
    from helixer_ft.doctor.diagnosis import diagnose
    from helixer_ft.doctor.facts import facts
    from helixer_ft.progress import Progress
    from helixer_ft.runtime.backend import select_backend
    from helixer_ft.runtime.launch import launch_from
    from helixer_ft.runtime.processes import started

    launch = launch_from(
        options["coordinator"], options["num_processes"], options["process_id"], os.environ
    )
    if launch is not None:
        click.get_current_context().meta[PROCESS] = f"{launch.name}: "
    machine = facts()
    backend = select_backend(
        options["backend"],
        several_processes=launch is not None,
        require_gpu=options["require_gpu"],
    )
    printer = Printer(quiet=False, as_json=options["as_json"])

    def tell(text: str) -> None:
        printer.close()
        click.echo(f"Error: {launch.name if launch else ''}: {text}", err=True)

    with started(launch, tell) as processes:
        start_together(backend, processes)
        first = processes.is_first
        with printer if first else contextlib.nullcontext():
            found = diagnose(
                machine,
                backend,
                options["cache_dir"],
                printer if first else Progress(),
                processes,
            )
    if first:
        show(found, printer)
    elif not found.fit:
        click.echo(f"{launch.name if launch else ''}: {found.verdict}", err=True)
    if not found.fit:
        sys.exit(1)
