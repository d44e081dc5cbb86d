"""Whether tuning made introns better, where labels are predictions and cannot tell: by the introns
that spliced reads support, on the check sequences of `pseudo-label`.

No gene models are made: an intron is what a network calls intron between bases that it calls exon.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.data_folder import check_files_of
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.data_names import CHECK_DATA, CHECK_JUNCTIONS
from helixer_ft.formats.input_file import damaged_line, read_rows
from helixer_ft.inference.network import BatchedPrediction, batch_size_for, prediction_function
from helixer_ft.inference.predict import predicted_rows
from helixer_ft.inference.source import DataFileSource
from helixer_ft.inference.windows import Windowed
from helixer_ft.metrics import GENIC_CLASSES, Interval, PairedBootstrap
from helixer_ft.network.model import TrainedModel
from helixer_ft.preparation.masks import SHORTEST_INTRON
from helixer_ft.progress import Progress
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import AUTO, TrainingSettings
from helixer_ft.training.data_checks import SetSummary

_INTRON = GENIC_CLASSES.index("intron")
_EXON = [GENIC_CLASSES.index(name) for name in ("UTR", "CDS")]
_WHAT = f"a table of introns: tabs, and the columns seqid, start, end, strand ({CHECK_JUNCTIONS})"
_COLUMNS = ("seqid", "start", "end", "strand")
_READ, _PREDICTED, _FOUND = range(3)

Intron = tuple[str, int, int, str]
"""Sequence, start and end (0-based, half-open), strand."""


@dataclass(frozen=True)
class IntronScore:
    """Introns that a model predicts.

    Attributes
    ----------
    read, predicted, found
        Introns that reads support, those predicted, and those that are both, with both ends right.
    """

    read: int
    predicted: int
    found: int

    @property
    def recall(self) -> float:
        """Share of the introns of reads that the model predicts."""
        return self.found / self.read if self.read else 0.0

    @property
    def precision(self) -> float:
        """Share of the predicted introns that reads support; right introns of genes that are not
        expressed count as wrong.
        """
        return self.found / self.predicted if self.predicted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = self.read + self.predicted
        return 2 * self.found / total if total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "f1": self.f1,
            "recall": self.recall,
            "precision": self.precision,
            "predicted": self.predicted,
            "found": self.found,
        }


@dataclass(frozen=True)
class CheckedIntrons:
    """Introns of the untouched and of the tuned model on the check sequences.

    Attributes
    ----------
    untouched, tuned
        What each predicts.
    interval
        The difference in F1.
    """

    untouched: IntronScore
    tuned: IntronScore
    interval: Interval

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"."""
        return self.interval.verdict

    @property
    def text(self) -> str:
        """The verdict, in a sentence."""
        return (
            f"Introns: {self.verdict}. F1 against the {self.tuned.read:,} that reads support on "
            f"the check sequences {self.untouched.f1:.4f} -> {self.tuned.f1:.4f} "
            f"{self.interval.text}."
        )

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "verdict": self.verdict,
            "supported_by_reads": self.tuned.read,
            "untouched": self.untouched.to_dict(),
            "tuned": self.tuned.to_dict(),
            "difference": self.interval.to_dict("f1") | {"blocks": self.interval.blocks},
        }


def has_check_introns(folder: Path) -> bool:
    """Whether a folder of data has check sequences, and introns of reads on them."""
    return len(check_files_of(folder)) == 2


def check_introns(
    folder: Path,
    models: tuple[TrainedModel, TrainedModel],
    sets: Sequence[SetSummary],
    settings: TrainingSettings,
    progress: Progress,
) -> CheckedIntrons:
    """Predict the check sequences by both models, and compare their introns with those of reads.

    Parameters
    ----------
    folder
        Of the data; see `has_check_introns`.
    models
        The untouched and the tuned one.
    sets
        What the tuned one was trained and chosen on.
    settings
        Of the training.
    progress
        Reports the windows.

    Raises
    ------
    InputError
        Damaged files; a model that takes coverage; sequences that were trained on.
    """
    file = DataFile(folder / CHECK_DATA, labels=False)
    _refuse_seen(file, sets)
    read = _introns_of_reads(folder / CHECK_JUNCTIONS)
    blocks: dict[tuple[str, int], np.ndarray] = {}
    named = [*zip(models, ("untouched", "tuned"), strict=True)]
    for model, which in named:  # before either predicts
        if model.architecture.coverage_channels:
            raise InputError(
                f"the {which} model takes coverage: what it makes of reads would be judged by "
                "reads. helixer-ft evaluate-genes --bam judges the genes that it predicts."
            )
    for i, (model, which) in enumerate(named):
        task = f"introns of the {which} model"
        predicted = set(_predicted_introns(file, model, settings, task, progress))
        for kind, introns in enumerate((read, predicted, read & predicted)):
            for seqid, start, _, _ in introns:
                block = blocks.setdefault((seqid, start // file.length), np.zeros((2, 3)))
                block[i, kind] += 1
    return _compared(blocks, settings.seed)


def _refuse_seen(file: DataFile, sets: Sequence[SetSummary]) -> None:
    """The check data of other data say nothing."""
    for species, seqid, ends in zip(file.species, file.seqids, file.start_ends, strict=True):
        for one in sets:
            there = one.sequences.get((species, seqid))
            if (
                there is not None
                and ((there[:, 0] < ends.max()) & (there[:, 1] > ends.min())).any()
            ):
                raise InputError(
                    f"{file.path}: {seqid} is in the {one.name} data, too, so these are the check "
                    f"sequences of other data. Remove {CHECK_DATA} and {CHECK_JUNCTIONS}, or make "
                    "the data anew in a folder of their own."
                )


def _compared(blocks: Mapping[tuple[str, int], np.ndarray], seed: int) -> CheckedIntrons:
    """From counts (2 models, 3) of each genome block."""
    blocks = dict(sorted(blocks.items()))  # sets of texts have another order in every process
    counts = np.stack([*blocks.values()]) if blocks else np.zeros((1, 2, 3))
    names = list(blocks) or [("", 0)]

    def f1(sums: np.ndarray) -> dict[str, np.ndarray]:
        total = sums[:, _READ] + sums[:, _PREDICTED]
        none = np.zeros(len(sums))
        return {"f1": np.divide(2 * sums[:, _FOUND], total, out=none, where=total > 0)}

    drawn = PairedBootstrap([counts[:, 0], counts[:, 1]], names, seed=seed)
    untouched, tuned = (IntronScore(*map(int, row)) for row in counts.sum(axis=0))
    return CheckedIntrons(untouched, tuned, drawn.differences(1, f1)["f1"])


def _introns_of_reads(path: Path) -> set[Intron]:
    """Those of the table."""
    found = set()
    for number, row in read_rows(path, _WHAT, _COLUMNS):
        try:
            found.add((row["seqid"], int(row["start"]) - 1, int(row["end"]), row["strand"]))
        except (KeyError, ValueError) as error:
            raise damaged_line(path, number, _WHAT) from error
    return found


def _predicted_introns(
    file: DataFile,
    model: TrainedModel,
    settings: TrainingSettings,
    task: str,
    progress: Progress,
) -> Iterator[Intron]:
    """Those of all rows, which are predicted in overlapping windows."""
    source = DataFileSource(file)
    overlap = Windowed().windows(file.length, model.architecture.pool_size)
    windows = [sum(map(overlap.count, source.ranges))]
    network = prediction_function(model, settings.precision)
    asked = None if settings.val_test_batch_size == AUTO else settings.val_test_batch_size
    size = batch_size_for(network, model, overlap, windows, asked, Progress(), Processes())
    run = BatchedPrediction(network, size, progress)
    lengths = np.abs(file.start_ends[:, 0] - file.start_ends[:, 1]).tolist()
    last_rows = set(np.cumsum(source.ranges).tolist())
    stretch: list[np.ndarray] = []
    with closing(predicted_rows(source, overlap, run, size)) as rows:
        for n, row in enumerate(progress.track(task, file.n_rows, rows, "windows"), start=1):
            stretch.append(row[0, : lengths[n - 1]].argmax(axis=-1).astype(np.uint8))
            if n in last_rows:
                start, end = file.start_ends[n - len(stretch), 0], file.start_ends[n - 1, 1]
                classes = np.concatenate(stretch)
                yield from _introns_of(file.seqids[n - 1], int(start), int(end), classes)
                stretch.clear()


def _introns_of(seqid: str, start: int, end: int, classes: np.ndarray) -> Iterator[Intron]:
    """Introns of one strand of a stretch, classes being in the direction of reading."""
    strand = "+" if start < end else "-"
    first = min(start, end)
    if strand == "-":
        classes = classes[::-1]
    is_intron = np.concatenate([[False], classes == _INTRON, [False]])
    edges = np.flatnonzero(is_intron[1:] != is_intron[:-1]).reshape(-1, 2)
    for begin, stop in edges.tolist():
        within = begin > 0 and stop < len(classes) and stop - begin >= SHORTEST_INTRON
        if within and classes[begin - 1] in _EXON and classes[stop] in _EXON:
            yield seqid, first + begin, first + stop, strand
