"""Rows of several data files as one indexed set, and batches of them read ahead."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helixer_ft.dataset.batch import (
    PADDING,
    PLANES,
    BaseTable,
    Batch,
    RowsOnDevice,
    pack,
    rows_named,
)
from helixer_ft.dataset.cache_folder import CacheFolder, Room
from helixer_ft.dataset.row_cache import RowCache
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.progress import Progress

FORMAT = 1
KIND, COVERAGE_KIND = "decoded", "coverage"


class Rows(Protocol):
    """Rows of all subsequences of a source, wherever they are."""

    def read(self, indices: np.ndarray, /) -> Any:
        """Rows by number, in the order given."""


class DeviceRows:
    """Rows that lie on the devices: (all, ...)."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def read(self, indices: np.ndarray) -> RowsOnDevice:
        """Rows by number; nothing is copied."""
        return RowsOnDevice(self._values, indices + 1)


class FileRows:
    """Subsequences in data files.

    Parameters
    ----------
    files
        All of one subsequence length.
    rows
        (n, 2) int: file and row within it, per subsequence.
    length
        Bases of each subsequence that are used: the length in the files, less what is left over
        after the last full pool.
    """

    def __init__(self, files: Sequence[DataFile], rows: np.ndarray, length: int) -> None:
        self.files = tuple(files)
        self.rows = rows
        self.length = length
        self.table = BaseTable()

    def fingerprint(self) -> dict[str, Any]:
        """What decoded rows follow from: the content of the files, and what is taken of it."""
        return {
            **self._origin,
            "phase": self.files[0].phase,
            "transitions": self.files[0].transitions,
        }

    def coverage_fingerprint(self, coverage: CoverageInput) -> dict[str, Any]:
        """What normalised coverage follows from, likewise."""
        return {**self._origin, "coverage": coverage.to_dict()}

    @cached_property
    def _origin(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "files": [file_sha256(file.path) for file in self.files],
            "rows": hashlib.blake2b(self.rows.tobytes(), digest_size=16).hexdigest(),
            "length": self.length,
        }

    def notes(self) -> dict[str, Any]:
        """What is needed to read decoded rows."""
        return {"base_vectors": self.table.vectors.tolist()}

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """(n, 3, L) uint8 rows (see `dataset/batch.py`) of subsequences, in the order given.

        Raises
        ------
        InputError
            Damaged data, labels that are not one-hot, bases that are not shares.
        """
        decoded = np.empty((len(indices), PLANES, self.length), np.uint8)
        for file, rows, chosen in self._by_file(indices):
            with rows_named(file.path, rows):
                packed = pack(file.read(rows, coverage=False), self.table)
            decoded[chosen] = packed[:, :, : self.length]
        return decoded

    def read_coverage(self, coverage: CoverageInput, indices: np.ndarray) -> np.ndarray:
        """(n, L, 2 * tracks) float16 normalised coverage of subsequences, in the order given.

        Raises
        ------
        InputError
            Damaged data, values that cannot be normalised.
        """
        values = np.empty((len(indices), self.length, coverage.channels), np.float16)
        for file, rows, chosen in self._by_file(indices):
            raw = file.read_coverage(rows)
            values[chosen] = coverage.normalize_data(raw, file.path)[:, : self.length]
        return values

    def _by_file(self, indices: np.ndarray) -> Iterator[tuple[DataFile, list[int], np.ndarray]]:
        """Per file the rows wanted of it, and which of the subsequences given these are."""
        wanted = self.rows[indices]
        for number in np.unique(wanted[:, 0]):
            chosen = np.flatnonzero(wanted[:, 0] == number)
            yield self.files[number], wanted[chosen, 1].tolist(), chosen


@dataclass(frozen=True)
class Dataset:
    """Subsequences to train or score on.

    Attributes
    ----------
    source
        The data files.
    decoded
        Rows of all subsequences of the source, read from the files where they are not kept.
    indices
        (n,) int: which subsequences of the source.
    features
        The body's output for all subsequences of the source, where the head alone is trained.
    coverage, coverage_input
        Normalised coverage of all subsequences of the source, where the network takes it, and
        what it is.
    """

    source: FileRows
    decoded: RowCache
    indices: np.ndarray
    features: Rows | None = None
    coverage: RowCache | None = None
    coverage_input: CoverageInput | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def length(self) -> int:
        """Bases of each subsequence that are used."""
        return self.source.length

    def overhang_notices(self, pool_size: int) -> list[str]:
        """What to say of bases that a model does not read, as it pools `pool_size`."""
        length = self.source.files[0].length
        if not (overhang := length % pool_size):
            return []
        return [
            f"the last {overhang} of {length} bases of each subsequence are left out: the model "
            f"pools {pool_size} bases (prepare data of a length divisible by {pool_size})"
        ]

    @property
    def regions(self) -> list[tuple[str, str, int]]:
        """Per subsequence (species, sequence, lower coordinate); both strands share it."""
        return [
            self.source.files[file].regions[row] for file, row in self.source.rows[self.indices]
        ]

    def subset(self, indices: np.ndarray) -> "Dataset":
        """Some of the subsequences."""
        return replace(self, indices=self.indices[indices])

    def read(self, indices: np.ndarray) -> Batch:
        """Subsequences by index, in the order given."""
        rows = self.indices[indices]
        return Batch(
            rows=self.decoded.read(rows),
            base_table=self.source.table.padded(),
            features=None if self.features is None else self.features.read(rows),
            coverage=None if self.coverage is None else self.coverage.read(rows),
        )

    def with_coverage(self, coverage: CoverageInput) -> "Dataset":
        """The subsequences with their coverage, from files that were opened with its prefix.

        Raises
        ------
        InputError
            A file has other tracks.
        """
        for file in self.source.files:
            coverage.check(file.path, file.tracks)
        rows = RowCache(self.decoded.n, partial(self.source.read_coverage, coverage))
        return replace(self, coverage=rows, coverage_input=coverage)

    def without_coverage(self) -> "Dataset":
        """The subsequences for a network that takes none."""
        return replace(self, coverage=None, coverage_input=None)

    def silenced(self) -> "Dataset":
        """The subsequences as if nothing had been sequenced: coverage 0 on every base."""
        coverage = self.coverage_input
        assert coverage is not None, "coverage is read"
        silence, padding = coverage.silence

        def silent(rows: np.ndarray) -> np.ndarray:
            padded = self.decoded.read(rows)[:, 0] == PADDING
            values = np.where(padded, padding, silence)
            return np.repeat(values[:, :, None], coverage.channels, axis=2)

        return replace(self, coverage=RowCache(self.decoded.n, silent))


def open_dataset(
    paths: Sequence[Path],
    *,
    pool_size: int,
    phase: bool,
    transitions: bool,
    all_rows: bool = False,
    coverage_prefix: str | None = None,
) -> Dataset:
    """Open data files as one set, decoded at each reading until `Dataset.decoded` keeps its rows.

    Parameters
    ----------
    paths
        The files.
    pool_size
        Pool size of the network; what exceeds the last full pool is left out.
    phase, transitions
        Whether these labels are needed.
    all_rows
        Every row (test data), not only annotated rows with a valid base.
    coverage_prefix
        Prefix of the coverage that `Dataset.with_coverage` will ask for.

    Raises
    ------
    InputError
        A file that cannot be used, differing subsequence lengths, no usable row.
    """
    files = tuple(
        DataFile(path, phase=phase, transitions=transitions, coverage_prefix=coverage_prefix)
        for path in paths
    )
    check_lengths(files)
    length = files[0].length // pool_size * pool_size
    if length == 0:
        raise InputError(
            f"{files[0].path}: its subsequences have {files[0].length} bases, fewer than the "
            f"{pool_size} bases that the model pools."
        )
    rows = [
        (i, row)
        for i, file in enumerate(files)
        for row in (range(file.n_rows) if all_rows else np.flatnonzero(file.usable).tolist())
    ]
    if not rows:
        raise InputError(
            f"{', '.join(str(path) for path in paths)}: no annotated subsequence with a valid "
            "base, so there is nothing to learn from or to score on. Check that sequence names in "
            "the annotation match those of the genome, and how many bases are masked."
        )
    source = FileRows(files, np.array(rows, dtype=np.int64), length)
    return Dataset(source, RowCache(len(rows), source.decode), np.arange(len(rows)))


def keep_rows(sets: Sequence[Dataset], folder: CacheFolder, progress: Progress) -> None:
    """Make room for decoded rows and coverage of sets, to be filled as they are first read; those
    that were read before stay as they are.
    """
    wanted = sum(dataset.decoded.n * _row_bytes(dataset) for dataset in sets)
    room = Room(wanted, folder)
    if not room.is_enough:
        progress.notice(
            f"the decoded data ({wanted / 1e6:,.0f} MB) fit neither in memory nor on disk in "
            f"{folder.path}: some of the data files are decoded again in every epoch, which is "
            "slow. Give a --cache-dir with more room"
        )
    for dataset in sets:
        source, n = dataset.source, dataset.decoded.n
        if dataset.decoded.was_read:
            continue
        kept = folder.kept_file(KIND, source.fingerprint, source.notes)
        if storage := room.storage(n, (PLANES, source.length), np.dtype(np.uint8), kept):
            dataset.decoded.keep_in(storage)
            if storage.complete and kept is not None:
                source.table = BaseTable(np.array(kept.notes["base_vectors"], np.float16))
    for dataset in sets:
        source, rows, coverage = dataset.source, dataset.coverage, dataset.coverage_input
        if rows is None or coverage is None or rows.was_read:
            continue
        kept = folder.kept_file(COVERAGE_KIND, partial(source.coverage_fingerprint, coverage))
        shape = source.length, coverage.channels
        if storage := room.storage(rows.n, shape, np.dtype(np.float16), kept):
            rows.keep_in(storage)


def decoded_bytes(dataset: Dataset) -> int:
    """Bytes of all decoded rows of a set with their normalised coverage."""
    channels = 0 if dataset.coverage_input is None else dataset.coverage_input.channels
    row = PLANES + channels * np.dtype(np.float16).itemsize
    return dataset.decoded.n * dataset.length * row


def _row_bytes(dataset: Dataset) -> int:
    """Bytes of a decoded row and its normalised coverage, as far as they are still to be read."""
    size = 0 if dataset.decoded.was_read else PLANES
    if dataset.coverage is not None and not dataset.coverage.was_read:
        assert dataset.coverage_input is not None, "coverage is read"
        size += dataset.coverage_input.channels * np.dtype(np.float16).itemsize
    return dataset.length * size


def check_lengths(files: Sequence[DataFile]) -> None:
    """Refuse files of differing subsequence lengths."""
    by_length: dict[int, list[str]] = {}
    for file in files:
        by_length.setdefault(file.length, []).append(str(file.path))
    if len(by_length) > 1:
        found = "; ".join(f"{length}: {', '.join(paths)}" for length, paths in by_length.items())
        raise InputError(
            f"the data files have different subsequence lengths ({found}), expected one. "
            "Make them again with the same --subsequence-length."
        )


def batches(n: int, batch_size: int, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Indices of successive batches; the smaller last one is kept."""
    order = np.arange(n) if order is None else order
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]
