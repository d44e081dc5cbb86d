"""The command as it was typed, for the record and to be typed again."""

import shlex
import sys

import click

from helixer_ft.errors import InputError

WORDS = "helixer_ft.words"
"""Key in `click.Context.meta`: what to take for the typed words of a command that another runs."""


def command_line() -> str:
    """The command as it was typed.

    Raises
    ------
    InputError
        It contains bytes that are not text, which files in UTF-8 cannot hold.
    """
    from helixer_ft.cli.printable import printable

    words = click.get_current_context().meta.get(WORDS, sys.argv[1:])
    command = shlex.join(["helixer-ft", *words])
    if any("\ud800" <= letter <= "\udfff" for letter in command):
        raise InputError(
            f"the command contains a name that is not valid UTF-8 ({printable(command)}), which "
            "the output files could not record. Rename the file or folder."
        )
    return command


def resume_command() -> str:
    """The same command, with --resume."""
    return command_line() + ("" if "--resume" in sys.argv else " --resume")
