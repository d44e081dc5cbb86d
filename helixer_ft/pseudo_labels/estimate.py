"""What is left of a run, and what that would take on this machine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from helixer_ft.formats import atomic
from helixer_ft.inference.estimate import INPUT_BYTES, PlannedPrediction, PredictionEstimate
from helixer_ft.pseudo_labels.predicting import Predicting
from helixer_ft.runtime.resources import available_disk

_DATA_BYTES, _ROW_BYTES = 0.6, 1000
"""Bytes per base and strand of the data that are written, compressed; and per row, besides."""


@dataclass(frozen=True)
class LabelsEstimate:
    """What is left of a run, and what that would take on this machine.

    Attributes
    ----------
    models
        The predictions of each model; None: they are there.
    makes_genes
        Whether HelixerPost's genes are not there.
    average_bytes
        Size of the averaged predictions; 0: of one model, or they are there.
    data_bytes
        Size of training and validation data, if no base is left out.
    disk, disk_free
        Bytes that are needed while the work goes on, besides what is there, and those that are
        free.
    """

    models: tuple[PredictionEstimate | None, ...]
    makes_genes: bool
    average_bytes: int
    data_bytes: int
    disk: int
    disk_free: int

    @property
    def left(self) -> list[PredictionEstimate]:
        """Of the models whose predictions are not there."""
        return [one for one in self.models if one is not None]

    @property
    def seconds(self) -> float:
        """All predictions, one model after the other; without HelixerPost and the labels."""
        return sum(one.seconds for one in self.left)

    @property
    def memory(self) -> int | None:
        """Bytes that are used by each process, most of all models."""
        return max((one.memory for one in self.left if one.memory is not None), default=None)

    @property
    def memory_limit(self) -> int | None:
        """Bytes that may be used by each process."""
        limits = (one.memory_limit for one in self.left if one.memory_limit is not None)
        return min(limits, default=None)

    @property
    def predictions_bytes(self) -> int:
        """Size of the predictions that are not there."""
        return sum(one.predictions_bytes for one in self.left)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "models": [one and asdict(one) for one in self.models],
            "seconds": self.seconds,
            "memory": self.memory,
            "memory_limit": self.memory_limit,
            "predictions_bytes": self.predictions_bytes,
            "average_bytes": self.average_bytes,
            "data_bytes": self.data_bytes,
            "disk": self.disk,
            "disk_free": self.disk_free,
        }


def estimate_labels(
    predicting: Predicting, planned: Mapping[int, PlannedPrediction], bases: int, windows: int
) -> LabelsEstimate:
    """What a run would take, from what its predictions would.

    Parameters
    ----------
    predicting
        What is there.
    planned
        See `Teachers.plan`.
    bases
        Of the FASTA, in bp.
    windows
        Rows of each model, of both strands.
    """
    both_strands = windows * predicting.request.subsequence_length
    files = predicting.teachers.files
    found = {number: one.estimate for number, one in planned.items()}
    models = tuple(found.get(number) for number in range(len(files)))
    sizes = [
        path.stat().st_size if one is None else one.predictions_bytes
        for path, one in zip(files, models, strict=True)
    ]
    resumes = predicting.request.resume  # otherwise, all that is there will be gone
    has_average = predicting.average in files or (resumes and predicting.average.exists())
    average = 0 if has_average else max(sizes)
    makes_genes = not (resumes and predicting.genes.exists())
    read = int(INPUT_BYTES * both_strands) if makes_genes else 0
    data = int(_DATA_BYTES * both_strands + _ROW_BYTES * windows)
    intergenic = both_strands // 8  # a bit of each base
    predictions = sum(one.predictions_bytes for one in found.values())
    while_predicting = max((one.disk - one.predictions_bytes for one in found.values()), default=0)
    afterwards = average + max(read, intergenic + data)
    return LabelsEstimate(
        models=models,
        makes_genes=makes_genes,
        average_bytes=average,
        data_bytes=data,
        disk=bases + predictions + max(while_predicting, afterwards),
        disk_free=available_disk(atomic.existing_folder(predicting.request.out_dir)),
    )
