"""HDF5 files that come from elsewhere: clear errors, and no way out of the file itself.

And what the writers of large files share: chunks compressed outside of HDF5, full disks.
"""

import io
import traceback
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import DTypeLike
from zlib_ng import zlib_ng

from helixer_ft.errors import HelixerFtError, InputError, first_line
from helixer_ft.formats import hdf5_check
from helixer_ft.formats.input_file import check_input_file

GZIP_LEVEL = 4
"""Of h5py, and of Helixer's files."""
_MOST_PACKED = 2000
"""Times that values are larger than what is stored of them; gzip reaches 1,032."""
_UNSUSPICIOUS = 2**26
"""Bytes of a dataset that are no matter whatever the file's size."""


@contextmanager
def open_hdf5(path: Path, what: str) -> Iterator[h5py.File]:
    """Open `path` for reading; whatever HDF5 finds broken, now or later, becomes an `InputError`.

    Parameters
    ----------
    path
        The file.
    what
        What it should be ("a trained Helixer model (.h5)"), for the messages.
    """
    check_input_file(path, what)
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: {_why_not_hdf5(path)}, expected {what}.")
    if problem := hdf5_check.damage(path):
        raise _damaged(path, what, problem)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:
        raise _damaged(path, what, first_line(error)) from error
    except (TypeError, ValueError, ArithmeticError) as error:
        if _raised_by_h5py(error):
            raise _damaged(path, what, first_line(error)) from error
        raise


class GuardedFile(io.FileIO):
    """A file on disk for `h5py.File(GuardedFile(path, "r+"), "r+")`, which outlives a full disk.

    HDF5 cannot close a file whose last writes fail, and ends the process. Here writing seems to
    go on; `check` raises what went wrong.

    Attributes
    ----------
    error
        The first error of writing.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`, or take note that it cannot be."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view) and self.error is None:
            try:
                done += super().write(view[done:]) or 0
            except OSError as error:
                self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the length, or take note that it cannot be."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size

    def check(self) -> None:
        """Raise the first error of writing, if there was one."""
        if self.error is not None:
            raise self.error


class RowWriter:
    """Writes an HDF5 file row by row, and outlives a full disk.

    A context manager. The path is one that may be left half-written if the block fails (in a
    staging folder, see `atomic.py`): nothing is renamed here.

    Parameters
    ----------
    path
        Where to write.
    n_rows
        Rows that will be written.
    shown
        What the file is called in messages.
    """

    def __init__(self, path: Path, n_rows: int, shown: Path) -> None:
        self.n_rows = n_rows
        self._done = 0
        self._shown = shown
        with disk_errors(shown):
            self._disk = GuardedFile(path, "w+")
            self._file = h5py.File(self._disk, "w")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What goes wrong with writing becomes a `HelixerFtError`."""
        with disk_errors(self._shown):
            yield
            self._disk.check()

    @contextmanager
    def _creating(self) -> Iterator[None]:
        """The same, before the block of the context manager begins."""
        try:
            with self._writing():
                yield
        except BaseException:
            self._abandon()
            raise

    def _dataset(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> h5py.h5d.DatasetID:
        """A new dataset in Helixer's form: a chunk per row, gzip."""
        dataset = self._file.create_dataset(
            name,
            shape=shape,
            maxshape=(None, *shape[1:]),
            chunks=(1, *shape[1:]),
            dtype=dtype,
            compression="gzip",
            compression_opts=GZIP_LEVEL,
            shuffle=len(shape) > 1,
        )
        return dataset.id  # asking h5py's datasets for anything costs as much as a chunk

    def _finish(self) -> None:
        """Write what is left when all rows are there."""

    def _abandon(self) -> None:
        with suppress(OSError, RuntimeError):
            self._file.close()
        self._disk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                assert self._done == self.n_rows, f"{self._done} of {self.n_rows} rows are there"
                with self._writing():
                    self._finish()
                    self._file.close()
        finally:
            self._abandon()


def attribute(node: h5py.Group, name: str) -> Any:
    """The value of an attribute; None where it is missing.

    Raises
    ------
    InputError
        It is of a type that numpy does not have, or damaged.
    """
    try:
        return node.attrs.get(name)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{node.file.filename}: the attribute '{name}' of '{node.name}' cannot be read "
            f"({first_line(error)}). The file is damaged: copy it again or make it anew."
        ) from error


def as_text(value: object) -> str:
    """Text as HDF5 holds it (bytes, or `str` with what is not UTF-8 as surrogates), or a number."""
    if isinstance(value, str):
        value = value.encode(errors="surrogateescape")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def find(file: h5py.File, name: str) -> h5py.Group | h5py.Dataset | None:
    """The object at `name`, or None; links that leave the file (or circle in it) are refused.

    Raises
    ------
    InputError
        A soft or external link, a dataset whose values lie in another file, one of a type that
        numpy does not have, or one that is larger than what is in the file can be.
    """
    node: h5py.Group | h5py.Dataset = file
    for part in name.strip("/").split("/"):
        if not isinstance(node, h5py.Group):
            return None
        link = node.get(part, getlink=True) if part in node.keys() else None  # noqa: SIM118
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise InputError(
                f"{file.filename}: {name} is a link to elsewhere ({type(link).__name__}). "
                "Links are not followed; copy the data into the file."
            )
        node = node[part]
    if isinstance(node, h5py.Dataset):
        if node.external or node.is_virtual:
            raise InputError(
                f"{file.filename}: {name} keeps its values in another file. "
                "External storage is not followed; copy the data into the file."
            )
        _check_size(file, name, node)
    return node


def compressed_chunk(raw: bytes, itemsize: int, level: int = GZIP_LEVEL) -> bytes:
    """What HDF5's shuffle filter (bytes of equal place side by side) and gzip make of a chunk.

    Any thread may: zlib-ng lets others run meanwhile, HDF5 does not.
    """
    if itemsize > 1:
        raw = np.frombuffer(raw, np.uint8).reshape(-1, itemsize).T.tobytes()
    compressed: bytes = zlib_ng.compress(raw, level)
    return compressed


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """What HDF5 says of a full disk while it writes `path` becomes a `HelixerFtError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise HelixerFtError(
            f"{path}: could not be written ({first_line(error)}). "
            "Free disk space or give another path."
        ) from error


def _check_size(file: h5py.File, name: str, dataset: h5py.Dataset) -> None:
    """Refuse a dataset that would take memory for values that the file cannot hold."""
    try:
        size = prod(dataset.shape or ()) * dataset.dtype.itemsize
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{file.filename}: {name} is of a type that cannot be read ({error})."
        ) from error
    stored = file.id.get_filesize()
    if size > _MOST_PACKED * stored + _UNSUSPICIOUS:
        raise InputError(
            f"{file.filename}: {name} is of shape {dataset.shape}, {size:,} bytes, in a file of "
            f"{stored:,} bytes. It is damaged or incomplete: copy it again or make it anew."
        )


def _raised_by_h5py(error: BaseException) -> bool:
    """Whether an error comes out of h5py, and not out of what is done with its values."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").startswith("h5py")


def _damaged(path: Path, what: str, how: str) -> InputError:
    return InputError(
        f"{path}: is damaged or truncated ({how}), expected {what}. Copy it again or make it anew."
    )


def _why_not_hdf5(path: Path) -> str:
    if zipfile.is_zipfile(path):
        return "is a zip archive (a Keras 3 .keras file?), not HDF5"
    if path.stat().st_size == 0:
        return "is empty"
    return "is not an HDF5 file"
