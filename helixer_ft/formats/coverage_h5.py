"""Coverage tracks in a data file: the group `evaluation`, in Helixer's form (docs/formats.md).

`{prefix}_coverage` and `{prefix}_spliced_coverage` hold one track after the other, rows as in
`data/X`; `{prefix}_meta` says where each track comes from.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.data_names import WHAT
from helixer_ft.formats.hdf5 import GuardedFile, as_text, find, open_hdf5

READS, SIGNAL = "reads", "signal"
"""Kinds of tracks: counts of aligned reads (BAM, CRAM), or values per base (bigWig)."""
PADDING = -1
"""Value of both datasets where a row is padded."""

_GROUP = "evaluation"
_COVERAGE, _SPLICED, _META = "_coverage", "_spliced_coverage", "_meta"
_FILES, _NAMES, _KINDS, _STRANDEDNESS = (
    "bam_files", "track_names", "track_kinds", "track_strandedness",
)  # fmt: skip
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MEMBER = re.compile(f"(.*?)({_SPLICED}|{_COVERAGE}|{_META})", re.DOTALL)
_READ_SUFFIX = re.compile(r"\.(bam|cram)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Track:
    """One coverage track.

    Attributes
    ----------
    name
        What a model finds the track by in other data.
    kind
        "reads" (counts, from BAM or CRAM) or "signal" (any value per base, from bigWig).
    """

    name: str
    kind: str = READS


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that cannot name datasets of its own.

    Raises
    ------
    InputError
        Empty, with characters other than letters, digits and `_.-`, or ending in "_spliced".
    """
    if not _PREFIX.fullmatch(prefix) or prefix.endswith("_spliced"):
        raise InputError(
            f"coverage prefix '{prefix}': expected letters, digits, '_', '.' or '-', beginning "
            "with a letter or digit and not ending in '_spliced' (for example rnaseq, cage, atac)."
        )


def prefixes(file: h5py.File) -> tuple[str, ...]:
    """The prefixes of all coverage in a file, sorted; those with a part missing included."""
    group = find(file, _GROUP)
    names = group if isinstance(group, h5py.Group) else ()
    found = map(_MEMBER.fullmatch, names)
    return tuple(sorted({match[1] for match in found if match}))


def members(prefix: str) -> tuple[str, str, str]:
    """Paths, in a file, of the coverage of a prefix: coverage, spliced coverage, meta."""
    return (
        f"{_GROUP}/{prefix}{_COVERAGE}",
        f"{_GROUP}/{prefix}{_SPLICED}",
        f"{_GROUP}/{prefix}{_META}",
    )


def read_tracks(file: h5py.File, path: Path, prefix: str) -> tuple[Track, ...]:
    """The tracks of a prefix, in order.

    In files of Helixer itself names are the base names of the BAM files, without ending.

    Parameters
    ----------
    file
        The open data file.
    path
        Its path, for the messages.
    prefix
        "rnaseq" for `evaluation/rnaseq_coverage`.

    Raises
    ------
    InputError
        No coverage of that prefix, a dataset of another shape than `data/X` asks for or without
        numbers, or a number of tracks that differs between the datasets and the meta group.
    """
    check_prefix(prefix)
    data = find(file, "data/X")
    if not isinstance(data, h5py.Dataset) or data.ndim != 3:
        raise InputError(f"{path}: has no data/X; expected a Helixer data file (.h5).")
    coverage_name, spliced_name, meta_name = members(prefix)
    coverage, spliced = find(file, coverage_name), find(file, spliced_name)
    if coverage is None and spliced is None:
        there = prefixes(file)
        found = f"coverage of {', '.join(there)} only" if there else "no coverage"
        raise InputError(
            f"{path}: has {found}, expected {coverage_name}. Add it with "
            f"helixer-ft add-coverage --coverage-prefix {prefix}"
            + (", or give the prefix that is there." if there else ".")
        )
    n_tracks = _count_tracks(path, coverage_name, coverage, data.shape[:2])
    n_spliced = _count_tracks(path, spliced_name, spliced, data.shape[:2])
    if n_spliced != n_tracks:
        raise InputError(
            f"{path}: {coverage_name} has {n_tracks} track(s), {spliced_name} has "
            f"{n_spliced}; expected as many. Add the coverage anew, with --force."
        )
    names = _texts(file, path, f"{meta_name}/{_NAMES}", n_tracks)
    if names is None:
        names = _texts(file, path, f"{meta_name}/{_FILES}", n_tracks)
        if names is None:
            raise InputError(
                f"{path}: {meta_name}/{_FILES} is missing, so the tracks have no names. "
                "Add the coverage anew, with --force."
            )
        names = [read_name(name) for name in names]
    kinds = _texts(file, path, f"{meta_name}/{_KINDS}", n_tracks) or [READS] * n_tracks
    for kind in kinds:
        if kind not in (READS, SIGNAL):
            raise InputError(
                f"{path}: {meta_name}/{_KINDS} has '{kind}', expected {READS} or {SIGNAL}."
            )
    return tuple(Track(name, kind) for name, kind in zip(names, kinds, strict=True))


def read_name(file_name: str) -> str:
    """Default name of the track of a BAM or CRAM file: its base name without ending."""
    return _READ_SUFFIX.sub("", PurePosixPath(file_name).name)


class CoverageWriter:
    """Writes the coverage of one prefix into a data file, row by row.

    Parameters
    ----------
    file
        Open for writing, with `data/X`, without coverage of this prefix.
    prefix
        Of the datasets.
    tracks
        In order. All counts: int64; with a signal among them: float32.
    files
        Per track the name of the file (two, for a pair of bigWigs) it is read from.
    strandedness
        Per track how its values were assigned to strands.
    attributes
        Of the meta group.
    """

    def __init__(
        self,
        file: h5py.File,
        prefix: str,
        tracks: Sequence[Track],
        files: Sequence[str],
        strandedness: Sequence[str],
        attributes: Mapping[str, str],
    ) -> None:
        rows, self.length, _ = file["data/X"].shape
        self.dtype = np.int64 if all(track.kind == READS for track in tracks) else np.float32
        coverage_name, spliced_name, meta_name = members(prefix)
        self._datasets = tuple(
            file.create_dataset(
                name,
                shape=(rows, self.length, len(tracks)),
                maxshape=(None, self.length, None),
                chunks=(1, self.length, 1),
                dtype=self.dtype,
                fillvalue=PADDING,
                compression="lzf",
                shuffle=True,
            )
            for name in (coverage_name, spliced_name)
        )
        self._zeros: bytes | None = None
        meta = file.create_group(meta_name)
        meta.create_dataset(
            _FILES, data=np.array([name.encode() for name in files], "S512"), maxshape=(None,)
        )
        text = h5py.string_dtype()
        meta.create_dataset(_NAMES, data=[track.name for track in tracks], dtype=text)
        meta.create_dataset(_KINDS, data=[track.kind for track in tracks], dtype=text)
        meta.create_dataset(_STRANDEDNESS, data=list(strandedness), dtype=text)
        meta.attrs.update(attributes)

    def write(
        self, row: int, track: int, coverage: np.ndarray, spliced: np.ndarray | None = None
    ) -> None:
        """Write one row of one track.

        Parameters
        ----------
        row, track
            Which.
        coverage, spliced
            (n,) in reading direction, n at most L: the rest is padding. None: nothing is spliced.
        """
        if spliced is None:
            spliced = np.zeros(len(coverage), np.int8)
        for dataset, values in zip(self._datasets, (coverage, spliced), strict=True):
            if len(values) == self.length and not values.any():
                self._write_zeros(dataset, row, track)
                continue
            padded = np.full(self.length, PADDING, self.dtype)
            padded[: len(values)] = values
            dataset[row, :, track] = padded

    def _write_zeros(self, dataset: h5py.Dataset, row: int, track: int) -> None:
        """Most rows of most genomes: compressed once."""
        if self._zeros is None:
            dataset[row, :, track] = 0
            self._zeros = dataset.id.read_direct_chunk((row, 0, track))[1]
        else:
            dataset.id.write_direct_chunk((row, 0, track), self._zeros)


def copy_data_file(source: Path, destination: Path, prefix: str) -> None:
    """Copy a data file without the coverage of a prefix.

    A file without it is copied byte by byte. Otherwise all else is copied object by object, as
    compressed as it is: removing datasets from a copy would leave their room in the file unused.

    Raises
    ------
    InputError
        `source` has links out of the file.
    OSError
        `destination` cannot be written.
    """
    with open_hdf5(source, WHAT) as file:
        replaces = prefix in prefixes(file)
    if not replaces:
        shutil.copyfile(source, destination)
        return
    with GuardedFile(destination, "w+") as disk:
        with open_hdf5(source, WHAT) as file, h5py.File(disk, "w") as new:
            _copy_others(file, new, prefix)
        disk.check()


def _copy_others(file: h5py.File, new: h5py.File, prefix: str) -> None:
    left_out = {name.rpartition("/")[2] for name in members(prefix)}
    new.attrs.update(file.attrs)
    for name in file:
        if name != _GROUP:
            find(file, name)
            file.copy(name, new)
    old_group, group = file[_GROUP], new.create_group(_GROUP)
    group.attrs.update(old_group.attrs)
    for name in old_group:
        if name not in left_out:
            find(file, f"{_GROUP}/{name}")
            file.copy(old_group[name], group, name)


def _count_tracks(
    path: Path, name: str, dataset: h5py.Group | h5py.Dataset | None, shape: tuple[int, int]
) -> int:
    """How many tracks a dataset has, checked."""
    expected = f"({shape[0]}, {shape[1]}, tracks) as data/X"
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(
            f"{path}: {name} is missing, expected {expected}. Add the coverage anew, with --force."
        )
    if dataset.ndim != 3 or dataset.shape[:2] != shape or dataset.shape[2] == 0:
        raise InputError(
            f"{path}: {name} is of shape {dataset.shape}, expected {expected}. "
            "Add the coverage anew, with --force."
        )
    if dataset.dtype.kind not in "iuf":
        raise InputError(f"{path}: {name} holds {dataset.dtype}, expected numbers.")
    return int(dataset.shape[2])


def _texts(file: h5py.File, path: Path, name: str, count: int) -> list[str] | None:
    """The strings of a dataset with one per track, or None where it is missing."""
    dataset = find(file, name)
    if dataset is None:
        return None
    fits = isinstance(dataset, h5py.Dataset) and h5py.check_string_dtype(dataset.dtype) is not None
    if not fits or dataset.shape != (count,):
        found = dataset.shape if isinstance(dataset, h5py.Dataset) else "a group"
        raise InputError(
            f"{path}: {name} is {found}, expected one text for each of the {count} track(s). "
            "Add the coverage anew, with --force."
        )
    return [as_text(value) for value in dataset[()]]
