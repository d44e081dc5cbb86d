"""Rows come back the same wherever they are kept, and whatever happens to where they are kept."""

import errno
import fcntl
import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helixer_ft.dataset import cache_folder, row_cache
from helixer_ft.dataset.cache_folder import CacheFolder, KeptFile, Room
from helixer_ft.dataset.row_cache import DiskRows, MemoryRows, RowCache
from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats import atomic
from helixer_ft.progress import Progress
from helixer_ft.runtime import resources
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import CacheSettings

N, SHAPE, DTYPE = 10, (2, 3), np.dtype(np.float32)
ROWS = np.random.default_rng(0).random((N, *SHAPE)).astype(DTYPE)
ROW_BYTES = ROWS[0].nbytes
FINGERPRINT = {"format": 1, "files": ["a", "b"]}


class Notices(Progress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, text: str) -> None:
        self.texts.append(text)


class Computed(RowCache):
    """A cache of `ROWS` that counts what it computes."""

    def __init__(self, storage: row_cache.Storage | None = None) -> None:
        self.asked: list[int] = []
        self.notices = Notices()
        super().__init__(N, self._compute, self.notices)
        if storage is not None:
            self.keep_in(storage)

    def _compute(self, indices: np.ndarray) -> np.ndarray:
        self.asked += indices.tolist()
        return ROWS[indices]

    def filled(self, at_once: int = 3) -> "Computed":
        """All rows gone through, in order; what was computed is forgotten."""
        parts = list(self.fill(at_once))
        assert np.concatenate([indices for indices, _ in parts]).tolist() == list(range(N))
        assert np.array_equal(np.concatenate([rows for _, rows in parts]), ROWS)
        assert self.asked == list(range(N))
        self.publish()
        self.asked.clear()
        return self

    def check(self, computed: set[int]) -> None:
        """Rows in any order are right, of which these had to be computed."""
        for order in ([7, 2, 9, 0, 2], [0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]):
            rows = self.read(np.array(order))
            assert np.array_equal(rows, ROWS[order])
            assert rows.dtype == DTYPE
            assert self.asked == [index for index in order if index in computed]
            self.asked.clear()


def kept_file(folder: Path, fingerprint=FINGERPRINT, **notes) -> KeptFile:
    return KeptFile.of(folder, "features", fingerprint, lambda: notes)


def folder_of(path: Path | None, *, keep: bool = False, run: Path = Path("t.run")) -> CacheFolder:
    return CacheFolder(CacheSettings(folder=path, keep=keep), run, Notices())


@pytest.fixture
def limits(monkeypatch):
    """Set the bytes of memory and disk that a cache may take."""

    def limit(memory: int, disk: int) -> None:
        monkeypatch.setattr(cache_folder, "CACHE_MEMORY_SHARE", 1)
        monkeypatch.setattr(cache_folder, "DISK_SHARE", 1)
        monkeypatch.setattr(resources, "available_memory", lambda: memory)
        monkeypatch.setattr(resources, "available_disk", lambda folder: disk)

    return limit


# -- where rows are kept -----------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [N, 6, 7, 1])
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_what_there_is_room_for_is_computed_once(tmp_path, place, capacity):
    if place == "memory":
        storage = MemoryRows(capacity, SHAPE, DTYPE)
    else:
        storage = DiskRows(tmp_path, capacity, SHAPE, DTYPE)
    cache = Computed(storage).filled()
    assert cache.kept == capacity
    cache.check(computed=set(range(capacity, N)))
    assert cache.notices.texts == []
    assert list(tmp_path.iterdir()) == []  # the file has no name


def test_neighbouring_rows_in_memory_are_not_copied():
    storage = MemoryRows(N, SHAPE, DTYPE)
    Computed(storage).filled()
    rows = storage.read(np.arange(2, 5))
    assert np.shares_memory(rows, storage.read(np.arange(N)))
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 0
    assert not np.shares_memory(rows, storage.read(np.array([2, 4, 3])))


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_rows_lie_where_jax_takes_them_as_they_are(tmp_path, place):
    shape = (16,)  # as of features, a multiple of what counts
    if place == "memory":
        storage = MemoryRows(N, shape, DTYPE)
    else:
        storage = DiskRows(tmp_path, N, shape, DTYPE)
    storage.write(0, np.arange(N * 16, dtype=DTYPE).reshape(N, 16))
    for indices in ([3, 1, 7], [4, 5, 6]):
        assert storage.read(np.array(indices)).ctypes.data % 64 == 0


def test_without_room_every_row_is_computed_each_time():
    cache = Computed().filled()
    cache.check(computed=set(range(N)))


def test_rows_are_read_before_all_are_kept(tmp_path):
    cache = Computed(DiskRows(tmp_path, N, SHAPE, DTYPE))
    chunks = cache.fill(3)
    next(chunks)
    next(chunks)
    cache.asked.clear()
    cache.check(computed=set(range(6, N)))


def test_an_error_of_the_computation_is_not_swallowed(tmp_path):
    def fail(indices):
        raise InputError("row 3 is damaged")

    cache = RowCache(N, fail)
    cache.keep_in(DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path).publish))
    with pytest.raises(InputError, match="row 3"):
        list(cache.fill(3))
    del cache
    gc.collect()
    assert list(tmp_path.iterdir()) == []


# -- the disk fails ----------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["truncated", "unreadable"])
def test_a_file_that_fails_while_in_use_is_computed_from_then_on(tmp_path, monkeypatch, harm):
    cache = Computed(DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path).publish)).filled()
    cache.check(computed=set())
    if harm == "truncated":
        (path,) = tmp_path.glob("*.npy")
        os.truncate(path, path.stat().st_size - 1)
    else:

        def fail(*arguments):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "preadv", fail)
    cache.check(computed=set(range(N)))
    (text,) = cache.notices.texts
    reason = {"truncated": "become shorter", "unreadable": os.strerror(errno.EIO)}[harm]
    assert reason in text
    assert "computed each time" in text
    assert str(tmp_path) in text


def test_a_file_that_vanishes_while_in_use_is_no_loss(tmp_path):
    cache = Computed(DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path).publish)).filled()
    for path in tmp_path.iterdir():
        path.unlink()
    cache.check(computed=set())
    assert cache.notices.texts == []


@pytest.mark.parametrize("keep", [False, True])
def test_a_disk_that_fills_up_keeps_what_is_written(tmp_path, monkeypatch, keep):
    write = os.pwrite
    written = []

    def full(descriptor, data, position):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(position)
        return write(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", full)
    kept = kept_file(tmp_path) if keep else None
    cache = Computed(DiskRows(tmp_path, N, SHAPE, DTYPE, kept and kept.publish)).filled()
    cache.check(computed=set(range(6, N)))
    (text,) = cache.notices.texts
    assert os.strerror(errno.ENOSPC) in text
    assert "6 of 10 subsequences are kept" in text
    assert list(tmp_path.glob("features-*")) == []
    del cache
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_writes_and_reads_that_come_in_parts(tmp_path, monkeypatch):
    write, read = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: write(fd, data[:7], at))
    monkeypatch.setattr(os, "preadv", lambda fd, into, at: read(fd, [into[0][:5]], at))
    Computed(DiskRows(tmp_path, N, SHAPE, DTYPE)).filled().check(computed=set())


@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_a_file_that_cannot_be_published_still_serves_its_own_run(tmp_path, monkeypatch, what):
    def fail(*arguments):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, what, fail)
    cache = Computed(DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path).publish)).filled()
    cache.check(computed=set())
    (text,) = cache.notices.texts
    assert text == f"the cache is not kept for later runs: {os.strerror(errno.EDQUOT)}"
    del cache
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_rows_without_description_do_not_stay(tmp_path, monkeypatch):
    """No run would ever use them."""

    def fail(path, text, **options):
        raise HelixerFtError(f"{path}: could not be written (No space left on device).")

    monkeypatch.setattr(atomic, "write_text", fail)
    cache = Computed(DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path).publish)).filled()
    cache.check(computed=set())
    assert ["not kept" in text for text in cache.notices.texts] == [True]
    del cache
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_keeps_caches_too(tmp_path, monkeypatch, limits):
    """As some parallel file systems of clusters are mounted."""

    def fail(*arguments):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    limits(0, 10 * WANTED)
    monkeypatch.setattr(fcntl, "flock", fail)
    room = Room(WANTED, folder_of(tmp_path, keep=True))
    storage = room.storage(N, SHAPE, DTYPE, kept_file(tmp_path))
    assert storage is not None
    folder_of(tmp_path)  # a second run cannot know whether the file is in use
    Computed(storage).filled().check(computed=set())
    assert kept_file(tmp_path).open(N, SHAPE, DTYPE) is not None


# -- files that are kept -----------------------------------------------------------------------


@pytest.fixture
def published(tmp_path) -> Path:
    """A folder with one complete cache."""
    Computed(
        DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path, vectors=[1, 2]).publish)
    ).filled()
    return tmp_path


def test_a_kept_file_is_numpys_own_and_says_what_it_holds(published):
    npy, description = sorted(published.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert re.fullmatch(r"features-[0-9a-f]{24}\.npy", npy.name)
    assert np.array_equal(np.load(npy), ROWS)
    assert description == npy.with_suffix(".json")
    content = {"fingerprint": FINGERPRINT, "notes": {"vectors": [1, 2]}}
    assert json.loads(description.read_text()) == content


def test_a_kept_file_is_used_by_the_next_run(published):
    kept = kept_file(published)
    storage = kept.open(N, SHAPE, DTYPE)
    assert storage is not None
    assert kept.notes == {"vectors": [1, 2]}
    cache = Computed(storage)
    assert cache.kept == N
    rows = np.concatenate([rows for _, rows in cache.fill(4)])
    assert np.array_equal(rows, ROWS)
    cache.check(computed=set())
    assert cache.notices.texts == []
    assert len(list(published.iterdir())) == 2


def edit_description(change):
    def edit(npy: Path) -> None:
        path = npy.with_suffix(".json")
        path.write_text(change(path.read_text()))

    return edit


def overwrite(position: int, content: bytes):
    def edit(npy: Path) -> None:
        with open(npy, "r+b") as file:
            file.seek(position)
            file.write(content)

    return edit


def save(rows: np.ndarray, version: tuple[int, int] = (2, 0)):
    def edit(npy: Path) -> None:
        with open(npy, "wb") as file:
            np.lib.format.write_array(file, rows, version=version)

    return edit


HARM = {
    "no description": lambda npy: npy.with_suffix(".json").unlink(),
    "an empty description": edit_description(lambda text: ""),
    "half a description": edit_description(lambda text: text[:20]),
    "a description of something else": edit_description(lambda text: "[1]"),
    "a description without fingerprint": edit_description(lambda text: '{"notes": {}}'),
    "a description without notes": edit_description(
        lambda text: json.dumps({"fingerprint": FINGERPRINT})
    ),
    "a description that is not text": lambda npy: npy.with_suffix(".json").write_bytes(b"\xff{"),
    "another fingerprint": edit_description(lambda text: text.replace('"b"', '"c"')),
    "no rows": lambda npy: npy.unlink(),
    "empty rows": lambda npy: npy.write_bytes(b""),
    "truncated rows": lambda npy: os.truncate(npy, npy.stat().st_size - 1),
    "a truncated header": lambda npy: os.truncate(npy, 30),
    "surplus bytes": lambda npy: npy.write_bytes(npy.read_bytes() + b"\0"),
    "something else": overwrite(0, b"not an array"),
    "a broken header": overwrite(12, b"[(("),
    "another shape": save(ROWS[:-1]),
    "another type": save(ROWS.astype(np.float16)),
    "another byte order": save(ROWS.astype(">f4")),
    "another version": save(ROWS, version=(1, 0)),
    "a folder": lambda npy: (npy.unlink(), npy.mkdir()),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_not_the_file_expected_is_not_used(published, harm):
    (npy,) = published.glob("*.npy")
    HARM[harm](npy)
    assert kept_file(published).open(N, SHAPE, DTYPE) is None


@pytest.mark.parametrize(
    "fingerprint", [{"format": 2, "files": ["a", "b"]}, {"format": 1, "files": ["b", "a"]}, {}]
)
def test_other_data_have_another_file(published, fingerprint):
    other = kept_file(published, fingerprint)
    assert not other.path.exists()
    assert other.open(N, SHAPE, DTYPE) is None
    Computed(DiskRows(published, N, SHAPE, DTYPE, other.publish)).filled()
    assert len(list(published.iterdir())) == 4
    assert kept_file(published).open(N, SHAPE, DTYPE) is not None


def test_a_damaged_file_is_made_anew(published):
    (npy,) = published.glob("*.npy")
    os.truncate(npy, 100)
    Computed(DiskRows(published, N, SHAPE, DTYPE, kept_file(published).publish)).filled()
    assert kept_file(published).open(N, SHAPE, DTYPE) is not None
    assert len(list(published.iterdir())) == 2


def test_a_file_of_somebody_else_is_not_used(published, monkeypatch):
    """In a shared folder anybody could lay one there."""
    assert kept_file(published).open(N, SHAPE, DTYPE) is not None
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert kept_file(published).open(N, SHAPE, DTYPE) is None


def test_two_runs_that_publish_the_same_cache(tmp_path):
    runs = [
        Computed(DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path, run=i).publish))
        for i in range(2)
    ]
    for _ in zip(*(run.fill(3) for run in runs), strict=True):  # in turns
        pass
    for run in runs:
        run.publish()
        run.asked.clear()
        run.check(computed=set())
        assert run.notices.texts == []
    kept = kept_file(tmp_path)
    storage = kept.open(N, SHAPE, DTYPE)
    assert kept.notes == {"run": 1}
    Computed(storage).check(computed=set())
    assert len(list(tmp_path.iterdir())) == 2


# -- what killed runs leave --------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
import numpy as np
from helixer_ft.dataset.cache_folder import KeptFile
from helixer_ft.dataset.row_cache import DiskRows

folder = Path(sys.argv[1])
rows = DiskRows(folder, 4, (3,), np.dtype(np.float32), KeptFile.of(folder, "features", {}).publish)
rows.write(0, np.ones((2, 3), np.float32))
print("ready", flush=True)
sys.stdin.read()
"""


def test_files_of_killed_runs_are_removed_and_those_of_running_ones_are_not(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout.readline() == "ready\n"
        (partial,) = tmp_path.iterdir()
        mine = tmp_path / "notes.txt"
        mine.touch()
        folder_of(tmp_path)
        assert partial.exists()
    finally:
        writer.kill()
        writer.wait()
        writer.stdin.close()
        writer.stdout.close()
    assert partial.exists()
    folder_of(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]


def test_a_file_that_another_run_removed_is_no_loss(tmp_path):
    """A run may be slow to lock its new file."""
    storage = DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path).publish)
    (partial,) = tmp_path.iterdir()
    fcntl.flock(storage._fd, fcntl.LOCK_UN)
    folder_of(tmp_path)
    assert not partial.exists()
    cache = Computed(storage).filled()
    cache.check(computed=set())
    assert ["not kept" in text for text in cache.notices.texts] == [True]
    assert list(tmp_path.iterdir()) == []


# -- the folder --------------------------------------------------------------------------------


def test_a_missing_folder_is_made_and_removed_if_it_stays_empty(tmp_path):
    folder = folder_of(tmp_path / "some" / "where")
    assert folder.path.is_dir()
    assert folder.writable
    folder.remove_if_empty()
    assert not folder.path.exists()
    there = folder_of(tmp_path)
    there.remove_if_empty()
    assert tmp_path.is_dir()
    full = folder_of(tmp_path / "full")
    (full.path / "x").touch()
    full.remove_if_empty()
    assert (full.path / "x").exists()


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_is_no_folder(tmp_path, below):
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(InputError, match=r"file.*could not be made.*--cache-dir"):
        folder_of(path / below)
    assert path.read_text() == "precious"


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != tmp_path and access(path, mode)
    )
    notices = Notices()
    folder = CacheFolder(CacheSettings(folder=tmp_path), Path("t.run"), notices)
    assert not folder.writable
    assert notices.texts == [f"{tmp_path}: is not writable, so nothing is cached on disk"]
    assert not Room(10, folder).on_disk
    with pytest.raises(InputError, match=r"not writable.*--keep-cache.*--cache-dir"):
        folder_of(tmp_path, keep=True)
    # what is kept there can be read all the same
    monkeypatch.undo()
    Computed(DiskRows(tmp_path, N, SHAPE, DTYPE, kept_file(tmp_path).publish)).filled()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = folder.kept_file("features", lambda: FINGERPRINT)
    assert found is not None
    assert found.path == kept_file(tmp_path).path
    assert folder.kept_file("decoded", lambda: FINGERPRINT) is None
    storage = Room(N * ROW_BYTES, folder).storage(N, SHAPE, DTYPE, kept_file(tmp_path))
    Computed(storage).check(computed=set())


def test_where_caches_go(tmp_path, monkeypatch):
    slurm, tmp, run = tmp_path / "slurm", tmp_path / "tmp", tmp_path / "tuned.run"
    for path in (slurm, tmp):
        path.mkdir()
    monkeypatch.setenv("SLURM_TMPDIR", str(slurm))
    monkeypatch.setenv("TMPDIR", str(tmp))
    given = tmp_path / "given"
    assert folder_of(given, run=run).path == given
    assert folder_of(None, run=run).path == slurm
    slurm.rmdir()
    assert folder_of(None, run=run).path == tmp
    monkeypatch.setenv("TMPDIR", "relative")
    assert folder_of(None, run=run).path == tmp_path
    assert not run.exists()
    assert folder_of(None, run=run, keep=True).path == run / "features"
    assert (run / "features").is_dir()


# -- room --------------------------------------------------------------------------------------

WANTED = N * ROW_BYTES


def place_of(room: Room) -> tuple[type | None, int]:
    storage = room.storage(N, SHAPE, DTYPE, None)
    return type(storage), storage.capacity if storage else 0


@pytest.mark.parametrize(
    ("memory", "disk", "expected"),
    [
        (WANTED, 10 * WANTED, (MemoryRows, N)),
        (WANTED - 1, WANTED, (DiskRows, N)),
        (5 * ROW_BYTES, 8 * ROW_BYTES, (DiskRows, 8)),
        (8 * ROW_BYTES + 3, 5 * ROW_BYTES, (MemoryRows, 8)),
        (5 * ROW_BYTES, 5 * ROW_BYTES, (MemoryRows, 5)),
        (ROW_BYTES - 1, 0, (type(None), 0)),
    ],
)
def test_rows_go_to_memory_else_to_disk_else_as_far_as_they_fit(
    tmp_path, monkeypatch, limits, memory, disk, expected
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    limits(memory, disk)
    room = Room(WANTED, folder_of(None))
    assert room.is_enough == (expected[1] == N)
    assert place_of(room) == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_that_was_asked_for_is_used_though_memory_is_plenty(tmp_path, limits, keep):
    limits(10 * WANTED, 7 * ROW_BYTES)
    room = Room(WANTED, folder_of(tmp_path, keep=keep))
    assert not room.is_enough
    assert str(tmp_path) in room.place
    assert place_of(room) == (DiskRows, 7)


def test_several_caches_share_the_room(tmp_path, limits):
    limits(14 * ROW_BYTES, 0)
    room = Room(2 * WANTED, folder_of(None))
    assert [place_of(room)[1] for _ in range(3)] == [N, 4, 0]


def test_shares_of_what_is_available(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "available_memory", lambda: 1000)
    monkeypatch.setattr(resources, "available_disk", lambda folder: 2000)
    room = Room(1, folder_of(tmp_path))
    assert (room.memory, room.disk) == (500, 1800)


def test_a_part_is_never_kept_for_later_runs(tmp_path, limits):
    limits(0, 6 * ROW_BYTES)
    room = Room(WANTED, folder_of(tmp_path, keep=True))
    storage = room.storage(N, SHAPE, DTYPE, kept_file(tmp_path))
    Computed(storage).filled().check(computed=set(range(6, N)))
    assert list(tmp_path.iterdir()) == []


def test_only_keep_cache_keeps(tmp_path, limits):
    limits(0, 10 * WANTED)
    for keep, files in ((False, 0), (True, 2)):
        room = Room(WANTED, folder_of(tmp_path, keep=keep))
        Computed(room.storage(N, SHAPE, DTYPE, kept_file(tmp_path))).filled()
        assert len(list(tmp_path.iterdir())) == files
    # a later run reads them, whether it keeps its own or not, and in memory's stead
    limits(10 * WANTED, 0)
    storage = Room(WANTED, folder_of(tmp_path)).storage(N, SHAPE, DTYPE, kept_file(tmp_path))
    Computed(storage).check(computed=set())


def test_a_folder_that_vanishes_leaves_no_room(tmp_path, limits):
    limits(0, 10 * WANTED)
    folder = folder_of(tmp_path / "gone")
    room = Room(WANTED, folder)
    folder.path.rmdir()
    assert room.storage(N, SHAPE, DTYPE, None) is None


def test_processes_of_a_machine_share_its_room(tmp_path, limits):
    limits(memory=100, disk=1000)
    processes = Processes()
    processes.beside = 4
    own = tmp_path / "t.run"
    for folder, left in ((None, 25), (tmp_path, 250)):
        shared = CacheFolder(CacheSettings(folder=folder), own, Notices(), processes)
        assert Room(10, shared).left == left


def test_the_first_process_alone_leaves_files_for_later_runs(tmp_path):
    processes = Processes()
    for index, kept in ((1, []), (0, ["features-"])):
        processes.index = index
        folder = CacheFolder(
            CacheSettings(folder=tmp_path, keep=True), tmp_path / "t.run", Notices(), processes
        )
        room = Room(WANTED, folder)
        Computed(room.storage(N, SHAPE, DTYPE, kept_file(tmp_path))).filled()
        assert [path.name[:9] for path in tmp_path.glob("*.npy")] == kept
