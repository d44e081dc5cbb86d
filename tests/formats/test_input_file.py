"""Paths that readers are given."""

import os

import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import (
    check_input_file,
    read_text_file,
    real_path,
    refuse_overwriting,
)


def test_a_file_and_a_link_to_it(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        check_input_file(tmp_path / name, "a test")
        assert real_path(tmp_path / name) == real_path(tmp_path) / "file"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "no such file"),
    ],
)
def test_what_is_no_file(tmp_path, make, says):
    path = tmp_path / "it"
    make(path)
    with pytest.raises(InputError, match=rf"it: .*{says}.*, expected a test\."):
        check_input_file(path, "a test")
    with pytest.raises(InputError, match=rf"it: .*{says}.*, expected a test\."):
        read_text_file(path, "a test")
    assert real_path(path).name in ("it", "zero", "nowhere")


def test_text(tmp_path):
    path = tmp_path / "it"
    path.write_bytes(b"\xef\xbb\xbfan \xc3\xa4\n")
    assert read_text_file(path, "a test") == "an ä\n"
    path.write_bytes(b"an \xe4\n")
    with pytest.raises(InputError, match=r"it: is not a text file, expected a test\."):
        read_text_file(path, "a test")


def test_links_in_a_circle(tmp_path):
    """`Path.resolve` raises RuntimeError."""
    path = tmp_path / "it"
    path.symlink_to("it")
    assert real_path(path).name == "it"
    with pytest.raises(InputError, match=r"it: .*, expected a test\."):
        check_input_file(path, "a test")


def test_what_is_read_is_neither_written_nor_removed(tmp_path):
    (tmp_path / "folder").mkdir()
    path, link = tmp_path / "folder" / "file", tmp_path / "link"
    path.touch()
    link.symlink_to(path)
    refuse_overwriting([path, None], [tmp_path / "folder"], "-o", [tmp_path / "other"])
    for inputs, outputs, cleared in (
        ([None, path], [link], []),
        ([link], [path], []),
        ([path], [], [path]),
        ([link], [], [tmp_path / "folder"]),
    ):
        with pytest.raises(InputError, match=r": is read, and never overwritten\. Give another -o"):
            refuse_overwriting(inputs, outputs, "-o", cleared)
