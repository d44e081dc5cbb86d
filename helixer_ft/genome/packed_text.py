"""Text files as genomes and annotations come: plain, gzip or bgzip, read block by block."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import check_input_file
from helixer_ft.progress import Progress

MAX_LINE = 2**24
"""Bytes of a line that `PackedText.lines` gives; a longer one is none of an annotation."""

_BLOCK = 2**20
_GZIP = b"\x1f\x8b"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK": "zip", b"\x28\xb5": "zstd"}
_BGZIP_FIELD = b"BC\x02\x00"
"""At byte 12 of each gzip member of a bgzip file."""
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty member that every bgzip file ends in (SAM specification, section 4.1.2)."""


class PackedText:
    """An open text file.

    Parameters
    ----------
    path, what
        The file, and what it should be, for messages.
    file
        Open for reading, at its start.
    progress
        Advances by the bytes of the file, packed as it is.
    """

    def __init__(self, path: Path, what: str, file: BinaryIO, progress: Progress) -> None:
        self.path = path
        self.what = what
        self._size = os.fstat(file.fileno()).st_size
        self._file = file
        self._progress = progress

    def blocks(self) -> Iterator[bytes]:
        """Yield the unpacked content in parts of some size, none of them empty.

        Raises
        ------
        InputError
            Packed otherwise, damaged, cut short, or with a zero byte.
        """
        source = self._source()
        task, blocks = f"reading {self.path.name}", iter(partial(self._read, source), b"")
        done = reported = 0

        def newly_read(_: bytes) -> int:
            nonlocal reported
            before, reported = reported, self._file.tell()
            return reported - before

        for block in self._progress.track(
            task, self._size, blocks, "bytes", newly_read, stops=False
        ):
            zero = block.find(0)
            if zero >= 0:
                raise InputError(
                    f"{self.path}: is a binary file (byte {done + zero:,} of its content is zero), "
                    f"expected {self.what}."
                )
            done += len(block)
            yield block

    def lines(self) -> Iterator[bytes]:
        """Yield the lines without their ends.

        Raises
        ------
        InputError
            As `blocks`, or a line of more than `MAX_LINE` bytes.
        """
        begun = b""
        number = 0
        for block in self.blocks():
            *lines, begun = (begun + block).split(b"\n")
            number += len(lines)
            yield from lines
            if len(begun) > MAX_LINE:
                raise InputError(
                    f"{self.path}, line {number + 1}: is longer than {MAX_LINE:,} bytes, expected "
                    f"{self.what}."
                )
        if begun:
            yield begun

    def _source(self) -> io.BufferedIOBase:
        """Give a file object of the unpacked content."""
        magic = self._file.read(16)
        for start, name in _OTHERS.items():
            if magic.startswith(start):
                raise InputError(
                    f"{self.path}: is compressed with {name}, expected {self.what}. Decompress it."
                )
        if magic[12:] == _BGZIP_FIELD and magic.startswith(_GZIP):
            self._file.seek(max(0, self._size - len(_BGZIP_END)))
            if self._file.read() != _BGZIP_END:
                raise self._damaged("the end mark of bgzip is missing")
        self._file.seek(0)
        if magic.startswith(_GZIP):
            return gzip.GzipFile(fileobj=self._file)
        return self._file  # type: ignore[return-value]

    def _read(self, source: io.BufferedIOBase) -> bytes:
        try:
            return source.read(_BLOCK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be read ({error.strerror or error}), expected {self.what}."
            ) from error

    def _damaged(self, how: str) -> InputError:
        return InputError(
            f"{self.path}: is damaged or truncated ({how}), expected {self.what}. Download or copy "
            "it again."
        )


@contextmanager
def open_text(path: Path, what: str, progress: Progress | None = None) -> Iterator[PackedText]:
    """Open a text file, plain, gzip or bgzip.

    Parameters
    ----------
    path
        The file.
    what
        What it should be ("a genome in FASTA, plain or gzip"), for messages.
    progress
        Reports how much of the file is read.

    Raises
    ------
    InputError
        No regular file, or not readable.
    """
    check_input_file(path, what)
    with open(path, "rb") as file:
        yield PackedText(path, what, file, progress or Progress())
