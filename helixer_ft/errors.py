"""Errors that end in one readable message and a documented exit status, never in a traceback."""

ABORTED = 130
"""Exit status after Ctrl-C at once, as shells have it."""


class HelixerFtError(Exception):
    """The work failed (disk full, loss not a number, ...). Exit status 1."""

    exit_code = 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the host, or the device that computes (JAX, TensorFlow), has no memory left."""
    signs = ("RESOURCE_EXHAUSTED", "ResourceExhausted")
    return isinstance(error, MemoryError) or any(
        sign in f"{type(error).__name__} {error}" for sign in signs
    )


class InputError(HelixerFtError):
    """What the user gave cannot be used: an option, a model, a data file. Exit status 2."""

    exit_code = 2


class Interrupted(HelixerFtError):  # noqa: N818 - nothing went wrong
    """The work was asked to stop, and can be resumed later. Exit status 75."""

    exit_code = 75


def first_line(error: BaseException) -> str:
    """What an error says, in one line: libraries tell the rest to their developers."""
    text = getattr(error, "strerror", None) or str(error.args[0] if error.args else error).strip()
    return text.splitlines()[0] if text else type(error).__name__
