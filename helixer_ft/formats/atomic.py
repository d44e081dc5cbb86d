"""Files appear complete or not at all."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.locks import held_folder

PARTIAL = ".partial"
"""What the name of something incomplete ends in; in an existing folder, its whole name."""
_MAX_NAME = 255
"""Bytes of a file name, on every common file system."""


def partial_path(path: Path) -> Path:
    """Where `path` is written before it is complete: the same folder, so that renaming is atomic.

    The name is fixed: what a killed process left behind is overwritten by the next write.
    """
    return path.with_name(f".{path.name}{PARTIAL}")


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
    refuse_existing(path, force=force)
    folder = path.parent
    if not folder.is_dir():
        raise InputError(
            f"{path}: the folder {folder} does not exist. Create it or give another path."
        )
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: the folder {folder} is not writable. Give another path.")


def refuse_existing(path: Path, *, force: bool, other: str = "path") -> None:
    """Refuse a path that exists, unless `force`; `other` is what to give instead, for the message.

    Raises
    ------
    InputError
        It exists.
    """
    if path.exists() and not force:
        raise InputError(
            f"{path}: exists already and is not overwritten. "
            f"Give another {other}, or --force to overwrite it."
        )


def write_bytes(path: Path, data: bytes | memoryview, *, force: bool = False) -> None:
    """Write `data` to `path` atomically: to a neighbouring partial file, synced, then renamed.

    Raises
    ------
    InputError
        As `check_writable`.
    HelixerFtError
        Writing failed (disk full, quota); the existing file at `path` is unchanged.
    """
    with staged_file(path, force=force) as partial, open(partial, "wb") as file:
        file.write(data)


def write_text(path: Path, text: str, *, force: bool = False) -> None:
    """As `write_bytes`, for text in UTF-8."""
    write_bytes(path, text.encode(), force=force)


@contextmanager
def staged_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a path to write a large file to; it becomes `path` if the block succeeds.

    Raises
    ------
    InputError
        As `check_writable`.
    HelixerFtError
        Writing failed; the existing file at `path` is unchanged.
    """
    check_writable(path, force=force)
    partial = partial_path(path)
    try:
        mode = _make_private(partial)
        yield partial
        _sync(partial)
        check_writable(path, force=force)
        _set_mode(partial, mode)
        os.replace(partial, path)
    except OSError as error:
        raise HelixerFtError(
            f"{path}: could not be written ({error.strerror or error}). "
            "Nothing was changed there; free disk space or give another path."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def check_folder(out_dir: Path) -> None:
    """Refuse, before any work, a folder that `staged_folder` could not write to later.

    Raises
    ------
    InputError
        It, or a folder above it, is a file; or where it would be made nothing can be written.
    """
    for path in (out_dir, *out_dir.parents):
        if not path.is_dir() and (path.exists() or path.is_symlink()):
            raise InputError(f"{path}: is not a folder. Give the path of a folder to write to.")
    folder = existing_folder(out_dir)
    if not os.access(folder, os.W_OK):
        raise InputError(f"{out_dir}: the folder {folder} is not writable. Give another path.")


def existing_folder(out_dir: Path) -> Path:
    """The folder itself where it exists, else the nearest one above it that does."""
    return next(path for path in (out_dir, *out_dir.absolute().parents) if path.is_dir())


@contextmanager
def staged_folder(out_dir: Path) -> Iterator[Path]:
    """Give an empty folder to write files to; it becomes `out_dir` if the block succeeds.

    A new `out_dir` appears by one renaming, files in an existing one by one renaming each. The
    folder's name is fixed: what a killed process left behind is cleared by the next call.

    Raises
    ------
    InputError
        Another process is writing to `out_dir`.
    HelixerFtError
        Writing failed; `out_dir` is then as it was.
    """
    existing = out_dir.is_dir()
    # Inside an existing folder, which may be a mount: renaming must not cross file systems.
    folder = (
        out_dir / PARTIAL if existing else out_dir.absolute().parent / f".{out_dir.name}{PARTIAL}"
    )
    new_parents = [path for path in folder.parents if not path.exists()]
    done = False
    try:
        with own_folder(folder, out_dir):
            mode = stat.S_IMODE(folder.stat().st_mode)
            _set_mode(folder, 0o700)
            yield folder
            for file in folder.iterdir():
                _sync(file)
            if existing:
                for file in sorted(folder.iterdir()):
                    os.replace(file, out_dir / file.name)
            else:
                _set_mode(folder, mode)
                os.replace(folder, out_dir)
            done = True
    except OSError as error:
        raise HelixerFtError(
            f"{out_dir}: could not be written ({error.strerror or error}). "
            "Free disk space or give another path."
        ) from error
    finally:
        if not done:
            with suppress(OSError):
                for path in new_parents:
                    path.rmdir()


@contextmanager
def own_folder(folder: Path, out: Path, mode: int = 0o777) -> Iterator[None]:
    """Make an empty folder that this process alone works in, on the way to `out`; gone afterwards.

    Raises
    ------
    InputError
        Another process works in it.
    OSError
        It cannot be made.
    """
    _remove_unused(folder, out)
    folder.mkdir(mode, parents=True)
    with held_folder(folder):
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_unused(folder: Path, out: Path) -> None:
    """Clear what a killed process left behind, and refuse to take it from one that works."""
    if not folder.is_dir():
        return
    try:
        with held_folder(folder):
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        raise InputError(
            f"{out}: another process is writing to it. Wait for that to end, or give another path."
        ) from None


def _make_private(partial: Path) -> int:
    """Make an empty file that its owner alone can read; return the mode that others are made with.

    Whatever is there is removed: a link that somebody left in a shared folder could lead elsewhere.
    """
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
    _set_mode(partial, 0o600)
    return mode


def _set_mode(path: Path, mode: int) -> None:
    """Set who may read; some file systems have no such thing."""
    with suppress(PermissionError, NotImplementedError):
        path.chmod(mode)
