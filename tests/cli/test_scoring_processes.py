"""`predict` and `evaluate` in two processes on this machine: the results of one, to the bit.

tests/inference/test_several_processes.py has the variants, with threads for processes.
"""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import write_model_file
from tests.cli.groups import Group
from tests.data_files import write_data_file

pytest.importorskip("jax")

PREDICT = [
    *("predict", "-l", "base.h5", "-t", "test_data.h5", "-p", "two.h5"),
    *("--val-test-batch-size", "2", "--backend", "jax"),
]
EVALUATE = [
    *("evaluate", "-l", "base.h5", "-l", "other.h5", "-t", "test_data.h5", "-t", "more_data.h5"),
    *("--val-test-batch-size", "3", "--backend", "jax", "--json"),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("base", "other"):
        write_model_file(tmp_path / f"{name}.h5", tiny_model(seed=len(name)).to_file({}))
    write_data_file(tmp_path / "test_data.h5", random_rows(7, seed=3, seqid="chr3"))
    write_data_file(tmp_path / "more_data.h5", random_rows(2, seed=4, seqid="chr4"))
    return tmp_path


@pytest.fixture
def group(folder) -> Iterator[Group]:
    with Group(folder) as processes:
        yield processes


def alone(folder: Path, arguments: list[str], monkeypatch) -> str:
    """What the same command prints in this process."""
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def content(path: Path) -> dict[str, bytes]:
    with h5py.File(path) as file:
        return {name: dataset[()].tobytes() for name, dataset in file.items()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*two*"))


def test_two_processes_predict(folder, group, monkeypatch):
    group.start(*[[*PREDICT, "--json"]] * 2)
    alone(folder, [*PREDICT, "-p", "one.h5"], monkeypatch)
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    assert content(folder / "two.h5") == content(folder / "one.h5")
    assert json.loads(group.out(0))["rows"] == 14
    assert "2 processes share the rows" in group.err(0)
    assert group.out(1) == group.err(1) == ""
    assert names(folder) == ["two.h5"]


@pytest.mark.slow
@pytest.mark.parametrize("extra", [(), ("--overlap",)], ids=["rows", "overlap"])
def test_two_processes_evaluate(folder, group, monkeypatch, extra):
    group.start(*[[*EVALUATE, *extra, "--csv", "two.csv"]] * 2)
    one = json.loads(alone(folder, [*EVALUATE, *extra, "--csv", "one.csv"], monkeypatch))
    assert group.wait() == [0, 0], group.err(0) + group.err(1)
    two = json.loads(group.out(0))
    assert one.pop("seconds") > 0 < two.pop("seconds")
    assert two == one
    assert (folder / "two.csv").read_text() == (folder / "one.csv").read_text()
    assert group.out(1) == group.err(1) == ""


@pytest.mark.slow
def test_more_processes_than_windows(folder, group, monkeypatch):
    """Those without a share wait."""
    write_data_file(folder / "few.h5", random_rows(1, seed=5, seqid="chr5"))
    predict = [*PREDICT, "-t", "few.h5"]
    predict.remove("-t")
    predict.remove("test_data.h5")
    group.start(*[predict] * 3)
    alone(folder, [*predict, "-p", "one.h5"], monkeypatch)
    assert group.wait() == [0, 0, 0], group.err(0) + group.err(1)
    assert content(folder / "two.h5") == content(folder / "one.h5")


@pytest.mark.slow
@pytest.mark.parametrize("command", [PREDICT, EVALUATE], ids=["predict", "evaluate"])
def test_processes_that_do_not_do_the_same(folder, group, command):
    """Options, the model, the data; all say what differs."""
    (folder / "elsewhere").mkdir()
    write_model_file(folder / "elsewhere/base.h5", tiny_model(seed=9).to_file({}))
    write_data_file(folder / "elsewhere/test_data.h5", random_rows(7, seed=9, seqid="chr3"))
    others = {"base.h5": "model", "test_data.h5": "data"}
    differing = [f"elsewhere/{one}" if one in others else one for one in [*command, "--no-overlap"]]
    group.start([*command, "--overlap"], differing)
    assert group.wait() == [2, 2], group.err(0) + group.err(1)
    for number in (0, 1):
        assert f"Error: process {number} (of 2):" in group.err(number)
        for part in ("differ in:", "model", "data (SHA-256)", "overlap"):
            assert part in group.err(number)
        assert "Traceback" not in group.err(number)
    assert names(folder) == []


LONG = ["--checkpoint-minutes", "0"]


@pytest.fixture
def large(folder) -> Path:
    """So many rows that there is time to end a process: each is written through to the disk."""
    rows = random_rows(1500, seed=6, seqid="chr6")
    write_data_file(folder / "test_data.h5", rows)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_other_one(large, group, victim, monkeypatch):
    group.start(*[[*PREDICT, *LONG]] * 2)
    group.wait_for("two.h5.journal")
    group.wait_for(next_part(large, group))
    group.kill_one(victim)
    assert not (large / "two.h5").exists()
    alone(large, [*PREDICT, "--resume"], monkeypatch)
    alone(large, [*PREDICT, "-p", "one.h5"], monkeypatch)
    assert content(large / "two.h5") == content(large / "one.h5")
    assert names(large) == ["two.h5"]


def next_part(folder: Path, group: Group) -> str:
    """Name of the second process's journal, once it is there."""
    ends = time.monotonic() + 300
    while not (found := list(folder.glob("two.h5.journal.*"))):
        assert time.monotonic() < ends, group.err(0)
        time.sleep(0.05)
    return found[0].name


@pytest.mark.slow
def test_a_signal_to_one_stops_both(large, group, monkeypatch):
    group.start(*[[*PREDICT, *LONG]] * 2)
    group.wait_for(next_part(large, group))
    group.processes[1].send_signal(signal.SIGUSR1)
    assert group.wait(120) == [75, 75], group.err(0) + group.err(1)
    assert "rows are predicted, and kept in two.h5.journal and others beside it" in group.err(0)
    assert "To resume:" in group.err(0)
    assert group.err(1) == ""
    group.processes.clear()
    group.start(*[[*PREDICT, "--resume"]] * 3)
    assert group.wait() == [0, 0, 0], group.err(0)
    alone(large, [*PREDICT, "-p", "one.h5"], monkeypatch)
    assert content(large / "two.h5") == content(large / "one.h5")
    assert names(large) == ["two.h5"]


FULL_DISK = """
import resource, sys
from helixer_ft.formats.journal import Journal
begin = Journal.begin
def full(journal, header):
    begin(journal, header)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal._end + 3000, resource.RLIM_INFINITY))
Journal.begin = full
from helixer_ft.cli import main
main(prog_name="helixer-ft")
"""


SLOW_DISK = """
import time
from helixer_ft.formats.journal import Journal
append = Journal.append
def slow(journal, parts):
    append(journal, parts)
    time.sleep(0.5)
Journal.append = slow
from helixer_ft.cli import main
main(prog_name="helixer-ft")
"""


@pytest.mark.slow
def test_a_full_disk_in_one_of_two(large, group):
    """The other one ends with that message."""
    from tests.cli.groups import free_port

    how = ["--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    group.run([*PREDICT, *how, "0"])
    group.run([*PREDICT, *how, "1"], FULL_DISK)
    assert group.wait(300) == [1, 1], group.err(0) + group.err(1)
    assert "two.h5: could not be written" in group.err(1)
    assert "Error: process 0 (of 2): process 1 ended: two.h5: could not be written" in group.err(0)
    assert "Traceback" not in group.err(0) + group.err(1)
    assert not (large / "two.h5").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", [PREDICT, EVALUATE], ids=["predict", "evaluate"])
def test_two_devices_of_one_process(folder, group, monkeypatch, command):
    """Each has half of a batch."""
    group.run(command, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    one = alone(folder, [*command, "-p", "one.h5"] if command is PREDICT else command, monkeypatch)
    assert group.wait() == [0], group.err(0)
    assert "2 devices share each batch" in group.err(0)
    if command is EVALUATE:
        found, expected = json.loads(group.out(0)), json.loads(one)
        for name in ("rows", "blocks"):
            assert found.get(name) == expected.get(name)
        confusion = [run["models"][0]["genic"]["confusion_matrix"] for run in (found, expected)]
        assert confusion[0] == confusion[1]
        return
    with h5py.File(folder / "one.h5") as alone_, h5py.File(folder / "two.h5") as both:
        for name in alone_:
            np.testing.assert_allclose(both[name][()], alone_[name][()], atol=1e-3)


@pytest.mark.slow
def test_tensorflow_predicts_in_one_process(folder, monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.chdir(folder)
    several = ["--coordinator", "localhost:4000", "--num-processes", "2", "--process-id", "0"]
    result = CliRunner().invoke(main, [*PREDICT, "--backend", "tensorflow", *several])
    assert result.exit_code == 2
    assert "TensorFlow (--backend)" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("waiting", [0, 1])
def test_a_process_that_waits_passes_a_signal_on(large, group, monkeypatch, waiting):
    """The other one, whose rows are there only now and then, stops."""
    from tests.cli.groups import free_port

    how = ["--coordinator", f"localhost:{free_port()}", "--num-processes", "2", "--process-id"]
    for index in (0, 1):
        group.run([*PREDICT, *how, str(index)], "" if index == waiting else SLOW_DISK)
    journal = "two.h5.journal" if waiting == 0 else next_part(large, group)
    size, before, ends = 0, 0, time.monotonic() + 300
    while size < 100_000 or size != before:
        assert time.monotonic() < ends, group.err(0)
        time.sleep(3)
        path, before = large / journal, size
        size = path.stat().st_size if path.exists() else 0
    group.processes[waiting].send_signal(signal.SIGTERM)
    assert group.wait(60) == [75, 75], group.err(0) + group.err(1)
    assert group.err(1) == ""
    assert "Interrupted: " in group.err(0)
    assert "Traceback" not in group.err(0) + group.err(1)
