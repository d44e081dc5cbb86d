"""What `evaluate` counts, base by base in plain loops, from the data file as it is on disk."""

from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from helixer_ft.dataset.batch import BaseTable, Batch
from helixer_ft.inference.network import prediction_function
from helixer_ft.network.model import TrainedModel

# which column of data/transitions, by strand
KINDS = {
    "transcription start": {"+": 0, "-": 3},
    "start codon": {"+": 1, "-": 4},
    "donor": {"+": 2, "-": 5},
    "acceptor": {"+": 5, "-": 2},
    "stop codon": {"+": 4, "-": 1},
    "transcription end": {"+": 3, "-": 0},
}
CLASSES = ("intergenic", "UTR", "CDS", "intron")


def distance_class(distance: int | None) -> str:
    if distance is None or distance > 100:
        return ">100"
    if distance > 20:
        return "21-100"
    return "6-20" if distance > 5 else "0-5"


def nearest(marked: list[int], place: int) -> int | None:
    return min((abs(place - mark) for mark in marked), default=None)


class SlowEvaluation:
    """Counts of everything, of all rows of a file."""

    def __init__(self, model: TrainedModel, path: Path, pool: int = 9) -> None:
        with h5py.File(path) as file:
            data = {name: values[()] for name, values in file["data"].items()}
        length = data["X"].shape[1]
        strands = []
        for row, (start, end) in enumerate(data["start_ends"].tolist()):
            strands.append("+" if start < end else "-")
            if start > end and start - end < length:  # the network sees the padding in front
                for name in ("X", "y", "phases", "transitions", "sample_weights"):
                    data[name][row] = np.roll(data[name][row], length - (start - end), axis=0)
        table = BaseTable()
        codes = table.encode(data["X"][:, : length // pool * pool])
        batch = Batch(codes[:, None], table.padded())
        predicted = prediction_function(model)(batch).swapaxes(0, 1)
        self.genic: Counter = Counter()
        self.phase: Counter = Counter()
        self.near: Counter = Counter()
        self.bins: dict[tuple[str, int], list[tuple[float, bool]]] = {}
        for row, strand in enumerate(strands):
            marked = {
                kind: np.flatnonzero(data["transitions"][row, :, columns[strand]]).tolist()
                for kind, columns in KINDS.items()
            }
            for place in range(predicted.shape[2]):
                step = place // pool * pool
                if not data["sample_weights"][row, step : step + pool].all():
                    continue
                chances = predicted[0, row, place].tolist()
                truth = int(data["y"][row, place].argmax())
                best = max(range(4), key=chances.__getitem__)
                self.genic[truth, best] += 1
                if len(predicted) > 1:
                    phase = data["phases"][row, place].argmax()
                    self.phase[int(phase), int(predicted[1, row, place].argmax())] += 1
                for kind, places in marked.items():
                    near = distance_class(nearest(places, place))
                    self.near[kind, near, truth, best] += 1
                self._bin("predicted class", chances[best], truth == best)
                for code, name in enumerate(CLASSES):
                    self._bin(name, chances[code], truth == code)

    def _bin(self, curve: str, chance: float, right: bool) -> None:
        self.bins.setdefault((curve, min(int(chance * 10), 9)), []).append((chance, right))

    def calibration_error(self, curve: str) -> float:
        groups = [pairs for (name, _), pairs in self.bins.items() if name == curve]
        gap = sum(abs(sum(p for p, _ in pairs) - sum(r for _, r in pairs)) for pairs in groups)
        return gap / sum(map(len, groups))
