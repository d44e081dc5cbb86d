"""Options that several commands have, each with its text once."""

from collections.abc import Callable
from typing import Any

import click

from helixer_ft.cli.config_file import load_config
from helixer_ft.cli.option_kinds import Decorator, in_order
from helixer_ft.cli.types import FILE, LINEAGE_HELP, BatchSize, ModelPath
from helixer_ft.formats.coverage_names import NORMALIZATIONS
from helixer_ft.settings import PRECISIONS, TrainingSettings


def load_model_option(remark: str = "", rest: str = "", **kwargs: Any) -> Decorator:
    """`-l`; `remark` follows what the model is, `rest` the whole text."""
    return click.option(
        "-l", "--load-model-path", type=ModelPath(), required=True, metavar="FILE",
        help=f"Trained Helixer model (.h5){remark}, {LINEAGE_HELP}.{rest}", **kwargs,
    )  # fmt: skip


resume_option = click.option(
    "--resume", is_flag=True,
    help="Go on with an interrupted run of the same command, to the same result; with nothing to "
    "resume, start.",
)  # fmt: skip

checkpoint_option = click.option(
    "--checkpoint-minutes", type=float, default=TrainingSettings.checkpoint_minutes,
    show_default=True, metavar="X",
    help="Write what --resume goes on from at least this often.",
)  # fmt: skip


def overlap_options(default: bool, overlap_help: str, condition: str = "") -> Decorator:
    """`--overlap`, and `--overlap-offset` and `--core-length`, whose texts `condition` opens."""

    def text(words: str) -> str:
        return f"{condition}{words}" if condition else words[0].upper() + words[1:]

    return in_order([
        click.option(
            "--overlap/--no-overlap", default=default, show_default=True, help=overlap_help
        ),
        click.option(
            "--overlap-offset", type=int, metavar="N",
            help=text(
                "bases from one window to the next; a divisor of the subsequence length.  "
                "[default: half the subsequence length]"
            ),
        ),
        click.option(
            "--core-length", type=int, metavar="N",
            help=text(
                "bases in the middle of a window that count.  [default: 3/4 of the subsequence "
                "length]"
            ),
        ),
    ])  # fmt: skip


def windows_at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--val-test-batch-size`, where it may be `auto`."""
    return click.option(
        "--val-test-batch-size", type=BatchSize(), default="auto", show_default=True,
        help="Windows at once; never changes a result. auto: as many as fit into the memory that "
        "this job may use.",
    )(function)  # fmt: skip


def coverage_prefix_option(rest: str) -> Decorator:
    """`--coverage-prefix` of data that are read; `rest` ends the sentence."""
    return click.option(
        "--coverage-prefix", metavar="TEXT",
        help=f"TEXT_coverage and TEXT_spliced_coverage are the coverage in the data{rest}",
    )  # fmt: skip


def coverage_norm_option(text: str) -> Decorator:
    """`--coverage-norm`."""
    return click.option("--coverage-norm", type=click.Choice(NORMALIZATIONS), help=text)


def precision_option(default: str, **kwargs: Any) -> Decorator:
    """`--precision` of a command that does not train."""
    return click.option(
        "--precision", type=click.Choice(PRECISIONS), default=default, show_default=True,
        help="Of the computation. The mixed ones are for GPUs; LSTMs stay in float32.", **kwargs,
    )  # fmt: skip


backend_option = click.option(
    "--backend", type=click.Choice(["auto", "tensorflow", "jax"]), default="auto",
    show_default=True,
    help="Keras backend. auto: KERAS_BACKEND if set, else the one that sees an accelerator, "
    "else JAX where installed, else TensorFlow.",
)  # fmt: skip

require_gpu_option = click.option(
    "--require-gpu", is_flag=True,
    help="End where no GPU is seen (exit status 2), and say why, rather than compute on the CPU.",
)  # fmt: skip

computing_options = in_order([
    backend_option,
    require_gpu_option,
    click.option(
        "--skip-device-check", is_flag=True,
        help="Leave out the comparison of a GPU with the CPU, made once for a machine, its driver "
        "and versions; the results say that it was left out.",
    ),
    click.option(
        "--deterministic", is_flag=True,
        help="The same bits each time on a GPU too, and slower; on the CPU they are without it.",
    ),
])  # fmt: skip
"""`--backend`, `--require-gpu`, `--skip-device-check` and `--deterministic`."""

processes_options = in_order([
    click.option(
        "--coordinator", metavar="HOST:PORT",
        help="Several processes as one run, on JAX: the machine of process 0, and a free port on "
        "it; the same for all.  [default: found from SLURM's variables under srun]",
    ),
    click.option("--num-processes", type=int, metavar="N", help="How many these are."),
    click.option(
        "--process-id", type=int, metavar="I", help="Which one this is; 0 prints and writes."
    ),
])  # fmt: skip
"""Which of several processes this one is."""


def threads_option(what: str = "") -> Decorator:
    """`--threads`; `what` says of which work."""
    text = f"{what}; never changes a result." if what else "Never changes a result."
    return click.option(
        "--threads", type=int, metavar="N", help=f"{text}  [default: one per processor]"
    )


def config_option(text: str) -> Decorator:
    """`--config`."""
    return click.option(
        "--config", type=FILE, metavar="FILE", is_eager=True, expose_value=False,
        callback=load_config, help=f"{text}; those given here override.",
    )  # fmt: skip


options_file = config_option("Options of this command in a TOML file, named with _ for -")
"""`--config` of a command that writes no such file itself."""


def output_options(
    *,
    outcome: str = "the outcome",
    quiet: bool = True,
    verbose: str | None = None,
    force: str | None = None,
) -> Decorator:
    """`--json`, `-q`, `-v`, `--debug` and `--force`: what a command prints and may overwrite.

    Parameters
    ----------
    outcome
        What `--json` prints.
    quiet
        Whether there is `-q`.
    verbose, force
        Texts of these; None: the command does not have it.
    """
    options = [click.option("--json", "as_json", is_flag=True, help=f"Print {outcome} as JSON.")]
    if quiet:
        text = "Results, warnings and errors only."
        options.append(click.option("-q", "--quiet", is_flag=True, help=text))
    if verbose is not None:
        options.append(click.option("-v", "--verbose", is_flag=True, help=verbose))
    options.append(click.option("--debug", is_flag=True, help="Show the traceback of an error."))
    if force is not None:
        options.append(click.option("--force", is_flag=True, help=force))
    return in_order(options)
