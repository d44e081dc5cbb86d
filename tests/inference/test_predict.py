"""Prediction with a real network: against plain forward passes, and against Helixer's own file."""

import threading
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.dataset.batch import TABLE_SIZE, Batch
from helixer_ft.engine.windows_at_once import MAX_ON_HOST
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference import predict as predict_module
from helixer_ft.inference.batches import window_batches
from helixer_ft.inference.network import (
    BatchedPrediction,
    choose_batch_size,
    prediction_function,
)
from helixer_ft.inference.predict import predict, predicted_rows
from helixer_ft.inference.request import PredictRequest
from helixer_ft.inference.source import DataFileSource
from helixer_ft.inference.windows import Overlap
from helixer_ft.network.model import TrainedModel, build_keras, probabilities, set_weights
from helixer_ft.progress import Progress
from helixer_ft.runtime.memory import MEMORY_SHARE, OutOfMemoryError
from helixer_ft.runtime.processes import Processes
from helixer_ft.runtime.resources import ProcessMemory
from tests.data_files import write_data_file

LENGTH = 90


def forward(model: TrainedModel, bases: np.ndarray) -> np.ndarray:
    """(outputs, n, L, 4) probabilities of bases as the network sees them, all at once."""
    network = build_keras(model.architecture)
    set_weights(network, model.weights)
    values = np.asarray(probabilities(network(bases.astype(np.float32))))
    return np.moveaxis(values, 2, 0).reshape(values.shape[2], len(bases), -1, 4)


def stored(bases: np.ndarray, row: int, shifts: np.ndarray) -> np.ndarray:
    return np.roll(bases, -shifts[row], axis=-2)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return tiny_model()


@pytest.fixture
def data(tmp_path):
    """Two sequences, of 5 rows and of less than one, both strands; predict anything on it."""
    parts = [random_rows(5), random_rows(1, seed=1, seqid="chr2")]
    datasets = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    write_data_file(tmp_path / "data.h5", datasets)
    return tmp_path / "data.h5"


@pytest.fixture
def request_for(tmp_path, data, model):
    write_model_file(tmp_path / "model.h5", model.to_file({}))

    def make(**options) -> PredictRequest:
        return PredictRequest(
            tmp_path / "model.h5", tmp_path / "out.h5", test_data=data, force=True, **options
        )

    return make


def content(request: PredictRequest) -> np.ndarray:
    """(outputs, N, L, 4) of a predictions file."""
    with h5py.File(request.prediction_output_path) as file:
        return np.stack([file[name][()] for name in sorted(file)]).astype(np.float64)


def test_no_overlap_is_the_plain_forward_pass(model, data, request_for):
    request = request_for(overlap=False, val_test_batch_size=4)
    outcome = predict(request)
    assert (outcome.rows, outcome.windows) == (12, 12)
    file = DataFile(data)
    plain = forward(model, file.read(range(12)).bases)
    found = content(request)
    assert found.shape == plain.shape == (2, 12, LENGTH, 4)
    for row in range(12):
        assert found[:, row] == pytest.approx(stored(plain[:, row], row, file.shifts), abs=3e-4)
    # and that is not what overlapping gives
    predict(request_for())
    assert np.abs(content(request) - found).max() > 0.01


def test_overlap_is_the_mean_of_forward_passes(model, data, request_for):
    """Row 1 of the plus strand of chr1, by hand: windows at 45, 90 and 135, each less 11 bases."""
    request = request_for()
    outcome = predict(request)
    assert outcome.windows == 2 * 9 + 2
    bases = DataFile(data).read(range(12)).bases
    sequence = bases[:5].reshape(450, 4)
    at = {
        start: forward(model, sequence[None, start : start + 90])[:, 0] for start in (45, 90, 135)
    }
    sums, counts = np.zeros((2, 90, 4)), np.zeros((90, 1))
    for start, values in at.items():
        for place in range(11, 79):
            if 90 <= start + place < 180:
                sums[:, start + place - 90] += values[:, place]
                counts[start + place - 90] += 1
    assert counts.min() == 1
    assert counts.max() == 2
    found = content(request)
    assert found[:, 1] == pytest.approx(sums / counts, abs=3e-4)
    # a sequence shorter than a window is predicted in one
    plain = forward(model, bases[10:])
    shifts = DataFile(data).shifts
    for row in (10, 11):
        assert found[:, row] == pytest.approx(stored(plain[:, row - 10], row, shifts), abs=3e-4)


def test_a_minus_strand_gene_of_a_short_contig_lies_where_its_bases_do(model, tmp_path):
    """The padding is last in a row, on both strands, whatever the network thinks of it."""
    contig = np.random.default_rng(5).choice(list(b"ACGT"), 1000).astype(np.uint8).tobytes()
    (tmp_path / "contig.fa").write_bytes(b">contig\n" + contig + b"\n")
    write_model_file(tmp_path / "model.h5", model.to_file({}))
    request = PredictRequest(
        tmp_path / "model.h5",
        tmp_path / "out.h5",
        fasta=tmp_path / "contig.fa",
        subsequence_length=1350,
    )
    outcome = predict(request)
    assert (outcome.rows, outcome.bases) == (2, 2000)
    letters = np.frombuffer(contig.translate(bytes.maketrans(b"ACGT", b"TGCA")), np.uint8)[::-1]
    one_hot = (letters[:, None] == np.frombuffer(b"CATG", np.uint8)).astype(np.float32)
    padded = np.concatenate([np.zeros((350, 4), np.float32), one_hot])
    expected = forward(model, padded[None])[:, 0, 350:]
    assert content(request)[:, 1, :1000] == pytest.approx(expected, abs=3e-4)
    assert np.ptp(expected, axis=1).min() > 0.1  # bases differ: a shift would be seen


@pytest.mark.parametrize("overlap", [Overlap(90, 45, 67), Overlap(90, 15, 30), Overlap(90, 90, 90)])
def test_batch_size_changes_nothing(model, data, overlap):
    source = DataFileSource(DataFile(data, labels=False))
    network = prediction_function(model)
    found = [
        np.stack(
            list(
                predicted_rows(source, overlap, BatchedPrediction(network, size, Progress()), size)
            )
        )
        for size in (1, 3, 8, 64)
    ]
    assert found[0].shape == (12, 2, 90, 4)
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


def test_bases_beyond_the_last_full_pool_are_zero(tmp_path, request_for):
    request = request_for()
    rows = random_rows(3, length=94)
    write_data_file(request.test_data, rows)
    outcome = predict(request)
    assert outcome.overlap == Overlap(94, 47, 70, 4)
    with h5py.File(request.prediction_output_path) as file:
        assert file.attrs["n_bases_removed"] == 4
    found = content(request)
    # the end of each range, in the network's order; the last plus row is all padding there
    for row in (2, 5):
        assert not found[:, row, -4:].any()
        assert found[:, row, :-4].any(axis=-1).all()
    for row in (0, 1, 3, 4):
        assert found[:, row].sum(-1) == pytest.approx(1, abs=2e-3)


def test_a_model_without_phase_writes_one_dataset(tmp_path, request_for):
    request = request_for()
    model = tiny_model(phase=False)
    write_model_file(request.load_model_path, model.to_file({}), force=True)
    predict(request)
    with h5py.File(request.prediction_output_path) as file:
        assert list(file) == ["predictions"]
    assert content(request).sum(-1) == pytest.approx(1, abs=2e-3)


def test_ambiguous_bases_count_by_their_shares(model, data, request_for):
    rows = random_rows(2)
    rows["X"][0, 3] = [0.5, 0, 0, 0.5]
    rows["X"][0, 4] = [0.33, 0.33, 0.33, 0]
    rows["X"][0, 5] = 0.25
    write_data_file(data, rows)
    request = request_for(overlap=False)
    predict(request)
    plain = forward(model, DataFile(data).read([0]).bases)
    assert content(request)[:, 0] == pytest.approx(plain[:, 0], abs=3e-4)


def test_sequences_too_short_for_a_gene_are_not_computed(model, tmp_path):
    """Their rows are 0; all others, before and after them, are as they are without."""
    write_model_file(tmp_path / "model.h5", model.to_file({}))
    letters = np.random.default_rng(0).choice(list("ACGT"), 600)
    lengths = {"t1": 59, "a": 60, "t2": 1, "t3": 9, "b": 400, "t4": 8}
    fasta, done = tmp_path / "g.fa", 0
    with open(fasta, "w") as file:
        for name, n in lengths.items():
            file.write(f">{name}\n{''.join(letters[done : done + n])}\n")
            done += n

    def predicted(**options) -> np.ndarray:
        request = PredictRequest(
            tmp_path / "model.h5", tmp_path / "out.h5", fasta=fasta, subsequence_length=90,
            val_test_batch_size=3, force=True, **options,
        )  # fmt: skip
        predict(request)
        return content(request)

    every, found = predicted(min_length=1), predicted()
    tiny = np.repeat([n < 60 for n in lengths.values()], [2, 2, 2, 2, 10, 2])
    assert found.shape == every.shape == (2, 20, 90, 4)
    assert (found[:, tiny] == 0).all()
    assert (every[:, tiny].sum(axis=-1) > 0.99).all()
    np.testing.assert_allclose(found[:, ~tiny], every[:, ~tiny], atol=1e-3)
    left_out = predicted(min_length=60)
    assert np.array_equal(left_out, found[:, ~tiny])


def test_where_all_sequences_are_too_short_no_network_is_built(model, tmp_path, monkeypatch):
    """Building one takes seconds."""
    write_model_file(tmp_path / "model.h5", model.to_file({}))
    fasta = tmp_path / "g.fa"
    fasta.write_text("".join(f">c{i}\n{'ACGTACGTA'[: 1 + i % 9]}\n" for i in range(300)))
    monkeypatch.delattr(predict_module, "prediction_function")
    monkeypatch.delattr(predict_module.resume, "versions")
    request = PredictRequest(tmp_path / "model.h5", tmp_path / "out.h5", fasta=fasta)
    prediction = predict(request)
    assert (prediction.rows, prediction.windows) == (600, 0)
    with h5py.File(request.prediction_output_path) as file:
        assert file["predictions"].shape == (600, 21384, 4)
        assert not file["predictions_phase"][299].any()


def test_precision_is_that_of_the_computation(request_for):
    predict(request_for())
    exact = content(request_for())
    predict(request_for(precision="mixed_bfloat16"))
    difference = np.abs(content(request_for()) - exact).max()
    assert 2e-4 < difference < 0.1


# -- memory ------------------------------------------------------------------------------------


def test_only_few_batches_are_read_ahead(model, tmp_path):
    """However many rows there are: what is read ahead of what is written is bounded."""
    write_data_file(tmp_path / "data.h5", random_rows(200))
    source = DataFileSource(DataFile(tmp_path / "data.h5", labels=False))
    started = 0
    lock = threading.Lock()

    def network(batch: Batch) -> np.ndarray:
        nonlocal started
        with lock:
            started += len(batch)
        return np.zeros((len(batch), 2, 90, 4), np.float32)

    overlap, size = Overlap(90, 90, 90), 4
    threads = threading.active_count()
    rows = predicted_rows(source, overlap, network, size)
    ahead = []
    for done, _ in enumerate(rows, start=1):
        ahead.append(started - done)
        if done == 100:
            break
    # the batch that is taken apart, two that wait and one that is put
    assert max(ahead) <= 5 * size
    rows.close()
    assert threading.active_count() == threads


def test_batches_hold_windows_of_several_sequences(data):
    source = DataFileSource(DataFile(data, labels=False))
    sizes = [len(batch) for batch in window_batches(source, Overlap(90, 45, 67), 8)]
    assert sizes == [8, 8, 4]


class Memory(ProcessMemory):
    """A device on which one window takes so many bytes."""

    is_host = False

    def __init__(self, room: int, taken: int) -> None:
        self.room, self.taken = room, taken

    def in_use(self) -> int:
        return 0

    def available(self) -> int:
        return self.room

    def peak(self) -> int:
        return self.taken

    def reset_peak(self) -> None:
        pass


def test_the_batch_size_is_what_fits():
    seen = []

    def network(batch: Batch) -> np.ndarray:
        seen.append(batch.rows.shape)
        return np.zeros((len(batch), 2, 90, 4), np.float32)

    assert choose_batch_size(network, 90, 10_240, Memory(10_000, 100)) == 80
    assert choose_batch_size(network, 90, 10_240, Memory(10_000, 1000)) == 8
    assert choose_batch_size(network, 90, 10_240, Memory(10_000, 9000)) == 1
    assert choose_batch_size(network, 90, 9, Memory(10_000, 1000)) == 5  # two even batches
    assert choose_batch_size(network, 90, 3, Memory(10_000, 1000)) == 3
    assert choose_batch_size(network, 90, 10_240, Memory(10**9, 1)) == 256
    assert set(seen) == {(1, 1, 90)}
    assert 1 <= choose_batch_size(network, 90, 10_000) <= MAX_ON_HOST


def test_processes_beside_one_another_share_the_memory():
    """That of a machine, not that of their own GPUs; the least that any process has counts."""

    class Two(Processes):
        beside, other = 2, 10**9

        def least(self, number: int) -> int:
            return min(number, self.other)

    def size(processes: Processes | None, *, is_host: bool) -> int:
        memory = Memory(10_000, 2000)
        memory.is_host = is_host
        return choose_batch_size(lambda _: np.zeros(1), 90, 840, memory, processes=processes)

    assert size(None, is_host=True) == size(None, is_host=False) == 4
    two = Two()
    assert size(two, is_host=False) == 4
    assert size(two, is_host=True) == 2
    two.other = 6000
    assert size(two, is_host=False) == 3


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA plans the memory")
def test_a_compiled_network_is_asked_for_its_plan(model, monkeypatch):
    """On a device whose peak tells nothing: it cannot be reset, and more was computed before."""
    monkeypatch.setattr("helixer_ft.engine.jax.device_memory", lambda: Memory(10**9, 0))
    network = prediction_function(model)
    one = Batch(np.ones((1, 1, 90), np.uint8), np.zeros((TABLE_SIZE, 4), np.float32))
    taken = network.forward.step_bytes(one, 40)
    assert 30 < taken / network.forward.step_bytes(one, 1) < 50
    memory = Memory(int(taken / MEMORY_SHARE), taken=10**9)
    assert choose_batch_size(network, 90, 10_240, memory) == 40
    assert choose_batch_size(network, 90, 10_240, Memory(int(taken), 0)) < 40


def test_a_device_without_memory_gets_smaller_batches():
    sizes, notices = [], []

    def network(batch: Batch) -> np.ndarray:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return np.broadcast_to(batch.rows[:, :1, :, None].astype(np.float32), (len(batch), 2, 6, 4))

    class Told(Progress):
        def notice(self, text: str) -> None:
            notices.append(text)

    run = BatchedPrediction(network, 10, Told())
    rows = np.arange(60, dtype=np.uint8).reshape(10, 1, 6)
    batch = Batch(rows, np.zeros((TABLE_SIZE, 4), np.float32))
    assert np.array_equal(run(batch)[:, 0, :, 0], rows[:, 0])
    assert sizes == [10, 5, 3, 3, 3, 3]
    assert len(notices) == 2
    assert notices[1].endswith("continuing with 3")
    assert np.array_equal(run(replace(batch, rows=rows[:2]))[:, 1, :, 3], rows[:2, 0])
    assert sizes[6:] == [3]


def test_other_errors_and_single_windows_are_not_tried_again():
    for size, error, raised in (
        (4, ValueError("other"), ValueError),
        (1, MemoryError(), OutOfMemoryError),
    ):
        calls = []

        def network(batch, error=error, calls=calls):
            calls.append(len(batch))
            raise error

        batch = Batch(np.zeros((size, 1, 6), np.uint8), np.zeros((TABLE_SIZE, 4), np.float32))
        with pytest.raises(raised):
            BatchedPrediction(network, size, Progress())(batch)
        assert calls == [size]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_no_numbers_end_the_run(value):
    def network(batch: Batch) -> np.ndarray:
        values = np.zeros((len(batch), 2, 6, 4), np.float32)
        values[1, 0, 3, 2] = value
        return values

    rows = np.zeros((2, 1, 6), np.uint8)
    batch = Batch(rows, np.zeros((TABLE_SIZE, 4), np.float32))
    with pytest.raises(HelixerFtError, match=r"not numbers .*mixed_float16.*doctor"):
        BatchedPrediction(network, 2, Progress())(batch)
    # what only fills the batch up is of no account
    assert np.isfinite(
        BatchedPrediction(network, 2, Progress())(replace(batch, rows=rows[:1]))
    ).all()


def test_an_error_in_the_middle_leaves_rows_at_most(request_for, monkeypatch):
    """Those that were in the journal by then."""
    request = request_for(val_test_batch_size=4)
    real = predict_module.prediction_function
    calls = []

    def breaking(model, precision, _devices):
        network = real(model, precision)

        def run(batch):
            calls.append(1)
            if len(calls) == 3:
                raise ValueError("broken device")
            return network(batch)

        return run

    monkeypatch.setattr(predict_module, "prediction_function", breaking)
    threads = threading.active_count()
    output = request.prediction_output_path
    before = set(output.parent.iterdir())
    with pytest.raises(ValueError, match="broken device"):
        predict(request)
    assert set(output.parent.iterdir()) - before <= {output.with_name(f"{output.name}.journal")}
    assert threading.active_count() == threads


# -- Helixer's own numbers ---------------------------------------------------------------------


def test_agrees_with_helixers_overlapping_predictions(shared, tmp_path):
    data = shared / "train" / "athaliana" / "validation_data.h5"
    request = PredictRequest(
        shared / "models" / "small.h5", tmp_path / "out.h5", test_data=data, val_test_batch_size=4
    )
    predict(request)
    oracle = shared / "oracles" / "small_overlap_predictions_athaliana_val.h5"
    file = DataFile(data, labels=False)
    with h5py.File(oracle) as theirs, h5py.File(tmp_path / "out.h5") as ours:
        assert list(ours) == list(theirs)
        assert set(theirs.attrs) <= set(ours.attrs)
        for name in theirs:
            for key in ("shape", "dtype", "chunks", "compression", "compression_opts", "shuffle"):
                assert getattr(ours[name], key) == getattr(theirs[name], key)
            # Helixer has padded minus-strand rows padding first
            expected = np.stack(
                [stored(row, i, file.shifts) for i, row in enumerate(theirs[name][()])]
            )
            difference = np.abs(ours[name][()].astype(np.float64) - expected)
            assert difference.max() < 2e-3
            assert difference.mean() < 1e-5
        for key in ("n_bases_removed", "model_md5sum"):
            assert str(ours.attrs[key]) == str(theirs.attrs[key])
        assert ours.attrs["model_config"] == theirs.attrs["model_config"]
