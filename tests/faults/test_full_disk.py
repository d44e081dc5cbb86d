"""A disk that fills: the message says where and what to do, nothing is half-written, and with room
again the work goes on to the same result.

A real one: a small file system in memory, which takes the right to mount it.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_model

from helixer_ft import report
from helixer_ft.cli import main
from helixer_ft.formats.model_h5 import read_model_file, write_model_file
from tests.cli.test_add_coverage import GENES, dutp_reads
from tests.coverage.coverage_files import write_bam, write_data
from tests.data_files import write_data_file
from tests.faults.harness import content
from tests.faults.scenarios import PREPARE

SIZE = 4 * 2**20
PAGE = 4096


@dataclass(frozen=True)
class Case:
    """A command whose output is on the disk.

    Attributes
    ----------
    arguments
        Of helixer-ft, in the folder of the inputs; the disk is `disk`.
    writes
        Files, as messages name them, that the disk is too small for at one size or another.
    again
        What to add when there is room.
    """

    arguments: tuple[str, ...]
    writes: set[str]
    again: tuple[str, ...] = ()


_TRAIN = (
    *("-l", "base.h5", "-d", "sets", "-s", "disk/t.h5", "-e", "2", "-b", "6"),
    *("--learning-rate", "1e-2", "--save-every-check", "--checkpoint-minutes", "0"),
)
CASES = {
    "whole": Case(
        ("whole", *_TRAIN),
        {"config.toml", "state.h5", "t.h5", "check_0001_epoch_1_batch_2.h5"},
        ("--resume",),
    ),
    "freeze": Case(("freeze", *_TRAIN), {"config.toml", "state.h5", "t.h5"}, ("--resume",)),
    "predict": Case(
        (
            *("predict", "-l", "base.h5", "-t", "rows.h5", "-p", "disk/p.h5"),
            *("--val-test-batch-size", "4"),
        ),
        {"p.h5"},
        ("--resume",),
    ),
    "prepare": Case(
        (
            *("prepare", "--fasta", "g.fa", "--gff3", "g.gff3", "--out-dir", "disk/data"),
            *("--subsequence-length", "900"),
        ),
        {"g.fa", "training_data.h5"},
    ),
    "add-coverage": Case(
        ("add-coverage", "-d", "disk", "--bam", "leaf.bam", "--threads", "1"), {"disk"}
    ),
    "evaluate": Case(
        ("evaluate", "-l", "base.h5", "-t", "sets/validation_data.h5", "--csv", "disk/s.csv"),
        {"s.csv"},
    ),
}


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands work in."""
    monkeypatch.chdir(tmp_path)
    PREPARE.make(tmp_path)
    write_model_file(tmp_path / "base.h5", tiny_model().to_file({}))
    (tmp_path / "sets").mkdir()
    for name, windows, seed in (("training", 6, 1), ("validation", 4, 2)):
        rows = random_rows(windows, seed=seed, seqid=f"chr{seed}")
        write_data_file(tmp_path / "sets" / f"{name}_data.h5", rows)
    write_data_file(tmp_path / "rows.h5", random_rows(40, 450))
    write_bam(tmp_path / "leaf.bam", dutp_reads())
    return tmp_path


@pytest.fixture
def disk(inputs: Path) -> Iterator[Path]:
    """A small file system."""
    path = inputs / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "helixer-ft-test", path],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def fill(disk: Path, room: int) -> Path:
    """Leave so many bytes, in whole pages, free."""
    path = disk / "filler"
    with open(path, "wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - room))
    return path


def clear(disk: Path) -> None:
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def begin(name: str, disk: Path) -> None:
    """What must be on the disk before the command."""
    clear(disk)
    if name == "add-coverage":
        write_data(disk / "training_data.h5", "chr1", genes=GENES)
        write_data(disk / "validation_data.h5", "chr2", "chr3")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_failed(result: Result, disk: Path) -> str:
    """The message is one, and says where and what to do; returns the name of the file."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    assert "fault of helixer-ft" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.stderr
    found = re.match(r"Error: (\S+): .*No space left on device", errors[0])
    assert found, errors
    assert re.search("[Ff]ree disk space", errors[0])
    assert not any(".partial" in path.name for path in disk.rglob("*"))
    return Path(found[1]).name


def check_whole_files(name: str, disk: Path, before: dict) -> None:
    """Whatever is there is complete."""
    for path in disk.rglob("*.h5"):
        if name in ("whole", "freeze") and path.name != "state.h5":
            assert read_model_file(path).weights
    if name == "add-coverage":
        found = content(disk)
        found.pop("filler")
        assert found == before
    elif name in ("prepare", "evaluate"):
        assert {path.name for path in disk.iterdir()} == {"filler"}
    elif name == "predict":
        assert {path.name for path in disk.iterdir()} <= {"filler", "p.h5.journal"}


def try_with(name: str, disk: Path, room: int, expected: dict) -> str | None:
    """Run with so much room, then with enough; the file that the disk was too small for."""
    case = CASES[name]
    begin(name, disk)
    before = content(disk)
    filler = fill(disk, room)
    result = run(*case.arguments)
    if result.exit_code == 0:
        return None
    failed = check_failed(result, disk)
    check_whole_files(name, disk, before)
    filler.unlink()
    result = run(*case.arguments, *case.again)
    assert result.exit_code == 0, result.output
    assert content(disk) == expected
    return failed


def expected_of(name: str, disk: Path) -> tuple[dict, int]:
    """What an undisturbed run leaves, and the bytes that it takes on the disk."""
    begin(name, disk)
    result = run(*CASES[name].arguments)
    assert result.exit_code == 0, result.output
    return content(disk), size_of(disk)


def test_predictions_go_on_when_there_is_room(disk: Path):
    expected, size = expected_of("predict", disk)
    assert try_with("predict", disk, size // 2 // PAGE * PAGE, expected) == "p.h5"


@pytest.mark.usefixtures("pages")
def test_a_run_whose_report_has_no_room_is_a_run(disk: Path, monkeypatch: pytest.MonkeyPatch):
    begin("freeze", disk)
    write = report.write_report

    def write_to_a_full_disk(outcome, path):
        fill(disk, PAGE)
        write(outcome, path)

    monkeypatch.setattr(report, "write_report", write_to_a_full_disk)
    result = run(*CASES["freeze"].arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["report"] is None
    (warning,) = [line for line in result.stderr.splitlines() if "report could not" in line]
    assert re.search(r"^Warning: disk/t\.run/report\.html: .*No space left on device.*", warning)
    assert read_model_file(disk / "t.h5").weights
    assert not any("report" in path.name or "partial" in path.name for path in disk.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_at_every_write(disk: Path, name: str):
    """From no room at all to enough, in small steps."""
    expected, size = expected_of(name, disk)
    failed = set()
    for room in np.linspace(0, 2.2 * size, 16).astype(int).tolist():
        found = try_with(name, disk, room // PAGE * PAGE, expected)
        failed |= {found} - {None}
    assert failed >= CASES[name].writes


@pytest.mark.slow
@pytest.mark.parametrize("keep", [False, True])
def test_a_cache_without_room_is_done_without(disk: Path, keep: bool):
    options = ["-s", "t.h5", "--cache-dir", "disk", "--force", *(["--keep-cache"] if keep else [])]
    assert run("freeze", *_TRAIN, *options).exit_code == 0
    expected = read_model_file(Path("t.h5")).weights
    clear(disk)
    fill(disk, PAGE)
    result = run("freeze", *_TRAIN, *options)
    assert result.exit_code == 0, result.output
    found = read_model_file(Path("t.h5")).weights
    for layer, arrays in expected.items():
        for name, array in arrays.items():
            assert found[layer][name] == pytest.approx(array, abs=1e-6)
    assert [path.name for path in disk.iterdir()] == ["filler"]
