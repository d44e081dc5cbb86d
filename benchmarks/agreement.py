"""Measures how far helixer-ft and Helixer agree, on a model and data of yours.

Usage: `python benchmarks/agreement.py MODEL.h5 DATA.h5 HELIXER_ENV [STEPS]`

DATA.h5 is labelled data with eight usable rows per step, and eight at least. HELIXER_ENV is the
environment that Helixer 0.3.9 is installed in; JAX and TensorFlow must be installed beside
helixer-ft. Nothing is written outside a temporary folder.

Each contender runs in a process of its own on the same arrays: the first two rows (predictions),
the first batch of eight rows (loss in inference mode), STEPS updates (5) by AdamW on one batch each
with the whole network in training mode (loss before each update), and the batch variance that batch
norm takes of the first convolution's output. Confusion matrices are those of
`HybridModel.py --eval` and of helixer-ft on all of DATA.h5.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

BATCH, POOL = 8, 9
CONTENDERS = {
    "Helixer": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "Helixer, oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "TensorFlow": {"KERAS_BACKEND": "tensorflow"},
    "JAX": {"KERAS_BACKEND": "jax"},
    "float64": {"KERAS_BACKEND": "tensorflow"},
}


def main(model: str, data: str, environment: str, steps: str = "5") -> None:
    """Run every contender and print the differences."""
    for path in (model, data, environment):
        if not Path(path).exists():
            sys.exit(f"Error: {path}: no such file or folder.")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        arrays = str(Path(folder, "arrays.npz"))
        write_arrays(data, arrays, int(steps))
        for name, variables in CONTENDERS.items():
            print(f"running {name}", file=sys.stderr)
            helixer = name.startswith("Helixer")
            python = str(Path(environment, "bin/python")) if helixer else sys.executable
            out = str(Path(folder, "out.npz"))
            subprocess.run(
                [python, __file__, "--run", name, model, arrays, out],
                env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | variables,
                check=True,
            )
            results[name] = dict(np.load(out))
        evaluated = [helixer_eval(model, data, environment), results["JAX"]["matrix"]]
    report(results)
    print(
        f"bases in other cells of the confusion matrix: {np.abs(np.diff(evaluated, axis=0)).sum()}"
    )


def helixer_eval(model: str, data: str, environment: str) -> np.ndarray:
    """(4, 4) genic confusion matrix that HybridModel.py --eval prints."""
    bin_folder = Path(environment, "bin").resolve()
    command = [bin_folder / "python", bin_folder / "HybridModel.py", "--load-model-path", model]
    done = subprocess.run(
        [*command, "--test-data", data, "--eval"], capture_output=True, text=True, check=True
    )
    rows = re.findall(r"_ref\s*\|" + r"\s*(\d+)\s*\|" * 4, done.stdout + done.stderr)
    return np.array(rows[:4], np.int64)


def report(results: dict[str, dict[str, np.ndarray]]) -> None:
    """Print the differences of the contenders from one another."""
    pairs = [("Helixer", "Helixer, oneDNN off")]
    for other in ("Helixer", "Helixer, oneDNN off", "float64"):
        pairs += [(name, other) for name in ("TensorFlow", "JAX")]
    pairs += [(name, "float64") for name in CONTENDERS if name.startswith("Helixer")]
    print("\n|  | predictions, max | mean | inference loss | loss before each update |")
    print("|---|---|---|---|---|")
    for one, other in pairs:
        a, b = results[one], results[other]
        error = np.abs(a["predictions"] - b["predictions"])
        loss = abs(a["loss"] / b["loss"] - 1)
        steps = ", ".join(f"{x:.1e}" for x in np.abs(a["steps"] / b["steps"] - 1))
        print(
            f"| {one} − {other} | {error.max():.1e} | {error.mean():.1e} | {loss:.1e} | {steps} |"
        )
    for name in ("Helixer", "TensorFlow", "JAX"):
        print(f"relative error of the batch variance, {name}: {results[name]['variance']:.1e}")


def write_arrays(data: str, out: str, steps: int) -> None:
    """Read the batches once: packed rows, bases, one-hot labels, loss weights."""
    from helixer_ft.dataset.batch import unpack
    from helixer_ft.dataset.dataset import open_dataset
    from helixer_ft.engine.loss import pooled_weights
    from helixer_ft.formats.data_h5 import NO_CLASS
    from helixer_ft.settings import TrainingSettings

    dataset = open_dataset([Path(data)], pool_size=POOL, phase=True, transitions=True)
    batches = max(1, steps)
    assert len(dataset) >= BATCH * batches, f"{data}: {len(dataset)} usable rows are too few"
    one_hot = np.vstack([np.eye(4), np.zeros((1, 4))]).astype(np.float32)
    assert NO_CLASS == 4
    arrays = {"steps": np.array(steps), "data": np.array(data)}
    for i in range(batches):
        batch = dataset.read(np.arange(BATCH * i, BATCH * (i + 1)))
        codes, table = batch.input.values()
        arrays |= {f"rows{i}": batch.rows, f"table{i}": table, f"x{i}": table[codes]}
        labels = unpack(batch.labels)
        for name, classes in (("genic", labels.genic), ("phase", labels.phase)):
            arrays[f"y_{name}{i}"] = one_hot[classes].reshape(BATCH, -1, POOL, 4)
        weights = pooled_weights(batch.labels, batch.transitions, POOL, TrainingSettings())
        arrays[f"w{i}"] = np.asarray(weights)
    np.savez(out, **arrays)


def run_helixer(model_path: str, z: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keras 2.15 and TensorFlow Addons, as HybridModel.py uses them."""
    import tensorflow as tf
    import tensorflow_addons as tfa

    model = tf.keras.models.load_model(model_path, compile=False)
    for layer in model.layers:
        layer.trainable = True
    model.compile(
        optimizer=tfa.optimizers.AdamW(
            learning_rate=3e-4, clipnorm=3.0, weight_decay=3.5e-5, epsilon=1e-7
        ),
        loss=["categorical_crossentropy"] * 2,
        loss_weights=[0.8, 0.2],
        sample_weight_mode="temporal",
    )
    predictions = np.stack(model.predict(z["x0"][:2], verbose=0), axis=2)
    labels = [z["y_genic0"], z["y_phase0"]]
    loss = model.test_on_batch(z["x0"], labels, sample_weight=z["w0"])[0]
    first = tf.keras.Model(model.input, model.get_layer("conv1d").output)(z["x0"])
    variance = variance_error(first.numpy(), tf.nn.moments(first, [0, 1])[1].numpy())
    steps = []
    for i in range(int(z["steps"])):
        labels = [z[f"y_genic{i}"], z[f"y_phase{i}"]]
        steps.append(model.train_on_batch(z[f"x{i}"], labels, sample_weight=z[f"w{i}"])[0])
    return {"predictions": predictions, "loss": loss, "steps": steps, "variance": variance}


def run_ours(model_path: str, z: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The engine that `helixer-ft whole` trains with."""
    import keras

    from helixer_ft.dataset.batch import Batch
    from helixer_ft.dataset.dataset import open_dataset
    from helixer_ft.engine import engine_class
    from helixer_ft.network.model import build_keras, load_model, probabilities, set_weights
    from helixer_ft.network.strategies import Freeze, Whole
    from helixer_ft.progress import Progress
    from helixer_ft.settings import TrainingSettings
    from helixer_ft.training.scoring import score_dataset

    trained, settings = load_model(Path(model_path)), TrainingSettings()
    network = build_keras(trained.architecture)
    set_weights(network, trained.weights)
    logits = network.predict(z["x0"][:2], verbose=0)  # compiled, as scoring is
    predictions = keras.ops.convert_to_numpy(probabilities(logits))
    still, moving = (
        engine_class()(trained.architecture, trained.weights, plan, settings)
        for plan in (Freeze(keep_head=True).plan(trained), Whole().plan(trained))
    )

    def gradients(engine, i):
        return engine.add_gradients(Batch(z[f"rows{i}"], z[f"table{i}"]), BATCH)[0]

    loss = gradients(still, 0)
    steps = []
    for i in range(int(z["steps"])):
        steps.append(gradients(moving, i))
        moving.update()
    data = [Path(str(z["data"]))]
    dataset = open_dataset(data, pool_size=POOL, phase=True, transitions=False, all_rows=True)
    matrix = score_dataset(still, dataset, BATCH, Progress(), "").genic_matrix
    first = keras.Model(network.input, network.get_layer("conv1d").output)(z["x0"])
    moments = keras.ops.convert_to_numpy(keras.ops.moments(first, axes=(0, 1))[1])
    variance = variance_error(keras.ops.convert_to_numpy(first), moments)
    return {
        "predictions": predictions,
        "loss": loss,
        "steps": steps,
        "variance": variance,
        "matrix": matrix,
    }


def run_float64(model_path: str, z: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same network, loss and optimiser in double precision.

    On TensorFlow: Keras on JAX computes parts of the network in float32 whatever it is told.
    """
    import keras
    import tensorflow as tf

    keras.backend.set_floatx("float64")
    from helixer_ft.engine.base import make_optimizer
    from helixer_ft.network.model import build_keras, load_model, set_weights
    from helixer_ft.settings import TrainingSettings

    trained = load_model(Path(model_path))
    network = build_keras(trained.architecture, precision="float64")
    set_weights(network, trained.weights)
    *_, before, output = network.layers
    hidden = keras.Model(network.input, before.output)
    optimizer = make_optimizer(TrainingSettings())
    optimizer.build(network.trainable_variables)
    variables = [v.value for v in network.trainable_variables]

    def logits_of(x, training):  # the output layer itself gives float32
        units = hidden(x.astype(float), training=training) @ output.kernel.value
        shape = (len(x), -1, len(trained.architecture.outputs), POOL, 4)
        return tf.reshape(units + output.bias.value, shape)

    def loss(i, training):
        logits = logits_of(z[f"x{i}"], training)
        truth = np.stack([z[f"y_genic{i}"], z[f"y_phase{i}"]], axis=2).astype(float)
        labelled = tf.reduce_logsumexp(logits, axis=-1) * truth.sum(axis=-1)
        entropy = labelled - tf.reduce_sum(logits * truth, axis=-1)
        parts = tf.reduce_mean(entropy * z[f"w{i}"].astype(float)[..., None, None], axis=(0, 1, 3))
        return 0.8 * parts[0] + 0.2 * parts[1]

    @tf.function
    def gradients(i):
        with tf.GradientTape() as tape:
            value = loss(i, True)
        return value, tape.gradient(value, variables)

    predictions = tf.nn.softmax(logits_of(z["x0"][:2], False)).numpy()
    untrained = float(loss(0, False))
    steps = []
    for i in range(int(z["steps"])):
        value, gradient = gradients(i)
        optimizer.apply(gradient, network.trainable_variables)
        steps.append(float(value))
    assert predictions.dtype == np.float64
    return {"predictions": predictions, "loss": untrained, "steps": steps}


def variance_error(values: np.ndarray, variance: np.ndarray) -> float:
    """Largest relative error of a variance over a batch, against float64."""
    exact = values.astype(np.float64).var(axis=(0, 1))
    return float(np.abs(variance / exact - 1)[exact > 0].max())


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5, 6):
        sys.exit(__doc__)
    if sys.argv[1] == "--run":
        contender, model_file, arrays_file, out_file = sys.argv[2:]
        run = {"float64": run_float64, "JAX": run_ours, "TensorFlow": run_ours}
        result = run.get(contender, run_helixer)(model_file, dict(np.load(arrays_file)))
        np.savez(out_file, **result)
    else:
        main(*sys.argv[1:])
