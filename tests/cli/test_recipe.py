"""`--recipe`, and the numbers that it chooses where none are given, from the command line."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from helixer_ft.dataset.dataset import open_dataset
from helixer_ft.engine import engine_class
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Whole
from helixer_ft.settings import CHOSEN_FROM_DATA, TrainingSettings, option
from helixer_ft.training.loop import epoch_order

pytestmark = pytest.mark.usefixtures("all_of_the_tuning")


class Tuned(NamedTuple):
    """A run: what it said, its `config.toml`, the settings and weights in its model."""

    err: str
    config: dict[str, Any]
    settings: dict[str, Any]
    weights: dict[str, list[np.ndarray]]

    def same_weights(self, other: dict[str, list[np.ndarray]]) -> bool:
        return all(
            np.array_equal(a, b)
            for name, arrays in self.weights.items()
            for a, b in zip(arrays, other[name], strict=True)
        )


Tune = Callable[..., Tuned]


@pytest.fixture
def tune(model_path, data_dir, tmp_path) -> Tune:
    """`whole` on 12 training windows, saved under a name."""

    def run(name: str, *options: object) -> Tuned:
        path = tmp_path / f"{name}.h5"
        given = ["-s", path, *options]
        if "--config" not in options:
            given = ["-l", model_path, "-d", data_dir, *given]
        result = CliRunner().invoke(main, ["whole", *map(str, given)])
        assert result.exit_code == 0, result.output
        return Tuned(
            " ".join(result.stderr.split()),
            tomllib.loads((tmp_path / f"{name}.run" / "config.toml").read_text()),
            json.loads(load_model(path).file.provenance["settings"]),
            load_model(path).weights,
        )

    return run


NUMBERS = ("-e", 2, "-b", 4, "--learning-rate", 0.01, "--patience", 9, "--check-every-nth-batch", 2)


def noted(text: str) -> dict[str, str]:
    """What the note says was chosen: option -> value."""
    item = r"--[\w-]+ (?:at each epoch's end|[\d.e-]+)"
    (found,) = re.findall(rf"recipe \w+, for 12 training windows: ({item}(?:, {item})*)", text)
    return dict(one.split(" ", 1) for one in found.split(", "))


def test_the_recipe_changes_what_is_learnt(tune):
    default, named, helixer = (
        tune(name, *NUMBERS, *recipe)
        for name, recipe in (
            ("a", ()), ("b", ("--recipe", "default")), ("c", ("--recipe", "helixer"))
        )
    )  # fmt: skip
    assert default.same_weights(named.weights)
    assert not default.same_weights(helixer.weights)
    assert [run.config["recipe"] for run in (default, named, helixer)] == [
        "default", "default", "helixer"
    ]  # fmt: skip


def test_numbers_that_are_given_are_used_and_nothing_is_chosen(tune):
    run = tune("tuned", *NUMBERS)
    expected = {
        "epochs": 2, "batch_size": 4, "learning_rate": 0.01, "patience": 9,
        "check_every_nth_batch": 2,
    }  # fmt: skip
    assert {name: run.config[name] for name in CHOSEN_FROM_DATA} == expected
    assert {name: run.settings[name] for name in CHOSEN_FROM_DATA} == expected
    assert "training windows:" not in run.err


def test_what_is_chosen_is_noted_and_written_down(tune):
    run = tune("tuned", "-e", 2)
    said = noted(run.err)
    assert said.keys() == {option(name) for name in CHOSEN_FROM_DATA if name != "epochs"}
    for name in ("batch_size", "learning_rate", "patience"):
        assert run.config[name] == run.settings[name] == float(said[option(name)])
    every = run.settings["check_every_nth_batch"]
    assert run.config.get("check_every_nth_batch") == every
    assert said["--check-every-nth-batch"] == (
        "at each epoch's end" if every is None else str(every)
    )


@pytest.mark.parametrize("recipe", ["default", pytest.param("helixer", marks=pytest.mark.slow)])
def test_a_dry_run_says_what_would_be_chosen(model_path, data_dir, recipe):
    arguments = ["whole", "-l", model_path, "-d", data_dir, "--dry-run", "--recipe", recipe]
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    said = noted(" ".join(result.stderr.split()))
    assert said.keys() == set(map(option, CHOSEN_FROM_DATA))
    originals = ["100", "8", "0.0003", "at each epoch's end", "3"]
    assert (list(said.values()) == originals) == (recipe == "helixer")
    assert f"for {said['--epochs']} epochs" in " ".join(result.stdout.split())


def test_config_toml_repeats_a_run_bit_for_bit(tune, tmp_path):
    first = tune("tuned", "-e", 2)
    again = tune("again", "--config", tmp_path / "tuned.run" / "config.toml")
    assert again.same_weights(first.weights)
    assert again.settings == first.settings
    paths = {"save_model_path": ""}
    assert again.config | paths == first.config | paths
    other = tune("other", "--config", tmp_path / "tuned.run" / "config.toml", "-b", 5)
    assert other.config["batch_size"] == 5
    assert not other.same_weights(first.weights)


def test_helixer_is_plain_training_with_the_originals_numbers(tune, model_path, data_dir):
    """Batches of 8 and 4, each an update at the same rate; what the last one leaves is saved."""
    run = tune("tuned", "--recipe", "helixer", "-e", 1)
    settings = TrainingSettings(epochs=1)
    assert run.settings == json.loads(json.dumps(vars(settings)))
    model = load_model(model_path)
    engine = engine_class()(model.architecture, model.weights, Whole().plan(model), settings)
    training = open_dataset(
        [Path(data_dir / "training_data.h5")],
        pool_size=9, phase=True, transitions=True, coverage_prefix=None,
    )  # fmt: skip
    read, order = engine.reading(training.read, 8), epoch_order(12, 0, 1)
    for indices in (order[:8], order[8:]):
        engine.add_gradients(read(indices), 8)
        engine.update()
    assert run.same_weights(engine.get_weights())
