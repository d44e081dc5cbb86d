"""What adaptation.py measures of a model on a species: scores by mix, and label-free numbers."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.adaptation.adapt import adapt_model
from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.adaptation.statistics import batch_norms
from helixer_ft.adaptation.windows import DataWindows, open_windows
from helixer_ft.dataset.batch import scored_bases, unpack
from helixer_ft.dataset.dataset import Dataset, batches, open_dataset
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.inference.network import prediction_function
from helixer_ft.metrics import Confusion
from helixer_ft.network.model import TrainedModel, load_model

MIXES = (0.0, 0.25, 0.5, 1.0)
AT_ONCE = 8
FEWEST = 10_000
"""Bases of the shortest stretch."""
CDS, STOPS = 2, ("TAA", "TAG", "TGA")

Record = dict[str, Any]


def score_pair(model_path: Path, statistics: Path, scored: Path) -> Record:
    """Genic F1 of a model on a species for each mix, and what is known without labels."""
    model = load_model(model_path)
    adaptation = adapt_model(model, DataWindows([statistics]))
    dataset = open_dataset(
        [scored], pool_size=model.architecture.pool_size, phase=True, transitions=False
    )
    auto = adaptation.recommended_mix
    scores, views = {}, {}
    for mix in sorted({*MIXES, auto}):
        counts, view = predict(adaptation.with_mix(mix, "user").model, dataset, keep=mix in (0, 1))
        scores[f"{mix:g}"] = Confusion(counts[None]).genic_f1
        if view:
            views[mix] = view
    return {
        "f1": scores,
        "auto": auto,
        "shift": adaptation.shifts,
        "bases": adaptation.bases,
        "label_free": distances(adaptation) | compare_views(views[0.0], views[1.0]),
    }


def predict(
    model: TrainedModel, dataset: Dataset, *, keep: bool = False
) -> tuple[np.ndarray, Record]:
    """(outputs, 4, 4) confusion counts, and label-free sums over all windows."""
    network = prediction_function(model)
    outputs = len(model.architecture.outputs)
    counts = np.zeros((outputs, 4, 4), np.int64)
    view: Record = {"genic": [], "entropy": 0.0, "bases": 0, "codons": 0, "stops": 0}
    view |= {"agree": 0, "margin": 0.0}
    for indices in batches(len(dataset), AT_ONCE):
        batch = dataset.read(indices)
        found = network(batch.filled(AT_ONCE))[: len(batch)]
        labels = unpack(batch.labels)
        scored = scored_bases(batch.labels, [model.architecture.pool_size])
        for output, truth in enumerate([labels.genic, labels.phase][:outputs]):
            classes = found[:, output].argmax(axis=-1)
            pairs = 4 * truth[scored].astype(int) + classes[scored]
            counts[output] += np.bincount(pairs, minlength=16).reshape(4, 4)
        if keep:
            add_view(view, found, batch.rows[:, 0])
    return counts, view if keep else {}


def add_view(view: Record, found: np.ndarray, codes: np.ndarray) -> None:
    """Add what a few windows say without labels; base codes are 1 to 4 for C, A, T, G."""
    is_base = codes != 0
    genic, phase = found[:, 0].argmax(-1), found[:, 1].argmax(-1)
    probabilities = found[:, 0].astype(np.float64)
    entropy = -(probabilities * np.log(probabilities + 1e-12)).sum(-1)
    view["genic"].append(np.where(is_base, genic, 255).astype(np.uint8))
    view["entropy"] += entropy[is_base].sum()
    view["margin"] += probabilities.max(-1)[is_base].sum()
    view["bases"] += int(is_base.sum())
    view["agree"] += int(((genic == CDS) == (phase > 0))[is_base].sum())
    starts = (phase == 1)[:, :-2] & (genic[:, :-2] == CDS) & (genic[:, 1:-1] == CDS)
    starts &= genic[:, 2:] == CDS
    letter = "?CATG" + "?" * 251
    is_stop = np.zeros_like(starts)
    for stop in STOPS:
        parts = [
            codes[:, i : codes.shape[1] - 2 + i] == letter.index(b) for i, b in enumerate(stop)
        ]
        is_stop |= parts[0] & parts[1] & parts[2]
    # the codon that ends a gene is one: only those with coding sequence beyond them count
    inner = starts[:, :-3] & (genic[:, 5:] == CDS)
    view["codons"] += int(inner.sum())
    view["stops"] += int((inner & is_stop[:, :-3]).sum())


def distances(adaptation: Adaptation) -> Record:
    """How far the statistics are apart, in several ways, over all batch norms."""
    moved, ratios = [], []
    for layer in batch_norms(adaptation.base):
        old, new = adaptation.original[layer.name], adaptation.measured[layer.name]
        scale = np.sqrt(old.variance + layer.epsilon)
        moved.append(np.abs(new.mean - old.mean) / scale)
        ratios.append(np.log((new.variance + layer.epsilon) / (old.variance + layer.epsilon)))
    return {
        "first_shift": float(moved[0].mean()),
        "mean_shift": float(np.mean([one.mean() for one in moved])),
        "max_layer_shift": float(np.max([one.mean() for one in moved])),
        "max_channel_shift": float(max(one.max() for one in moved)),
        "variance_shift": float(np.mean([np.abs(one).mean() for one in ratios])),
        "variance_growth": float(np.mean([one.mean() for one in ratios])),
    }


def compare_views(before: Record, after: Record) -> Record:
    """Label-free numbers of the untouched and of the fully adapted model."""
    one, other = (np.concatenate(view["genic"]) for view in (before, after))
    is_base = one != 255
    record = {"changed": float((one != other)[is_base].mean())}
    for name, view in (("untouched", before), ("adapted", after)):
        genic = np.concatenate(view["genic"])[is_base]
        record |= {
            f"entropy_{name}": view["entropy"] / view["bases"],
            f"margin_{name}": view["margin"] / view["bases"],
            f"agree_{name}": view["agree"] / view["bases"],
            f"stops_{name}": view["stops"] / max(1, view["codons"]),
            f"genic_{name}": float((genic > 0).mean()),
            f"cds_{name}": float((genic == CDS).mean()),
        }
    return record


def score_amount(
    model_path: Path, genome: Path, scored: Path, size: int, seed: int
) -> Record | None:
    """Statistics of a stretch of a genome's first half: how far from those of the whole half, and
    genic F1 with them in full; None where the half is shorter than that.
    """
    model = load_model(model_path)
    half = first_half(genome)
    if size > len(half):
        return None
    start = int(np.random.default_rng(seed).integers(len(half) - size + 1))
    whole, part = (adaptation_to(model, text) for text in (half, half[start : start + size]))
    apart = replace(part, original=whole.measured)
    dataset = open_dataset(
        [scored], pool_size=model.architecture.pool_size, phase=True, transitions=False
    )
    dataset = dataset.subset(np.arange(0, len(dataset), 2))
    tried = {"full": part.with_mix(1, "user")}
    if size == FEWEST and seed == 0:  # the same for all sizes
        tried |= {"whole": whole.with_mix(1, "user"), "untouched": whole.with_mix(0, "user")}
    f1 = {
        name: Confusion(predict(one.model, dataset)[0][None]).genic_f1
        for name, one in tried.items()
    }
    return {"apart": apart.shift, "shift": part.shift, "auto": part.recommended_mix, "f1": f1}


def score_spread(model_path: Path, genome: Path, bp: int) -> Record | None:
    """Statistics of windows that are spread evenly over a genome: how far from those of all of it;
    None where the genome is shorter than that.
    """
    model = load_model(model_path)
    with open_windows(genome, max_bp=0) as source:
        if source.n_windows * source.length < 2 * bp:
            return None
        whole = adapt_model(model, source)
    with open_windows(genome, max_bp=bp) as source:
        part = adapt_model(model, source)
    return {"apart": replace(part, original=whole.measured).shift, "shift": part.shift}


def first_half(genome: Path) -> str:
    """Bases of the first half of a genome, sequence after sequence."""
    with open_fasta(genome) as fasta:
        bases = b"".join(fasta.read(name).tobytes() for name in fasta.lengths).decode()
    return bases[: len(bases) // 2]


def adaptation_to(model: TrainedModel, bases: str) -> Adaptation:
    """The statistics of a sequence, however short."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.fa"
        path.write_text(f">part\n{bases}\n")
        with open_windows(path) as source:
            return adapt_model(model, source, least=1)
