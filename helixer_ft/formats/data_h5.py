"""Training, validation and test data: Helixer's HDF5 files, one row per subsequence and strand.

On disk a padded minus-strand row has its padding at the end; the network sees it at the front,
so that both strands keep their sequence where it lies in the genome. `DataFile.read` returns
rows as the network sees them.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track, members, read_tracks
from helixer_ft.formats.data_names import ANNOTATION_WARNING, WHAT
from helixer_ft.formats.hdf5 import as_text, attribute, find, open_hdf5
from helixer_ft.formats.label_source import LabelSource, read_label_source

NO_CLASS = 4
"""Class code of a base without label (padding)."""


@dataclass(frozen=True)
class Layout:
    """Type and shape of a dataset in `data/`.

    Attributes
    ----------
    dtype
        With which it is written.
    content, kinds
        What is accepted on reading: in words, for messages, and as values of `numpy.dtype.kind`.
    width
        Values per base, or per row; 0: a single one, without an axis of its own.
    per_base
        Whether each base has values of its own; otherwise each row has.
    is_label
        Whether only labelled data have it.
    """

    dtype: np.dtype
    content: str
    kinds: str
    width: int = 0
    per_base: bool = False
    is_label: bool = True

    def shape(self, n_rows: int, length: int) -> tuple[int, ...]:
        """Shape in a file of `n_rows` rows of `length` bases each."""
        return (n_rows, *([length] if self.per_base else []), *([self.width] if self.width else []))


def _of_bases(dtype: type, width: int = 0, *, is_label: bool = True) -> Layout:
    return Layout(np.dtype(dtype), "numbers", "biuf", width, True, is_label)


_TEXT, _FLAG = ("text", "text"), ("true or false", "biu")
LAYOUT = {
    "X": _of_bases(np.float16, 4, is_label=False),
    "y": _of_bases(np.int8, 4),
    "phases": _of_bases(np.int8, 4),
    "transitions": _of_bases(np.int8, 6),
    "sample_weights": _of_bases(np.int8),
    "gene_lengths": _of_bases(np.uint32),
    "seqids": Layout(np.dtype("S50"), *_TEXT, is_label=False),
    "species": Layout(np.dtype("S25"), *_TEXT, is_label=False),
    "start_ends": Layout(np.dtype(np.int64), "integers", "iu", 2, is_label=False),
    "is_annotated": Layout(np.dtype(bool), *_FLAG),
    "err_samples": Layout(np.dtype(bool), *_FLAG),
    "fully_intergenic_samples": Layout(np.dtype(bool), *_FLAG),
}
"""The datasets, in the order in which they are written."""


_LONGEST_WARNING = 1000
"""Characters of `annotation_warning` that are shown."""


@dataclass(frozen=True)
class Windows:
    """Subsequences as the network sees them.

    Attributes
    ----------
    bases
        (n, L, 4) float16, order C A T G; padding 0.
    genic
        (n, L) uint8: 0 intergenic, 1 UTR, 2 CDS, 3 intron, 4 padding; None without labels.
    phase
        (n, L) uint8: 0 none, 1-3 phase 0-2, 4 padding; None unless asked for.
    transitions
        (n, L) uint8, bit k set where column k of `data/transitions` is; None unless asked for.
    valid
        (n, L) bool: neither masked nor padding; None without labels.
    coverage
        (n, L, 2 * tracks) float32: coverage of every track, then spliced coverage of every track,
        as in the file (not normalised); padding -1. None unless asked for.
    """

    bases: np.ndarray
    genic: np.ndarray | None = None
    phase: np.ndarray | None = None
    transitions: np.ndarray | None = None
    valid: np.ndarray | None = None
    coverage: np.ndarray | None = None


class OpenData:
    """`data/` of an open file: every dataset is checked before it is returned.

    Parameters
    ----------
    file, path
        The file, and its path for messages.
    purpose
        What the data are for and how to make them, for messages.

    Attributes
    ----------
    n_rows, length
        Number of rows, both strands together, and bases per row.

    Raises
    ------
    InputError
        `data/X` is missing, or has another shape.
    """

    def __init__(self, file: h5py.File, path: Path, purpose: str) -> None:
        self.file = file
        self.path = path
        self._purpose = purpose
        bases = find(file, "data/X")
        if not isinstance(bases, h5py.Dataset) or bases.ndim != 3 or bases.shape[2] != 4:
            raise self._missing("X", "(rows, subsequence length, 4)", bases)
        self.n_rows, self.length = map(int, bases.shape[:2])

    def has(self, name: str) -> bool:
        """Whether `data/` has a member of that name."""
        return find(self.file, f"data/{name}") is not None

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset of `data/`, checked.

        Raises
        ------
        InputError
            It is missing, or has another shape or type.
        """
        layout = LAYOUT[name]
        expected = layout.shape(self.n_rows, self.length)
        dataset = find(self.file, f"data/{name}")
        if not isinstance(dataset, h5py.Dataset) or dataset.shape != expected:
            raise self._missing(name, str(expected), dataset)
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        if not (layout.kinds == "text" if is_text else dataset.dtype.kind in layout.kinds):
            raise InputError(
                f"{self.path}: data/{name} holds {dataset.dtype}, expected {layout.content} as "
                "Helixer writes them (see docs/formats.md)."
            )
        return dataset

    def texts(self, name: str) -> list[str]:
        """The values of a text dataset, one per row."""
        return [as_text(value) for value in self.dataset(name)[()]]

    def flags(self, name: str) -> np.ndarray:
        """(rows,) bool."""
        return self.dataset(name)[()].astype(bool)

    def _missing(self, name: str, expected: str, found: object) -> InputError:
        state = f"of shape {found.shape}" if isinstance(found, h5py.Dataset) else "missing"
        return InputError(
            f"{self.path}: data/{name} is {state}, expected {expected}; this is not {WHAT} "
            f"{self._purpose}"
        )


class DataFile:
    """A data file: its table of rows is in memory, its bases are read on demand.

    Parameters
    ----------
    path
        The `.h5` file.
    phase, transitions
        Whether `data/phases` and `data/transitions` are needed.
    labels
        Whether labels are needed at all; false: `X`, `seqids`, `species` and `start_ends` are
        enough (data to predict on), and no row is `usable`.
    coverage_prefix
        "rnaseq" for `evaluation/rnaseq_coverage` and its spliced part; None: no coverage.

    Attributes
    ----------
    n_rows, length
        Number of rows, both strands together, and bases per row.
    seqids, species
        Per row.
    start_ends
        (rows, 2) int64, bp; start > end on the minus strand.
    usable
        (rows,) bool: rows to train on, of annotated sequences and with at least one valid base.
    label_source, label_codes
        Where the labels come from, and (rows,) uint8 of which kind each row's are: 0 annotation,
        1 predictions. Without labels 0.
    annotation_warning
        Why most genes of the annotation cannot be used, in the words of `prepare`; empty if they
        can, or if the file does not say.

    Raises
    ------
    InputError
        Not HDF5, truncated, without rows, or a dataset missing or of another shape or type.
    """

    def __init__(
        self,
        path: Path,
        *,
        phase: bool = True,
        transitions: bool = True,
        labels: bool = True,
        coverage_prefix: str | None = None,
    ) -> None:
        self.path = path
        self.labels = labels
        self.phase = labels and phase
        self.transitions = labels and transitions
        self.coverage_prefix = coverage_prefix
        self.tracks: tuple[Track, ...] = ()
        with self.opened() as data:
            self.n_rows, self.length = data.n_rows, data.length
            if self.n_rows == 0 or self.length == 0:
                raise InputError(f"{path}: holds no subsequences. Make it anew with more sequence.")
            for name in self._datasets():
                data.dataset(name)
            self.seqids = data.texts("seqids")
            self.species = data.texts("species")
            self.start_ends: np.ndarray = data.dataset("start_ends")[()].astype(np.int64)
            self.usable = np.zeros(self.n_rows, bool)
            self.label_source, self.label_codes = LabelSource(), np.zeros(self.n_rows, np.uint8)
            if labels:
                self.usable = data.flags("is_annotated") & data.flags("err_samples")
                found = read_label_source(data.file, path, self.n_rows)
                self.label_source, self.label_codes = found
            if coverage_prefix is not None:
                self.tracks = read_tracks(data.file, path, coverage_prefix)
            warning = as_text(attribute(data.file, ANNOTATION_WARNING) or "")
            self.annotation_warning = " ".join(warning.split())[:_LONGEST_WARNING]

    @contextmanager
    def opened(self) -> Iterator[OpenData]:
        """The file, open for reading."""
        with open_hdf5(self.path, WHAT) as file:
            yield OpenData(file, self.path, self._purpose)

    @property
    def _purpose(self) -> str:
        if self.labels:
            return "with labels. Make it with helixer-ft prepare, with --gff3."
        return "to predict on. Make it with helixer-ft prepare."

    @cached_property
    def shifts(self) -> np.ndarray:
        """(rows,) int: by how many bases each row is rotated for the network; see `row_shifts`."""
        return row_shifts(self.start_ends, self.length)

    @cached_property
    def regions(self) -> list[tuple[str, str, int]]:
        """Per row (species, sequence, lower coordinate): the same for both strands of a region."""
        lower = self.start_ends.min(axis=1)
        return list(zip(self.species, self.seqids, lower.tolist(), strict=True))

    def read(self, rows: Iterable[int], *, coverage: bool = True) -> Windows:
        """Read some rows, in the order given, oriented as the network sees them.

        Parameters
        ----------
        rows
            Row numbers.
        coverage
            False: leave coverage out, even if the file was opened with it.

        Raises
        ------
        InputError
            Damaged data, labels that are not one-hot.
        """
        rows = list(rows)
        with open_hdf5(self.path, WHAT) as file:
            raw = {name: self._read_rows(file, f"data/{name}", rows) for name in self._datasets()}
            wanted = coverage and self.coverage_prefix is not None
            tracks = self._read_coverage(file, rows) if wanted else None
        return Windows(
            bases=raw["X"].astype(np.float16, copy=False),
            genic=self._codes(raw["y"], "y") if self.labels else None,
            phase=self._codes(raw["phases"], "phases") if self.phase else None,
            transitions=_bits(raw["transitions"]) if self.transitions else None,
            valid=raw["sample_weights"] != 0 if self.labels else None,
            coverage=tracks,
        )

    def read_coverage(self, rows: Iterable[int]) -> np.ndarray:
        """`Windows.coverage` of some rows alone; the file was opened with a coverage prefix."""
        with open_hdf5(self.path, WHAT) as file:
            return self._read_coverage(file, list(rows))

    def _read_coverage(self, file: h5py.File, rows: Sequence[int]) -> np.ndarray:
        assert self.coverage_prefix is not None, "opened with a coverage prefix"
        n_tracks = len(self.tracks)
        out = np.empty((len(rows), self.length, 2 * n_tracks), np.float32)
        for i, name in enumerate(members(self.coverage_prefix)[:2]):
            out[:, :, i * n_tracks : (i + 1) * n_tracks] = self._read_rows(file, name, rows)
        return out

    def _datasets(self) -> list[str]:
        wanted = {
            "X": True,
            "y": self.labels,
            "phases": self.phase,
            "transitions": self.transitions,
            "sample_weights": self.labels,
        }
        return [name for name, is_wanted in wanted.items() if is_wanted]

    def _read_rows(self, file: h5py.File, name: str, rows: Sequence[int]) -> np.ndarray:
        dataset = file[name]
        out = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
        for i, row in enumerate(rows):
            shift = self.shifts[row]
            out[i] = np.roll(dataset[row], shift, axis=0) if shift else dataset[row]
        return out

    def _codes(self, one_hot: np.ndarray, name: str) -> np.ndarray:
        labels = one_hot == 1
        total = labels.sum(axis=-1)
        if total.max(initial=0) > 1 or (one_hot != labels).any():
            raise InputError(
                f"{self.path}: data/{name} has bases with more than one label, or values other "
                "than 0 and 1; expected one-hot labels (a single 1 per base, none in padding)."
            )
        codes = labels.argmax(axis=-1).astype(np.uint8)
        codes[total == 0] = NO_CLASS
        return codes


def row_shifts(start_ends: np.ndarray, length: int) -> np.ndarray:
    """(rows,) int: by how many bases stored rows are rotated into the order the network sees.

    A padded minus-strand row is rotated by the length of its padding, which thus comes first; all
    others by 0. Rotating the network's output back by as much restores the order of the file.
    """
    span = start_ends[:, 0] - start_ends[:, 1]
    return np.where((span > 0) & (span < length), length - span, 0)


def _bits(columns: np.ndarray) -> np.ndarray:
    """(n, L, 6) marks -> (n, L) uint8, bit k for column k."""
    return np.packbits(columns != 0, axis=-1, bitorder="little")[..., 0]
