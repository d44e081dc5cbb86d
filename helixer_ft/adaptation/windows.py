"""The windows that statistics are taken of: a genome cut as prediction cuts it, or data files."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from helixer_ft.adaptation.request import MAX_BP
from helixer_ft.dataset.batch import BaseTable, Batch, rows_named
from helixer_ft.errors import InputError
from helixer_ft.formats.data_folder import files_of
from helixer_ft.formats.data_h5 import DataFile, row_shifts
from helixer_ft.formats.data_names import DEFAULT_LENGTH
from helixer_ft.formats.input_file import check_input_file, file_sha256
from helixer_ft.genome.fasta import Fasta, open_fasta
from helixer_ft.preparation.windows import Rows, count_rows, rows_of, to_datasets
from helixer_ft.progress import Progress

BASES_AT_ONCE = 8 * DEFAULT_LENGTH
"""Bases of a batch; fixed, so that sums come out the same whatever memory there is."""
WHAT = "a genome (FASTA), a data file (.h5) or a folder of data"
_HDF5 = b"\x89HDF\r\n\x1a\n"


class WindowSource(ABC):
    """Windows of both strands, read anew at each pass.

    Attributes
    ----------
    paths
        The files.
    length
        L, bases of a window.
    n_found
        Number of windows in the files.
    n_windows
        Number of those that are read, spread evenly over the files.
    """

    def __init__(
        self, paths: Sequence[Path], length: int, n_found: int, bp: int, max_bp: int
    ) -> None:
        self.paths, self.length, self.n_found = tuple(paths), length, n_found
        self.n_windows = n_found
        if 0 < max_bp < bp:  # not by the length of windows: those of short sequences hold little
            self.n_windows = max(1, n_found * max_bp // bp)

    @property
    def at_once(self) -> int:
        """Windows of a batch."""
        return max(1, min(self.n_windows, BASES_AT_ONCE // self.length))

    def batches(self) -> Iterator[Batch]:
        """The windows as the network sees them, `at_once` at a time.

        Raises
        ------
        InputError
            Damaged data.
        """
        table = BaseTable()
        waiting = np.empty((0, self.length), np.uint8)
        for codes in self._spread(table):
            waiting = np.concatenate([waiting, codes])
            while len(waiting) >= self.at_once:
                yield _batch(waiting[: self.at_once], table)
                waiting = waiting[self.at_once :]
        if len(waiting):
            yield _batch(waiting, table)

    def fingerprints(self) -> dict[str, str]:
        """File name -> SHA-256."""
        return {path.name: file_sha256(path) for path in self.paths}

    def _spread(self, table: BaseTable) -> Iterator[np.ndarray]:
        """Of all windows those that are read."""
        first, half = 0, self.n_found // 2
        for codes in self._encoded(table):
            places = np.arange(first, first + len(codes) + 1)
            numbers = (places * self.n_windows + half) // self.n_found
            yield codes[np.diff(numbers) > 0]
            first += len(codes)

    @abstractmethod
    def _encoded(self, table: BaseTable) -> Iterator[np.ndarray]:
        """(n, L) uint8 base codes of all windows, a few at a time."""


class GenomeWindows(WindowSource):
    """A genome cut as `predict --fasta` cuts it, without overlap.

    Parameters
    ----------
    fasta
        The genome.
    lengths
        Sequence -> bp of those that count; None: all.
    length
        L; where no sequence is that long, the longest is enough.
    max_bp
        Most of it that is read, in bp; 0: all.
    """

    def __init__(
        self,
        fasta: Fasta,
        lengths: Mapping[str, int] | None = None,
        length: int = DEFAULT_LENGTH,
        max_bp: int = MAX_BP,
    ) -> None:
        self._fasta = fasta
        self._lengths = fasta.lengths if lengths is None else lengths
        length = min(length, max(self._lengths.values(), default=length))
        n_found = sum(count_rows(n, length) for n in self._lengths.values())
        super().__init__([fasta.path], length, n_found, sum(self._lengths.values()), max_bp)

    def _encoded(self, table: BaseTable) -> Iterator[np.ndarray]:
        letters = Rows(np.arange(256, dtype=np.uint8)[None], np.zeros((1, 2), np.int64))
        (code_of_letter,) = table.encode(to_datasets(letters)["X"])
        for name in self._lengths:
            for rows in rows_of(self._fasta.read(name), None, self.length):
                codes = code_of_letter[rows.bases]
                for row, shift in enumerate(row_shifts(rows.start_ends, self.length).tolist()):
                    if shift:
                        codes[row] = np.roll(codes[row], shift)
                yield codes


class DataWindows(WindowSource):
    """Rows of data files, labelled or not.

    Parameters
    ----------
    paths
        The files, all of one subsequence length.
    max_bp
        Most of them that is read, in bp; 0: all.

    Raises
    ------
    InputError
        A file that cannot be used; differing subsequence lengths.
    """

    def __init__(self, paths: Sequence[Path], max_bp: int = MAX_BP) -> None:
        self._files = [DataFile(path, labels=False) for path in paths]
        length = self._files[0].length
        for file in self._files:
            if file.length != length:
                raise InputError(
                    f"{file.path}: its subsequences have {file.length} bases, those of "
                    f"{self._files[0].path} {length}; expected one length. Prepare them alike."
                )
        n_found = sum(file.n_rows for file in self._files)
        bases = sum(int(np.abs(np.diff(file.start_ends)).sum()) for file in self._files)
        super().__init__(paths, length, n_found, bases // 2, max_bp)

    def _encoded(self, table: BaseTable) -> Iterator[np.ndarray]:
        for file in self._files:
            for start in range(0, file.n_rows, self.at_once):
                rows = range(start, min(start + self.at_once, file.n_rows))
                with rows_named(file.path, rows):
                    yield table.encode(file.read(rows).bases)


@contextmanager
def open_windows(
    path: Path,
    *,
    max_bp: int = MAX_BP,
    scratch: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[WindowSource]:
    """The windows of a FASTA file, of a data file, or of all `*_data*.h5` of a data directory.

    Parameters
    ----------
    path
        What it is shows in the file itself.
    max_bp
        Most of it that is read, in bp, evenly spread; 0: all.
    scratch
        See `open_fasta`.
    progress
        Reports what is read.

    Raises
    ------
    InputError
        Neither of the three; see `open_fasta` and `DataWindows`.
    """
    if path.is_dir():
        yield DataWindows(data_files(path), max_bp)
    elif path.is_file() and _begins_as_hdf5(path):
        yield DataWindows([path], max_bp)
    else:
        with open_fasta(path, scratch=scratch, progress=progress) as fasta:
            yield GenomeWindows(fasta, max_bp=max_bp)


def source_digest(path: Path) -> str:
    """A short text that differs where the content of what `open_windows` opens does.

    Raises
    ------
    InputError
        There is no such file, or no data in a folder.
    """
    paths = source_files(path)
    for one in paths:
        check_input_file(one, WHAT)
    return hashlib.sha256("".join(map(file_sha256, paths)).encode()).hexdigest()[:16]


def source_files(path: Path) -> list[Path]:
    """The files that `open_windows` reads.

    Raises
    ------
    InputError
        No data in a folder.
    """
    return data_files(path) if path.is_dir() else [path]


def data_files(folder: Path) -> list[Path]:
    """Training and validation data of a folder.

    Raises
    ------
    InputError
        There are none.
    """
    found = files_of(folder)
    if not found:
        raise InputError(
            f"{folder}: has no training_data*h5 and no validation_data*h5, expected such, a data "
            "file (.h5) or a genome (FASTA)."
        )
    return found


def _begins_as_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_HDF5)) == _HDF5


def _batch(codes: Iterable[np.ndarray], table: BaseTable) -> Batch:
    return Batch(np.ascontiguousarray(codes)[:, None], table.padded())
