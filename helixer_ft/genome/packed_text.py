"""Text files as genomes and annotations come: plain, gzip or bgzip, read block by block."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import check_input_file

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
    """

    def __init__(self, path: Path, what: str, file: BinaryIO) -> None:
        self.path = path
        self.what = what
        self.size = os.fstat(file.fileno()).st_size
        """Bytes of the file, packed as it is."""
        self._file = file

    @property
    def position(self) -> int:
        """Bytes of the file that are read so far."""
        return self._file.tell()

    def blocks(self) -> Iterator[bytes]:
        """Yield the unpacked content in parts of some size, none of them empty.

        Raises
        ------
        InputError
            Packed otherwise, damaged, cut short, or with a zero byte.
        """
        source = self._source()
        done = 0
        while block := self._read(source):
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
                    f"{self.path}: is packed with {name}, expected {self.what}. Unpack it."
                )
        if magic[12:] == _BGZIP_FIELD and magic.startswith(_GZIP):
            self._file.seek(max(0, self.size - len(_BGZIP_END)))
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
def open_text(path: Path, what: str) -> Iterator[PackedText]:
    """Open a text file, plain, gzip or bgzip.

    Parameters
    ----------
    path
        The file.
    what
        What it should be ("a genome in FASTA, plain or gzip"), for messages.

    Raises
    ------
    InputError
        No regular file, or not readable.
    """
    check_input_file(path, what)
    with open(path, "rb") as file:
        yield PackedText(path, what, file)
