"""What every reader asks of a path before it opens it."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from helixer_ft.errors import InputError


def check_input_file(path: Path, what: str) -> None:
    """Refuse what is no regular file, on which a reader may wait for ever, or that cannot be read.

    Parameters
    ----------
    path
        The file.
    what
        What it should be ("a trained Helixer model (.h5)"), for the message.

    Raises
    ------
    InputError
        A folder, nothing, a pipe or a device, a file without permission.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, expected {what}.")
        if not path.exists():
            raise InputError(f"{path}: no such file, expected {what}.")
        if not path.is_file():
            raise InputError(f"{path}: is not a regular file (a pipe?), expected {what}.")
        path.open("rb").close()
    except OSError as error:
        raise _unreadable(path, error, what) from error


def refuse_overwriting(
    inputs: Iterable[Path | None],
    outputs: Iterable[Path],
    other: str,
    cleared: Iterable[Path] = (),
) -> None:
    """Refuse, whatever --force allows, to write over a file that is read.

    Parameters
    ----------
    inputs, outputs
        What is read, where None is nothing, and what is written.
    other
        The option to give another value, for the message.
    cleared
        Files and folders that are removed, with all that is in them.

    Raises
    ------
    InputError
        An input is an output or is removed, by whatever links.
    """
    written, removed = ({real_path(path) for path in paths} for paths in (outputs, cleared))
    for path in inputs:
        if path is None:
            continue
        real = real_path(path)
        if real in written or not removed.isdisjoint([real, *real.parents]):
            raise InputError(f"{path}: is read, and never overwritten. Give another {other}.")


def read_text_file(path: Path, what: str) -> str:
    """All of a text file in UTF-8, without a byte order mark.

    Parameters
    ----------
    path, what
        As for `check_input_file`.

    Raises
    ------
    InputError
        As there, or not a text file.
    """
    check_input_file(path, what)
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _unreadable(path, error, what) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file, expected {what}.") from error


def read_rows(
    path: Path, what: str, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells (column -> text) of each line of a tab-separated table below its header; a
    line that is too short lacks the last ones.

    Parameters
    ----------
    path, what
        As for `check_input_file`.
    columns
        Those that the header must name, among any others.

    Raises
    ------
    InputError
        As `read_text_file`, or a column is missing.
    """
    header, *lines = read_text_file(path, what).splitlines() or [""]
    names = header.split("\t")
    if missing := [name for name in columns if name not in names]:
        raise InputError(f"{path}: lacks the column(s) {', '.join(missing)}, expected {what}.")
    for number, line in enumerate(lines, start=2):
        yield number, dict(zip(names, line.split("\t"), strict=False))


def damaged_line(path: Path, number: int, what: str) -> InputError:
    """The error of a line of a table that cannot be read."""
    return InputError(f"{path}, line {number}: is damaged, expected {what}.")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def real_path(path: Path) -> Path:
    """Where a path leads, by whatever links; unlike `Path.resolve` also for links in a circle."""
    return Path(os.path.realpath(path))


def _unreadable(path: Path, error: OSError, what: str) -> InputError:
    return InputError(f"{path}: cannot be read ({error.strerror or error}), expected {what}.")
