"""Errors that end in one readable message and a documented exit status, never in a traceback."""


class HelixerFtError(Exception):
    """The work failed (disk full, loss not a number, ...). Exit status 1."""

    exit_code = 1


class InputError(HelixerFtError):
    """What the user gave cannot be used: an option, a model, a data file. Exit status 2."""

    exit_code = 2
