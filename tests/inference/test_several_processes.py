"""Several processes predict one file: that of one process, to the bit."""

import itertools
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.errors import HelixerFtError, InputError, Interrupted
from helixer_ft.formats.journal import Journal
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference import predict as predict_module
from helixer_ft.inference.gff3 import HelixerPost
from helixer_ft.inference.parts import open_part, other_parts
from helixer_ft.inference.predict import predict
from helixer_ft.inference.request import PredictRequest
from helixer_ft.progress import Progress
from tests.data_files import write_data_file
from tests.inference.together import build_networks_once, together


class Stopping(Progress):
    """Interrupts after so many rows."""

    def __init__(self, rows: int) -> None:
        self.rows, self.done = rows, 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps

    def interrupted(self) -> bool:
        return self.done >= self.rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    write_model_file(folder / "model.h5", tiny_model().to_file({}))
    parts = [random_rows(5), random_rows(2, seed=1, seqid="chr2")]
    names = ("X", "seqids", "species", "start_ends")
    write_data_file(
        folder / "data.h5",
        {name: np.concatenate([part[name] for part in parts]) for name in names},
    )
    letters = "".join("CATG"[base] for base in np.random.default_rng(0).integers(0, 4, 1000))
    (folder / "genome.fa").write_text(
        f">a\n{letters[:630]}\n>t\nACGT\n>b\n{letters[630:860]}\n>u\nA\n>c\n{letters[860:]}\n"
    )
    return folder


@pytest.fixture(autouse=True)
def _one_network(monkeypatch) -> None:
    """The same network is built and compiled once."""
    build_networks_once(monkeypatch)


@pytest.fixture
def request_for(folder, tmp_path):
    def make(**options) -> PredictRequest:
        given = {"val_test_batch_size": 4, "command_line": "the command", **options}
        if "fasta" in given:
            given["fasta"] = folder / given["fasta"]
        else:
            given.setdefault("test_data", folder / "data.h5")
        return PredictRequest(folder / "model.h5", tmp_path / "out.h5", **given)

    return make


def content(path: Path) -> dict:
    """Everything but the time."""
    with h5py.File(path) as file:
        attributes = {key: value for key, value in file.attrs.items() if key != "timestamp"}
        return attributes | {name: dataset[()].tobytes() for name, dataset in file.items()}


def written(request: PredictRequest, count: int) -> dict:
    """What so many processes write; nothing else is left."""
    outcomes = together(count, lambda processes: predict(request, processes=processes))
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    assert [path.name for path in request.output.parent.iterdir()] == ["out.h5"]
    found = content(request.output)
    request.output.unlink()
    return found


OPTIONS = {
    "overlap": {},
    "uneven": {"overlap_offset": 30, "core_length": 80, "val_test_batch_size": 5},
    "no overlap": {"overlap": False},
    "genome": {"fasta": "genome.fa", "subsequence_length": 90},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_file_of_one_process(request_for, name):
    """20 processes are more than there are windows in batches, and more than rows."""
    request = request_for(**OPTIONS[name])
    alone = written(request, 1)
    for count in (2, 3, 20):
        assert written(request, count) == alone


def test_each_has_its_share_of_the_windows(request_for, monkeypatch):
    request = request_for(val_test_batch_size=1)
    seen = {}
    real = predict_module.predicted_rows

    def counted(source, overlap, run, *rows):
        def counting(batch):
            seen[rows[1]] = seen.get(rows[1], 0) + len(batch)
            return run(batch)

        return real(source, overlap, counting, *rows)

    monkeypatch.setattr(predict_module, "predicted_rows", counted)
    together(2, lambda processes: predict(request, processes=processes))
    assert len(seen) == 2
    assert sum(seen.values()) == 24 + 1  # 9 + 9 + 3 + 3, and the one at the seam twice
    assert max(seen.values()) <= 13


def stop(request: PredictRequest, *rows: int) -> None:
    """Processes that are interrupted after so many rows."""
    outcomes = together(
        len(rows),
        lambda processes: predict(request, Stopping(rows[processes.index]), processes=processes),
    )
    assert all(isinstance(outcome, Interrupted) for outcome in outcomes), outcomes
    assert not request.output.exists()


@pytest.mark.parametrize("name", ["overlap", "genome"])
@pytest.mark.parametrize("counts", [(2, 1), (1, 2), (2, 3, 2)])
def test_another_number_of_processes_resumes(request_for, name, counts):
    request = request_for(**OPTIONS[name])
    alone = written(request, 1)
    for number, count in enumerate(counts[:-1]):
        again = replace(request, resume=number > 0)
        stop(again, *[1 + (index + number) % 2 for index in range(count)])
    assert written(replace(request, resume=True, command_line="again"), counts[-1]) == alone


def test_one_that_is_told_to_stop_stops_all(request_for):
    request = request_for(val_test_batch_size=1)
    stop(request, 99, 1)
    kept = {0: Journal(request.journal_path, request.output)}
    kept |= {first: open_part(request, first) for first in other_parts(request)}
    assert len(kept) == 2
    assert all(journal.records for journal in kept.values())
    assert sum(journal.records for journal in kept.values()) < 14
    for journal in kept.values():
        journal.__exit__()


def test_a_process_that_waits_for_gene_models_stops_them(request_for, tmp_path, monkeypatch):
    """The first one makes them, and is asked by the other one to stop."""
    making = threading.Event()

    def make(_post, _data, _predictions, _out, _settings, _scratch, progress, **_):
        making.set()
        ends = time.monotonic() + 60
        while not progress.interrupted():
            assert time.monotonic() < ends
            time.sleep(0.01)
        raise Interrupted("the gene models are not made yet.")

    class Asked(Progress):
        def interrupted(self) -> bool:
            return making.is_set()

    monkeypatch.setattr(predict_module, "write_genes_in_groups", make)
    monkeypatch.setattr(predict_module, "find_helixerpost", lambda: HelixerPost("post", ("post",)))
    request = request_for(fasta="genome.fa", subsequence_length=90, gff3_out=tmp_path / "g.gff3")
    outcomes = together(
        2,
        lambda processes: predict(
            request, [Progress, Asked][processes.index](), processes=processes
        ),
    )
    assert str(outcomes[0]) == "the gene models are not made yet."
    assert not request.gff3_out.exists()


def test_what_several_processes_left_is_not_overwritten_in_silence(request_for):
    request = request_for()
    stop(request, 2, 2)
    with pytest.raises(InputError, match=r"an interrupted prediction left \d rows"):
        predict(request)
    assert len(other_parts(request)) == 1
    predict(replace(request, force=True))
    assert [path.name for path in request.output.parent.iterdir()] == ["out.h5"]


def test_processes_that_do_not_do_the_same(request_for, folder):
    requests = [
        request_for(),
        request_for(precision="mixed_bfloat16", overlap_offset=30, core_length=80),
    ]
    outcomes = together(
        2, lambda processes: predict(requests[processes.index], processes=processes)
    )
    assert str(outcomes[0]) == "differ in: --precision, core length, overlap offset"
    assert not any(folder.glob("out*"))
    assert list(requests[0].output.parent.iterdir()) == []


@pytest.mark.parametrize("victim", [0, 1])
def test_a_full_disk_in_one_of_them(request_for, monkeypatch, victim):
    """The others end too; what they wrote is there to be resumed from."""
    request = request_for(val_test_batch_size=1)
    alone = written(request, 1)
    append = Journal.append

    def failing(journal, parts):
        if (journal.path == request.journal_path) == (victim == 0) and journal.records == 2:
            raise HelixerFtError(f"{request.output}: could not be written (no space left).")
        append(journal, parts)

    monkeypatch.setattr(Journal, "append", failing)
    outcomes = together(2, lambda processes: predict(request, processes=processes))
    assert "no space left" in str(outcomes[victim])
    assert not request.output.exists()
    monkeypatch.undo()
    assert written(replace(request, resume=True), 3) == alone


def test_journals_that_do_not_fit_together(request_for):
    request = request_for()
    stop(request, 3)
    path = request.journal_path  # has rows 0 to 2, its copy rows 1 to 3
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    with pytest.raises(InputError, match="do not fit together"):
        predict(replace(request, resume=True))


def test_a_journal_that_vanishes(request_for, monkeypatch):
    """Say because the machines do not see the same folder."""
    request = request_for()
    write = predict_module._Job.write

    def without(job, output, parts):
        for path in other_parts(request).values():
            path.unlink()
        write(job, output, parts)

    monkeypatch.setattr(predict_module._Job, "write", without)
    outcomes = together(2, lambda processes: predict(request, processes=processes))
    assert "all must see the same folder" in str(outcomes[0])
    assert not request.output.exists()


def test_files_beside_that_are_no_journals_stay(request_for):
    request = request_for()
    names = ["out.h5.journal.old", "out.h5.journal.0", "out.h5.journal.²"]
    for name in names:
        request.output.with_name(name).write_text("mine")
    predict(request)
    assert sorted(path.name for path in request.output.parent.iterdir()) == sorted(
        [*names, "out.h5"]
    )
    odd = request.output.with_name("out.h5.journal.7")
    odd.write_text("mine")
    with pytest.raises(InputError, match="is not a journal of helixer-ft"):
        predict(replace(request, force=True))
    assert odd.read_text() == "mine"


def test_shares_of_every_size(request_for, monkeypatch):
    """Wherever the seams are."""
    request = request_for(val_test_batch_size=3)
    alone = written(request, 1)
    for seams in itertools.combinations(range(1, 14, 3), 2):
        spans = [[(0, seams[0])], [seams], [(seams[1], 14)]]
        monkeypatch.setattr(predict_module, "shares_of", lambda *_, spans=spans: spans)
        assert written(request, 3) == alone
