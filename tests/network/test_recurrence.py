"""Whatever device computes it, and whichever Keras is installed, a network means the same."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import tiny_architecture

from helixer_ft.network.model import build_keras
from tests.network.branches import DEPTHS, differences, on_cpu, on_gpu, outcome, relative_difference

JAX = keras.backend.backend() == "jax"
KERAS_VERSIONS = ("3.13.2", "3.14.1", "3.15.1")
SCRIPT = Path(__file__).with_name("branches.py")
needs_jax = pytest.mark.skipif(not JAX, reason="of the JAX backend")


@pytest.mark.parametrize(
    "form", ["one loop", pytest.param("cuDNN", marks=pytest.mark.slow)] if JAX else ["cuDNN"]
)
def test_the_branch_for_gpus_computes_what_the_cpu_does(form):
    """Of a network with two bidirectional layers; `test_keras_versions` has three depths."""
    found = differences(form, 2)
    assert len(found) == 7
    assert max(found.values()) < 1e-6, found


@pytest.mark.slow
def test_states_in_another_order_show(monkeypatch):
    """What the comparison is for: backward states that come out reversed in time."""
    from helixer_ft.network import keras_layers

    computed = keras_layers.BidirectionalLSTM.call

    def reversed_states(layer, inputs):
        forward, backward = keras.ops.split(computed(layer, inputs), 2, axis=-1)
        return keras.ops.concatenate([forward, keras.ops.flip(backward, axis=1)], axis=-1)

    expected = on_cpu(2)
    monkeypatch.setattr(keras_layers.BidirectionalLSTM, "call", reversed_states)
    found = outcome(2)
    for name in ("states", "gradients", "gradients of the loss", "predictions"):
        assert relative_difference(expected[name], found[name]) > 1e-3, name


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
@pytest.mark.parametrize("version", KERAS_VERSIONS)
def test_keras_versions(version, backend, tmp_path):
    """They differ in what their LSTM returns on GPUs."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path]
    installed = subprocess.run(
        [*pip, f"keras=={version}"], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        pytest.skip(f"Keras {version} cannot be installed: {installed.stderr[-300:]}")
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, SCRIPT, backend],
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("keras") == version
    assert len(found) == len(DEPTHS) * (2 if backend == "jax" else 1)
    assert max(max(of_one.values()) for of_one in found.values()) < 1e-6, found


@needs_jax
@pytest.mark.parametrize("branch", ["cpu", "gpu"])
def test_keras_lstm_is_never_called_on_jax(branch, monkeypatch):
    import jax

    def refuse(*_, **__):
        raise AssertionError("Keras' LSTM was called")

    monkeypatch.setattr(keras.layers.LSTM, "call", refuse)
    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", refuse)
    network = build_keras(tiny_architecture(lstms=2))
    with on_gpu("one loop") if branch == "gpu" else nullcontext([]) as calls:
        jax.eval_shape(partial(network, training=True), np.zeros((1, 90, 4), np.float32))
    assert bool(calls) == (branch == "gpu")


@needs_jax
def test_each_platform_has_its_form():
    from helixer_ft.network import lstm_jax
    from helixer_ft.network.lstm_jax import one_loop, two_loops

    assert lstm_jax.recurrence_for("cpu") is two_loops.bidirectional_lstm
    for platform in ("gpu", "cuda", "rocm", "tpu"):
        assert lstm_jax.recurrence_for(platform) is one_loop.bidirectional_lstm


@needs_jax
def test_the_devices_that_compute_choose_the_form(monkeypatch):
    """Those of a mesh before JAX's default: a program may be compiled for others."""
    import jax
    from jax.sharding import Mesh

    from helixer_ft.network import lstm_jax

    asked = []
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(
        lstm_jax, "recurrence_for", lambda platform: asked.append(platform) or (lambda x, *_: x)
    )
    with lstm_jax.split_over(Mesh(np.array(jax.devices("cpu")[:1]), ("batch",))):
        lstm_jax.bidirectional_lstm(np.zeros((1, 2, 3)), (), ())
    lstm_jax.bidirectional_lstm(np.zeros((1, 2, 3)), (), ())
    assert asked == ["cpu", "gpu"]


@needs_jax
@pytest.mark.parametrize(
    ("batch", "steps", "width", "units"),
    [(1, 1, 1, 1), pytest.param(5, 13, 1, 4, marks=pytest.mark.slow), (4, 98, 12, 9)],
)
def test_all_forms_are_one_function(batch, steps, width, units, monkeypatch):
    """In float64, so that states and gradients agree to many more digits than float32 has."""
    import jax
    from jax.experimental import rnn

    from helixer_ft.network.lstm_jax import cudnn, one_loop, two_loops
    from tests.network.branches import cudnn_of_jax

    monkeypatch.setattr(rnn, "lstm", cudnn_of_jax)
    generator = np.random.default_rng(steps)

    def random(*shape: int) -> np.ndarray:
        return generator.normal(0, 0.6, shape)

    x, share = random(batch, steps, width), random(batch, steps, 2 * units)
    weights = [
        (random(width, 4 * units), random(units, 4 * units), random(4 * units)) for _ in range(2)
    ]

    def states_and_gradients(form) -> list[np.ndarray]:
        def objective(*arguments):
            states = form.bidirectional_lstm(*arguments)
            return (states * share).sum(), states

        program = jax.jit(jax.grad(objective, (0, 1, 2), has_aux=True))
        gradients, states = program(x, *weights)
        return [np.asarray(array) for array in jax.tree.leaves((states, gradients))]

    with jax.enable_x64(True):
        expected, *others = map(states_and_gradients, (two_loops, one_loop, cudnn))
    assert expected[0].dtype == np.float64
    assert len(expected) == 8
    for found in others:
        for one, other in zip(expected, found, strict=True):
            assert one.shape == other.shape
            assert np.abs(one - other).max() <= 1e-12 * np.abs(one).max()
