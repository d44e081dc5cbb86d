"""What a data file contains, with labels or without."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from helixer_ft.formats.coverage_h5 import Track, prefixes, read_tracks
from helixer_ft.formats.data_h5 import OpenData
from helixer_ft.formats.hdf5 import as_text, attribute
from helixer_ft.formats.label_source import LabelSource, read_label_source
from helixer_ft.metrics import ClassBases
from helixer_ft.progress import Progress

_AT_ONCE = 16


@dataclass(frozen=True)
class LabelContent(ClassBases):
    """The labels of a data file, both strands, padding left out.

    Attributes
    ----------
    bases, valid_bases
        See `ClassBases`.
    annotated, usable
        Windows of annotated sequences, and those among them with at least one valid base, which
        training and validation use.
    source, predicted
        Where the labels come from, and windows of which they are predictions.
    """

    annotated: int
    usable: int
    source: LabelSource
    predicted: int

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return self.class_shares() | {
            "annotated_windows": self.annotated,
            "usable_windows": self.usable,
            "predicted_windows": self.predicted,
            "label_source": self.source.to_dict(),
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
        What helixer-ft recorded (version, command line); empty for a file that Helixer wrote.
    """

    path: Path
    windows: int
    length: int
    species: Mapping[str, Mapping[str, int]]
    labels: LabelContent | None
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
    """Summarise a data file, reading its labels a few rows at a time.

    Raises
    ------
    InputError
        Datasets missing, or of another shape or type.
    """
    data = OpenData(file, path, "as Helixer writes it. Make it with helixer-ft prepare.")
    species: dict[str, Counter[str]] = {}
    for one, seqid in zip(data.texts("species"), data.texts("seqids"), strict=True):
        species.setdefault(one, Counter())[seqid] += 1
    return DataContent(
        path=path,
        windows=data.n_rows,
        length=data.length,
        species=species,
        labels=_labels(data, progress),
        coverage={prefix: read_tracks(file, path, prefix) for prefix in prefixes(file)},
        datasets=tuple(sorted(file["data"].keys())),
        attributes={
            name: as_text(attribute(file, name))
            for name in map(str, file.attrs)
            if name.startswith("helixer_ft_")
        },
    )


def _labels(data: OpenData, progress: Progress) -> LabelContent | None:
    if not data.has("y"):
        return None
    classes, weights = data.dataset("y"), data.dataset("sample_weights")
    annotated, valid_somewhere = data.flags("is_annotated"), data.flags("err_samples")
    windows = data.n_rows
    total = np.zeros((2, 4), np.int64)
    starts = range(0, windows, _AT_ONCE)
    task = f"reading {data.path.name}"
    chunks = progress.track(task, windows, starts, "windows", lambda i: min(_AT_ONCE, windows - i))
    for start in chunks:
        labels = classes[start : start + _AT_ONCE] != 0
        valid = weights[start : start + _AT_ONCE] != 0
        total[0] += labels.sum(axis=(0, 1))
        total[1] += labels[valid].sum(axis=0)
    usable = annotated & valid_somewhere
    source, codes = read_label_source(data.file, data.path, windows)
    return LabelContent(
        total[0], total[1], int(annotated.sum()), int(usable.sum()), source, int(codes.sum())
    )
