"""What is predicted on: the rows of a data file, or of a genome in FASTA that is cut on the way."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from helixer_ft.adaptation.windows import GenomeWindows
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile, Windows, row_shifts
from helixer_ft.formats.data_writer import DataWriter
from helixer_ft.genome.fasta import Fasta
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.preparation.windows import count_rows, pack_rows, rows_of, to_datasets
from helixer_ft.runtime.parallel import ahead, default_threads

_ROWS_AT_ONCE = 8


class Source(ABC):
    """Rows to predict on.

    Attributes
    ----------
    path
        The file.
    length
        L, bases of a row.
    ranges
        Rows of each range that is computed (see `windows.py`), which follow one another.
    shifts
        (rows,) how far each row is rotated to be as the network sees it.
    skipped
        (rows,) bool: rows that are not computed.
    bases
        Bases of all rows, both strands, without padding.
    coverage
        What is read of coverage; None: nothing.
    """

    path: Path
    length: int
    ranges: list[int]
    shifts: np.ndarray
    skipped: np.ndarray
    bases: int
    coverage: CoverageInput | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows, both strands."""
        return len(self.shifts)

    @abstractmethod
    def read(self, first: int = 0) -> Iterator[Windows]:
        """All computed rows in order, from `first` on, a few at a time, as the network sees them.

        Labels are not read.

        Coverage is as in the file: not normalised.

        Raises
        ------
        InputError
            Damaged data.
        """

    def computed_before(self, row: int) -> int:
        """How many of the rows before a row are computed."""
        return row - int(self.skipped[:row].sum())

    def with_skipped(
        self, rows: Iterator[np.ndarray], first: int, end: int
    ) -> Iterator[np.ndarray]:
        """What is predicted of the computed rows, and an array without values in the place of each
        that is not; from row `first` to before `end`.
        """
        nothing = np.empty(0, np.float32)
        for skipped in self.skipped[first:end].tolist():
            yield nothing if skipped else next(rows)

    @abstractmethod
    def check_whole(self) -> None:
        """Refuse rows of which HelixerPost cannot make gene models.

        Raises
        ------
        InputError
            Several species, or a sequence of which a part or a strand is missing.
        """

    @abstractmethod
    def data_file(self, scratch: Path, wanted: Path) -> Path:
        """A data file with these rows; where there is none yet it is written to a folder, on the
        way to the file that is `wanted`, which errors name.

        Raises
        ------
        HelixerFtError
            The disk is full.
        """


class DataFileSource(Source):
    """The rows of a data file.

    Parameters
    ----------
    file
        Opened with or without labels.
    single_rows
        Each row is a range of its own, in whatever order rows are.
    coverage
        What the network takes of the file's coverage, with whose prefix it was opened.

    Raises
    ------
    InputError
        Rows of a strand of a sequence that are not in order; see `contiguous_ranges`.
    """

    def __init__(
        self,
        file: DataFile,
        *,
        single_rows: bool = False,
        coverage: CoverageInput | None = None,
    ) -> None:
        self._file = file
        self.coverage = coverage
        self.path = file.path
        self.length = file.length
        self.ranges = [1] * file.n_rows if single_rows else contiguous_ranges(file)
        self.shifts = file.shifts
        self.skipped = np.zeros(file.n_rows, bool)
        self.bases = int(np.abs(file.start_ends[:, 0] - file.start_ends[:, 1]).sum())

    def read(self, first: int = 0) -> Iterator[Windows]:
        for start in range(first, self.n_rows, _ROWS_AT_ONCE):
            yield self._file.read(range(start, min(start + _ROWS_AT_ONCE, self.n_rows)))

    def check_whole(self) -> None:
        check_whole(self._file)

    def data_file(self, scratch: Path, wanted: Path) -> Path:
        return self.path


class FastaSource(Source):
    """The rows that `helixer-ft prepare` without annotation would write, and Helixer's fasta2h5.

    One sequence is in memory at a time, one byte per base.

    Parameters
    ----------
    fasta
        The genome.
    length
        L, bases of a row.
    species
        Its name.
    lengths
        Sequence -> bp of those that are predicted; None: all.
    shortest
        Bases of the shortest sequence that is computed.
    """

    def __init__(
        self,
        fasta: Fasta,
        length: int,
        species: str,
        lengths: dict[str, int] | None = None,
        shortest: int = 0,
    ) -> None:
        self._fasta = fasta
        self._species = species
        self._lengths = fasta.lengths if lengths is None else lengths
        self._computed = {name: n for name, n in self._lengths.items() if n >= shortest}
        self.path = fasta.path
        self.length = length
        sizes = np.array(list(self._lengths.values()), np.int64)
        rows = -(-sizes // length)
        self.ranges = np.repeat(rows[sizes >= shortest], 2).tolist()
        self.shifts = np.zeros(2 * rows.sum(), np.int64)
        firsts_on_minus = np.cumsum(2 * rows) - rows
        self.shifts[firsts_on_minus] = -sizes % length
        self.skipped = np.repeat(sizes < shortest, 2 * rows)
        self.bases = 2 * int(sizes.sum())

    def read(self, first: int = 0) -> Iterator[Windows]:
        skip = first
        for name, n in self._computed.items():
            if skip >= (count := count_rows(n, self.length)):
                skip -= count
                continue
            for rows in rows_of(self._fasta.read(name), None, self.length):
                if skip >= len(rows.start_ends):
                    skip -= len(rows.start_ends)
                    continue
                x = to_datasets(rows)["X"]
                for row, shift in enumerate(row_shifts(rows.start_ends, self.length)):
                    if shift:
                        x[row] = np.roll(x[row], shift, axis=0)
                yield Windows(x[skip:])
                skip = 0

    def whole_genome(self, exclude: Collection[str]) -> GenomeWindows:
        """What batch-norm statistics are taken of: all sequences of the genome but some."""
        lengths = {name: n for name, n in self._fasta.lengths.items() if name not in exclude}
        return GenomeWindows(self._fasta, lengths, self.length)

    def check_whole(self) -> None:
        """Sequences of a FASTA file are whole."""

    def data_file(self, scratch: Path, wanted: Path) -> Path:
        path = scratch / "genome.h5"
        threads = default_threads()
        with (
            DataWriter(path, self.n_rows, self.length, labels=False, shown=wanted) as writer,
            ThreadPoolExecutor(threads, "compress") as pool,
        ):
            for name in self._lengths:
                rows = rows_of(self._fasta.read(name), None, self.length)
                for _, packed in ahead(pool, pack_rows, rows, budget=2 * threads):
                    writer.append(packed, name, self._species, is_annotated=False)
        return path


@dataclass
class _Run:
    """Rows that follow one another without a gap: lower and higher coordinate, first and last."""

    low: int
    high: int
    first: int
    last: int


def contiguous_ranges(file: DataFile) -> list[int]:
    """The number of rows of each range of a data file, in order.

    A range is rows of one species, sequence and strand of which each begins where the one before
    ends. A sequence of which parts are not there (blocks of `prepare`, rows that were left out)
    has several.

    Raises
    ------
    InputError
        A row of no bases or of more than L, or rows of one strand of a sequence that adjoin or
        overlap, but do not follow one another in the file.
    """
    start_ends = file.start_ends.tolist()
    runs: dict[tuple[str, str, bool], list[_Run]] = {}
    sizes: list[int] = []
    previous: tuple[str, str, bool] | None = None
    for row, (start, end) in enumerate(start_ends):
        if not 0 < abs(start - end) <= file.length:
            raise InputError(
                f"{file.path}: data/start_ends of row {row} is {start}, {end}, expected 1 to "
                f"{file.length} bases apart (the subsequence length). Make the file anew."
            )
        key = file.species[row], file.seqids[row], start < end
        if key == previous and start == start_ends[row - 1][1] and _fills(file, start_ends, row):
            run = runs[key][-1]
            run.low, run.high = min(run.low, start, end), max(run.high, start, end)
            run.last = row
            sizes[-1] += 1
        else:
            runs.setdefault(key, []).append(_Run(min(start, end), max(start, end), row, row))
            sizes.append(1)
        previous = key
    for (species, seqid, plus), own in runs.items():
        own.sort(key=lambda run: run.low)
        for one, other in pairwise(own):
            if other.low <= one.high:
                raise InputError(
                    f"{file.path}: rows {one.first}-{one.last} and {other.first}-{other.last} of "
                    f"sequence '{seqid}' ({species}), {'plus' if plus else 'minus'} strand, belong "
                    "together, but do not follow one another in reading direction; expected the "
                    "rows of a strand one after the other, as helixer-ft prepare and Helixer write "
                    "them. Make the file anew, or predict with --no-overlap."
                )
    return sizes


def check_whole(file: DataFile) -> None:
    """Refuse a data file of which HelixerPost cannot make gene models.

    It needs all rows of each sequence: the plus strand's, from 0 on, then the minus strand's.

    Raises
    ------
    InputError
        Several species, or a sequence of which a part or a strand is missing.
    """
    if len(species := sorted(set(file.species))) > 1:
        raise InputError(
            f"{file.path}: has rows of {len(species)} species ({', '.join(species[:3])}, ...), "
            "expected one: HelixerPost makes gene models of one genome at a time. Make a data file "
            "for each, or leave --gff3-out out."
        )
    names = np.array(file.seqids)
    firsts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    whole = np.unique(names[firsts]).size == firsts.size
    for first, end in zip(firsts, [*firsts[1:], file.n_rows], strict=True):
        found = file.start_ends[first:end]
        starts = np.arange(len(found) // 2) * file.length
        plus = np.stack([starts, np.minimum(starts + file.length, found.max())], axis=1)
        if not whole or not np.array_equal(found, np.concatenate([plus, plus[::-1, ::-1]])):
            raise InputError(
                f"{file.path}: sequence '{names[first]}' is not there as a whole (rows "
                f"{first}-{end - 1}), expected its plus strand from 0 to its end, then its minus "
                "strand: HelixerPost makes gene models of whole sequences, not of blocks of them. "
                "Predict on the genome with --fasta, or on what helixer-ft prepare makes of it "
                "without --gff3 or with --no-split; or leave --gff3-out out."
            )


def _fills(file: DataFile, start_ends: list[list[int]], row: int) -> bool:
    """Whether there is no padding between a row and the one before."""
    inner = row - 1 if start_ends[row][0] < start_ends[row][1] else row
    start, end = start_ends[inner]
    return abs(start - end) == file.length
