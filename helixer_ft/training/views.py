"""A few windows of the data that the verdict is taken on, as reference and models have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from helixer_ft.dataset.batch import PADDING, scored_bases, unpack
from helixer_ft.dataset.dataset import Dataset
from helixer_ft.formats.data_h5 import NO_CLASS
from helixer_ft.metrics import Confusion

Kind = Literal["best", "typical", "worst"]


@dataclass(frozen=True)
class WindowView:
    """One window, in the direction in which its strand is read.

    Attributes
    ----------
    kind
        "best": the one in which errors fell most; "typical": the median; "worst".
    species, sequence
        Where it is from.
    start, end
        Coordinates between bases, as in `data/start_ends`: the window is read from start to end,
        so that start is the larger one on the minus strand. Padding is left out.
    truth, before, after
        (bases,) uint8 genic classes: reference (4 without label), untouched and tuned model.
    valid
        (bases,) bool: what counts in the scores.
    """

    kind: Kind
    species: str
    sequence: str
    start: int
    end: int
    truth: np.ndarray
    before: np.ndarray
    after: np.ndarray
    valid: np.ndarray

    @property
    def strand(self) -> str:
        """ "+" or "-"."""
        return "-" if self.start > self.end else "+"

    def errors(self, predicted: np.ndarray) -> int:
        """Wrong bases among those that count, of `before` or `after`."""
        return int(((predicted != self.truth % NO_CLASS) & self.valid).sum())


def choose_windows(baseline: Confusion, tuned: Confusion) -> dict[Kind, int]:
    """Windows with genic bases, by the change in their number of errors: the one with the largest
    fall, the median, and the one with the largest rise (or smallest fall).

    Parameters
    ----------
    baseline, tuned
        Window by window, of the same windows.

    Returns
    -------
    dict
        Kind -> number of the window, each window once; empty where none has genic bases.
    """
    before, after = (
        score.genic_counts.sum(axis=(1, 2)) - np.trace(score.genic_counts, axis1=1, axis2=2)
        for score in (baseline, tuned)
    )
    genic = np.flatnonzero(baseline.genic_counts[:, 1:].any(axis=(1, 2)))
    order = genic[np.argsort((after - before)[genic], kind="stable")].tolist()
    if not order:
        return {}
    chosen: dict[Kind, int] = {"best": order[0]}
    if len(order) > 2:
        chosen["typical"] = order[(len(order) - 1) // 2]
    if len(order) > 1:
        chosen["worst"] = order[-1]
    return chosen


def view_windows(
    chosen: Mapping[Kind, int],
    dataset: Dataset,
    pool_size: int,
    before: np.ndarray,
    after: np.ndarray,
) -> tuple[WindowView, ...]:
    """The chosen windows of a dataset.

    Parameters
    ----------
    chosen
        As `choose_windows` gives them.
    dataset
        The data.
    pool_size
        Bases per step, all of which must be valid to count.
    before, after
        (windows, L) uint8 predicted classes.
    """
    batch = dataset.read(np.array(list(chosen.values())))
    labels = unpack(batch.labels)
    valid = scored_bases(batch.labels, [pool_size])
    views = []
    for i, (kind, number) in enumerate(chosen.items()):
        file_number, row = dataset.source.rows[dataset.indices[number]]
        file = dataset.source.files[file_number]
        start, end = file.start_ends[row].tolist()
        bases = np.flatnonzero(batch.rows[i, 0] != PADDING)
        shown = slice(bases[0], bases[-1] + 1)
        length = int(bases[-1] + 1 - bases[0])
        views.append(
            WindowView(
                kind=kind,
                species=file.species[row],
                sequence=file.seqids[row],
                start=start,
                end=start + (length if end > start else -length),
                truth=labels.genic[i, shown],
                before=before[i, shown],
                after=after[i, shown],
                valid=valid[i, shown],
            )
        )
    return tuple(views)
