"""What networks compute in the branch that GPUs take, beside what they compute on the CPU.

cuDNN's calls are replaced by references of the same meaning: JAX's own `lstm_ref`, and for
TensorFlow the loop below. As a script, prints the largest relative differences as JSON, so that it
can run with another version of Keras: `python branches.py jax|tensorflow`.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np

DEPTHS = (1, 2, 3)
"""Bidirectional layers of a network."""
LENGTH, WINDOWS = 198, 3  # 22 steps: not a multiple of what the loop for GPUs does in each turn


@contextmanager
def on_gpu(form: str) -> Iterator[list[str]]:
    """Take a GPU's branch: on JAX "one loop" or "cuDNN", on TensorFlow "cuDNN".

    Yields what is appended to in each call of the form.
    """
    import keras

    calls: list[str] = []
    patch = _patch_jax if keras.backend.backend() == "jax" else _patch_tensorflow
    with patch(form, calls):
        yield calls


@contextmanager
def _patch_jax(form: str, calls: list[str]) -> Iterator[None]:
    from jax.experimental import rnn

    from helixer_ft.network import lstm_jax
    from helixer_ft.network.lstm_jax import cudnn, one_loop

    taken = {"one loop": one_loop, "cuDNN": cudnn}[form].bidirectional_lstm
    choose = lstm_jax.recurrence_for

    def as_on_gpu(platform):
        assert platform == "cpu"
        return choose("gpu")

    def recorded(*arguments):
        calls.append(form)
        return taken(*arguments)

    with (
        mock.patch.object(lstm_jax, "ON_ACCELERATOR", recorded),
        mock.patch.object(lstm_jax, "recurrence_for", as_on_gpu),
        mock.patch.object(rnn, "lstm", cudnn_of_jax),
    ):
        yield


def cudnn_of_jax(x, h, c, weights, lengths, width, units, layers, dropout, bidirectional):
    """`jax.experimental.rnn.lstm`, computed by its reference."""
    from jax.experimental import rnn

    matrices = rnn.unpack_lstm_weights(weights, width, units, layers, bidirectional)
    return rnn.lstm_ref(x, h, c, *matrices, lengths, width, units, layers, dropout, bidirectional)


@contextmanager
def _patch_tensorflow(form: str, calls: list[str]) -> Iterator[None]:
    import tensorflow as tf

    def recorded(**arguments):
        calls.append(form)
        return cudnn_of_tensorflow(**arguments)

    with (
        mock.patch.object(tf.config, "get_visible_devices", lambda kind=None: [kind]),
        mock.patch.object(tf.config, "list_logical_devices", lambda kind=None: [kind]),
        mock.patch.object(tf.raw_ops, "CudnnRNNV3", recorded),
    ):
        yield


def cudnn_of_tensorflow(
    *, input, input_h, input_c, params, is_training, rnn_mode, sequence_lengths, time_major
):
    """The op CudnnRNNV3 for one layer in one direction, batch first, gates in cuDNN's order."""
    import tensorflow as tf

    assert (rnn_mode, is_training, time_major) == ("lstm", True, False)
    width, units = input.shape[-1], input_h.shape[-1]
    sizes = [4 * units * width, 4 * units * units, 4 * units, 4 * units]
    kernel, recurrent, *biases = tf.split(params, sizes)
    kernel = tf.transpose(tf.reshape(kernel, (4 * units, width)))
    recurrent = tf.transpose(tf.reshape(recurrent, (4 * units, units)))

    def step(carry, x):
        gates = x @ kernel + carry[0] @ recurrent + biases[0] + biases[1]
        entry, forget, candidate, output = tf.split(gates, 4, axis=-1)
        cell = tf.sigmoid(forget) * carry[1] + tf.sigmoid(entry) * tf.tanh(candidate)
        return tf.sigmoid(output) * tf.tanh(cell), cell

    start = (tf.squeeze(input_h, 1), tf.squeeze(input_c, 1))
    states, cells = tf.scan(step, tf.transpose(input, (1, 0, 2)), start)
    outputs = tf.transpose(states, (1, 0, 2))
    return outputs, states[-1][:, None], cells[-1][:, None], None, None


def outcome(lstms: int) -> dict[str, list[np.ndarray]]:
    """States, both gradients, one training step and predictions of a tiny network."""
    from conftest import tiny_model

    from helixer_ft.engine import engine_class
    from helixer_ft.inference.network import prediction_function
    from tests.plans import plan_whole

    model = tiny_model(seed=lstms, lstms=lstms)
    states, gradients = _states_and_gradients(model)
    batch = _batch()
    engine = engine_class()(model.architecture, model.weights, plan_whole(model))
    total, parts = engine.add_gradients(batch, WINDOWS)
    accumulated = engine.state().accumulated[0][1]
    engine.update()
    scored = engine.score(batch, WINDOWS)
    updated = engine.get_weights()
    return {
        "states": states,
        "gradients": gradients,
        "loss": [np.array(float(total)), np.asarray(parts)],
        "gradients of the loss": accumulated,
        "weights after a step": [array for name in sorted(updated) for array in updated[name]],
        "scores after a step": [scored.counts, scored.entropy],
        "predictions": [prediction_function(model)(batch)],
    }


def _batch():
    """A step's subsequences, some of them padded."""
    from conftest import random_rows

    from helixer_ft.dataset.dataset import open_dataset
    from tests.data_files import write_data_file

    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.h5"
        write_data_file(path, random_rows(2, LENGTH, seed=8))
        dataset = open_dataset([path], pool_size=9, phase=True, transitions=True)
        return dataset.read(np.arange(WINDOWS))


def _states_and_gradients(model) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """States of each bidirectional layer; gradients of a weighted sum of all logits to the inputs
    and to the weights.
    """
    import keras
    from keras import ops

    from helixer_ft.network.architecture import BiLSTM
    from helixer_ft.network.model import build_keras, set_weights

    network = build_keras(model.architecture)
    set_weights(network, model.weights)
    lstms = [layer.name for layer in model.architecture.body if isinstance(layer, BiLSTM)]
    inner = keras.Model(network.input, [network.get_layer(name).output for name in lstms])
    generator = np.random.default_rng(3)
    inputs = generator.normal(0, 1, (WINDOWS, LENGTH, 4)).astype(np.float32)
    states = inner.predict_on_batch(inputs)
    states = [ops.convert_to_numpy(s) for s in (states if isinstance(states, list) else [states])]
    share = generator.normal(0, 1, network.predict_on_batch(inputs).shape).astype(np.float32)
    weights = network.trainable_variables
    if keras.backend.backend() == "jax":
        import jax

        def objective(inputs, weights):
            fixed = [v.value for v in network.non_trainable_variables]
            logits, _ = network.stateless_call(weights, fixed, inputs, training=False)
            return ops.sum(logits * share)

        values = [variable.value for variable in weights]
        gradients = jax.tree.leaves(jax.jit(jax.grad(objective, argnums=(0, 1)))(inputs, values))
    else:
        import tensorflow as tf

        given = tf.constant(inputs)
        with tf.GradientTape() as tape:
            tape.watch(given)
            result = ops.sum(network(given, training=False) * share)
        gradients = tape.gradient(result, [given, *(v.value for v in weights)])
    return states, [np.asarray(gradient) for gradient in gradients]


@cache
def on_cpu(lstms: int) -> dict[str, list[np.ndarray]]:
    """`outcome`, in the branch that the CPU takes."""
    return outcome(lstms)


def differences(form: str, lstms: int) -> dict[str, float]:
    """Largest difference between the GPU's branch and the CPU's, of the largest value."""
    with on_gpu(form) as calls:
        found = outcome(lstms)
    assert calls, f"the branch with {form} was not taken"
    expected = on_cpu(lstms)
    return {name: relative_difference(expected[name], found[name]) for name in expected}


def relative_difference(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """The largest one between two lists of arrays, relative to the largest value of the first.

    Of all arrays together: some gradients are nothing but rounding, such as that of a bias which
    batch norm takes out again.
    """
    assert [array.shape for array in some] == [array.shape for array in others]
    largest = max(float(np.abs(array).max()) for array in some)
    pairs = zip(some, others, strict=True)
    return max(float(np.abs(np.subtract(a, b, dtype=float)).max()) for a, b in pairs) / largest


def _main() -> None:
    os.environ["HELIXER_FT_TEST_BACKEND"] = sys.argv[1]
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests.parent), str(tests)]
    import conftest  # noqa: F401 - chooses the backend
    import keras

    forms = ("one loop", "cuDNN") if sys.argv[1] == "jax" else ("cuDNN",)
    print(json.dumps({"keras": keras.__version__} | {
        f"{form}, {lstms}": differences(form, lstms) for form in forms for lstms in DEPTHS
    }))  # fmt: skip


if __name__ == "__main__":
    _main()
