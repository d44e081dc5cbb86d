"""The command line: one module per command, imported when the command is asked for."""

import importlib

import click

from helixer_ft import __version__

# In the order of a user's work; module -> what `helixer-ft --help` says without importing it.
COMMANDS = {
    "prepare": "Make training, validation and test data from FASTA and GFF3.",
    "add-coverage": "Add coverage tracks (BAM, CRAM, bigWig) to such data.",
    "whole": "Fine-tune every layer of a trained model.",
    "freeze": "Keep the trained body fixed, train new final layer(s).",
    "evaluate": "Score trained models on labelled data, base by base.",
    "predict": "Predict genes base by base, on a data file or a genome.",
    "evaluate-genes": "Score predicted GFF3 against a reference, gene by gene.",
    "inspect": "Say what a model, a data file or a predictions file holds.",
    "demo": "The whole story on a small simulated species, offline.",
}


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="helixer-ft")
def main() -> None:
    """Fine-tune a trained Helixer gene prediction model to your species.

    Results go to standard output, everything else to standard error. Exit status: 0 done, 1 the
    work failed, 2 wrong usage or input.
    """
