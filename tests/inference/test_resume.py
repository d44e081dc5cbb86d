"""An interrupted prediction that is resumed writes the uninterrupted one's file."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.errors import HelixerFtError, InputError, Interrupted
from helixer_ft.formats import journal as journal_module
from helixer_ft.formats.journal import Journal
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference import predict as predict_module
from helixer_ft.inference.predict import predict
from helixer_ft.inference.request import HelixerPostSettings, PredictRequest
from helixer_ft.progress import Progress
from tests.data_files import write_data_file

N_ROWS = 14


class Told(Progress):
    """Keeps the notices, and interrupts after so many rows of a run."""

    def __init__(self, rows: int | None = None) -> None:
        self.rows = rows
        self.notices: list[str] = []
        self.done = 0

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def start(self, task: str, total: int, unit: str = "", done: int = 0) -> None:
        self.task = task
        self.total = total - done

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self.task == "predicting":
            self.done += steps

    def interrupted(self) -> bool:
        return self.rows is not None and self.done + 1 >= self.rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model, and data of two sequences, of 5 rows and of 2, both strands."""
    folder = tmp_path_factory.mktemp("resume")
    write_model_file(folder / "model.h5", tiny_model().to_file({}))
    parts = [random_rows(5), random_rows(2, seed=1, seqid="chr2")]
    names = ("X", "seqids", "species", "start_ends")
    datasets = {name: np.concatenate([part[name] for part in parts]) for name in names}
    write_data_file(folder / "data.h5", datasets)
    letters = "".join("CATG"[base] for base in np.random.default_rng(0).integers(0, 4, 700))
    (folder / "genome.fa").write_text(f">a\n{letters[:430]}\n>b\n{letters[430:]}\n")
    tiny = "".join(f">t{i}\n{letters[i : 9 * i + 10]}\n" for i in range(3))
    (folder / "tiny.fa").write_text(
        f"{tiny}>a\n{letters[:200]}\n>t4\nACGT\n>b\n{letters[200:430]}\n>t5\nA\n"
    )
    return folder


@pytest.fixture(autouse=True)
def _one_network(monkeypatch) -> None:
    """The same network is built and compiled once."""
    build = predict_module.prediction_function
    networks = {}

    def kept(model, precision, devices):
        key = (model.file.sha256, precision)
        if key not in networks:
            networks[key] = build(model, precision, devices)
        return networks[key]

    monkeypatch.setattr(predict_module, "prediction_function", kept)


@pytest.fixture
def request_for(folder, tmp_path):
    def make(**options) -> PredictRequest:
        given = {"val_test_batch_size": 4, "command_line": "the first", **options}
        if "fasta" not in given:
            given.setdefault("test_data", folder / "data.h5")
        return PredictRequest(folder / "model.h5", tmp_path / "out.h5", **given)

    return make


def content(path: Path) -> tuple[dict, dict]:
    """Attributes but the time, and datasets."""
    with h5py.File(path) as file:
        attributes = dict(file.attrs)
        attributes.pop("timestamp")
        return attributes, {name: dataset[()].tobytes() for name, dataset in file.items()}


def interrupt(request: PredictRequest, rows: int) -> None:
    with pytest.raises(Interrupted):
        predict(request, Told(rows))
    assert not request.output.exists()


OPTIONS = {
    "overlap": {},
    "uneven": {"overlap_offset": 30, "core_length": 80, "val_test_batch_size": 5},
    "no overlap": {"overlap": False},
    "genome": {"fasta": "genome.fa", "subsequence_length": 90},
    "tiny": {"fasta": "tiny.fa", "subsequence_length": 90, "exclude": ("t1",)},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_resumed_anywhere_is_uninterrupted(folder, request_for, name):
    options = dict(OPTIONS[name])
    if "fasta" in options:
        options["fasta"] = folder / options["fasta"]
    request = request_for(**options)
    predict(request)
    uninterrupted = content(request.output)
    request.output.unlink()
    n_rows = len(next(iter(uninterrupted[1].values()))) // (90 * 4 * 2)
    for rows in range(1, n_rows):
        interrupt(request, rows)
        told = Told()
        outcome = predict(replace(request, resume=True, command_line="the second"), told)
        assert outcome.resumed_from == rows
        assert told.total == told.done == n_rows - rows
        assert content(request.output) == uninterrupted
        assert [path.name for path in request.output.parent.iterdir()] == ["out.h5"]
        request.output.unlink()


def test_interrupted_again_and_again(request_for):
    request = request_for()
    predict(request)
    uninterrupted = content(request.output)
    request.output.unlink()
    interrupt(request, 3)
    with Journal(request.journal_path, request.output) as journal:
        first = journal.header["attributes"]["timestamp"]
    again = replace(request, resume=True)
    for _ in range(3):
        interrupt(again, 3)
    assert predict(again).resumed_from == 12
    assert content(request.output) == uninterrupted
    with h5py.File(request.output) as file:
        assert file.attrs["timestamp"] == first


def test_interrupted_while_the_file_is_written(request_for):
    request = request_for()
    predict(request)
    uninterrupted = content(request.output)
    request.output.unlink()

    class Late(Told):
        def interrupted(self) -> bool:
            return self.done == N_ROWS

    with pytest.raises(Interrupted, match="14 of 14 rows are predicted"):
        predict(request, Late())
    assert [path.name for path in request.output.parent.iterdir()] == ["out.h5.journal"]
    told = Told()
    assert predict(replace(request, resume=True), told).resumed_from == N_ROWS
    assert told.done == 0
    assert content(request.output) == uninterrupted


def test_a_torn_journal(request_for):
    request = request_for()
    predict(request)
    uninterrupted = content(request.output)
    request.output.unlink()
    interrupt(request, 6)
    path = request.journal_path
    path.write_bytes(path.read_bytes()[:-10])
    assert predict(replace(request, resume=True)).resumed_from == 5
    assert content(request.output) == uninterrupted


def test_nothing_to_resume(request_for):
    request = request_for(resume=True)
    told = Told()
    assert predict(request, told).resumed_from is None
    assert f"{request.output}: there is nothing to resume, so the prediction starts" in told.notices
    with pytest.raises(InputError, match="exists already and is not overwritten"):
        predict(request)


def test_what_an_interrupted_run_left_is_not_overwritten_in_silence(request_for):
    request = request_for()
    interrupt(request, 6)
    before = request.journal_path.read_bytes()
    with pytest.raises(InputError, match=r"left 6 rows in out\.h5\.journal.*--resume.*--for"):
        predict(request)
    assert request.journal_path.read_bytes() == before
    assert predict(replace(request, force=True)).resumed_from is None
    assert not request.journal_path.exists()


def test_force_does_not_keep_from_resuming(request_for):
    request = request_for(force=True)
    request.output.write_bytes(b"old")
    with pytest.raises(Interrupted):
        predict(request, Told(6))
    assert request.output.read_bytes() == b"old"
    with pytest.raises(InputError, match="exists already and is not overwritten"):
        predict(replace(request, resume=True, force=False))
    assert predict(replace(request, resume=True)).resumed_from == 6


def changed_model(folder: Path, tmp_path: Path) -> dict:
    write_model_file(tmp_path / "other.h5", tiny_model(seed=1).to_file({}))
    return {"load_model_path": tmp_path / "other.h5"}


def changed_data(folder: Path, tmp_path: Path) -> dict:
    shutil.copy(folder / "data.h5", tmp_path / "data.h5")
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        file["data/X"][9, 5] = [1, 0, 0, 0] if file["data/X"][9, 5, 0] == 0 else [0, 1, 0, 0]
    return {"test_data": tmp_path / "data.h5"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda *_: {"overlap_offset": 30}, "overlap offset was 45, is 30"),
        (lambda *_: {"core_length": 80}, "core length was 67, is 80"),
        (lambda *_: {"overlap": False}, "overlap offset was 45, is 90; core length was 67, is 90"),
        (lambda *_: {"precision": "mixed_bfloat16"}, "--precision was float32, is mixed_bfloat16"),
        (changed_model, r"model \(SHA-256\) was \w{64}, is \w{64}\."),
        (changed_data, r"data \(SHA-256\) was \w{64}, is \w{64}\."),
    ],
)
def test_what_is_not_as_it_was_is_named(folder, request_for, tmp_path, change, said):
    request = request_for()
    interrupt(request, 6)
    before = request.journal_path.read_bytes()
    changed = replace(request, resume=True, **change(folder, tmp_path))
    with pytest.raises(InputError, match=f"cannot be resumed: {said}") as error:
        predict(changed)
    assert "--force instead of --resume" in str(error.value)
    assert request.journal_path.read_bytes() == before
    assert predict(replace(request, resume=True)).resumed_from == 6


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"species": "other"}, r"species was genome, is other\."),
        ({"exclude": ("b",)}, "rows was 16, is 10; --exclude was None, is b"),
        ({"seqids": ("a",)}, "rows was 16, is 10; --seqids was None, is a"),
        ({"min_length": 9}, "--min-length was None, is 9"),
        ({"subsequence_length": 180}, "rows was 16, is 10; subsequence length was 90, is 180; ov"),
    ],
)
def test_what_is_said_of_a_genome_is_named(folder, request_for, changed, said):
    request = request_for(fasta=folder / "genome.fa", subsequence_length=90)
    interrupt(request, 6)
    with pytest.raises(InputError, match=f"cannot be resumed: {said}"):
        predict(replace(request, resume=True, **changed))


def test_what_is_not_computed_is_named(folder, request_for):
    request = request_for(fasta=folder / "tiny.fa", subsequence_length=90)
    interrupt(request, 6)
    fewer = replace(request, resume=True, helixerpost=HelixerPostSettings(min_coding_length=5))
    with pytest.raises(InputError, match=r"cannot be resumed: rows not computed was 10, is 4\."):
        predict(fewer)


def test_another_backend_is_named(request_for, monkeypatch):
    request = request_for()
    interrupt(request, 6)
    found = predict_module.resume.versions()
    monkeypatch.setattr(predict_module.resume, "versions", lambda: found | {"backend": "other 1.0"})
    with pytest.raises(InputError, match=r"backend was \w+ [\d.]+, is other 1\.0"):
        predict(replace(request, resume=True))


def test_moved_files_are_the_same(folder, request_for, tmp_path):
    request = request_for()
    interrupt(request, 6)
    for name in ("data.h5", "model.h5"):
        shutil.copy(folder / name, tmp_path / name)
    moved = {"test_data": tmp_path / "data.h5", "load_model_path": tmp_path / "model.h5"}
    assert predict(replace(request, resume=True, **moved)).resumed_from == 6
    with h5py.File(request.output) as file:  # as the first start had them
        assert file.attrs["test_data_path"] == str(folder / "data.h5")
        assert file.attrs["helixer_ft_command_line"] == "the first"


def test_the_batch_size_is_kept_or_chosen(request_for):
    request = request_for()
    interrupt(request, 6)
    auto = replace(request, resume=True, val_test_batch_size=None)
    interrupt(auto, 2)
    told = Told()
    interrupt(replace(auto, val_test_batch_size=3), 2)
    outcome = predict(replace(auto, val_test_batch_size=3), told)
    assert (outcome.resumed_from, outcome.batch_size) == (10, 3)
    assert any(notice.startswith("3 windows at once, before it was 4") for notice in told.notices)
    told = Told()
    with pytest.raises(InputError, match="exists already"):
        predict(auto, told)
    request.output.unlink()
    interrupt(request, 6)
    assert predict(auto, told).batch_size == 4
    assert not any("windows at once" in notice for notice in told.notices)


def test_a_failure_keeps_the_rows_and_says_so(request_for, monkeypatch):
    request = request_for()
    append, told = Journal.append, Told()

    def full(self, parts):
        if self.records == 5:
            raise HelixerFtError("the disk is full")
        append(self, parts)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        with pytest.raises(HelixerFtError, match="the disk is full"):
            predict(request, told)
    assert told.notices[-1] == (
        f"5 of 14 rows are kept in {request.journal_path}: the same command with --resume "
        "continues from there"
    )
    assert predict(replace(request, resume=True)).resumed_from == 5


@pytest.mark.parametrize(("minutes", "syncs"), [(0, N_ROWS), (10, 0)])
def test_checkpoint_minutes_are_those_between_syncs(request_for, monkeypatch, minutes, syncs):
    calls = []
    monkeypatch.setattr(journal_module.os, "fsync", lambda number: calls.append(number))
    request = request_for(checkpoint_minutes=minutes)
    predict(request)
    # besides: the journal when it begins and when it is complete, the predictions file
    assert len(calls) == syncs + 3


@pytest.mark.parametrize("minutes", [-1, float("nan")])
def test_no_minutes(request_for, minutes):
    with pytest.raises(InputError, match=r"--checkpoint-minutes is .*, expected a number of at le"):
        request_for(checkpoint_minutes=minutes)
