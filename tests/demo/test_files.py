"""What a demonstration takes as its folder, and what it replaces there."""

import pytest

from helixer_ft.demo.files import DemoFiles
from helixer_ft.errors import InputError


def refusal(files: DemoFiles, *, force: bool) -> str:
    before = {path: path.is_file() and path.read_bytes() for path in files.out_dir.rglob("*")}
    with pytest.raises(InputError) as caught:
        files.check(force=force)
    assert {path: path.is_file() and path.read_bytes() for path in before} == before
    return str(caught.value)


def test_a_new_and_an_empty_folder_are_taken(tmp_path):
    DemoFiles(tmp_path / "new" / "demo").check(force=False)
    DemoFiles(tmp_path).check(force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_taken_with_force_alone(tmp_path):
    files = DemoFiles(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert "not empty" in refusal(files, force=False)
    assert "--force" in refusal(files, force=False)
    files.check(force=True)


def test_only_files_of_a_demo_are_removed(tmp_path):
    files = DemoFiles(tmp_path)
    files.make_folders()
    own = [files.genome, files.reads, files.test_data, files.tuned / "whole.h5", files.report]
    others = [tmp_path / "notes.txt", files.data / "notes.tsv", files.tuned / "mine.h5"]
    for path in (*own, *others):
        path.write_text("x")
    files.source_model.write_text("x")
    files.check(force=True)
    files.make_folders()
    assert [path for path in own if path.exists()] == []
    assert all(path.read_text() == "x" for path in others)


def test_files_that_are_not_of_a_demo_are_never_replaced(tmp_path):
    (tmp_path / "genome.fa").write_text("my genome")
    assert "not from a demo" in refusal(DemoFiles(tmp_path), force=True)


@pytest.mark.parametrize("name", ["data", "tuned"])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path, name):
    (tmp_path / name).write_text("x")
    assert "is not a folder" in refusal(DemoFiles(tmp_path), force=True)


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "genome.fa").mkdir()
    (tmp_path / "source_model.h5").write_text("x")
    assert "genome.fa: is a folder" in refusal(DemoFiles(tmp_path), force=True)


@pytest.mark.parametrize("name", ["training_data.mine.h5", "wheat.h5"])
def test_data_that_would_be_taken_for_the_demos_are_refused(tmp_path, name):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text("x")
    text = refusal(DemoFiles(tmp_path), force=True)
    assert name in text
    assert "another --out-dir" in text
