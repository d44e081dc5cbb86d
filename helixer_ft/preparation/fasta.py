"""Genomes: FASTA files, plain, gzip or bgzip, one sequence in memory at a time."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import pysam

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.progress import Progress

WHAT = "a genome in FASTA, plain or gzip"
MAX_NAME = 50
"""Bytes of a sequence name: the width of `data/seqids`."""

_BASES = b"ACGTRYSWKMBDHVN"
_PROTEIN_ONLY = b"EFILPQ"
_MAX_READ = 2**30
_INVALID = 0


def _upper_table() -> bytes:
    """Byte -> upper-case base; U is T, X (masked by a tool) is N; everything else is invalid."""
    table = bytearray(256)
    for base in _BASES:
        table[base] = table[base + 32] = base
    for letter, base in (b"UT", b"XN"):
        table[letter] = table[letter + 32] = base
    return bytes(table)


_UPPER = _upper_table()


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
                    f"{self.path}: the bases kept of it on disk are gone. Run the command again."
                )
            done += read
        return bases

    def close(self) -> None:
        """Give the disk space back."""
        self._store.close()

    def __enter__(self) -> "Fasta":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        Told of the bases.

    Raises
    ------
    InputError
        No FASTA, truncated, no sequence, an empty sequence, a name twice, no name or one that
        Helixer's files cannot hold, letters that are no bases.
    HelixerFtError
        No disk space.
    """
    _check_file(path)
    progress = progress or Progress()
    store: BinaryIO | None = None
    lengths: dict[str, int] = {}
    progress.start(f"reading {path.name}", 0, "bases")  # as it may be compressed: how many?
    try:
        store = tempfile.TemporaryFile(dir=scratch, prefix=".helixer-ft-")  # noqa: SIM115
        for name, sequence in _records(path):
            _check_name(path, name, len(lengths) + 1, lengths)
            lengths[name] = store.write(_checked(path, name, sequence))
            progress.advance(lengths[name])
        store.flush()
    except OSError as error:
        if store is not None:
            store.close()
        raise HelixerFtError(
            f"{path}: its bases could not be kept in {scratch or tempfile.gettempdir()} "
            f"({error.strerror or error}). Free disk space: one byte per base is needed."
        ) from error
    except BaseException:
        if store is not None:
            store.close()
        raise
    finally:
        progress.finish()
    if not lengths:
        store.close()
        raise InputError(f"{path}: holds no sequence, expected {WHAT}.")
    return Fasta(path, store, lengths)


def _records(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, bases as in the file); what pysam finds broken becomes an `InputError`."""
    verbosity = pysam.set_verbosity(0)  # htslib would write to standard error
    try:
        with pysam.FastxFile(str(path), persist=False) as file:
            for record in file:
                if record.quality is not None:
                    raise InputError(
                        f"{path}: sequence '{record.name}' has a line that begins with '+', as "
                        f"reads in FASTQ have; expected {WHAT}."
                    )
                yield record.name or "", record.sequence or ""
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: holds bytes that are no text (0x{error.object[error.start]:02x}), "
            f"expected {WHAT}."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: is damaged or truncated, expected {WHAT}. Copy it again or make it anew."
        ) from error
    finally:
        pysam.set_verbosity(verbosity)


def _check_file(path: Path) -> None:
    """Refuse what is no readable file, and what does not begin as FASTA does."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, expected {WHAT}.")
        if not path.exists():
            raise InputError(f"{path}: no such file, expected {WHAT}.")
        if not path.is_file():
            raise InputError(f"{path}: is not a regular file (a pipe?), expected {WHAT}.")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: is empty, expected {WHAT}.")
        verbosity = pysam.set_verbosity(0)
        try:
            with pysam.BGZFile(str(path), "rb", None) as file:  # reads plain and gzip files as well
                head = file.read(2**16)
        finally:
            pysam.set_verbosity(verbosity)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or 'damaged?'}), expected {WHAT}."
        ) from error
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text and len(head) < 2**16:
        raise InputError(f"{path}: is empty, expected {WHAT}.")
    if b"\0" in head:
        raise InputError(f"{path}: is a binary file, expected {WHAT}.")
    if text[:1] != b">":
        shown = text.split(b"\n", 1)[0][:30].decode("ascii", errors="replace")
        raise InputError(
            f"{path}: begins with '{shown}', expected {WHAT}: a line that begins with '>'."
        )


def _check_name(path: Path, name: str, number: int, seen: dict[str, int]) -> None:
    if not name:
        raise InputError(
            f"{path}: sequence {number} has no name, expected one right after '>'. Name it."
        )
    if name in seen:
        raise InputError(
            f"{path}: the sequence name '{name}' is there twice (sequences "
            f"{list(seen).index(name) + 1} and {number}); names end at the first blank, and each "
            "must be there once. Rename or remove one."
        )
    if len(name.encode()) > MAX_NAME:
        raise InputError(
            f"{path}: the sequence name '{name}' has {len(name.encode())} bytes, but Helixer's "
            f"files hold {MAX_NAME}. Shorten it, in the FASTA and in the annotation."
        )


def _checked(path: Path, name: str, sequence: str) -> bytes:
    """The bases in upper case.

    Raises
    ------
    InputError
        No bases, or letters that are none.
    """
    if not sequence:
        raise InputError(f"{path}: sequence '{name}' is empty, expected bases. Remove it.")
    raw = sequence.encode()
    bases = raw.translate(_UPPER)
    first = bases.find(_INVALID)
    if first < 0:
        return bases
    letters = np.frombuffer(raw, np.uint8)
    wrong = letters[np.frombuffer(bases, np.uint8) == _INVALID]
    kinds = bytes(np.unique(wrong))
    shown = " ".join(repr(chr(letter)) for letter in kinds[:6])
    guess = ""
    if any(letter in kinds.upper() for letter in _PROTEIN_ONLY):
        guess = " Is this protein sequence? The genome is needed."
    raise InputError(
        f"{path}: sequence '{name}' has {len(wrong):,} letters that are no bases ({shown}; the "
        f"first at position {first + 1:,}), expected A, C, G, T, N or another letter of the "
        f"IUPAC code for bases.{guess or ' Remove them or replace them by N.'}"
    )
