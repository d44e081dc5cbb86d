"""Small models and small data that the tests share; nothing outside the repository is needed."""

import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from helixer_ft.cli import fine_tuning
from helixer_ft.dataset.batch import BaseTable, Batch, pack
from helixer_ft.formats.coverage_h5 import CoverageWriter, Track
from helixer_ft.formats.data_h5 import Windows
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.architecture import (
    Architecture,
    BatchNorm,
    BiLSTM,
    Conv,
    Dense,
    Dropout,
    Layer,
    Pool,
)
from helixer_ft.network.model import TrainedModel, new_model
from helixer_ft.recipes import RECIPES
from helixer_ft.runtime.backend import select_backend
from tests.data_files import write_data_file

# most of the time of these tests goes into compiling the same small networks again and again
_cache = tempfile.TemporaryDirectory(prefix="helixer-ft-tests-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _cache.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
select_backend(os.environ.get("HELIXER_FT_TEST_BACKEND", "auto"))
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as for what a script starts with &
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).parents[2] / "shared"
"""Helixer's own models, data and figures, beside the checkout where they are at hand."""


def tiny_architecture(
    *, convs: int = 2, lstms: int = 1, pool: int = 9, dropout: float = 0.0, phase: bool = True
) -> Architecture:
    """A network of Helixer's shape with some hundred parameters."""
    body: list[Layer] = [Conv("conv1d", 4, 5)]
    for i in range(1, convs):
        body += [BatchNorm(f"batch_normalization{_suffix(i - 1)}"), Conv(f"conv1d_{i}", 4, 5)]
    if pool > 1:
        body.append(Pool("reshape", pool))
    if dropout:
        body.append(Dropout("dropout", dropout))
    body += [BiLSTM(f"bidirectional{_suffix(i)}", 3) for i in range(lstms)]
    outputs = ("genic", "phase") if phase else ("main",)
    return Architecture(
        body=tuple(body),
        head=(Dense("dense", pool * 4 * len(outputs)),),
        pool_size=pool,
        outputs=outputs,
    )


def _suffix(i: int) -> str:
    return f"_{i}" if i else ""


def tiny_model(seed: int = 0, **options) -> TrainedModel:
    """A tiny network with random weights and batch-norm statistics other than the initial ones."""
    model = new_model(tiny_architecture(**options), seed)
    generator = np.random.default_rng(seed)
    weights = {
        name: [
            array + generator.uniform(0.05, 0.2, array.shape).astype(np.float32) for array in arrays
        ]
        for name, arrays in model.weights.items()
    }
    return model.with_weights(weights)


def random_rows(
    n_windows: int, length: int = 90, *, seed: int = 0, seqid: str = "chr1", masked: float = 0.1
) -> dict[str, np.ndarray]:
    """Datasets of a data file: both strands of `n_windows` windows of one sequence.

    The labels follow the bases (a C is intergenic, an A is UTR, ...), so that they can be learnt.
    The last window is padded by a third.
    """
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4, (n_windows, length))
    plus = np.eye(4, dtype=np.float16)[codes]
    minus = np.eye(4, dtype=np.float16)[codes]
    x = np.concatenate([plus, minus[::-1]])
    n = len(x)
    y = x.astype(np.int8)
    phases = np.roll(y, 1, axis=2)
    transitions = np.zeros((n, length, 6), np.int8)
    marks = generator.integers(1, length, (n, 3))
    for row, positions in enumerate(marks):
        for position in positions:
            transitions[row, position - 1 : position + 1, generator.integers(6)] = 1
    sample_weights = (generator.random((n, length)) > masked / length).astype(np.int8)
    starts = np.arange(n_windows) * length
    ends = starts + length
    ends[-1] -= length // 3
    start_ends = np.concatenate([np.stack([starts, ends], 1), np.stack([ends, starts], 1)[::-1]])
    for row in np.flatnonzero(np.abs(start_ends[:, 0] - start_ends[:, 1]) < length):
        for array in (x, y, phases, transitions, sample_weights):
            array[row, length - length // 3 :] = 0
    return {
        "X": x,
        "y": y,
        "phases": phases,
        "transitions": transitions,
        "sample_weights": sample_weights,
        "seqids": np.full(n, seqid, "S50"),
        "species": np.full(n, "sim", "S25"),
        "start_ends": start_ends.astype(np.int64),
        "is_annotated": np.ones(n, bool),
        "err_samples": np.ones(n, bool),
    }


def add_coverage(
    path: Path,
    *names: str,
    prefix: str = "rnaseq",
    kind: str = "reads",
    values: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Add tracks that follow the labels to a data file: reads on UTR and CDS, spliced on introns.

    `values` changes those of both datasets; padding stays -1.
    """
    tracks = [Track(name, kind) for name in names]
    with h5py.File(path, "r+") as file:
        y = file["data/y"][:]
        padding = ~file["data/X"][:].any(axis=2)
        writer = CoverageWriter(file, prefix, tracks, names, ["yes"] * len(names), {})
        for track in range(len(names)):
            found = [y[:, :, classes].sum(axis=2) * (30.0 + track) for classes in ((1, 2), (3,))]
            if values:
                found = [values(part) for part in found]
            for row, bases in enumerate((~padding).sum(axis=1)):
                writer.write(row, track, *(part[row, :bases] for part in found))


def batch_of(windows: Windows) -> Batch:
    """Subsequences as read from a file, as training takes them."""
    table = BaseTable()
    return Batch(pack(windows, table), table.padded())


@pytest.fixture(autouse=True)
def _no_pages(request, monkeypatch) -> None:
    """A page takes longer to draw than a tiny network to train: a run from the command line leaves
    one where a test asks for `pages`.
    """
    if "pages" not in request.fixturenames:
        monkeypatch.setattr(fine_tuning, "write_report", lambda *_: None)
        monkeypatch.setattr(fine_tuning, "write_comparison", lambda *_: None)


@pytest.fixture
def pages() -> None:
    """Runs leave their pages, as they do outside of the tests."""


_networks: dict[tuple, Callable] = {}


@pytest.fixture
def compiled_once(monkeypatch) -> None:
    """Networks that `evaluate` compiles are kept: the same one is compiled once in a session."""
    from helixer_ft.evaluation import scoring

    compile_network = scoring.prediction_function

    def kept(model: TrainedModel, precision: str, devices: str) -> Callable:
        arrays = (array.tobytes() for layer in model.weights.values() for array in layer)
        key = (model.architecture, precision, *arrays)
        if key not in _networks:
            _networks[key] = compile_network(model, precision, devices)
        return _networks[key]

    monkeypatch.setattr(scoring, "prediction_function", kept)


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    """A tiny trained model on disk."""
    path = tmp_path / "base.h5"
    write_model_file(path, tiny_model().to_file({}))
    return path


@pytest.fixture
def all_of_the_tuning(monkeypatch) -> None:
    """What was learnt is kept, better or not: of labels at random, nothing is worth keeping."""
    monkeypatch.setitem(RECIPES, "default", replace(RECIPES["default"], partial_shares=()))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory: 12 training and 8 validation subsequences of 90 bases."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_data_file(folder / "training_data.h5", random_rows(6, seed=1, seqid="chr1"))
    write_data_file(folder / "validation_data.h5", random_rows(4, seed=2, seqid="chr2"))
    return folder


@pytest.fixture
def test_path(tmp_path: Path) -> Path:
    """Held-out data: 50 subsequences, 25 genome blocks."""
    path = tmp_path / "test_data.h5"
    write_data_file(path, random_rows(25, seed=3, seqid="chr3"))
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of Helixer's own files; tests that need it skip without."""
    if not SHARED.is_dir():
        pytest.skip(f"needs Helixer's own models and data in {SHARED.name}/ beside the checkout")
    return SHARED
