"""Plain and packed text, block by block."""

import gzip
import os

import pysam
import pytest

from helixer_ft.errors import InputError
from helixer_ft.genome import packed_text
from helixer_ft.genome.packed_text import open_text
from helixer_ft.progress import Progress

WHAT = "a test text"
TEXT = b"".join(b"line %d of the text\n" % i for i in range(20_000))
END = 28
"""Bytes of the empty block at the end of bgzip."""


def bgzip(path, text=TEXT):
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(text)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "text"


class Steps(Progress):
    """Adds up what it is told."""

    done, finished = 0, False

    def start(self, task, total, unit="", done=0):
        self.total = total

    def advance(self, steps=1, note=""):
        self.done += steps

    def finish(self):
        self.finished = True


def read(path):
    with open_text(path, WHAT) as text:
        return b"".join(text.blocks())


def refusal(path):
    with pytest.raises(InputError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert WHAT in message
    return message


@pytest.mark.parametrize("form", [bytes, gzip.compress, None])
@pytest.mark.parametrize("block", [1000, 2**20])
def test_lines_across_blocks(path, monkeypatch, form, block):
    monkeypatch.setattr(packed_text, "_BLOCK", block)
    path.write_bytes(form(TEXT)) if form else bgzip(path)
    steps = Steps()
    with open_text(path, WHAT, steps) as text:
        assert list(text.lines()) == TEXT.splitlines()
    assert steps.done == steps.total == path.stat().st_size
    assert steps.finished
    assert read(path) == TEXT


def test_the_last_line_needs_no_end(path):
    path.write_bytes(b"a\n\nb")
    with open_text(path, WHAT) as text:
        assert list(text.lines()) == [b"a", b"", b"b"]


def test_bgzip_that_is_cut_between_two_blocks(path):
    """Each block that is there is whole, so that zlib has nothing to say."""
    bgzip(path)
    content = path.read_bytes()
    blocks = content.split(b"\x1f\x8b\x08\x04")
    assert len(blocks) > 5
    path.write_bytes(b"\x1f\x8b\x08\x04".join(blocks[:4]))
    assert gzip.decompress(path.read_bytes()) == TEXT[: len(gzip.decompress(path.read_bytes()))]
    assert "the end mark of bgzip is missing" in refusal(path)
    path.write_bytes(content[:-END])
    assert "the end mark of bgzip is missing" in refusal(path)


def test_plain_gzip_has_no_end_mark(path):
    path.write_bytes(gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]))
    assert read(path) == TEXT


@pytest.mark.parametrize("cut", [1, 8, 200])
def test_gzip_that_is_cut(path, cut):
    path.write_bytes(gzip.compress(TEXT)[:-cut])
    assert "damaged or truncated" in refusal(path)


def test_gzip_with_a_changed_byte(path):
    content = bytearray(gzip.compress(TEXT))
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "damaged or truncated" in refusal(path)


@pytest.mark.parametrize("at", [0, 2**16 + 5, len(TEXT) - 1])
@pytest.mark.parametrize("form", [bytes, gzip.compress])
def test_a_zero_byte_anywhere(path, form, at):
    path.write_bytes(form(TEXT[:at] + b"\0" + TEXT[at + 1 :]))
    assert f"byte {at:,} of its content is zero" in refusal(path)


def test_a_line_without_end(path, monkeypatch):
    monkeypatch.setattr(packed_text, "_BLOCK", 100)
    monkeypatch.setattr(packed_text, "MAX_LINE", 1000)
    path.write_bytes(gzip.compress(b"first\n" + b"x" * 10**6))
    with open_text(path, WHAT) as text:
        lines = text.lines()
        assert next(lines) == b"first"
        with pytest.raises(InputError, match=r"line 2: is longer than"):
            next(lines)
    path.write_bytes(b"x" * 1000 + b"\n")
    with open_text(path, WHAT) as text:
        assert len(next(text.lines())) == 1000


def test_pipes_and_devices_are_not_waited_for(path):
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "not a regular file" in refusal(path)
