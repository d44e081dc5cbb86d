"""Journals: files of records that only grow, so that whatever ends the process leaves them whole.

A journal begins with `MAGIC`. Every record is

- the number of its parts, then the bytes of each part: uint32 each, little-endian;
- the parts;
- the CRC-32 of all that: uint32.

The first record has one part, a JSON object that says what the others follow from. A process that
is killed leaves at most the last record incomplete, which is cut off when the journal is opened.
"""

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.locks import open_locked

MAGIC = b"helixer-ft journal 1\n"
_MAX_PARTS = 1024
_SIZE = struct.Struct("<I")


class Journal:
    """A journal open for this process alone, to be read, appended to and, in the end, removed.

    A context manager: closes the file; one without records is removed.

    Parameters
    ----------
    path
        The file; made where there is none.
    shown
        What is written in the end, for messages.

    Attributes
    ----------
    header
        What the first record says; None where there is none: see `begin`.
    records
        Number of the others.

    Raises
    ------
    InputError
        The file is in use by another process, or is no journal.
    HelixerFtError
        It cannot be made or read.
    """

    def __init__(self, path: Path, shown: Path) -> None:
        self.path = path
        self._shown = shown
        self.header: dict[str, Any] | None = None
        self.records = 0
        self._start = self._end = 0
        try:
            with self._failures():
                self._file, _ = open_locked(path)
        except BlockingIOError as error:
            raise InputError(
                f"{path}: is in use by another process, which writes the same file. Wait for it, "
                "or give another path."
            ) from error
        try:
            with self._failures():
                self._recover()
        except BaseException:
            self._file.close()
            raise

    def begin(self, header: dict[str, Any]) -> None:
        """Begin anew, with this header; what was there is gone.

        Raises
        ------
        HelixerFtError
            The disk is full.
        """
        text = json.dumps(header)
        self.header, self.records, self._end = None, 0, 0
        with self._failures():
            self._file.truncate(0)
        self._write(MAGIC + _packed([text.encode()]))
        self.header, self._start = json.loads(text), self._end
        self.sync()

    def append(self, parts: Sequence[bytes]) -> None:
        """Add a record. It outlives this process, and after `sync` the machine.

        Raises
        ------
        HelixerFtError
            The disk is full; the records before are as they were.
        """
        self._write(_packed(parts))
        self.records += 1

    def sync(self) -> None:
        """Wait until all records are on the disk.

        Raises
        ------
        HelixerFtError
            The disk failed.
        """
        with self._failures():
            os.fsync(self._file.fileno())

    def read(self) -> Iterator[list[bytes]]:
        """The parts of each record, the header's aside, in order.

        Raises
        ------
        HelixerFtError
            The disk failed.
        """
        position = self._start
        for _ in range(self.records):
            with self._failures():
                self._file.seek(position)
                record = _next_record(self._file)
                if record is None:
                    raise OSError("it was changed from outside")
                position = self._file.tell()
            yield record

    def remove(self) -> None:
        """Remove the file: there is nothing left to resume."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        if not self.records:
            with suppress(OSError):
                self.remove()
        self._file.close()

    def _recover(self) -> None:
        """Find the whole records, and cut off what follows."""
        size = os.fstat(self._file.fileno()).st_size
        found = self._file.read(len(MAGIC))
        if not MAGIC.startswith(found):
            raise self._foreign()
        first = _next_record(self._file) if found == MAGIC else None
        if first is not None:
            try:
                self.header = dict(json.loads(first[0]))
            except (ValueError, TypeError, RecursionError) as error:
                raise self._foreign() from error
            self._start = self._end = self._file.tell()
            while _next_record(self._file) is not None:
                self.records += 1
                self._end = self._file.tell()
        if self._end < size:
            self._file.truncate(self._end)

    def _write(self, data: bytes) -> None:
        with self._failures():
            try:
                self._file.seek(self._end)
                left = memoryview(data)
                while left:
                    left = left[self._file.write(left) :]
            except OSError:
                with suppress(OSError):
                    self._file.truncate(self._end)
                raise
        self._end += len(data)

    def _foreign(self) -> InputError:
        return InputError(
            f"{self.path}: is not a journal of helixer-ft, but is in the place of one. "
            "Move it away, or give another path to write to."
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What the disk says becomes a `HelixerFtError`, but that another process has the file."""
        try:
            yield
        except BlockingIOError:
            raise
        except OSError as error:
            raise HelixerFtError(
                f"{self._shown}: could not be written (its journal {self.path.name}: "
                f"{error.strerror or error}). Free disk space or give another path."
            ) from error


def _packed(parts: Sequence[bytes]) -> bytes:
    sizes = [len(parts), *map(len, parts)]
    body = b"".join([*map(_SIZE.pack, sizes), *parts])
    return body + _SIZE.pack(zlib.crc32(body))


def _next_record(file: io.FileIO) -> list[bytes] | None:
    """The parts of the record at the present position; None where it is not whole."""
    head = file.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    (count,) = _SIZE.unpack(head)
    if not 0 < count <= _MAX_PARTS:
        return None
    head += file.read(count * _SIZE.size)
    if len(head) < (1 + count) * _SIZE.size:
        return None
    sizes = struct.unpack(f"<{count}I", head[_SIZE.size :])
    left = os.fstat(file.fileno()).st_size - file.tell()
    if sum(sizes) + _SIZE.size > left:
        return None
    parts = [file.read(size) for size in sizes]
    expected = _SIZE.pack(zlib.crc32(b"".join([head, *parts])))
    return parts if file.read(_SIZE.size) == expected else None
