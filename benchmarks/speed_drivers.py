"""Measurements of speed.py that need a process of their own: `speed_drivers.py NAME OPTIONS OUT`.

OPTIONS is JSON; so is what is written to OUT. `peer_step` runs in Helixer's environment, which
has no helixer-ft: every driver imports by itself what it measures.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from speed_data import KINDS, data_files, usable_rows
from speed_options import FORWARD, MATMUL, Record


def timed(step: Callable[[], Any], n: int) -> Record:
    """Seconds of a first step, which compiles, and of `n` more."""
    seconds = []
    for _ in range(n + 1):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return {"first": seconds[0], "seconds": seconds[1:]}


def our_step(options: Record) -> Record:
    """A training step of the engine that `whole` and `freeze` use, or a forward pass."""
    from helixer_ft.engine import engine_class, forward_function
    from helixer_ft.network.model import load_model
    from helixer_ft.network.strategies import Freeze, Whole
    from helixer_ft.settings import TrainingSettings

    trained = load_model(Path(options["model"]))
    if options["task"] == FORWARD:
        engine = engine_class()(trained.architecture, trained.weights)
        forward = forward_function(engine.model)
        windows = np.arange(options["score_batch_size"])
        batch = our_dataset(options, trained.architecture).read(windows)
        return timed(lambda: forward(batch), options["steps"])
    hidden = options["task"] == "hidden"
    whole = options["task"] == "whole"
    strategy = Whole() if whole else Freeze(post_coverage_hidden_layer=hidden)
    plan = strategy.plan(trained)
    engine = engine_class()(plan.model.architecture, plan.model.weights, plan, TrainingSettings())
    batch = our_dataset(options, trained.architecture).read(np.arange(options["batch_size"]))

    def step() -> None:
        engine.add_gradients(batch, len(batch))
        engine.update()

    return timed(step, options["steps"])


def our_dataset(options: Record, architecture: Any) -> Any:
    """The training data as helixer-ft opens it."""
    from helixer_ft.dataset.dataset import open_dataset

    return open_dataset(
        data_files(Path(options["data"]), KINDS[0]),
        pool_size=architecture.pool_size,
        phase=architecture.has_phase,
        transitions=True,
    )


def peer_step(options: Record) -> Record:
    """The same in Keras 2.15 with TensorFlow Addons, as HybridModel.py uses them."""
    import tensorflow as tf
    import tensorflow_addons as tfa

    model = tf.keras.models.load_model(options["model"], compile=False)
    head = [layer.name for layer in model.layers].index("dense")  # the head begins here
    for i, layer in enumerate(model.layers):
        layer.trainable = options["task"] == "whole" or i >= head
    outputs, pool = len(model.outputs), model.outputs[0].shape[-2]
    if options["task"] == "hidden":
        model = with_hidden_layer(model, pool)
    model.compile(
        optimizer=tfa.optimizers.AdamW(
            learning_rate=3e-4, clipnorm=3.0, weight_decay=3.5e-5, epsilon=1e-7
        ),
        loss=["categorical_crossentropy"] * outputs,
        loss_weights=[0.8, 0.2] if outputs > 1 else None,
        sample_weight_mode="temporal",
    )
    forward = options["task"] == FORWARD
    n = options["score_batch_size" if forward else "batch_size"]
    x, labels, weights = peer_batch(Path(options["data"]), n, outputs, pool)
    if forward:
        return timed(lambda: model.predict_on_batch(x), options["steps"])
    return timed(lambda: model.train_on_batch(x, labels, sample_weight=weights), options["steps"])


def with_hidden_layer(model: Any, pool: int) -> Any:
    """The network with a hidden layer before a new output layer, in Keras 2."""
    import tensorflow as tf

    layers, outputs = tf.keras.layers, len(model.outputs)
    features = model.get_layer("dense").input
    hidden = layers.Dense(features.shape[-1] // 2, activation="relu")(features)
    logits = tf.split(layers.Dense(pool * 4 * outputs)(hidden), outputs, axis=-1)
    shaped = [layers.Reshape((-1, pool, 4), name=f"hat{i}")(x) for i, x in enumerate(logits)]
    return tf.keras.Model(model.input, [layers.Softmax()(part) for part in shaped])


def peer_batch(data: Path, n: int, outputs: int, pool: int) -> tuple[Any, Any, Any]:
    """Bases, labels and weights of some windows; what the weights are does not change the time."""
    path = data_files(data, KINDS[0])[0]
    rows = usable_rows(path)[:n]
    with h5py.File(path) as file:
        length = file["data/X"].shape[1] // pool * pool
        x, y, phases, valid = (
            file[f"data/{name}"][rows][:, :length].astype(np.float32)
            for name in ("X", "y", "phases", "sample_weights")
        )
    labels = [one_hot.reshape(len(rows), -1, pool, 4) for one_hot in (y, phases)[:outputs]]
    return x, labels, valid.reshape(len(rows), -1, pool).min(axis=-1)


def kept_rows(options: Record) -> Record:
    """Windows per second in shuffled batches, as training reads them once they are decoded."""
    from helixer_ft.dataset.row_cache import MemoryRows

    dataset = our_dataset_of_model(options)
    n, size = len(dataset), options["batch_size"]
    shape = dataset.read(np.arange(1)).rows.shape[1:]
    dataset.decoded.keep_in(MemoryRows(n, shape, np.dtype(np.uint8)))
    for _ in dataset.decoded.fill(size):
        pass
    return pipeline_rate(dataset, size)


def decoded_rows(options: Record) -> Record:
    """The same where every window is decoded each time, as in the first epoch."""
    return pipeline_rate(our_dataset_of_model(options), options["batch_size"])


def our_dataset_of_model(options: Record) -> Any:
    """The training data as helixer-ft opens it for a model."""
    from helixer_ft.network.model import load_model

    return our_dataset(options, load_model(Path(options["model"])).architecture)


def pipeline_rate(dataset: Any, batch_size: int) -> Record:
    """Windows per second in shuffled batches, a little ahead as training reads them."""
    from helixer_ft.dataset.dataset import batches
    from helixer_ft.runtime.parallel import read_ahead

    def read(order: np.ndarray) -> Iterator[Any]:
        return read_ahead(dataset.read, batches(len(order), batch_size, order))

    return reading_rate(len(dataset), read)


def plain_files(options: Record) -> Record:
    """The same rows straight from the files with h5py, nothing decoded."""
    from helixer_ft.dataset.dataset import batches

    paths = data_files(Path(options["data"]), KINDS[0])
    rows = [(path, row) for path in paths for row in usable_rows(path)]
    files = {path: h5py.File(path)["data"] for path in paths}
    names = ("X", "y", "phases", "transitions", "sample_weights")

    def read(order: np.ndarray) -> Iterator[Any]:
        for chosen in batches(len(order), options["batch_size"], order):
            wanted = [rows[i] for i in chosen]
            yield [np.stack([files[path][name][row] for path, row in wanted]) for name in names]

    return reading_rate(len(rows), read)


def reading_rate(n: int, read: Callable[[np.ndarray], Iterator[Any]]) -> Record:
    """Windows per second of three passes over shuffled windows, after a first one."""
    generator = np.random.default_rng(0)

    def one_pass() -> None:
        for _ in read(generator.permutation(n)):
            pass

    result = timed(one_pass, 3)
    return result | {"rate": n / median(result["seconds"])}


def numpy_peak(_: Record) -> Record:
    """Flop per second of numpy's float32 matrix product."""
    a = np.random.default_rng(0).random((MATMUL, MATMUL), np.float32)
    return matmul_rate(lambda: a @ a)


def jax_peak(_: Record) -> Record:
    """Flop per second of JAX's float32 matrix product."""
    import jax

    a = jax.random.uniform(jax.random.key(0), (MATMUL, MATMUL))
    product = jax.jit(lambda a: a @ a)
    return matmul_rate(lambda: product(a).block_until_ready())


def matmul_rate(multiply: Callable[[], Any]) -> Record:
    """Flop per second of the fastest of ten products."""
    result = timed(multiply, 10)
    return result | {"flops": 2 * MATMUL**3 / min(result["seconds"])}


def work(options: Record) -> Record:
    """Multiply-adds of one window's forward pass."""
    from helixer_ft.network.model import load_model

    with h5py.File(data_files(Path(options["data"]), KINDS[0])[0]) as file:
        length = file["data/X"].shape[1]
    return {"multiply_adds": multiply_adds(load_model(Path(options["model"])).architecture, length)}


def multiply_adds(architecture: Any, length: int) -> int:
    """Multiply-adds of the forward pass of one window of `length` bases.

    Every weight of a kernel is used once per base in a convolution, once per pooled step in an LSTM
    or a dense layer; biases, batch norm and activations are left out.
    """
    from helixer_ft.network.architecture import Conv

    total = 0
    for layer, width in architecture.layers():
        kernels = [prod(shape) for _, shape in layer.weight_shapes(width) if len(shape) > 1]
        pooled = 1 if isinstance(layer, Conv) else architecture.pool_size
        total += sum(kernels) * (length // pooled)
    return total


DRIVERS = {
    function.__name__: function
    for function in (
        our_step,
        peer_step,
        kept_rows,
        decoded_rows,
        plain_files,
        numpy_peak,
        jax_peak,
        work,
    )
}

if __name__ == "__main__":
    name, options, out = sys.argv[1:]
    Path(out).write_text(json.dumps(DRIVERS[name](json.loads(options))))
