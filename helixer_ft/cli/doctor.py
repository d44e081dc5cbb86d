"""`helixer-ft doctor`."""

import contextlib
import sys
from typing import Any

import click

from helixer_ft.cli import option_kinds as kinds
from helixer_ft.cli import shared_options as shared
from helixer_ft.cli.base import Command


@click.command("doctor", cls=Command)
@shared.backend_option
@shared.require_gpu_option
@kinds.path(
    "--cache-dir",
    "Folder for caches.  [default: $SLURM_TMPDIR, $TMPDIR or the working directory]",
    "DIR",
)
@shared.processes_options
@shared.output_options(outcome="everything", quiet=False)
def command(**options: Any) -> None:
    """Check that this machine and its GPUs are fit to train and compute correctly.

    Takes less than a minute on most machines: versions, driver and devices; a small model on every
    device in every precision, compared with the same computation in NumPy; speed and memory of the
    full-size network; the exchange between devices and processes; the folder for caches. Exit
    status 1 if anything disagrees. Paste the output when you ask for help.

    \b
    Examples:
      helixer-ft doctor
      srun --gpus=1 helixer-ft doctor --require-gpu
    """
    from helixer_ft.cli.computing import launch_of, start_together, tell_of_end
    from helixer_ft.cli.doctor_output import show
    from helixer_ft.cli.output import Printer
    from helixer_ft.doctor.diagnosis import diagnose
    from helixer_ft.doctor.facts import facts
    from helixer_ft.progress import Progress
    from helixer_ft.runtime.backend import select_backend
    from helixer_ft.runtime.processes import started

    launch = launch_of(options)
    machine = facts()
    backend = select_backend(
        options["backend"],
        several_processes=launch is not None,
        require_gpu=options["require_gpu"],
    )
    printer = Printer(quiet=False, as_json=options["as_json"])
    with started(launch, tell_of_end(launch, printer)) as processes:
        start_together(backend, processes)
        first = processes.is_first
        with printer if first else contextlib.nullcontext(Progress()) as progress:
            found = diagnose(machine, backend, options["cache_dir"], progress, processes)
    if first:
        show(found, printer)
    elif not found.fit:
        click.echo(f"{launch.name if launch else ''}: {found.verdict}", err=True)
    if not found.fit:
        sys.exit(1)
