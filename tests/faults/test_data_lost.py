"""A data file that shrinks or goes away while it is read: a message, and nothing is lost."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import random_rows, tiny_model

from helixer_ft.cli import main
from helixer_ft.cli.output import Printer
from helixer_ft.formats.coverage_h5 import CoverageWriter
from helixer_ft.formats.model_h5 import read_model_file, write_model_file
from helixer_ft.runtime import resources
from tests.cli.test_add_coverage import GENES, dutp_reads
from tests.coverage.coverage_files import write_bam, write_data
from tests.data_files import write_data_file
from tests.faults.harness import content


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


LOSSES: dict[str, Callable[[Path], None]] = {
    "shrinks": shrink,
    "is gone": Path.unlink,
    "is a folder": replace_by_folder,
}
any_loss = pytest.mark.parametrize(
    "lose",
    [shrink, *(pytest.param(LOSSES[name], marks=pytest.mark.slow) for name in list(LOSSES)[1:])],
    ids=LOSSES,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model and data; nothing of these is kept in memory."""
    monkeypatch.chdir(tmp_path)
    write_model_file(tmp_path / "base.h5", tiny_model().to_file({}))
    (tmp_path / "sets").mkdir()
    for name, windows in (("training", 12), ("validation", 8)):
        write_data_file(tmp_path / "sets" / f"{name}_data.h5", random_rows(windows, seqid=name))
    write_data_file(tmp_path / "rows.h5", random_rows(60))
    monkeypatch.setattr(resources, "available_memory", lambda: 0)
    monkeypatch.setattr(resources, "available_disk", lambda _folder: 0)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def once(monkeypatch, kind: type, name: str, number: int, do: Callable[[], None]) -> None:
    """Do something after the n-th call of a method."""
    method = getattr(kind, name)
    calls = []

    def counted(self, *arguments, **options):
        result = method(self, *arguments, **options)
        calls.append(1)
        if len(calls) == number:
            do()
        return result

    monkeypatch.setattr(kind, name, counted)


def check_message(result: Result, path: str, status: int = 2) -> None:
    assert result.exit_code == status, result.output
    assert f"Error: {path}: " in result.stderr
    assert "Traceback" not in result.stderr
    assert "fault of helixer-ft" not in result.stderr


@any_loss
def test_predict_keeps_what_is_predicted(folder, monkeypatch, lose):
    arguments = ["predict", "-l", "base.h5", "-t", "rows.h5", "-p", "p.h5"]
    arguments += ["--val-test-batch-size", 2]
    shutil.copy("rows.h5", "rows.copy")
    with monkeypatch.context() as patch:
        once(patch, Printer, "advance", 3, lambda: lose(Path("rows.h5")))
        result = run(*arguments)
    check_message(result, "rows.h5")
    assert "rows are kept in p.h5.journal: the same command with --resume continues" in result.stderr
    assert not Path("p.h5").exists()
    if Path("rows.h5").is_dir():
        Path("rows.h5").rmdir()
    shutil.copy("rows.copy", "rows.h5")
    assert run(*arguments, "--resume").exit_code == 0
    assert run(*arguments[:5], "-p", "whole.h5", *arguments[7:]).exit_code == 0
    found = content(folder)
    assert found["p.h5"] == found["whole.h5"]


@any_loss
def test_training_keeps_the_best_model(folder, monkeypatch, lose):
    arguments = ["whole", "-l", "base.h5", "-d", "sets", "-e", 3, "-b", 4, "--patience", 9]
    lost = Path("sets/training_data.h5")
    shutil.copytree("sets", "copy")
    with monkeypatch.context() as patch:
        once(patch, Printer, "check", 2, lambda: lose(lost))
        result = run(*arguments, "-s", "t.h5")
    check_message(result, str(lost))
    assert read_model_file(Path("t.h5")).provenance["epoch"] == "1"
    shutil.rmtree("sets")
    shutil.copytree("copy", "sets")
    result = run(*arguments, "-s", "t.h5", "--resume")
    assert result.exit_code == 0, result.output
    assert run(*arguments, "-s", "whole.h5").exit_code == 0
    found = content(folder)
    assert found["t.h5"] == found["whole.h5"]
    assert found["t.run/history.csv"] == found["whole.run/history.csv"]


@any_loss
def test_evaluate(folder, monkeypatch, lose):
    once(monkeypatch, Printer, "advance", 3, lambda: lose(Path("rows.h5")))
    arguments = ["-l", "base.h5", "-t", "sets/validation_data.h5", "--val-test-batch-size", 2]
    result = run("evaluate", *arguments, "-t", "rows.h5")
    check_message(result, "rows.h5")
    assert result.stdout == ""


@any_loss
def test_add_coverage_leaves_the_data_alone(folder, monkeypatch, lose):
    write_data(folder / "data.h5", "chr1", genes=GENES)
    write_bam(folder / "leaf.bam", dutp_reads() * 50)
    before = Path("data.h5").read_bytes()
    once(monkeypatch, CoverageWriter, "write", 1, lambda: lose(Path("leaf.bam")))
    result = run("add-coverage", "--data", "data.h5", "--bam", "leaf.bam", "--threads", 1)
    if result.exit_code:  # else it was read already
        check_message(result, "leaf.bam")
        assert Path("data.h5").read_bytes() == before
    assert not list(folder.glob(".*"))
