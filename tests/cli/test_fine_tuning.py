"""`whole` and `freeze` from the command line: what each option changes."""

import csv
import json
import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.input_file import file_sha256
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from tests.data_files import write_data_file

pytestmark = pytest.mark.usefixtures("all_of_the_tuning")

HEAD = ("dense", "dense_1")


class Run:
    """A run of the command line and what it left."""

    def __init__(self, *arguments: str | Path, status: int = 0) -> None:
        self.result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert self.result.exit_code == status, self.result.output
        self.out, self.err = self.result.stdout, self.result.stderr

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def common(model_path, data_dir, tmp_path) -> list[str]:
    """Options of a run of two epochs, saved as tuned.h5."""
    return [
        *("-l", str(model_path), "-d", str(data_dir), "-s", str(tmp_path / "tuned.h5")),
        *("-e", "2", "-b", "4", "--val-test-batch-size", "8", "--learning-rate", "0.01"),
    ]


def weights(path: Path) -> dict[str, list[np.ndarray]]:
    return load_model(path).weights


def same(one: dict, other: dict) -> bool:
    return all(
        np.array_equal(a, b) for name in one for a, b in zip(one[name], other[name], strict=True)
    )


def history(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((path.with_suffix(".run") / "history.csv").open()))


# -- what a run does ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "strategy", "trainable"),
    [
        (["whole"], "whole network", 1640),
        (["freeze"], "freeze + new head", 504),
        (["freeze", "--post-coverage-hidden-layer"], "freeze + hidden layer", 21 + 288),
        (["freeze", "--keep-head"], "freeze + trained head kept", 504),
    ],
)
def test_outcome_of_each_strategy(
    common, test_path, tmp_path, model_path, command, strategy, trainable
):
    outcome = Run(*command, *common, "-t", test_path, "--json").json
    assert outcome["strategy"] == strategy
    assert outcome["trainable_parameters"] == trainable
    assert (
        outcome["total_parameters"] == load_model(tmp_path / "tuned.h5").architecture.parameters()
    )
    assert outcome["verdict"] in ("better", "not better", "cannot tell")
    assert outcome["verdict_on"] == "test"
    assert outcome["resumed_from"] is None
    assert outcome["checks"] == 2
    assert outcome["difference"]["blocks"] == 25
    assert outcome["difference"]["genic_f1"] == pytest.approx(
        outcome["test"]["tuned"]["genic_f1"] - outcome["test"]["baseline"]["genic_f1"]
    )
    rows = history(tmp_path / "tuned.h5")
    assert [(row["epoch"], row["batch"]) for row in rows] == [("0", "0"), ("1", "3"), ("2", "3")]
    best = rows[outcome["best"]["check"]]
    assert float(best["validation_genic_f1"]) == pytest.approx(
        outcome["best"]["genic_f1"], abs=1e-6
    )
    assert float(rows[0]["validation_genic_f1"]) == pytest.approx(
        outcome["baseline"]["genic_f1"], abs=1e-6
    )
    before, after = weights(model_path), weights(tmp_path / "tuned.h5")
    body = [name for name in before if name not in HEAD]
    frozen = same({name: before[name] for name in body}, {name: after[name] for name in body})
    assert frozen == (command[0] == "freeze")


def test_the_saved_model_scores_as_reported(common, test_path, tmp_path):
    """A second run, on the model that the first one saved, starts from its scores."""
    first = Run("whole", *common, "-t", test_path, "--json").json
    arguments = [*common, "-t", test_path, "--json"]
    arguments[1] = str(tmp_path / "tuned.h5")
    arguments[5] = str(tmp_path / "again.h5")
    second = Run("freeze", "--keep-head", *arguments).json
    assert second["baseline"]["genic_f1"] == first["best"]["genic_f1"]
    ours, theirs = second["test"]["baseline"], first["test"]["tuned"]
    assert ours.pop("loss") == pytest.approx(theirs.pop("loss"), rel=1e-6)
    assert ours == theirs


def test_without_test_data_the_verdict_is_called_optimistic(common):
    run = Run("freeze", *common)
    assert "optimistic" in run.err
    assert "on the validation data" in run.out.splitlines()[-1]
    assert "Verdict: cannot tell" in run.out  # 4 genome blocks


def test_this_runs_best_model_is_written_even_if_it_is_worse(common, tmp_path):
    outcome = Run("freeze", *common, "--learning-rate", "1e-9", "-e", "1", "--json").json
    assert outcome["best"]["genic_f1"] != outcome["baseline"]["genic_f1"]
    assert (tmp_path / "tuned.h5").exists()


def test_provenance_is_in_the_file(common, tmp_path, model_path):
    Run("freeze", "--post-coverage-hidden-layer", *common)
    record = load_model(tmp_path / "tuned.h5").file.provenance
    assert record["base_model_sha256"] == file_sha256(model_path)
    assert record["strategy"] == "freeze + hidden layer"
    assert record["new_layers"] == "dense, dense_1"
    assert json.loads(record["settings"])["learning_rate"] == 0.01
    assert set(json.loads(record["data_fingerprints"])) == {"training", "validation"}
    assert json.loads(record["versions"])["keras"]
    assert record["command_line"].startswith("helixer-ft")
    assert record["epoch"] in ("1", "2")


def test_tuning_again_replaces_or_keeps_a_head_of_two_layers(common, tmp_path):
    Run("freeze", "--post-coverage-hidden-layer", *common)
    again = [*common]
    again[1] = str(tmp_path / "tuned.h5")
    trained = weights(tmp_path / "tuned.h5")
    for extra, layers in ((["--keep-head"], 2), ([], 1), (["--post-coverage-hidden-layer"], 2)):
        again[5] = str(tmp_path / f"again{''.join(extra)}.h5")
        run = Run("freeze", *extra, *again)
        architecture = load_model(Path(again[5])).architecture
        assert [dense.name for dense in architecture.head] == list(HEAD[:layers])
        assert ("whole head of 2 layers" in run.err) == (extra != ["--keep-head"])
    again[5] = str(tmp_path / "whole.h5")
    Run("whole", *again)
    assert not same(trained, weights(Path(again[5])))
    assert "base_model_provenance" in load_model(Path(again[5])).file.provenance


NO_PHASE, POOL_1, DROPOUT = {"phase": False}, {"pool": 1}, {"dropout": 0.3, "lstms": 2}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("whole", NO_PHASE),
        ("freeze", DROPOUT),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("whole", POOL_1), ("whole", DROPOUT), ("freeze", NO_PHASE), ("freeze", POOL_1)
            )
        ),
    ],
)  # fmt: skip
def test_other_architectures(common, model_path, tmp_path, command, options):
    write_model_file(model_path, tiny_model(**options).to_file({}), force=True)
    outcome = Run(command, *common, "-e", "1", "--json").json
    tuned = load_model(tmp_path / "tuned.h5").architecture
    base = load_model(model_path).architecture
    assert (tuned.outputs, tuned.pool_size, tuned.body) == (base.outputs, base.pool_size, base.body)
    assert ("phase 0" in outcome["best"]["f1"]) == base.has_phase


# -- what each option changes ------------------------------------------------------------------


def test_same_command_same_result_and_seed_changes_it(common, tmp_path):
    results = []
    for seed in ("1", "1", "2"):
        Run("freeze", *common, "--seed", seed, "--force")
        results.append(weights(tmp_path / "tuned.h5"))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


def test_options_that_change_what_is_learnt(common, tmp_path):
    command = ["freeze", "--keep-head", *common, "-e", "1"]
    Run(*command)
    before = weights(tmp_path / "tuned.h5")
    for option in (
        ["--learning-rate", "0.02"],
        ["--batch-size", "6"],
        ["--accumulate", "2"],
        ["--optimizer", "adam"],
        ["--weight-decay", "0.1"],
        ["--clip-norm", "0.001"],
        ["--class-weights", "none"],
        ["--class-weights", "[1, 1, 2, 1]"],
        ["--transition-weights", "none"],
        ["--transition-weights", "1,1,1,1,1,50"],
    ):
        Run(*command, *option, "--force")
        assert not same(before, weights(tmp_path / "tuned.h5")), option


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_precision_is_used_and_recorded(common, tmp_path, precision):
    exact = Run("freeze", "--keep-head", *common, "-e", "1", "--json").json
    settings = tomllib.loads((tmp_path / "tuned.run" / "config.toml").read_text())
    assert settings["precision"] == "float32"
    before = weights(tmp_path / "tuned.h5")
    arguments = ["--precision", precision, "--json", "--force"]
    mixed = Run("freeze", "--keep-head", *common, "-e", "1", *arguments).json
    settings = tomllib.loads((tmp_path / "tuned.run" / "config.toml").read_text())
    assert settings["precision"] == precision
    model = load_model(tmp_path / "tuned.h5")
    assert json.loads(model.file.provenance["settings"])["precision"] == precision
    assert mixed["baseline"]["loss"] == pytest.approx(exact["baseline"]["loss"], rel=0.03)
    assert mixed["baseline"]["loss"] != exact["baseline"]["loss"]
    assert not same(before, model.weights)


def test_freeze_batchnorm_keeps_the_statistics(common, tmp_path, model_path):
    before = weights(model_path)["batch_normalization"]
    for option, kept in ((["--freeze-batchnorm"], True), ([], False)):
        Run("whole", *common, *option, "--force")
        after = weights(tmp_path / "tuned.h5")["batch_normalization"]
        assert all(np.array_equal(before[i], after[i]) for i in (2, 3)) == kept
        assert not np.array_equal(before[0], after[0])


def test_hidden_units(common, tmp_path):
    Run("freeze", "--post-coverage-hidden-layer", "--hidden-units", "7", *common)
    hidden, output = load_model(tmp_path / "tuned.h5").architecture.head
    assert (hidden.units, hidden.activation, output.units) == (7, "relu", 72)


def test_val_test_batch_size_never_changes_a_result(common):
    one = Run("freeze", *common, "--json").json
    other = Run("freeze", *common, "--val-test-batch-size", "3", "--json", "--force").json
    assert one["best"]["genic_confusion_matrix"] == other["best"]["genic_confusion_matrix"]
    assert one["best"]["loss"] == pytest.approx(other["best"]["loss"], rel=1e-6)


def test_epochs_patience_and_check_every_nth_batch(common, tmp_path):
    Run("freeze", *common, "-e", "3", "--check-every-nth-batch", "2", "--patience", "99")
    places = [(row["epoch"], row["batch"]) for row in history(tmp_path / "tuned.h5")[1:]]
    assert places == [(epoch, batch) for epoch in "123" for batch in "23"]
    wild = ["--learning-rate", "1", "-e", "30", "--patience", "1", "--force", "--json"]
    outcome = Run("freeze", "--keep-head", *common, *wild, "--recipe", "helixer").json
    assert outcome["checks"] == outcome["best"]["check"] + 1 < 30
    assert "patience" in outcome["ended"]


def test_kept_caches_are_used_by_the_next_run(common, tmp_path, test_path):
    """The decoded data and the body's output of training, validation and test data."""
    folder = tmp_path / "cache"
    arguments = ["freeze", *common, "-t", test_path, "--cache-dir", folder, "--keep-cache"]
    first = Run(*arguments, "--json")
    names = sorted(path.name for path in folder.iterdir())
    kinds = [name.split("-")[0] + Path(name).suffix for name in names]
    assert kinds == [f"{kind}.{x}" for kind in ("decoded", "features") for x in ("json", "npy") * 3]
    assert f"on disk in {folder}" in first.err
    assert "earlier run" not in first.err
    second = Run(*arguments, "--json", "--force")
    assert "feature cache: reusing that of an earlier run" in second.err
    assert "evaluating the frozen body" not in second.err
    assert without_time(second.json) == without_time(first.json)
    assert sorted(path.name for path in folder.iterdir()) == names
    # other heads and settings have the same features; another precision has others
    other = Run(*arguments, "--force", "--post-coverage-hidden-layer", "--learning-rate", "0.1")
    assert "earlier run" in other.err
    half = Run(*arguments, "--force", "--cache-precision", "float16")
    assert "earlier run" not in half.err
    assert len(list(folder.iterdir())) == len(names) + 6
    config = tomllib.loads((tmp_path / "tuned.run" / "config.toml").read_text())
    assert config["keep_cache"]
    assert config["cache_dir"] == str(folder)
    assert (config["cache_features"], config["cache_precision"]) == (True, "float16")


def without_time(outcome: dict) -> dict:
    return {name: value for name, value in outcome.items() if "seconds" not in name}


def test_whole_keeps_its_decoded_data(common, tmp_path):
    folder = tmp_path / "cache"
    arguments = ["whole", *common, "-e", "1", "--cache-dir", folder, "--keep-cache", "--json"]
    first = Run(*arguments).json
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {"decoded"}
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert without_time(Run(*arguments, "--force").json) == without_time(first)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_keep_cache_alone_keeps_it_in_the_run_folder(common, tmp_path, monkeypatch):
    for name in ("SLURM_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    Run("freeze", *common, "-e", "1", "--keep-cache")
    assert len(list((tmp_path / "tuned.run" / "features").glob("*.npy"))) == 4
    assert "earlier run" in Run("freeze", *common, "-e", "1", "--keep-cache", "--force").err


def test_cache_dir_is_used_and_left_empty(common, tmp_path):
    folder = tmp_path / "some" / "cache"
    run = Run("freeze", *common, "--cache-dir", folder)
    assert f"on disk in {folder}" in run.err.replace("\n", " ")
    assert list(folder.iterdir()) == []
    in_memory = Run("freeze", *common, "--force")
    assert "in memory" in in_memory.err
    assert str(folder) not in in_memory.err


def test_cache_options_that_change_no_result(common, tmp_path):
    """No features, features on disk, and in memory."""
    results = []
    cached = ["--no-cache-features"], ["--cache-features"], ["--cache-dir", tmp_path / "cache"]
    for options in cached:
        run = Run("freeze", *common, *options, "--json", "--force")
        assert ("feature cache" in run.err) == (options != ["--no-cache-features"])
        results.append((run.json, weights(tmp_path / "tuned.h5")))
    (off, off_weights), *others = results
    for on, on_weights in others:
        assert on["best"]["loss"] == pytest.approx(off["best"]["loss"], rel=1e-5)
        assert on["best"]["check"] == off["best"]["check"]
        for name, arrays in off_weights.items():
            for one, other in zip(arrays, on_weights[name], strict=True):
                assert one == pytest.approx(other, rel=1e-5, abs=1e-6)


def test_cache_precision_halves_the_cache_and_rounds(common, tmp_path):
    arguments = ["freeze", *common, "--keep-cache", "--cache-dir", tmp_path / "cache", "--json"]
    results = []
    for precision, size in (("float32", 4), ("float16", 2)):
        run = Run(*arguments, "--cache-precision", precision, "--force")
        results.append(run.json["baseline"]["loss"])
        stored = [np.load(path) for path in (tmp_path / "cache").glob("features-*.npy")]
        assert sorted(len(rows) for rows in stored if rows.itemsize == size) == [8, 12]
    assert results[0] != results[1]
    assert results[0] == pytest.approx(results[1], rel=1e-3)


def test_save_every_check(common, tmp_path):
    Run("freeze", *common)
    assert not (tmp_path / "tuned.run" / "checks").exists()
    outcome = Run("freeze", *common, "--save-every-check", "--force", "--json").json
    files = sorted((tmp_path / "tuned.run" / "checks").iterdir())
    assert [path.name for path in files] == [
        "check_0001_epoch_1_batch_3.h5",
        "check_0002_epoch_2_batch_3.h5",
    ]
    best = files[outcome["best"]["check"] - 1]
    assert same(weights(best), weights(tmp_path / "tuned.h5"))
    assert not same(weights(files[0]), weights(files[1]))


def test_every_file_of_the_data_directory_is_used(common, data_dir):
    before = Run("freeze", *common, "--dry-run", "--json").json["data"]
    write_data_file(data_dir / "training_data.2.h5", random_rows(2, seed=9, seqid="chr9"))
    after = Run("freeze", *common, "--dry-run", "--json").json["data"]
    assert before["training"]["subsequences"] == 12
    assert after["training"]["subsequences"] == 16


def test_several_test_files(common, test_path, tmp_path):
    more = tmp_path / "more.h5"
    write_data_file(more, random_rows(5, seed=4, seqid="chr4"))
    outcome = Run("freeze", *common, "-t", test_path, "-t", more, "--dry-run", "--json").json
    assert outcome["data"]["test"]["subsequences"] == 60


def test_dry_run_says_what_would_train_and_writes_nothing(common, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    run = Run("freeze", *common, "--dry-run")
    assert "504 of 1,648 parameters train" in run.out
    assert "valid bases" in run.out
    assert re.search(r"^Time: about .* per epoch .*; at most .* for \d+ epochs$", run.out, re.M)
    assert re.search(r"^Memory: about .* GB of .* GB$", run.out, re.M)
    assert re.search(r"^Disk: about .* while it works, of .* free beside .*\.h5$", run.out, re.M)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_overhang_is_left_out_and_said(common, data_dir, tmp_path):
    for name, seed in (("training", 1), ("validation", 2)):
        rows = random_rows(6, 95, seed=seed, seqid=name)
        write_data_file(data_dir / f"{name}_data.h5", rows)
    run = Run("freeze", *common)
    assert "the last 5 of 95 bases" in run.err


def test_config_repeats_a_run_and_flags_override(common, tmp_path):
    Run("freeze", "--post-coverage-hidden-layer", *common, "--seed", "5", "--class-weights", "none")
    config = tmp_path / "tuned.run" / "config.toml"
    values = tomllib.loads(config.read_text())
    assert (values["command"], values["seed"], values["class_weights"]) == ("freeze", 5, "none")
    again, other = tmp_path / "again.h5", tmp_path / "other.h5"
    Run("freeze", "--config", config, "-s", again)
    Run("freeze", "--config", config, "-s", other, "--seed", "6")
    assert same(weights(tmp_path / "tuned.h5"), weights(again))
    assert not same(weights(again), weights(other))


def test_quiet_verbose_and_json(common):
    plain = Run("freeze", *common)
    quiet = Run("freeze", *common, "-q", "--force")
    verbose = Run("freeze", *common, "-v", "--force")
    as_json = Run("freeze", *common, "--json", "--force")
    lines = [line.split() for line in plain.err.splitlines()]
    assert next(line[:3] for line in lines if line and line[-1] == "best") == ["1", "1", "3"]
    assert len([line for line in lines if line[:2] == ["untouched", "model"]]) == 1
    assert "best" not in quiet.err
    assert all(len(line) <= 80 for line in plain.err.splitlines() if line.endswith("best"))
    assert "Note:" not in quiet.err
    assert quiet.out.splitlines()[-1].startswith("Verdict:")
    assert "reference \\ predicted" in verbose.out
    assert "reference \\ predicted" not in plain.out
    assert "conv1d" in verbose.out
    assert as_json.json["verdict"]
    for text in (plain.err, plain.out):
        assert "\x1b" not in text  # a log has no control characters
        assert "\r" not in text


def test_force_overwrites_and_clears_the_earlier_run(common, tmp_path):
    Run("freeze", *common, "--save-every-check")
    refused = Run("freeze", *common, status=2)
    assert "--force" in refused.err
    Run("freeze", *common, "-e", "1", "--force")
    assert len(history(tmp_path / "tuned.h5")) == 2
    assert not (tmp_path / "tuned.run" / "checks").exists()


def test_debug_shows_the_traceback(common):
    arguments = ["freeze", *common, "--hidden-units", "3"]
    assert "Traceback" not in Run(*arguments, status=2).err
    result = CliRunner().invoke(main, [*arguments, "--debug"])
    assert type(result.exception).__name__ == "InputError"


# -- HybridModel.py's words --------------------------------------------------------------------


def test_a_pasted_hybridmodel_command_is_understood(common, tmp_path):
    arguments = ["--resume-training", "--fine-tune", "--predict-phase", "--workers", "4"]
    run = Run("freeze", *arguments, *common)
    assert "Defaults differ" in run.err
    assert "--resume-training loads trained weights" in run.err
    assert "--workers is ignored" in run.err


def test_fine_tune_resume_keeps_the_head(common):
    outcome = Run("freeze", "--fine-tune-resume", *common, "--dry-run", "--json").json
    assert outcome["strategy"] == "freeze + trained head kept"


def test_gpu_id_chooses_the_device(common, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    Run("freeze", "--gpu-id", "3", *common, "--dry-run")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
