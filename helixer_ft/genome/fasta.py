"""Genomes: FASTA files, plain, gzip or bgzip, one sequence in memory at a time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.genome.packed_text import MAX_LINE, open_text
from helixer_ft.progress import Progress

WHAT = "a genome in FASTA, plain or gzip"
MAX_NAME = 50
"""Bytes of a sequence name: the width of `data/seqids`."""

_LETTERS, _BASES = b"ACGTRYSWKMBDHVNUX", b"ACGTRYSWKMBDHVNTN"
"""What is read, in either case, and what it becomes: U is T, X (masked by a tool) is N."""
_PROTEIN_ONLY = b"EFILPQ"
_MAX_READ = 2**30
_INVALID = 0
_MEANT = dict(zip(_LETTERS + _LETTERS.lower(), 2 * _BASES, strict=True))
_UPPER = bytes(_MEANT.get(code, _INVALID) for code in range(256))
"""Byte -> upper-case base; everything else is invalid."""


class Fasta:
    """A genome, checked, its sequences read on demand.

    `open_fasta` makes it. Any number of threads may read. As the file may be compressed, the bases
    are kept in an unnamed file of one byte per base, which is gone with this object.

    Attributes
    ----------
    path
        The FASTA file.
    lengths
        Sequence name -> length in bp, in the order of the file.
    """

    def __init__(self, path: Path, store: BinaryIO, lengths: dict[str, int]) -> None:
        self.path = path
        self.lengths = lengths
        self._store = store
        ends = np.cumsum([0, *lengths.values()], dtype=np.int64).tolist()
        self._offsets = dict(zip(lengths, ends, strict=False))

    def read(self, name: str) -> np.ndarray:
        """One sequence: (n,) uint8, ASCII, upper case, letters of the IUPAC code."""
        bases = np.empty(self.lengths[name], np.uint8)
        view, done = memoryview(bases.data), 0
        while done < len(bases):
            part = view[done : done + _MAX_READ]
            read = os.preadv(self._store.fileno(), [part], self._offsets[name] + done)
            if not read:
                raise HelixerFtError(
                    f"{self.path}: its bases, stored on disk, are gone. Run the command again."
                )
            done += read
        return bases

    def close(self) -> None:
        """Give the disk space back."""
        self._store.close()

    def __enter__(self) -> "Fasta":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_fasta(
    path: Path, *, scratch: Path | None = None, progress: Progress | None = None
) -> Fasta:
    """Read a FASTA file once, check it, and keep its bases on disk.

    Parameters
    ----------
    path
        Plain, gzip or bgzip; any case; Unix or DOS line ends. The name of a sequence is its
        header up to the first blank.
    scratch
        Existing folder on whose file system the bases are kept; None: that of temporary files.
    progress
        Reports the bases.

    Raises
    ------
    InputError
        No FASTA, truncated, no sequence, an empty sequence, a duplicate name, no name or one that
        Helixer's files cannot hold, characters that are not IUPAC nucleotide codes.
    HelixerFtError
        No disk space.
    """
    try:
        with ExitStack() as stack:
            file = tempfile.TemporaryFile(dir=scratch, prefix=".helixer-ft-")  # noqa: SIM115
            store = stack.enter_context(file)
            with open_text(path, WHAT, progress) as text:
                lengths = _Parser(path, store).parse(text.blocks())
            store.flush()
            stack.pop_all()
    except OSError as error:  # also of closing, which tries to write once more
        raise HelixerFtError(
            f"{path}: its bases could not be stored in {scratch or tempfile.gettempdir()} "
            f"({error.strerror or error}). Free disk space: one byte per base is needed."
        ) from error
    return Fasta(path, store, lengths)


class _Parser:
    """Takes a FASTA file apart, block by block; bases go to `store` as they come."""

    def __init__(self, path: Path, store: BinaryIO) -> None:
        self.path = path
        self.lengths: dict[str, int] = {}
        self._store = store
        self._name = ""
        self._wrong = np.zeros(256, np.int64)
        """Characters of the present sequence that are not IUPAC codes: how often each occurs."""
        self._first_wrong = -1

    def parse(self, blocks: Iterator[bytes]) -> dict[str, int]:
        """Return sequence name -> bp; see `open_fasta`."""
        begun = self._begin(next(blocks, b""))
        line_starts = True
        for block in chain([b""], blocks):
            part = begun + block
            begun = b""
            while part:
                if line_starts and part[:1] == b">":
                    header, line_end, part = part.partition(b"\n")
                    if not line_end:
                        begun = header
                        break
                    self._header(header)
                    continue
                at = part.find(b"\n>")
                sequence, part = (part, b"") if at < 0 else (part[: at + 1], part[at + 1 :])
                self._sequence(sequence, line_starts)
                line_starts = sequence.endswith(b"\n")
            if len(begun) > MAX_LINE:
                raise InputError(
                    f"{self.path}: a line that begins with '>' is longer than {MAX_LINE:,} bytes, "
                    f"expected {WHAT}."
                )
        if begun:
            self._header(begun)
        self._end()
        return self.lengths

    def _begin(self, block: bytes) -> bytes:
        """Refuse what does not begin as FASTA does."""
        text = block.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not text:
            raise InputError(f"{self.path}: is empty, expected {WHAT}.")
        if text[:1] != b">":
            shown = text.split(b"\n", 1)[0][:30].decode("ascii", errors="replace")
            raise InputError(
                f"{self.path}: begins with '{shown}', expected {WHAT}: a line that begins with '>'."
            )
        return text

    def _header(self, line: bytes) -> None:
        if self.lengths:
            self._end()
        # the name is right behind '>'
        words = line[1:].split(maxsplit=1) if not line[1:2].isspace() else []
        try:
            name = words[0].decode() if words else ""
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path}: holds bytes that are not text (0x{error.object[error.start]:02x}), "
                f"expected {WHAT}."
            ) from error
        _check_name(self.path, name, len(self.lengths) + 1, self.lengths)
        self._name = name
        self.lengths[name] = 0

    def _sequence(self, text: bytes, line_starts: bool) -> None:
        """Keep bases of the present sequence."""
        if b"+" in text and (b"\n+" in text or (line_starts and text[:1] == b"+")):
            raise InputError(
                f"{self.path}: sequence '{self._name}' has a line that begins with '+', as reads "
                f"in FASTQ have; expected {WHAT}."
            )
        bases = text.translate(_UPPER, b"\r\n")
        first = bases.find(_INVALID)
        if first >= 0:
            if self._first_wrong < 0:
                self._first_wrong = self.lengths[self._name] + first
            codes = np.frombuffer(text.translate(None, b"\r\n"), np.uint8)
            wrong = codes[np.frombuffer(bases, np.uint8) == _INVALID]
            self._wrong += np.bincount(wrong, minlength=256)
        self._store.write(bases)
        self.lengths[self._name] += len(bases)

    def _end(self) -> None:
        """Refuse a sequence without bases, or with characters that are not IUPAC codes."""
        name = self._name
        if not self.lengths[name]:
            raise InputError(f"{self.path}: sequence '{name}' is empty, expected bases. Remove it.")
        if self._first_wrong < 0:
            return
        kinds = bytes(np.flatnonzero(self._wrong).tolist())
        shown = " ".join(repr(chr(letter)) for letter in kinds[:6])
        guess = ""
        if any(letter in kinds.upper() for letter in _PROTEIN_ONLY):
            guess = " Is this protein sequence? The genome is needed."
        raise InputError(
            f"{self.path}: sequence '{name}' has {self._wrong.sum():,} characters that are not "
            f"IUPAC nucleotide codes ({shown}; the first at position {self._first_wrong + 1:,}), "
            "expected A, C, G, T, N or another such code."
            f"{guess or ' Remove them or replace them by N.'}"
        )


def _check_name(path: Path, name: str, number: int, seen: dict[str, int]) -> None:
    if not name:
        raise InputError(
            f"{path}: sequence {number} has no name, expected one right after '>'. Name it."
        )
    if name in seen:
        raise InputError(
            f"{path}: the sequence name '{name}' is not unique (sequences "
            f"{list(seen).index(name) + 1} and {number}); names end at the first blank, and "
            "each must be there once. Rename or remove one."
        )
    if len(name.encode()) > MAX_NAME:
        raise InputError(
            f"{path}: the sequence name '{name}' has {len(name.encode())} bytes, but Helixer's "
            f"files hold {MAX_NAME}. Shorten it, in the FASTA and in the annotation."
        )
