"""`--resume` from the command line: signals, refusals, the lock of the run folder."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import load_model
from helixer_ft.runtime.interruption import Stop
from helixer_ft.training import fine_tune, run_state
from helixer_ft.training.estimate import Estimate
from helixer_ft.training.run_lock import run_lock
from tests.data_files import write_data_file
from tests.quick_engine import QuickEngine

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(monkeypatch) -> None:
    """Nothing is compiled."""
    monkeypatch.setattr(fine_tune, "engine_class", lambda: QuickEngine)


@pytest.fixture
def arguments(model_path, data_dir, tmp_path) -> list[str]:
    """`whole`: two epochs of three batches."""
    return [
        *("whole", "-l", str(model_path), "-d", str(data_dir), "-s", str(tmp_path / "tuned.h5")),
        *("-e", "2", "-b", "4", "--val-test-batch-size", "8", "--learning-rate", "3e-4"),
    ]


def invoke(*arguments, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def interrupt(monkeypatch, arguments, after: int = 6):
    """Ask the command to stop at a step; the fifth and later ones are training and its checks."""
    asked = []

    def requested(self):
        asked.append(1)
        return len(asked) == after

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "requested", requested)
        return invoke(*arguments, status=75)


@pytest.fixture
def interrupted(arguments, quick, monkeypatch) -> list[str]:
    """The command, interrupted after epoch 1, batch 2; caches are not used."""
    result = interrupt(monkeypatch, arguments)
    assert "after epoch 1, batch 2" in result.stderr
    return arguments


# -- interrupted, and gone on with -------------------------------------------------------------


def test_sigterm_ends_with_the_command_that_resumes(arguments, tmp_path, pages):
    long = ["-e", "30", "--patience", "999", "--seed", "3"]
    command = [sys.executable, "-m", "helixer_ft", *arguments, *long]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.split()[:3] == ["3", "3", "3"]:  # the third check is done
            process.send_signal(signal.SIGTERM)
            break
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 75, stderr
    assert "SIGTERM: stopping after this step" in stderr
    assert "Verdict" not in stdout
    *_, where, go_on, to_run = stderr.splitlines()
    assert "the run will resume after epoch" in where
    assert go_on == "To resume:"
    words = shlex.split(to_run)
    assert words == ["helixer-ft", *arguments, *long, "--resume"]
    folder = tmp_path / "tuned.run"
    assert sorted(path.name for path in folder.iterdir()) == ["config.toml", "history.csv", "state"]
    state = run_state.read_run_state(folder / "state" / "state.h5")
    epoch, batch = state.position
    assert 3 <= epoch < 30

    outcome = json.loads(invoke(*words[1:], "--json").stdout)
    assert outcome["resumed_from"] == {"epoch": epoch, "batch": batch}
    assert outcome["checks"] == 30
    resumed = {name: (folder / name).read_bytes() for name in ("history.csv", "config.toml")}
    weights = load_model(tmp_path / "tuned.h5").weights
    assert sorted(path.name for path in folder.iterdir()) == [
        *("config.toml", "history.csv", "report.html")
    ]

    invoke(*arguments, *long, "--force")  # the same in one go
    assert resumed == {name: (folder / name).read_bytes() for name in resumed}
    for name, arrays in load_model(tmp_path / "tuned.h5").weights.items():
        assert all(map(lambda a, b: a.tobytes() == b.tobytes(), arrays, weights[name])), name


def test_json_prints_nothing_when_interrupted(arguments, quick, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["helixer-ft", "whole", "-d", "my data", "--json"])
    result = interrupt(monkeypatch, [*arguments, "--json"])
    assert result.stdout == ""
    assert result.stderr.endswith("To resume:\n  helixer-ft whole -d 'my data' --json --resume\n")
    assert not (tmp_path / "tuned.run" / "lock").exists()
    outcome = json.loads(invoke(*arguments, "--json", "--resume").stdout)
    assert outcome["resumed_from"] == {"epoch": 1, "batch": 2}
    assert len(outcome["check_seconds"]) == outcome["checks"] == 2


@pytest.mark.parametrize(
    ("error", "status"), [("Interrupted('x')", 75), ("KeyboardInterrupt", 130)]
)
def test_an_end_at_once(tmp_path, error, status):
    """Threads that still compute are not waited for."""
    code = f"""
import threading, time
from helixer_ft.cli import inspect, program
from helixer_ft.errors import Interrupted
def body(**options):
    threading.Thread(target=time.sleep, args=(60,)).start()
    raise {error}
inspect.command.callback = body
program()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", "m.h5"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert done.returncode == status
    assert ("Aborted!" if status == 130 else "Interrupted: x") in done.stderr


def test_names_that_are_not_in_utf_8(arguments, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["helixer-ft", "whole", "-s", "a\udcff.h5"])
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 2
    assert "the command contains a name that is not valid UTF-8" in result.stderr
    assert not (tmp_path / "tuned.run").exists()


def test_interrupted_before_anything_is_trained(arguments, quick, monkeypatch, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = interrupt(monkeypatch, arguments, after=1)  # while the data are read
    assert "nothing was trained yet" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before
    result = interrupt(monkeypatch, arguments, after=3)  # while the untouched model is scored
    assert "nothing was scored or trained yet" in result.stderr
    result = invoke(*arguments, "--resume", "--json")
    assert "there is no interrupted run, so a new one starts" in result.stderr.replace("\n", " ")
    assert json.loads(result.stdout)["resumed_from"] is None


def test_dry_run_says_where_it_would_go_on(interrupted, tmp_path, monkeypatch):
    timed = Estimate(1.0, 1.0, 1.0, 0, 1, 2, 8, 8, None)
    monkeypatch.setattr("helixer_ft.training.estimate.estimate", lambda _: timed)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    result = invoke(*interrupted, "--resume", "--dry-run")
    assert "it would resume after epoch 1, batch 2" in result.stdout
    dry = json.loads(invoke(*interrupted, "--resume", "--dry-run", "--json").stdout)
    assert dry["resumed_from"] == {"epoch": 1, "batch": 2}
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


# -- what is refused ---------------------------------------------------------------------------


def test_an_interrupted_run_is_not_overwritten_unasked(interrupted):
    result = invoke(*interrupted, status=2)
    assert "holds an interrupted run" in result.stderr
    assert "--resume" in result.stderr
    assert "--force" in result.stderr
    outcome = json.loads(invoke(*interrupted, "--force", "--json").stdout)
    assert outcome["resumed_from"] is None


def test_resume_and_force_go_on_where_there_is_something_and_start_where_not(interrupted):
    both = [*interrupted, "--resume", "--force", "--json"]
    assert json.loads(invoke(*both).stdout)["resumed_from"] == {"epoch": 1, "batch": 2}
    result = invoke(*interrupted, "--resume", status=2)
    assert "a complete run: there is nothing to resume" in result.stderr
    assert json.loads(invoke(*both).stdout)["resumed_from"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--learning-rate", "0.5"], "--learning-rate was 0.0003, now 0.5"),
        (["-e", "9"], "--epochs was 2, now 9"),
        (["--class-weights", "none"], "--class-weights was 0.7,1.6,1.2,1.2, now none"),
        (["--class-weights", "1,1,1,1"], "--class-weights was 0.7,1.6,1.2,1.2, now 1.0,1.0,1.0,1"),
        (["--freeze-batchnorm"], "--freeze-batchnorm was off, now on"),
        (["--save-every-check"], "--save-every-check was off, now on"),
        (["--check-every-nth-batch", "1"], "--check-every-nth-batch was not given, now 1"),
    ],
)
def test_other_options(interrupted, change, message):
    result = invoke(*interrupted, *change, "--resume", status=2)
    assert message in result.stderr
    assert result.stderr.count(" was ") == 2  # "the run was another one": one difference
    assert "--force instead of --resume" in result.stderr


def test_every_difference_is_named(interrupted):
    options = ["--seed", "4", "--accumulate", "2"]
    result = invoke("freeze", *interrupted[1:], *options, "--resume", status=2)
    for text in ("command was whole, now freeze", "--seed was 0, now 4", "--accumulate was 1"):
        assert text in result.stderr
    assert "--freeze-batchnorm was off, now not given" in result.stderr


def test_other_data_model_and_versions(interrupted, data_dir, model_path, test_path, monkeypatch):
    resume = [*interrupted, "--resume"]
    result = invoke(*resume, "-t", test_path, status=2)
    assert "test data were not given" in result.stderr
    write_data_file(data_dir / "training_data.2.h5", random_rows(2, seed=9, seqid="chr9"))
    assert "training data have changed" in invoke(*resume, status=2).stderr
    (data_dir / "training_data.2.h5").unlink()
    before = model_path.read_bytes()
    write_model_file(model_path, tiny_model(seed=1).to_file({}), force=True)
    assert "the model (-l) has changed (SHA-256" in invoke(*resume, status=2).stderr
    model_path.write_bytes(before)
    with monkeypatch.context() as patch:
        used = run_state.versions() | {"backend": "jax 0.0.1", "python": "3.99"}
        patch.setattr(run_state, "versions", lambda: used)
        result = invoke(*resume, status=2)
    assert "backend version was" in result.stderr
    assert "now jax 0.0.1" in result.stderr
    assert "python" not in result.stderr
    invoke(*resume)  # all as it was


def test_what_may_be_otherwise(interrupted, model_path, data_dir, tmp_path):
    """Places, and what changes no result."""
    moved = shutil.move(data_dir, tmp_path / "moved"), shutil.move(model_path, tmp_path / "m.h5")
    options = ["-d", moved[0], "-l", moved[1], "--cache-dir", tmp_path / "cache", "--keep-cache"]
    options += ["--val-test-batch-size", "4", "--checkpoint-minutes", "1", "-v", "--json"]
    outcome = json.loads(invoke(*interrupted, *options, "--resume").stdout)
    assert outcome["resumed_from"] == {"epoch": 1, "batch": 2}


def test_a_damaged_state(interrupted, tmp_path):
    path = tmp_path / "tuned.run" / "state" / "state.h5"
    good = path.read_bytes()

    def refused(content: bytes, message: str) -> None:
        path.write_bytes(content)
        result = invoke(*interrupted, "--resume", status=2)
        assert message in result.stderr
        assert "--force instead of --resume" in result.stderr

    refused(b"", "is damaged")
    refused(good[:-100], "is damaged")
    for at in (0, 600, len(good) // 2, len(good) - 1):
        refused(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], "is damaged")
    with h5py.File(path, "w") as file:
        file["record"] = [1, 2, 3]
    refused(path.read_bytes(), "is damaged")
    path.unlink()
    path.mkdir()
    result = invoke(*interrupted, "--resume", status=2)
    assert "is not a file" in result.stderr
    path.rmdir()
    path.write_bytes(good)
    invoke(*interrupted, "--resume")


@pytest.mark.parametrize("minutes", ["-1", "nan"])
def test_checkpoint_minutes_must_be_a_time(arguments, minutes):
    result = invoke(*arguments, "--checkpoint-minutes", minutes, status=2)
    assert "--checkpoint-minutes" in result.stderr
    assert "at least 0" in result.stderr


# -- the lock ----------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from helixer_ft.progress import Progress
from helixer_ft.training.run_lock import run_lock
with run_lock(Path(sys.argv[1]), Progress()):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_process_at_a_time(arguments, tmp_path):
    folder = tmp_path / "tuned.run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        for options in ([], ["--force"], ["--resume"]):
            result = invoke(*arguments, *options, status=2)
            assert f"{folder}: is in use by process {holder.pid} on " in result.stderr
        assert sorted(path.name for path in folder.iterdir()) == ["lock"]
    finally:
        holder.kill()  # lets go of it without a word
        holder.wait()
        holder.stdout.close()
    with run_lock(folder, None):
        assert (folder / "lock").read_text().startswith(f"process {os.getpid()} on ")
    assert not (folder / "lock").exists()


def test_no_lock_is_left_of_a_command_that_is_refused(arguments, data_dir, tmp_path):
    (data_dir / "training_data.h5").unlink()
    before = sorted(tmp_path.rglob("*"))
    invoke(*arguments, status=2)
    assert sorted(tmp_path.rglob("*")) == before


def test_without_locks_the_run_goes_on_and_says_so(arguments, quick, tmp_path, monkeypatch):
    def no_locks(file, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("helixer_ft.formats.locks.fcntl.flock", no_locks)
    result = invoke(*arguments)
    assert "the file system has no locks" in result.stderr.replace("\n", " ")
    assert (tmp_path / "tuned.h5").exists()
