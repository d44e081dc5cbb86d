"""Files appear complete or not at all, and nothing is overwritten unasked."""

import errno
import os
import stat
import subprocess
import sys

import pytest

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats import atomic, locks


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "model.h5"


@pytest.fixture(autouse=True)
def folder(path):
    path.parent.mkdir()
    return path.parent


def test_bytes_arrive_and_nothing_else_is_left(path, folder):
    data = bytes(range(256)) * 1000
    atomic.write_bytes(path, memoryview(data))
    assert path.read_bytes() == data
    assert [item.name for item in folder.iterdir()] == ["model.h5"]


def test_text_is_utf8(path):
    atomic.write_text(path, "Ärabidopsis → ok\n")
    assert path.read_bytes() == "Ärabidopsis → ok\n".encode()


def test_an_existing_file_is_kept_without_force(path, folder):
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=r"model\.h5: exists already.*--force") as error:
        atomic.write_bytes(path, b"new")
    assert error.value.exit_code == 2
    assert path.read_bytes() == b"old"
    assert len(list(folder.iterdir())) == 1


def test_force_replaces(path):
    path.write_bytes(b"a much longer old text")
    atomic.write_bytes(path, b"new", force=True)
    assert path.read_bytes() == b"new"


def test_what_a_killed_process_left_is_overwritten_and_gone(path, folder):
    atomic.partial_path(path).write_bytes(b"left behind, longer than the new content")
    atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in folder.iterdir()] == ["model.h5"]


def test_the_file_is_synced_before_it_takes_its_name(path, monkeypatch):
    events = []
    sync, rename = os.fsync, os.replace

    def fsync(descriptor):
        events.append(("sync", os.fstat(descriptor).st_size))
        sync(descriptor)

    def replace(source, target):
        events.append(("rename", target == path))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    atomic.write_bytes(path, b"12345")
    assert events == [("sync", 5), ("rename", True)]


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failed_write_changes_nothing(path, folder, monkeypatch, function, before):
    if before is not None:
        path.write_bytes(before)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(HelixerFtError, match=r"model\.h5.*No space left on device") as error:
        atomic.write_bytes(path, b"new", force=True)
    assert error.value.exit_code == 1
    assert {item.name: item.read_bytes() for item in folder.iterdir()} == (
        {} if before is None else {"model.h5": before}
    )


def test_an_interrupted_write_leaves_no_partial_file(path, folder, monkeypatch):
    path.write_bytes(b"old")

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_bytes(path, b"new", force=True)
    assert {item.name: item.read_bytes() for item in folder.iterdir()} == {"model.h5": b"old"}


def test_a_full_disk_leaves_the_old_file(path, folder):
    """A real one: the process may write no file above 64 KiB."""
    path.write_bytes(b"old")
    program = f"""
import resource
from pathlib import Path
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats import atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
atomic.write_bytes(Path({str(path.with_name("fits"))!r}), bytes(65536))
try:
    atomic.write_bytes(Path({str(path)!r}), bytes(65537), force=True)
except HelixerFtError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.startswith(f"{path}: could not be written (File too large)"), result.stderr
    assert path.read_bytes() == b"old"
    assert sorted(item.name for item in folder.iterdir()) == ["fits", "model.h5"]


def test_a_folder_is_refused(folder):
    with pytest.raises(InputError, match=r"folder: is a folder, expected a file name"):
        atomic.check_writable(folder, force=True)


def test_a_missing_folder_is_refused(folder):
    with pytest.raises(InputError, match=r"the folder .*nowhere does not exist"):
        atomic.check_writable(folder / "nowhere" / "model.h5")


def test_a_read_only_folder_is_refused(path, folder):
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("root may write everywhere")
    try:
        with pytest.raises(InputError, match="is not writable"):
            atomic.check_writable(path)
    finally:
        folder.chmod(0o700)


def test_what_is_no_regular_file_is_never_replaced(path):
    """As root, `-s /dev/null --force` would put a file in the place of the device."""
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a regular file"):
        atomic.check_writable(path, force=True)
    assert path.is_fifo()


def test_a_name_is_refused_that_only_the_partial_file_would_break(folder):
    # ".<name>.partial" is nine bytes longer, and umlauts take two bytes
    fits = folder / ("ä" * 123)
    atomic.write_bytes(fits, b"new")
    assert fits.read_bytes() == b"new"
    with pytest.raises(InputError, match="name is too long"):
        atomic.check_writable(folder / ("ä" * 124))


# -- a staged file -----------------------------------------------------------------------------


def test_a_staged_file_takes_its_name_once_it_is_complete(path, folder):
    with atomic.staged_file(path) as staged:
        assert staged.parent == folder
        staged.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [item.name for item in folder.iterdir()] == ["model.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_staged_file_that_fails_leaves_what_was_there(path, folder, error):
    path.write_bytes(b"old")

    def write() -> None:
        with atomic.staged_file(path, force=True) as staged:
            staged.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"old"
    assert [item.name for item in folder.iterdir()] == ["model.h5"]


def test_a_staged_file_on_a_full_disk(path, folder):
    with (
        pytest.raises(HelixerFtError, match=r"model\.h5: could not be written \(No space left"),
        atomic.staged_file(path),
    ):
        raise OSError(28, "No space left on device")
    assert list(folder.iterdir()) == []


def test_a_staged_file_overwrites_nothing_that_came_meanwhile(path):
    begun = 0

    def write() -> None:
        nonlocal begun
        with atomic.staged_file(path) as staged:
            begun += 1
            staged.write_bytes(b"new")
            path.write_bytes(b"another's")

    for _ in range(2):
        with pytest.raises(InputError, match="exists already"):
            write()
        assert path.read_bytes() == b"another's"
    assert begun == 1


# -- who may read and write --------------------------------------------------------------------


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def usual(folder):
    """The mode that files are made with here."""
    (folder.parent / "usual").touch()
    return mode(folder.parent / "usual")


def test_what_is_not_complete_is_private(path, usual, monkeypatch):
    seen = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: seen.append(mode(atomic.partial_path(path))) or sync(file)
    )
    atomic.write_bytes(path, b"new")
    with atomic.staged_file(path, force=True) as partial:
        assert partial.read_bytes() == b""
        seen.append(mode(partial))
        partial.write_bytes(b"newer")
    assert seen == [0o600] * 3
    assert mode(path) == usual
    assert path.read_bytes() == b"newer"


@pytest.mark.parametrize("existing", [True, False])
def test_a_folder_that_is_not_complete_is_private(folder, existing):
    out = folder / "out"
    if existing:
        out.mkdir()
    with atomic.staged_folder(out) as staged:
        assert mode(staged) == 0o700
        (staged / "file").write_bytes(b"x")
    assert mode(out) == mode(folder)
    assert (out / "file").read_bytes() == b"x"


@pytest.mark.parametrize("way", ["bytes", "file"])
def test_a_link_in_the_place_of_the_partial_file_leads_nowhere(path, folder, way):
    """In a shared folder somebody else may have laid it, to have a file of ours overwritten."""
    victim = folder / "victim"
    victim.write_bytes(b"precious")
    atomic.partial_path(path).symlink_to(victim)
    if way == "bytes":
        atomic.write_bytes(path, b"new")
    else:
        with atomic.staged_file(path) as partial:
            partial.write_bytes(b"new")
    assert victim.read_bytes() == b"precious"
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()


@pytest.mark.parametrize("existing", [True, False])
def test_two_processes_do_not_write_into_one_folder(folder, existing):
    out = folder / "out"
    if existing:
        out.mkdir()
    with atomic.staged_folder(out) as staged:
        (staged / "one").write_bytes(b"1")
        with (
            pytest.raises(InputError, match="another process is writing to it"),
            atomic.staged_folder(out),
        ):
            pytest.fail("the files of the first one would be lost")
        assert (staged / "one").read_bytes() == b"1"
    assert [path.name for path in out.iterdir()] == ["one"]
    left = out / ".partial"
    left.mkdir()  # of a process that was killed
    with atomic.staged_folder(out) as staged:
        (staged / "two").write_bytes(b"2")
    assert sorted(path.name for path in out.iterdir()) == ["one", "two"]


def test_where_folders_cannot_be_locked_they_are_written_all_the_same(folder, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    for name in ("one", "two"):
        with atomic.staged_folder(folder / "out") as staged:
            (staged / name).write_bytes(b"x")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["one", "two"]


def test_a_link_in_the_place_of_the_partial_folder_is_refused(folder):
    (folder / "elsewhere").mkdir()
    (folder / ".out.partial").symlink_to(folder / "elsewhere")
    with (
        pytest.raises(HelixerFtError, match="could not be written"),
        atomic.staged_folder(folder / "out"),
    ):
        pytest.fail("nothing is written through the link")
    assert list((folder / "elsewhere").iterdir()) == []
