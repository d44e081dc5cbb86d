"""The command line: one module per command, imported when the command is asked for."""

import importlib

import click
from click.shell_completion import CompletionItem

from helixer_ft.cli.standard_streams import prepare_streams
from helixer_ft.errors import ABORTED, Interrupted
from helixer_ft.runtime.interruption import leave

# In the order of a user's work; module -> what `helixer-ft --help` says without importing it.
COMMANDS = {
    "prepare": "Make training, validation and test data from a genome and its annotation.",
    "add-coverage": "Add coverage tracks (BAM, CRAM, bigWig) to such data.",
    "whole": "Fine-tune every layer of a trained model.",
    "freeze": "Keep the trained body fixed, train new final layer(s).",
    "evaluate": "Score trained models on labelled data, base by base.",
    "predict": "Predict genes base by base, on a data file or a genome.",
    "evaluate-genes": "Score predicted gene models against a reference, gene by gene.",
    "inspect": "Show what a model, a data file or a predictions file contains.",
    "compare": "Train every strategy the data allow, and recommend one.",
    "pseudo-label": "Make training data of a genome without annotation, from predictions.",
    "adapt": "Put a genome's batch-norm statistics into a model: no labels needed.",
    "doctor": "Check that this machine and its GPUs are fit to train and compute correctly.",
    "simulate": "Simulate a small species with known genes, to try things out.",
    "demo": "Run the whole workflow on a small simulated species, offline.",
    "completion": "Print the completion script for a shell (bash, zsh, fish).",
}

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow or jax, with --backend auto.",
    "CUDA_VISIBLE_DEVICES": "The GPUs that may be used.",
    "JAX_PLATFORMS": "cpu: no GPU is used.",
    "LD_LIBRARY_PATH": "Where CUDA libraries are searched for first; best left unset.",
    "JAX_COMPILATION_CACHE_DIR": "Where JAX caches compiled code between runs.",
    "XLA_FLAGS": "Read by JAX and TensorFlow; --deterministic adds a flag, as does JAX on a GPU.",
    "CUBLAS_WORKSPACE_CONFIG": "Set by --deterministic (:4096:2) unless already set.",
    "TF_CPP_MIN_LOG_LEVEL": "Log level of TensorFlow; 2 (errors) unless already set.",
    "MALLOC_ARENA_MAX": "Heaps of glibc's malloc, which threads share unless it is set.",
    "SLURM_TMPDIR, TMPDIR": "Where caches go without --cache-dir; also for temporary files.",
    "SLURM_MEM_PER_NODE, SLURM_MEM_PER_CPU, SLURM_CPUS_ON_NODE": "Memory that this job may use.",
    "SLURM_STEP_NODELIST, SLURM_STEP_NUM_TASKS": "The tasks of srun that form one run.",
    "SLURM_STEP_ID, SLURM_JOB_ID, SLURM_PROCID": "Which of these tasks this process is.",
    "JAX_LOCAL_DEVICE_IDS": "GPUs of this process, if several processes on a machine form one run.",
    "XDG_DATA_HOME": "Downloaded models (-l land_plant) are in Helixer/models below it "
    "[default: ~/.local/share].",
    "XDG_CACHE_HOME": "helixer-ft/device-check.json below it records which devices passed "
    "[default: ~/.cache].",
    "NO_COLOR": "If set, output is not coloured.",
}
"""Variables that change what helixer-ft does."""


class _LazyGroup(click.Group):
    """Lists the commands in workflow order and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"helixer_ft.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Environment variables"):
            formatter.write_dl(list(ENVIRONMENT.items()), col_max=22)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from helixer_ft.cli.version import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show versions, the Keras backend and the hardware, and exit.",
)
def main() -> None:
    """Fine-tune a trained Helixer gene prediction model to your species.

    Results go to standard output, everything else to standard error. Exit status: 0 done, 1 the
    work failed, 2 wrong usage or input, 75 interrupted and resumable, 130 ended by Ctrl-C at once.

    \b
    Examples:
      helixer-ft prepare --fasta genome.fa.gz --gff3 genes.gff3.gz --out-dir data
      helixer-ft freeze -l land_plant -d data -t data/test_data.h5 -s tuned.h5
      helixer-ft predict -l tuned.h5 --fasta genome.fa.gz --gff3-out genes.gff3
    """


def program() -> None:
    """`helixer-ft`: `main`, and an immediate exit where the work was cut short.

    Threads of a backend may still be computing then; shutting the interpreter down under them can
    crash, and takes so long that a second signal would change the exit status.
    """
    prepare_streams()
    try:
        main(prog_name="helixer-ft")
    except SystemExit as end:
        if end.code in (Interrupted.exit_code, ABORTED):
            leave(int(end.code))
        raise
