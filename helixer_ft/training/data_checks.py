"""What is in the data before training starts, and what is wrong with it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helixer_ft.dataset.batch import scored_bases, unpack
from helixer_ft.dataset.dataset import Dataset
from helixer_ft.dataset.label_sources import (
    are_predicted,
    fingerprint_part,
    label_sources,
    sources_text,
)
from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import NO_CLASS
from helixer_ft.formats.label_source import LabelSource
from helixer_ft.metrics import (
    GENIC_CLASSES,
    LITTLE_INTERGENIC,
    STRONG_DIFFERENCE,
    ClassBases,
)
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import read_ahead

_AT_ONCE = 16


@dataclass(frozen=True)
class SetSummary(ClassBases):
    """Content of the training, validation or test data.

    Attributes
    ----------
    bases, valid_bases
        See `ClassBases`; valid are those in steps that are valid throughout.
    name
        "training", "validation" or "test".
    windows
        Subsequences that are used.
    sequences
        (species, sequence) -> (k, 2) start and end of the k stretches that its windows cover.
    fingerprint
        Hash of bases, labels and masks, independent of the files' compression; and of where the
        labels come from, where that is no annotation.
    coverage_fingerprint
        Hash of the normalised coverage; empty where none is read.
    silent_tracks
        Names of coverage tracks without any coverage.
    label_sources
        Where the labels come from.
    """

    name: str
    windows: int
    sequences: Mapping[tuple[str, str], np.ndarray]
    fingerprint: str
    coverage_fingerprint: str = ""
    silent_tracks: tuple[str, ...] = ()
    label_sources: tuple[LabelSource, ...] = (LabelSource(),)

    @property
    def is_predicted(self) -> bool:
        """Whether any of the labels are predictions."""
        return are_predicted(self.label_sources)

    @property
    def labels_text(self) -> str:
        """Where the labels come from, in words."""
        return sources_text(self.label_sources)


def find_files(folder: Path, prefix: str) -> list[Path]:
    """Every `<prefix>*h5` of a data directory, as Helixer picks them."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: is not a folder, expected a data directory with training_data*h5 and "
            "validation_data*h5."
        )
    paths = sorted(folder.glob(f"{prefix}*h5"))
    if not paths:
        there = ", ".join(sorted(path.name for path in folder.glob("*h5"))[:5]) or "no .h5 file"
        raise InputError(
            f"{folder}: has no {prefix}*h5 (there is {there}), expected at least one. "
            "Name the files so, or give another --data-dir."
        )
    return paths


def summarise(dataset: Dataset, name: str, pool_size: int, progress: Progress) -> SetSummary:
    """Read a set once, keeping its decoded rows where there is room for them, and check it.

    Raises
    ------
    InputError
        NaN or values outside 0-1 among the bases; no valid base; no genic, or (in training and
        validation) no intergenic base; coverage that cannot be normalised.
    """
    total = np.zeros((2, len(GENIC_CLASSES)), np.int64)
    digest = hashlib.blake2b(digest_size=16)
    chunks = read_ahead(lambda chunk: chunk, dataset.decoded.fill(_AT_ONCE))
    task, n = f"reading the {name} data", dataset.decoded.n
    for _, rows in progress.track(task, n, chunks, "windows", lambda chunk: len(chunk[1])):
        labels = unpack(rows[:, 1])
        total[0] += _count(labels.genic)
        total[1] += _count(labels.genic[scored_bases(rows[:, 1], [pool_size])])
        digest.update(np.ascontiguousarray(rows[:, :2]).tobytes())
    digest.update(dataset.source.table.vectors.tobytes())
    digest.update(fingerprint_part(dataset))
    summary = SetSummary(
        name=name,
        windows=len(dataset),
        bases=total[0],
        valid_bases=total[1],
        sequences=_stretches(dataset),
        fingerprint=digest.hexdigest(),
        label_sources=label_sources(dataset),
    )
    _refuse_unusable(summary, [file.path for file in dataset.source.files])
    return summary if dataset.coverage is None else with_coverage(summary, dataset, progress)


def with_coverage(summary: SetSummary, dataset: Dataset, progress: Progress) -> SetSummary:
    """Read the coverage of a set once, keeping it where there is room for it, and look at it.

    Raises
    ------
    InputError
        Values that cannot be normalised.
    """
    coverage, rows = dataset.coverage_input, dataset.coverage
    assert coverage is not None, "coverage is read"
    assert rows is not None, "coverage is read"
    silence, _ = coverage.silence
    highest = np.full(coverage.channels, silence)
    digest = hashlib.blake2b(digest_size=16)
    chunks = read_ahead(lambda chunk: chunk, rows.fill(_AT_ONCE))
    task = f"reading the coverage of the {summary.name} data"
    for _, values in progress.track(task, rows.n, chunks, "windows", lambda chunk: len(chunk[1])):
        highest = np.maximum(highest, values.max(axis=(0, 1)))
        digest.update(values.tobytes())
    heard = (highest > silence).reshape(2, -1).max(axis=0).tolist()
    silent = [track.name for track, any_ in zip(coverage.tracks, heard, strict=True) if not any_]
    return replace(summary, coverage_fingerprint=digest.hexdigest(), silent_tracks=tuple(silent))


def label_notices(sets: Sequence[SetSummary], *, may_be_mixed: bool) -> list[str]:
    """What to say of labels that are predictions, and where nothing is mixed that may be."""
    nothing_mixed = []
    if may_be_mixed and not _are_mixed(sets):
        nothing_mixed.append(
            "--mix-label-sources has no effect: the labels of the training and validation data "
            f"have one source ({_labels_of(learnt(sets))})"
        )
    if not any(one.is_predicted for one in sets):
        return nothing_mixed
    text = f"labels: {_labels_of(sets)}"
    if any(one.is_predicted for one in sets if one.name == "validation"):
        text += "; agreement with predictions chooses nothing: the last weights are kept"
    return [text, *nothing_mixed]


def warnings(sets: Sequence[SetSummary]) -> list[str]:
    """What may spoil training or its scores, in plain words."""
    result = []
    for i, one in enumerate(sets):
        for other in sets[i + 1 :]:
            shared = sorted(
                name
                for name in one.sequences.keys() & other.sequences.keys()
                if _meet(one.sequences[name], other.sequences[name])
            )
            if shared:
                names = ", ".join(f"{species} {seqid}" for species, seqid in shared[:3])
                more = f" and {len(shared) - 3} more" if len(shared) > 3 else ""
                result.append(
                    f"the {one.name} and {other.name} data overlap, or touch, in {len(shared)} "
                    f"sequence(s) ({names}{more}): "
                    "overfitting would go unnoticed there. Split by whole sequences, or leave a "
                    "gap between the sets."
                )
            shares = one.valid_fractions[0], other.valid_fractions[0]
            if abs(shares[0] - shares[1]) > STRONG_DIFFERENCE:
                result.append(
                    f"{shares[0]:.0%} of the valid {one.name} bases are intergenic, but "
                    f"{shares[1]:.0%} of the valid {other.name} bases: the {other.name} data do "
                    f"not represent the {one.name} data. Split again, or look at what is masked."
                )
    result += [
        f"the coverage track(s) {', '.join(one.silent_tracks)} have no coverage anywhere in the "
        f"{one.name} data: nothing can be learnt from (or seen in) them there. Look at the names "
        "of the sequences in the files of the reads, and at the strand."
        for one in sets
        if one.silent_tracks
    ]
    if _are_mixed(sets):
        labels = _labels_of(learnt(sets))
        result.append(
            f"labels of different sources are used together ({labels}): mistakes of "
            "predictions are learnt like an annotation. Compare with a training on the annotation "
            "alone."
        )
    training = sets[0]
    result += [
        f"there is no valid {name} base in the training data: the tuned model will lose the "
        f"ability to predict {name}. Use an annotation that has it, or look at what is masked."
        for name, bases in zip(GENIC_CLASSES, training.valid_bases, strict=True)
        if not bases
    ]
    if training.valid_fractions[0] < LITTLE_INTERGENIC:
        result.append(
            f"only {training.valid_fractions[0]:.1%} of the valid training bases are intergenic: "
            "the tuned model will tend to see genes everywhere. Add intergenic sequence, or "
            "unmask it."
        )
    return result


def learnt(sets: Sequence[SetSummary]) -> list[SetSummary]:
    """Training and validation data, of sets with test data or without."""
    return [one for one in sets if one.name != "test"]


def _are_mixed(sets: Sequence[SetSummary]) -> bool:
    """Whether their labels come from an annotation in part, and are predictions in part."""
    return len({source.kind for one in learnt(sets) for source in one.label_sources}) > 1


def _labels_of(sets: Sequence[SetSummary]) -> str:
    return "; ".join(f"{one.name} {one.labels_text}" for one in sets)


def _stretches(dataset: Dataset) -> dict[tuple[str, str], np.ndarray]:
    """Per sequence the stretches that windows of either strand cover, none touching the next."""
    parts: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for file, row in dataset.source.rows[dataset.indices]:
        data = dataset.source.files[file]
        start, end = sorted(data.start_ends[row].tolist())
        parts.setdefault((data.species[row], data.seqids[row]), set()).add((start, end))
    return {name: _joined(np.array(sorted(covered))) for name, covered in parts.items()}


def _joined(intervals: np.ndarray) -> np.ndarray:
    """(n, 2) start and end, sorted -> (k, 2): those that overlap or touch are one."""
    reach = np.maximum.accumulate(intervals[:, 1])
    first = np.append(True, intervals[1:, 0] > reach[:-1])
    last = np.append(first[1:], True)
    return np.stack([intervals[first, 0], reach[last]], axis=1)


def _meet(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether any of `others` (k, 2) overlaps or touches one of `some` (j, 2), both joined."""
    before = np.searchsorted(some[:, 0], others[:, 1], side="right") - 1
    return bool(((before >= 0) & (some[before, 1] >= others[:, 0])).any())


def _count(genic: np.ndarray) -> np.ndarray:
    """(4,) bases per genic class; those without label are left out."""
    return np.bincount(genic.ravel(), minlength=NO_CLASS + 1)[:NO_CLASS]


def _refuse_unusable(summary: SetSummary, paths: Sequence[Path]) -> None:
    where = ", ".join(str(path) for path in paths)
    if not summary.valid_bases.sum():
        raise InputError(
            f"{where}: the {summary.name} data have no valid base (all {summary.bases.sum():,} are "
            "masked), expected some. Check the annotation for errors, which Helixer masks."
        )
    if not summary.valid_bases[1:].sum():
        raise InputError(
            f"{where}: the {summary.name} data have no valid genic base, expected some genes. "
            "Choose other sequences for this set."
        )
    if not summary.valid_bases[0] and summary.name != "test":
        raise InputError(
            f"{where}: the {summary.name} data have no valid intergenic base, expected some. "
            "Choose other sequences for this set, or unmask intergenic sequence."
        )
