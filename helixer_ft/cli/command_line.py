"""The command as it was typed, for the record and to be typed again."""

import shlex
import sys
from collections.abc import Sequence

import click

from helixer_ft.errors import InputError

_WORDS = "helixer_ft.words"
"""In `click.Context.meta`: the words of a command that another one runs."""


def runs_as(context: click.Context, words: Sequence[str]) -> None:
    """Within the context the command is `words`, whatever was typed."""
    context.meta[_WORDS] = words


def command_line() -> str:
    """The command as it was typed.

    Raises
    ------
    InputError
        It has bytes that are no text, which files written in UTF-8 cannot keep.
    """
    from helixer_ft.cli.printable import printable

    words = click.get_current_context().meta.get(_WORDS, sys.argv[1:])
    command = shlex.join(["helixer-ft", *words])
    if any("\ud800" <= letter <= "\udfff" for letter in command):
        raise InputError(
            f"the command has a name that is not in UTF-8 ({printable(command)}), which the files "
            "that are written could not keep. Rename the file or folder."
        )
    return command


def resume_command() -> str:
    """The same command, to go on with what it was interrupted in."""
    return command_line() + ("" if "--resume" in sys.argv else " --resume")
