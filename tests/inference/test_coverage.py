"""Models that take coverage: predictions against plain forward passes on bases and coverage."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.dataset.batch import Batch
from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.coverage_h5 import CoverageWriter, Track
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference.batches import window_batches
from helixer_ft.inference.network import BatchedPrediction, choose_batch_size, prediction_function
from helixer_ft.inference.predict import predict, predicted_rows
from helixer_ft.inference.request import PredictRequest
from helixer_ft.inference.source import DataFileSource
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel, build_keras, probabilities, set_weights
from helixer_ft.progress import Progress
from tests.data_files import write_data_file
from tests.plans import plan_freeze

LENGTH = 90
COVERAGE = CoverageInput("cage", "log", (Track("leaf"), Track("tss", "signal")))


def write_coverage(path, coverage: CoverageInput = COVERAGE, seed: int = 0) -> None:
    """Values that differ from base to base, strand to strand and track to track."""
    generator = np.random.default_rng(seed)
    with h5py.File(path, "r+") as file:
        used = file["data/X"][:].any(axis=2).sum(axis=1)
        names = [track.name for track in coverage.tracks]
        writer = CoverageWriter(file, coverage.prefix, coverage.tracks, names, names, {})
        for row, n in enumerate(used):
            for track in range(len(names)):
                writer.write(row, track, *generator.integers(0, 300, (2, n)))


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """A body of random weights, and a head that listens to coverage."""
    plan = plan_freeze(tiny_model(), coverage=COVERAGE, hidden_layer=True)
    generator = np.random.default_rng(1)
    changed = {
        name: [generator.normal(0, 0.3, array.shape).astype(np.float32) for array in arrays]
        for name, arrays in plan.model.weights.items()
        if name.startswith("dense")
    }
    return plan.model.with_weights(plan.model.weights | changed)


@pytest.fixture
def data(tmp_path):
    """Two sequences, of 4 rows and of less than one, both strands, with coverage."""
    parts = [random_rows(4), random_rows(1, seed=1, seqid="chr2")]
    datasets = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    write_data_file(tmp_path / "data.h5", datasets)
    write_coverage(tmp_path / "data.h5")
    return tmp_path / "data.h5"


@pytest.fixture
def request_for(tmp_path, data, model):
    write_model_file(tmp_path / "model.h5", model.to_file({}))

    def make(**options) -> PredictRequest:
        return PredictRequest(
            tmp_path / "model.h5", tmp_path / "out.h5", test_data=data, force=True, **options
        )

    return make


def network_input(path) -> np.ndarray:
    """(n, L, 4 + 2 * tracks) as the network is to see it, made of the file by hand."""
    with h5py.File(path) as file:
        x = file["data/X"][:].astype(np.float32)
        raw = [file[f"evaluation/cage_{kind}"][:] for kind in ("coverage", "spliced_coverage")]
        start_ends = file["data/start_ends"][:]
    coverage = np.log(np.concatenate(raw, axis=2).astype(np.float64) + 1.1).astype(np.float16)
    rows = np.concatenate([x, coverage.astype(np.float32)], axis=2)
    for row, (start, end) in enumerate(start_ends):
        if start > end:  # padding first
            rows[row] = np.roll(rows[row], LENGTH - (start - end), axis=0)
    return rows


def forward(model: TrainedModel, x: np.ndarray) -> np.ndarray:
    """(outputs, n, L, 4) probabilities, all at once."""
    network = build_keras(model.architecture)
    set_weights(network, model.weights)
    values = np.asarray(probabilities(network(x)))
    return np.moveaxis(values, 2, 0).reshape(values.shape[2], len(x), -1, 4)


def content(request: PredictRequest) -> np.ndarray:
    """(outputs, N, L, 4) of a predictions file, as the network sees rows."""
    shifts = DataFile(request.test_data, labels=False).shifts
    with h5py.File(request.prediction_output_path) as file:
        stored = np.stack([file[name][()] for name in sorted(file)]).astype(np.float64)
    rows = [np.roll(stored[:, row], shift, axis=1) for row, shift in enumerate(shifts)]
    return np.stack(rows, axis=1)


def test_no_overlap_is_the_plain_forward_pass(model, data, request_for):
    request = request_for(overlap=False, val_test_batch_size=4)
    outcome = predict(request)
    assert outcome.model.coverage == COVERAGE
    x = network_input(data)
    found = content(request)
    assert found == pytest.approx(forward(model, x), abs=3e-4)
    with h5py.File(request.prediction_output_path) as file:
        assert CoverageInput.from_json(file.attrs["helixer_ft_coverage"], "x") == COVERAGE
    # both strands listen to their own coverage, every track and kind at its place
    for other in ([1, 0, 2, 3], [0, 1, 3, 2], [2, 3, 0, 1]):
        swapped = np.concatenate([x[..., :4], x[..., 4:][..., other]], axis=2)
        assert np.abs(forward(model, swapped) - found).max() > 0.1
    for rows in ([4, 9], [0, 8]):  # padded minus rows, plus rows
        silent = x.copy()
        silent[rows, :, 4:] = np.log(0.1)
        assert (np.abs(forward(model, silent) - found)[:, rows].max(axis=(0, 2, 3)) > 0.1).all()


def test_overlapping_windows_cut_coverage_as_they_cut_bases(model, data, request_for):
    """Row 1 of the plus and of the minus strand of chr1, by hand."""
    request = request_for()
    assert predict(request).windows == 2 * 7 + 2
    x = network_input(data)
    found = content(request)
    for first in (0, 4):  # of the strand's rows
        sequence = x[first : first + 4].reshape(4 * LENGTH, -1)
        sums, counts = np.zeros((2, LENGTH, 4)), np.zeros((LENGTH, 1))
        for start in (45, 90, 135):
            values = forward(model, sequence[None, start : start + LENGTH])[:, 0]
            for place in range(11, 79):
                if LENGTH <= start + place < 2 * LENGTH:
                    sums[:, start + place - LENGTH] += values[:, place]
                    counts[start + place - LENGTH] += 1
        assert found[:, first + 1] == pytest.approx(sums / counts, abs=3e-4)
    assert found[:, 8:] == pytest.approx(forward(model, x[8:]), abs=3e-4)


@pytest.mark.parametrize("overlap", [Overlap(90, 45, 67), Overlap(90, 90, 90)])
def test_batch_size_changes_nothing(model, data, overlap):
    file = DataFile(data, labels=False, coverage_prefix="cage")
    source = DataFileSource(file, coverage=COVERAGE)
    network = prediction_function(model)
    found = []
    for size in (1, 3, 64):
        run = BatchedPrediction(network, size, Progress())
        found.append(np.stack(list(predicted_rows(source, overlap, run, size))))
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=5e-6)


def test_bases_beyond_the_last_full_pool_have_no_coverage_either(tmp_path):
    write_data_file(tmp_path / "d.h5", random_rows(2, length=94))
    write_coverage(tmp_path / "d.h5")
    source = DataFileSource(
        DataFile(tmp_path / "d.h5", labels=False, coverage_prefix="cage"), coverage=COVERAGE
    )
    (batch,) = window_batches(source, Overlap(94, 94, 94, 4), 8)
    assert batch.input["coverage"].shape == (4, 90, 4)
    whole = COVERAGE.normalize(source._file.read_coverage(range(4)))
    assert np.array_equal(batch.coverage, whole[:, :90])


def test_a_device_without_memory_gets_smaller_batches(model, data):
    source = DataFileSource(DataFile(data, labels=False, coverage_prefix="cage"), coverage=COVERAGE)
    (batch,) = window_batches(source, Overlap(90, 90, 90), 10)

    def network(part: Batch) -> np.ndarray:
        if len(part) > 3:
            raise MemoryError
        return part.coverage[:, None].astype(np.float32)

    run = BatchedPrediction(network, 10, Progress())
    assert np.array_equal(run(batch)[:, 0], batch.coverage)
    assert run.batch_size == 3


def test_memory_is_measured_with_coverage():
    shapes = []

    def network(batch: Batch) -> np.ndarray:
        shapes.append(batch.coverage.shape)
        return np.zeros((len(batch), 2, 90, 4), np.float32)

    choose_batch_size(network, 90, 3, coverage_channels=4)
    assert set(shapes) == {(1, 90, 4)}


def test_values_that_cannot_be_normalised(data, request_for):
    request = request_for()
    with h5py.File(data, "r+") as file:
        file["evaluation/cage_coverage"][3, 5, 1] = -7
    with pytest.raises(InputError, match=r"data.h5: its 'cage' coverage has values down to -7"):
        predict(request)
    assert not request.prediction_output_path.exists()


def test_an_interrupted_run_goes_on_with_its_coverage(request_for, model):
    class Stops(Progress):
        def advance(self, steps: int = 1, note: str = "") -> None:
            self.stopped = True

        def interrupted(self) -> bool:
            return getattr(self, "stopped", False)

    request = request_for(coverage_prefix="cage", coverage_norm="log", val_test_batch_size=4)
    write_model_file(request.load_model_path, replace(model, coverage=None).to_file({}), force=True)
    predict(request)
    uninterrupted = content(request)
    with pytest.raises(Interrupted, match="2 of 10 rows are predicted"):
        predict(request, Stops())
    with pytest.raises(InputError, match=r"coverage was .*\blog\b.*, is .*\blinear\b"):
        predict(replace(request, coverage_norm="linear", resume=True))
    assert predict(replace(request, resume=True)).resumed_from == 2
    assert np.array_equal(content(request), uninterrupted)
