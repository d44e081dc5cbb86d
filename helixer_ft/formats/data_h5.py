"""Training, validation and test data: Helixer's HDF5 files, one row per subsequence and strand.

On disk a padded minus-strand row has its padding at the end; the network sees it at the front,
so that both strands keep their sequence where it lies in the genome. `DataFile.read` returns
rows as the network sees them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track, members, read_tracks
from helixer_ft.formats.hdf5 import find, open_hdf5

WHAT = "a Helixer data file (.h5)"
TRAINING, VALIDATION, TEST = SETS = ("training", "validation", "test")
POOL_SIZE = 9
"""Bases that Helixer's networks pool into one step."""
DEFAULT_LENGTH = 21_384
"""Of a subsequence, in bp: Helixer's for fungi."""
MAX_LENGTH = 9_999_999
"""Bases of the longest row: several times the longest gene that is known."""
MAX_SPECIES = 25
"""Bytes of a species' name: the width of `data/species`."""
NO_CLASS = 4
"""Class code of a base without label (padding)."""

_SPECIES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_FASTA_SUFFIXES = re.compile(r"(\.(fa|fas|fasta|fna|dna))?(\.(gz|bgz|bgzip))?$", re.IGNORECASE)
_TRAILING = {"X": 4, "y": 4, "phases": 4, "transitions": 6, "sample_weights": 0}
_PER_ROW = {
    "seqids": "text",
    "species": "text",
    "start_ends": "integers",
    "is_annotated": "true or false",
    "err_samples": "true or false",
}
"""Datasets with one value (`start_ends`: two) per row, and what they hold."""
_UNLABELLED = ("seqids", "species", "start_ends")
"""Those of them that a file without labels has."""


ANNOTATION_WARNING = "helixer_ft_annotation_warning"
"""Attribute of a data file: why most genes of its annotation cannot be used."""
_LONGEST_WARNING = 1000


@dataclass(frozen=True)
class Windows:
    """Subsequences as the network sees them.

    Attributes
    ----------
    bases
        (n, L, 4) float16, order C A T G; padding 0.
    genic
        (n, L) uint8: 0 intergenic, 1 UTR, 2 CDS, 3 intron, 4 none (padding); None without labels.
    phase
        (n, L) uint8: 0 none, 1-3 phase 0-2, 4 none (padding); None where not asked for.
    transitions
        (n, L) uint8, bit k set where column k of `data/transitions` is; None where not asked for.
    valid
        (n, L) bool: neither masked nor padding; None without labels.
    coverage
        (n, L, 2 * tracks) float32: coverage of every track, then spliced coverage of every track,
        as in the file (not normalised); padding -1. None where not asked for.
    """

    bases: np.ndarray
    genic: np.ndarray | None = None
    phase: np.ndarray | None = None
    transitions: np.ndarray | None = None
    valid: np.ndarray | None = None
    coverage: np.ndarray | None = None


class DataFile:
    """One data file, its row table in memory, its bases read on demand.

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
        with open_hdf5(path, WHAT) as file:
            data = find(file, "data/X")
            if not isinstance(data, h5py.Dataset) or data.ndim != 3 or data.shape[2] != 4:
                raise self._missing("X", "(rows, subsequence length, 4)", data)
            self.n_rows, self.length = int(data.shape[0]), int(data.shape[1])
            if self.n_rows == 0 or self.length == 0:
                raise InputError(f"{path}: holds no subsequences. Make it anew with more sequence.")
            for name in self._datasets():
                self._check_dataset(file, name)
            per_row = _PER_ROW if labels else _UNLABELLED
            table = {name: self._row_table(file, name) for name in per_row}
            if coverage_prefix is not None:
                self.tracks = read_tracks(file, path, coverage_prefix)
            self.annotation_warning = _text(file.attrs.get(ANNOTATION_WARNING))
            """What `prepare` found wrong with most genes; empty if nothing."""
        self.seqids: list[str] = [_decode(name) for name in table["seqids"]]
        self.species: list[str] = [_decode(name) for name in table["species"]]
        self.start_ends: np.ndarray = table["start_ends"].astype(np.int64)
        self.usable: np.ndarray = np.zeros(self.n_rows, bool)
        if labels:
            self.usable = table["is_annotated"].astype(bool) & table["err_samples"].astype(bool)
        """(rows,) bool: annotated sequence and at least one valid base; the rows to train on."""

    @cached_property
    def shifts(self) -> np.ndarray:
        """(rows,) how far a row is rotated to be as the network sees it; see `row_shifts`."""
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
            Their numbers.
        coverage
            False: leave the coverage out, of a file that was opened with it.

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
        if not self.labels:
            return ["X"]
        return [
            "X",
            "y",
            *(["phases"] if self.phase else []),
            *(["transitions"] if self.transitions else []),
            "sample_weights",
        ]

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

    def _check_dataset(self, file: h5py.File, name: str) -> None:
        width = _TRAILING[name]
        expected = (self.n_rows, self.length, width) if width else (self.n_rows, self.length)
        dataset = find(file, f"data/{name}")
        if not isinstance(dataset, h5py.Dataset) or dataset.shape != expected:
            raise self._missing(name, str(expected), dataset)
        self._check_type(name, dataset, "numbers", dataset.dtype.kind in "iufb")

    def _row_table(self, file: h5py.File, name: str) -> np.ndarray:
        dataset = find(file, f"data/{name}")
        expected = (self.n_rows, 2) if name == "start_ends" else (self.n_rows,)
        if not isinstance(dataset, h5py.Dataset) or dataset.shape != expected:
            raise self._missing(name, str(expected), dataset)
        content = _PER_ROW[name]
        if content == "text":
            fits = h5py.check_string_dtype(dataset.dtype) is not None
        else:
            fits = dataset.dtype.kind in ("iu" if content == "integers" else "biu")
        self._check_type(name, dataset, content, fits)
        return dataset[()]

    def _check_type(self, name: str, dataset: h5py.Dataset, content: str, fits: bool) -> None:
        if not fits:
            raise InputError(
                f"{self.path}: data/{name} holds {dataset.dtype}, expected {content} as Helixer "
                "writes them (see docs/formats.md)."
            )

    def _missing(self, name: str, expected: str, found: object) -> InputError:
        state = f"of shape {found.shape}" if isinstance(found, h5py.Dataset) else "missing"
        remedy = (
            "with labels. Make it with helixer-ft prepare, with --gff3."
            if self.labels
            else "to predict on. Make it with helixer-ft prepare."
        )
        return InputError(
            f"{self.path}: data/{name} is {state}, expected {expected}; this is not {WHAT} {remedy}"
        )


def row_shifts(start_ends: np.ndarray, length: int) -> np.ndarray:
    """(rows,) int: how far rows as stored are rotated to be as the network sees them.

    A padded minus-strand row by its padding, which so comes to the front; others by 0. Rotated
    back by as much, what the network makes of a row lies as its bases do in the file.
    """
    span = start_ends[:, 0] - start_ends[:, 1]
    return np.where((span > 0) & (span < length), length - span, 0)


def _bits(columns: np.ndarray) -> np.ndarray:
    """(n, L, 6) marks -> (n, L) uint8, bit k for column k."""
    return np.packbits(columns != 0, axis=-1, bitorder="little")[..., 0]


def _text(value: object) -> str:
    """A text attribute, one line of some length at most; empty if it is not there or no text."""
    return " ".join(value.split())[:_LONGEST_WARNING] if isinstance(value, str) else ""


def _decode(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def check_longest(length: int) -> None:
    """Refuse a subsequence length above `MAX_LENGTH`."""
    if length > MAX_LENGTH:
        raise InputError(
            f"--subsequence-length is {length}, expected at most {MAX_LENGTH}: no gene is that "
            "long. Take less; the default holds most genes."
        )


def check_length(length: int) -> None:
    """Refuse a subsequence length that the network cannot pool.

    Raises
    ------
    InputError
        No positive multiple of 9, or above `MAX_LENGTH`.
    """
    check_longest(length)
    if length < POOL_SIZE or length % POOL_SIZE:
        below = max(POOL_SIZE, length // POOL_SIZE * POOL_SIZE)
        raise InputError(
            f"--subsequence-length is {length}, expected a multiple of {POOL_SIZE}, because "
            f"Helixer's networks pool {POOL_SIZE} bases into one step. Take {below} or "
            f"{below + POOL_SIZE}."
        )


def check_species(name: str, where: str = "--species") -> None:
    """Refuse a species name that the data files cannot hold, or that is no part of a file name."""
    if not _SPECIES.fullmatch(name):
        raise InputError(
            f"{where} is '{name}', expected letters, digits and _ . + - (it becomes part of file "
            "names), for example Arabidopsis_thaliana."
        )
    if len(name) > MAX_SPECIES:
        raise InputError(
            f"{where} is '{name}', {len(name)} characters, but Helixer's files hold {MAX_SPECIES}. "
            "Shorten it."
        )


def species_of(fasta: Path) -> str:
    """A name for the species from that of its FASTA file, cut to `MAX_SPECIES`."""
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", _FASTA_SUFFIXES.sub("", fasta.name)).lstrip("_.+-")
    return name[:MAX_SPECIES] or "genome"
