"""Files appear complete or not at all."""

import os
from pathlib import Path

from helixer_ft.errors import HelixerFtError, InputError

_MAX_NAME = 255
"""Bytes of a file name, on every common file system."""


def partial_path(path: Path) -> Path:
    """Where `path` is written before it is complete: the same folder, so that renaming is atomic.

    The name is fixed: what a killed process left behind is overwritten by the next write.
    """
    return path.with_name(f".{path.name}.partial")


def check_writable(path: Path, *, force: bool = False) -> None:
    """Refuse, before any work, a path that `write_bytes` could not write later.

    Raises
    ------
    InputError
        `path` exists (and `force` is false), is a folder or a device, has too long a name, or its
        folder is missing or read-only.
    """
    if path.name and len(os.fsencode(partial_path(path).name)) > _MAX_NAME:
        raise InputError(f"{path}: the file name is too long. Give a shorter one.")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a file name to write to.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is not a regular file, so it is never replaced by one.")
    if path.exists() and not force:
        raise InputError(
            f"{path}: exists already and is not overwritten. "
            "Give another path, or --force to overwrite it."
        )
    folder = path.parent
    if not folder.is_dir():
        raise InputError(
            f"{path}: the folder {folder} does not exist. Create it or give another path."
        )
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: the folder {folder} is not writable. Give another path.")


def write_bytes(path: Path, data: bytes | memoryview, *, force: bool = False) -> None:
    """Write `data` to `path` atomically: to a neighbouring partial file, synced, then renamed.

    Raises
    ------
    InputError
        As `check_writable`.
    HelixerFtError
        Writing failed (disk full, quota); what stood at `path` before stands there still.
    """
    check_writable(path, force=force)
    partial = partial_path(path)
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise HelixerFtError(
            f"{path}: could not be written ({error.strerror or error}). "
            "Nothing was changed there; free disk space or give another path."
        ) from error
    except BaseException:  # Ctrl-C
        partial.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str, *, force: bool = False) -> None:
    """As `write_bytes`, for text in UTF-8."""
    write_bytes(path, text.encode(), force=force)
