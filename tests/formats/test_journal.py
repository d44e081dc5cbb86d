"""Journals: what was appended is there, whatever ended the process that did."""

import os
import subprocess
import sys

import pytest

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.journal import MAGIC, Journal, _packed

HEADER = {"of": "ä", "n": 3}
RECORDS = [[b"one", b""], [b"\0" * 1000], [b"a", b"b", b"c"]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.h5.journal"


def opened(path) -> Journal:
    return Journal(path, path.with_name("out.h5"))


def write(path, records=RECORDS) -> list[int]:
    """Begin a journal with these records; the size of the file after each."""
    sizes = []
    with opened(path) as journal:
        journal.begin(HEADER)
        for record in records:
            journal.append(record)
            sizes.append(path.stat().st_size)
    return sizes


def test_records_read_back_and_more_can_follow(path):
    write(path)
    with opened(path) as journal:
        assert (journal.header, journal.records) == (HEADER, 3)
        assert list(journal.read()) == RECORDS
        journal.append([b"four"])
        assert list(journal.read()) == [*RECORDS, [b"four"]]
    with opened(path) as journal:
        assert list(journal.read()) == [*RECORDS, [b"four"]]


def test_a_torn_end_is_cut_wherever_it_is_torn(path):
    first, second, third = write(path)
    whole = path.read_bytes()
    for size in range(first, third):
        path.write_bytes(whole[:size])
        with opened(path) as journal:
            assert journal.records == (1 if size < second else 2)
            assert path.stat().st_size == (first if size < second else second)
            journal.append(RECORDS[2])
            assert list(journal.read()) == [*RECORDS[: journal.records - 1], RECORDS[2]]


def test_a_torn_header_is_none(path):
    first, *_ = write(path, [[b"x"]])
    whole = path.read_bytes()
    record = 13  # bytes: number, size, "x", checksum
    for size in range(first - record):
        path.write_bytes(whole[:size])
        with opened(path) as journal:
            assert (journal.header, journal.records) == (None, 0)
        assert not path.exists()


def test_what_follows_a_damaged_record_is_cut(path):
    first, *_ = write(path)
    with open(path, "r+b") as file:
        file.seek(first + 100)
        file.write(b"x")
    with opened(path) as journal:
        assert list(journal.read()) == RECORDS[:1]
    assert path.stat().st_size == first


def test_sizes_beyond_reason_are_no_record(path):
    first, *_ = write(path, RECORDS[:1])
    for claim in (b"\xff" * 8, b"\0" * 400, b"\1\0\0\0\xff\xff\xff\xff"):
        with open(path, "ab") as file:
            file.write(claim)
        with opened(path) as journal:
            assert journal.records == 1
        assert path.stat().st_size == first


def test_begun_anew_nothing_is_left(path):
    write(path)
    with opened(path) as journal:
        journal.begin({})
        assert list(journal.read()) == []
        journal.append([b"new"])
    with opened(path) as journal:
        assert (journal.header, list(journal.read())) == ({}, [[b"new"]])


def test_without_records_there_is_no_file(path):
    with opened(path):
        assert path.exists()
    assert not path.exists()
    write(path, [])
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"precious",
        MAGIC[:-1] + b"x",
        b"\0" * 100,
        MAGIC + _packed([b"no JSON"]),
        MAGIC + _packed([b"[" * 50_000]),
    ],
    ids=["text", "other magic", "zeros", "no JSON", "deep JSON"],
)
def test_other_files_are_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"out\.h5\.journal: is not a journal of helixer-ft"):
        opened(path)
    assert path.read_bytes() == content


HOLDER = """
import sys
from pathlib import Path
from helixer_ft.formats.journal import Journal
with Journal(Path(sys.argv[1]), Path("out.h5")) as journal:
    journal.begin({})
    journal.append([b"one"])
    print("held", flush=True)
    sys.stdin.readline()
    if len(sys.argv) > 2:
        journal.remove()
"""


def holder(path, *arguments) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_until_the_first_one_ends(path):
    with holder(path) as process:
        with pytest.raises(InputError, match="in use by another process"):
            opened(path)
        process.kill()
    with opened(path) as journal:
        assert list(journal.read()) == [[b"one"]]
    with holder(path, "remove") as process:
        process.communicate("\n")
    assert not path.exists()


def test_a_file_that_was_removed_in_between_is_not_written_to(path, monkeypatch):
    """The other process ends between opening and locking."""
    from helixer_ft.formats import locks as module

    lock = module.fcntl.flock
    removed = []

    def flock(file, how):
        if not removed:
            path.unlink()
            removed.append(file)
        lock(file, how)

    monkeypatch.setattr(module.fcntl, "flock", flock)
    with opened(path) as journal:
        journal.begin({})
        journal.append([b"one"])
        assert os.path.samestat(path.stat(), os.fstat(journal._file.fileno()))


FULL = """
import resource, sys
from pathlib import Path
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.journal import Journal
with Journal(Path(sys.argv[1]), Path("out.h5")) as journal:
    journal.begin({})
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        while True:
            journal.append([b"x" * 3000])
    except HelixerFtError as error:
        print(journal.records, error)
    journal.append([b"little"])
"""


def test_a_full_disk_leaves_the_records_before(path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("3 out.h5: could not be written (its journal out.h5.journal: ")
    assert "Free disk space" in done.stdout
    with opened(path) as journal:
        assert list(journal.read()) == [*3 * [[b"x" * 3000]], [b"little"]]


def test_no_folder(tmp_path):
    with pytest.raises(HelixerFtError, match=r"out\.h5: could not be written .*No such file"):
        opened(tmp_path / "no" / "out.h5.journal")
