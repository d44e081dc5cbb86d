"""What is in a data file: of training, validation or test, labelled or not."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import Track, prefixes, read_tracks
from helixer_ft.formats.data_h5 import WHAT
from helixer_ft.formats.hdf5 import attribute, find
from helixer_ft.metrics import ClassBases
from helixer_ft.progress import Progress

_AT_ONCE = 16


@dataclass(frozen=True)
class Labels(ClassBases):
    """The labels of a data file, both strands, padding left out.

    Attributes
    ----------
    bases, valid_bases
        See `ClassBases`.
    annotated, usable
        Windows of annotated sequences, and those of them with at least one valid base: the ones
        that training and validation use.
    """

    annotated: int
    usable: int

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return self.class_shares() | {
            "annotated_windows": self.annotated,
            "usable_windows": self.usable,
        }


@dataclass(frozen=True)
class DataContent:
    """A data file.

    Attributes
    ----------
    path
        The file.
    windows, length
        Rows, both strands together, and bases of each.
    species
        Species -> sequence -> windows.
    labels
        None in a file to predict on.
    coverage
        Prefix -> its tracks.
    datasets
        Names below `data/`.
    attributes
        What helixer-ft wrote (version, command line); empty for a file of Helixer itself.
    """

    path: Path
    windows: int
    length: int
    species: Mapping[str, Mapping[str, int]]
    labels: Labels | None
    coverage: Mapping[str, tuple[Track, ...]]
    datasets: tuple[str, ...]
    attributes: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "kind": "data",
            "path": str(self.path),
            "windows": self.windows,
            "subsequence_length": self.length,
            "species": {name: dict(counts) for name, counts in self.species.items()},
            "labels": None if self.labels is None else self.labels.to_dict(),
            "coverage": {
                prefix: [vars(track) for track in tracks]
                for prefix, tracks in self.coverage.items()
            },
            "datasets": list(self.datasets),
            "attributes": dict(self.attributes),
        }


def inspect_data(file: h5py.File, path: Path, progress: Progress) -> DataContent:
    """Read what is to be said of a data file, its labels a few rows at a time.

    Raises
    ------
    InputError
        Datasets missing, or of another shape or type.
    """
    bases = find(file, "data/X")
    if not isinstance(bases, h5py.Dataset) or bases.ndim != 3 or bases.shape[2] != 4:
        raise _wrong(path, "data/X", "(windows, subsequence length, 4)", bases)
    windows, length = int(bases.shape[0]), int(bases.shape[1])
    names = {
        name: _text(_dataset(file, path, name, (windows,))[()]) for name in ("species", "seqids")
    }
    species: dict[str, Counter[str]] = {}
    for one, seqid in zip(names["species"], names["seqids"], strict=True):
        species.setdefault(one, Counter())[seqid] += 1
    return DataContent(
        path=path,
        windows=windows,
        length=length,
        species=species,
        labels=_labels(file, path, windows, length, progress),
        coverage={prefix: read_tracks(file, path, prefix) for prefix in prefixes(file)},
        datasets=tuple(sorted(file["data"].keys())),
        attributes={
            name: str(attribute(file, name))
            for name in map(str, file.attrs)
            if name.startswith("helixer_ft_")
        },
    )


def _labels(
    file: h5py.File, path: Path, windows: int, length: int, progress: Progress
) -> Labels | None:
    if find(file, "data/y") is None:
        return None
    classes = _dataset(file, path, "y", (windows, length, 4))
    weights = _dataset(file, path, "sample_weights", (windows, length))
    flags = [
        _dataset(file, path, name, (windows,))[()].astype(bool)
        for name in ("is_annotated", "err_samples")
    ]
    total = np.zeros((2, 4), np.int64)
    starts = range(0, windows, _AT_ONCE)
    task = f"reading {path.name}"
    chunks = progress.track(task, windows, starts, "windows", lambda i: min(_AT_ONCE, windows - i))
    for start in chunks:
        labels = classes[start : start + _AT_ONCE] != 0
        valid = weights[start : start + _AT_ONCE] != 0
        total[0] += labels.sum(axis=(0, 1))
        total[1] += labels[valid].sum(axis=0)
    return Labels(total[0], total[1], int(flags[0].sum()), int((flags[0] & flags[1]).sum()))


def _dataset(file: h5py.File, path: Path, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
    found = find(file, f"data/{name}")
    if not isinstance(found, h5py.Dataset) or found.shape != shape:
        raise _wrong(path, f"data/{name}", str(shape), found)
    is_text = h5py.check_string_dtype(found.dtype) is not None
    if is_text != (name in ("species", "seqids")) or not (is_text or found.dtype.kind in "iufb"):
        raise InputError(
            f"{path}: data/{name} holds {found.dtype}, expected "
            f"{'text' if name in ('species', 'seqids') else 'numbers'} as Helixer writes them."
        )
    return found


def _text(values: np.ndarray) -> list[str]:
    return [
        value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        for value in values
    ]


def _wrong(path: Path, name: str, expected: str, found: object) -> InputError:
    state = f"of shape {found.shape}" if isinstance(found, h5py.Dataset) else "missing"
    return InputError(f"{path}: {name} is {state}, expected {expected} as in {WHAT}.")
