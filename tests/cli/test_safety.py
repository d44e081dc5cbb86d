"""Whatever happens to a run, a model file is whole: the new one, the one before, or none."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import tiny_architecture

from helixer_ft.cli import main
from helixer_ft.engine import engine_class
from helixer_ft.engine.base import Engine
from helixer_ft.formats.atomic import partial_path
from helixer_ft.formats.model_h5 import ModelFile, read_model_file, write_model_file
from helixer_ft.network.model import load_model
from tests.cli.workplace import no_file_above
from tests.network.builders import random_model

# -- killed while saving -----------------------------------------------------------------------

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from helixer_ft.formats.model_h5 import read_model_file, write_model_file

path = Path(sys.argv[1])
model = read_model_file(path)
number = int(model.provenance["number"])
print("ready", flush=True)
while True:
    number += 1
    for arrays in model.weights.values():
        for array in arrays.values():
            array[...] = number
    write_model_file(path, replace(model, provenance={"number": str(number)}), force=True)
"""


def numbered_model(number: int) -> ModelFile:
    """Two megabytes of weights, so that writing takes a while; all of one value."""
    weights = {
        f"layer_{i}": {f"layer_{i}/kernel:0": np.full((256, 256), number, np.float32)}
        for i in range(8)
    }
    return ModelFile(
        config={"class_name": "Functional"}, weights=weights, provenance={"number": str(number)}
    )


def test_a_killed_writer_never_leaves_half_a_model(tmp_path):
    path = tmp_path / "best_model.h5"
    write_model_file(path, numbered_model(0))
    random.seed(1)
    killed, left_behind, last = 0, 0, 0
    while killed < 12 or left_behind == 0:  # at least one in the middle of writing
        assert killed < 60, "no writer was killed while it wrote: the test tells nothing"
        killed += 1
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0.01, 0.12))
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()

        left_behind += partial_path(path).exists()
        model = read_model_file(path)
        number = int(model.provenance["number"])
        values = np.concatenate(
            [array.ravel() for arrays in model.weights.values() for array in arrays.values()]
        )
        assert len(values) == 8 * 256 * 256
        assert set(values.tolist()) == {number}
        assert number >= last
        last = number
    assert last > 0
    # what the killed ones left is in nobody's way
    write_model_file(path, numbered_model(-1), force=True)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert read_model_file(path).provenance == {"number": "-1"}


# -- no room -----------------------------------------------------------------------------------


@pytest.fixture
def base_model(tmp_path) -> Path:
    path = tmp_path / "base.h5"
    write_model_file(path, random_model(tiny_architecture(), seed=1).to_file({}))
    return path


@pytest.fixture
def arguments(base_model, data_dir, tmp_path) -> list[str]:
    return [
        *("whole", "-l", str(base_model), "-d", str(data_dir), "-s", str(tmp_path / "tuned.h5")),
        *("-e", "2", "-b", "4", "--force"),
    ]


def test_a_full_disk_while_saving(arguments, base_model, tmp_path):
    """A real one: no file above 16 KiB can be written, which all but the model keep to."""
    out = tmp_path / "tuned.h5"
    assert base_model.stat().st_size > 16384
    assert CliRunner().invoke(main, arguments).exit_code == 0
    old = random_model(tiny_architecture(), seed=2).to_file({"note": "old"})
    write_model_file(out, old, force=True)
    before = out.read_bytes()
    with no_file_above(16384):
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1, result.stderr
    assert f"Error: {out}: could not be written (File too large)" in result.stderr
    assert "free disk space" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Verdict" not in result.stdout
    assert not partial_path(out).exists()
    assert out.read_bytes() == before
    assert load_model(out).file.provenance == {"note": "old"}
    # what did fit is there: the settings to repeat the run with
    assert (out.with_suffix(".run") / "config.toml").stat().st_size > 0


# -- the loss is not a number any more ---------------------------------------------------------


def invoke(arguments, *options):
    result = CliRunner().invoke(main, [*arguments, *options])
    assert isinstance(result.exception, SystemExit), result.output
    assert "Traceback" not in result.output
    assert "Verdict" not in result.stdout
    return result


def test_a_learning_rate_beyond_reason(arguments, tmp_path):
    result = invoke(arguments, "--learning-rate", "1e30")
    assert result.exit_code == 1
    assert "training diverged" in result.stderr
    assert "--learning-rate (it is 1e+30)" in result.stderr
    assert "No check was reached before" in result.stderr
    assert not (tmp_path / "tuned.h5").exists()
    assert not partial_path(tmp_path / "tuned.h5").exists()


def test_the_best_model_until_then_is_kept(arguments, tmp_path, monkeypatch):
    """The loss breaks in the second epoch, after the first one's check."""
    compute = Engine.add_gradients
    calls = []

    def breaks_later(self, batch, batch_size):
        loss, parts = compute(self, batch, batch_size)
        calls.append(loss)
        return (float("nan") if len(calls) == 5 else loss), parts

    monkeypatch.setattr(Engine, "add_gradients", breaks_later)
    result = invoke(arguments)
    assert result.exit_code == 1
    assert len(calls) == 5
    assert "training loss became nan in epoch 2, batch 2" in result.stderr
    assert "The best model so far is kept" in result.stderr
    assert "--learning-rate" in result.stderr
    kept = load_model(tmp_path / "tuned.h5")
    assert kept.file.provenance["epoch"] == "1"
    assert kept.file.provenance["batch"] == "3"
    base = load_model(tmp_path / "base.h5")
    assert not np.array_equal(kept.weights["dense"][0], base.weights["dense"][0])
    history = (tmp_path / "tuned.run" / "history.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in history] == ["check", "0", "1"]


def test_a_validation_loss_that_is_not_finite_saves_nothing(arguments, tmp_path, monkeypatch):
    """Training on, and choosing by F1, such a network would otherwise be saved as the best."""
    engine = engine_class()
    score = engine._score
    calls = []

    def breaks_later(self, batch):
        counts, entropy, classes = score(self, batch)
        calls.append(1)
        # the untouched model is scored on two sets first, each a single batch
        return counts, np.asarray(entropy) * (np.nan if len(calls) > 2 else 1), classes

    monkeypatch.setattr(engine, "_score", breaks_later)
    result = invoke(arguments)
    assert result.exit_code == 1
    assert "validation loss became nan in epoch 1, batch 3" in result.stderr
    assert not (tmp_path / "tuned.h5").exists()
