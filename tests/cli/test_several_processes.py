"""Two processes on this machine are one run: same scores, same weights; neither outlives the other.

They speak through Gloo, as processes without GPUs do. Every process compiles for itself, so the
variants are slow tests.
"""

import csv
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from tests.cli.groups import Group, free_port
from tests.data_files import say_predictions_with_check, write_data_file

pytest.importorskip("jax")

TOLERANCE = 1e-5
"""Of losses, relative: sums over a batch are added up in another order."""
WEIGHT_TOLERANCE = 1e-3
"""Likewise: Adam divides by the size of a gradient, so the rounding of a tiny one counts."""


@pytest.fixture
def folder(tmp_path) -> Path:
    """base.h5 with dropout and batch norm; data/ with 14 training and 8 validation subsequences."""
    write_model_file(tmp_path / "base.h5", tiny_model(dropout=0.2).to_file({}))
    (tmp_path / "data").mkdir()
    write_data_file(tmp_path / "data/training_data.h5", random_rows(7, seed=1, seqid="chr1"))
    write_data_file(tmp_path / "data/validation_data.h5", random_rows(4, seed=2, seqid="chr2"))
    write_data_file(tmp_path / "test_data.h5", random_rows(5, seed=3, seqid="chr3"))
    return tmp_path


def command(name: str, *extra: str) -> list[str]:
    """14 training subsequences in batches of 5, on two devices 6: every batch has fillers."""
    return [
        *(name, "-l", "base.h5", "-d", "data", "-e", "2", "-b", "5"),
        *("--val-test-batch-size", "3", "--learning-rate", "0.01", "--backend", "jax", *extra),
    ]


@pytest.fixture
def group(folder) -> Iterator[Group]:
    with Group(folder) as processes:
        yield processes


def alone(folder: Path, arguments: list[str], monkeypatch) -> dict:
    """The outcome of the same command in this process."""
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, [*arguments, "-s", "one.h5", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def largest_difference(one: Path, other: Path) -> float:
    """Of any weight, relative to the largest of its array."""
    weights, others = load_model(one).weights, load_model(other).weights
    return max(
        float(np.abs(a - b).max() / np.abs(a).max())
        for name in weights
        for a, b in zip(weights[name], others[name], strict=True)
    )


def history(path: Path) -> list[dict[str, float]]:
    rows = csv.DictReader((path.with_suffix(".run") / "history.csv").open())
    return [{k: float(v) for k, v in row.items() if v and k != "best"} for row in rows]


def assert_same_run(folder: Path, one: dict, two: dict) -> None:
    scores = [
        {"baseline": run["baseline"], "best": run["best"], "test": run["test"]["tuned"]}
        for run in (one, two)
    ]
    for name, expected in scores[0].items():
        found = scores[1][name]
        assert found["genic_confusion_matrix"] == expected["genic_confusion_matrix"]
        assert found["phase_confusion_matrix"] == expected["phase_confusion_matrix"]
        assert found["loss"] == pytest.approx(expected["loss"], rel=TOLERANCE)
    for row, expected in zip(history(folder / "two.h5"), history(folder / "one.h5"), strict=True):
        assert row == pytest.approx(expected, rel=TOLERANCE, abs=2e-6)  # six digits are written
    assert largest_difference(folder / "one.h5", folder / "two.h5") < WEIGHT_TOLERANCE


def test_two_processes_are_one(folder, group, monkeypatch):
    """Batch norm, dropout, fillers, uneven batches, test data, prints and files."""
    arguments = command("whole", "-t", "test_data.h5")
    group.start(*[[*arguments, "-s", "two.h5", "--json"]] * 2)
    one = alone(folder, arguments, monkeypatch)
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    assert_same_run(folder, one, json.loads(group.out(0)))
    assert "2 devices of 2 processes share each batch" in group.err(0)
    assert group.out(1) == group.err(1) == ""
    assert not (folder / "two.run/state").exists()


SEES_A_GPU = """
from helixer_ft.runtime import accelerators
accelerators.accelerator_present = lambda: True
accelerators.ask = lambda name: accelerators.Answer(("H100",))
from helixer_ft.cli import main
main(prog_name="helixer-ft")
"""


@pytest.mark.slow
def test_one_process_sees_a_gpu_and_the_other_none(folder, group):
    how = ["--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    arguments = command("whole", "-s", "two.h5")
    group.run([*arguments, *how, "0"], SEES_A_GPU)
    group.run([*arguments, *how, "1"])
    assert group.wait(300) == [2, 2], group.err(0) + group.err(1)
    assert 'differ in: what computes; process 0 has "GPU"' in group.err(0) + group.err(1)
    assert not (folder / "two.h5").exists()


@pytest.mark.slow
def test_two_processes_see_the_doctor(folder, group):
    group.start(*[["doctor", "--backend", "jax", "--json"]] * 2)
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    found = json.loads(group.out(0))
    assert found["exchange"] == found["exchange"] | {
        "devices": 2, "processes": 2, "library": "Gloo", "correct": True,
    }  # fmt: skip
    assert all(one["agrees"] for one in found["comparisons"])
    assert group.out(1) == group.err(1) == ""


@pytest.mark.slow
def test_one_process_is_refused_what_another_one_does_not_do(folder, group):
    """Before anything is trained; both say what differs."""
    commands = [[*command("whole"), "-s", "two.h5", *extra] for extra in ([], ["--seed", "1"])]
    group.start(*commands)
    assert group.wait() == [2, 2], group.err(0) + group.err(1)
    for number in (0, 1):
        assert f"Error: process {number} (of 2):" in group.err(number)
        assert "differ in: --seed" in group.err(number)
        assert "Traceback" not in group.err(number)
    assert not (folder / "two.h5").exists()


@pytest.mark.slow
def test_two_processes_compare_introns_where_labels_are_predictions(folder, group):
    """The first one does, and the other one waits for it."""
    data = folder / "data"
    say_predictions_with_check(data, random_rows(3, seed=7, seqid="chr9"))
    group.start(*[[*command("whole"), "-s", "two.h5", "--json"]] * 2)
    assert group.wait(120) == [0, 0], group.err(0) + group.err(1)
    outcome = json.loads(group.out(0))
    assert outcome["introns"]["supported_by_reads"] == 1
    assert group.out(1) == group.err(1) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra",
    [
        ("--val-test-batch-size", "auto"),
        ("--post-coverage-hidden-layer", "--cache-dir", "cache", "--keep-cache"),
        ("--no-cache-features", "--accumulate", "2"),
    ],
    ids=["in memory", "kept on disk", "computed each time"],
)
def test_two_processes_evaluate_the_frozen_body_together(folder, group, monkeypatch, extra):
    arguments = command("freeze", "-t", "test_data.h5", *extra)
    group.start(*[[*arguments, "-s", "two.h5", "--json"]] * 2)
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    kept = sorted(path.name for path in (folder / "cache").glob("*.npy"))
    assert len(kept) == (6 if "--keep-cache" in extra else 0)  # decoded and features, of three sets
    assert_same_run(folder, alone(folder, arguments, monkeypatch), json.loads(group.out(0)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [command("whole"), command("freeze"), command("freeze", "--no-cache-features")],
    ids=["whole", "freeze", "freeze, features computed each time"],
)
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_two_devices_of_one_process(folder, group, monkeypatch, arguments, platform):
    """With the recurrence for either kind of device."""
    arguments = [*arguments, "-t", "test_data.h5"]
    start = "from helixer_ft.network import lstm_jax as l; from helixer_ft.cli import main"
    choice = f"form = l.recurrence_for('{platform}'); l.recurrence_for = lambda _: form"
    code = f"{start}; {choice}; main(prog_name='helixer-ft')"
    flags = "--xla_force_host_platform_device_count=2"
    environment = {"XLA_FLAGS": flags, "KERAS_BACKEND": "jax"}  # the code imports Keras
    group.run([*arguments, "-s", "two.h5", "--json"], code, **environment)
    one = alone(folder, arguments, monkeypatch)
    assert group.wait() == [0], group.err(0)
    assert "2 devices share each batch" in group.err(0)
    assert_same_run(folder, one, json.loads(group.out(0)))


@pytest.mark.slow
def test_tasks_of_slurm_find_one_another(folder, group, monkeypatch):
    """With the variables that srun sets, by hand."""
    arguments = command("freeze", "-t", "test_data.h5")
    for index in ("0", "1"):
        group.run(
            [*arguments, "-s", "two.h5", "--json"],
            SLURM_JOB_ID=str(os.getpid()),
            SLURM_STEP_ID="0",
            SLURM_STEP_NODELIST="localhost",
            SLURM_STEP_NUM_TASKS="2",
            SLURM_NTASKS="2",
            SLURM_PROCID=index,
            SLURM_LOCALID=index,
        )
    one = alone(folder, arguments, monkeypatch)
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    assert_same_run(folder, one, json.loads(group.out(0)))
    assert group.out(1) == ""


@pytest.mark.slow
def test_a_dry_run_of_two_processes(folder, group):
    arguments = command("freeze", "--val-test-batch-size", "auto", "--dry-run", "--json")
    group.start(*[[*arguments, "-s", "two.h5"]] * 2)
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    estimate = json.loads(group.out(0))["estimate"]
    assert estimate["batch_size"] == 2 * 256  # on two devices, and more memory than that takes
    assert estimate["val_test_batch_size"] in range(4, 9)
    assert group.out(1) == group.err(1) == ""
    assert not (folder / "two.run").exists()


@pytest.mark.slow
def test_evaluate_on_a_machine_of_several_devices(folder, group):
    """It uses one of them."""
    arguments = ["evaluate", "-l", "base.h5", "-t", "test_data.h5", "--backend", "jax", "--json"]
    group.run(arguments)
    group.run(arguments, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    one, two = (json.loads(group.out(number)) for number in range(2))
    assert one.pop("seconds") > 0 < two.pop("seconds")
    assert one == two


LONG = ("-e", "5000", "--patience", "5000", "-s", "two.h5")


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_other_one(folder, group, victim):
    group.start(*[[*command("whole"), *LONG]] * 2)
    group.wait_for("two.run/state/state.h5")
    group.wait_for("two.h5")
    group.kill_one(victim)


@pytest.mark.slow
def test_an_error_of_one_process_is_told_by_the_other(folder, group):
    """Its data are not there, say on another machine's disk; the other one waits for it."""
    broken = [*command("whole"), "-s", "two.h5"]
    broken[broken.index("data")] = "elsewhere"
    group.start([*command("whole"), "-s", "two.h5"], broken)
    assert group.wait() == [2, 2], group.err(0) + group.err(1)
    assert "Error: process 1 (of 2): " in group.err(1)
    assert "Error: process 0 (of 2): process 1 ended: " in group.err(0)
    assert "elsewhere" in group.err(0)


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_another_number_of_processes(folder, group, monkeypatch):
    """A signal to one of two stops both after the same batch; one process goes on alone."""
    import signal

    # in so many updates rounding would grow to a difference with larger ones
    arguments = command("whole", "-t", "test_data.h5", "-e", "40", "--patience", "40")
    arguments += ["--learning-rate", "1e-5"]
    group.start(*[[*arguments, "-s", "two.h5", "--json"]] * 2)
    group.wait_for("two.run/state/state.h5")
    group.wait_for("two.h5")
    group.processes[1].send_signal(signal.SIGTERM)
    assert group.wait() == [75, 75], group.err(0) + group.err(1)
    assert "To resume:" in group.err(0)
    assert group.err(1) == ""
    assert (folder / "two.run/state/state.h5").exists()
    one = alone(folder, arguments, monkeypatch)
    result = CliRunner().invoke(main, [*arguments, "-s", "two.h5", "--json", "--resume"])
    assert result.exit_code == 0, result.output
    resumed = json.loads(result.stdout)
    assert resumed["resumed_from"]["epoch"] >= 1
    assert_same_run(folder, one, resumed)


def test_a_process_that_waits_for_the_others_can_be_stopped(folder, group):
    import signal

    arguments = [*command("whole"), "-s", "two.h5", "--coordinator", f"localhost:{free_port()}"]
    group.run([*arguments, "--num-processes", "2", "--process-id", "0"])
    deadline = time.monotonic() + 120
    while "waiting for the others" not in group.err(0) and time.monotonic() < deadline:
        time.sleep(0.2)
    group.processes[0].send_signal(signal.SIGTERM)
    assert group.processes[0].wait(timeout=60) == 75
    assert "had not found one another, and nothing was done" in group.err(0)
    assert not (folder / "two.run").exists()


# -- one process, but ... ----------------------------------------------------------------------


def test_tensorflow_trains_in_one_process(folder, monkeypatch):
    monkeypatch.chdir(folder)
    several = ["--coordinator", "localhost:4000", "--num-processes", "2", "--process-id", "0"]
    arguments = [*command("whole"), "-s", "two.h5", "--backend", "tensorflow", *several]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "TensorFlow (--backend), which computes in one process on one device" in result.stderr
    assert 'pip install ".[jax]"' in result.stderr


@pytest.mark.parametrize(
    "given", [["--num-processes", "2"], ["--coordinator", "localhost:4000", "--process-id", "0"]]
)
def test_options_of_several_processes_belong_together(folder, monkeypatch, given):
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, [*command("whole"), "-s", "two.h5", *given])
    assert result.exit_code == 2
    assert "must be given too" in result.stderr


def test_the_batch_script_of_a_job_with_more_tasks_is_one_process(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for name, value in (("JOB_ID", "1"), ("NTASKS", "4"), ("PROCID", "0"), ("NODELIST", "n[1-4]")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    result = CliRunner().invoke(main, [*command("freeze"), "-s", "two.h5", "--dry-run"])
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_two_processes_compare(folder, group, monkeypatch):
    """Untouched scores, every training, the table and the recommendation."""
    arguments = [
        *("compare", "-l", "base.h5", "-d", "data", "-t", "test_data.h5", "-e", "2", "-b", "5"),
        *("--strategies", "head,whole", "--learning-rate", "0.01", "--backend", "jax", "--json"),
    ]
    group.start(*[[*arguments, "--out-dir", "two"]] * 2)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, [*arguments, "--out-dir", "one"])
    assert result.exit_code == 0, result.output
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    one, two = json.loads(result.stdout), json.loads(group.out(0))
    assert group.out(1) == group.err(1) == ""
    assert [row["name"] for row in two["models"]] == [row["name"] for row in one["models"]]
    for found, expected in zip(two["models"], one["models"], strict=True):
        for name in ("validation", "test"):
            scores = [row[name]["genic_f1"] for row in (found, expected)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    for name in ("head", "whole"):
        paths = [folder / run / f"{name}.h5" for run in ("one", "two")]
        assert largest_difference(*paths) < WEIGHT_TOLERANCE
    one_has, two_has = ({p.name for p in (folder / run).iterdir()} for run in ("one", "two"))
    assert two_has - one_has <= {"report.html"}  # which tests in one process leave out
    assert one_has <= two_has
