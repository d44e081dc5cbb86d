"""Several processes share the predictions: the files of one process, to the byte.

Threads stand in for processes; tests/cli/test_pseudo_label_processes.py has real ones.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from conftest import tiny_model

from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference import predict as predict_module
from helixer_ft.progress import Progress
from helixer_ft.pseudo_labels import pseudo_label as module
from helixer_ft.pseudo_labels import teachers
from helixer_ft.pseudo_labels.outcome import PlannedLabels, PseudoLabels
from helixer_ft.pseudo_labels.pseudo_label import pseudo_label
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.runtime.processes import ProcessLostError
from tests.inference.together import build_networks_once, together
from tests.pseudo_labels.workplace import LENGTH, PseudoFolder, simulated

Result = PseudoLabels | PlannedLabels | None | Exception


class Stopping(Progress):
    """Interrupts after so many rows that a model predicts."""

    def __init__(self, model: str, rows: int) -> None:
        self.model, self.rows = model, rows
        self.predicting, self.done = "", 0

    def notice(self, text: str) -> None:
        if text.startswith("predicting with"):
            self.predicting = text

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps * self.predicting.endswith(self.model)

    def interrupted(self) -> bool:
        return self.done >= self.rows


@pytest.fixture(autouse=True)
def _networks_once(monkeypatch) -> None:
    """The same network is built and compiled once."""
    build_networks_once(monkeypatch)


@pytest.fixture
def place(tmp_path, monkeypatch) -> PseudoFolder:
    """Two models, whose predictions keep any gene."""
    place = PseudoFolder(tmp_path / "place", monkeypatch, genome=simulated(4, 10_000), network=True)
    write_model_file(place.folder / "second.h5", tiny_model(seed=5).to_file({}))
    return place


@pytest.fixture
def request_for(place) -> Callable[..., PseudoLabelRequest]:
    def make(**options) -> PseudoLabelRequest:
        given = {
            "load_model_paths": (place.model, place.folder / "second.h5"),
            "fasta": place.fasta,
            "out_dir": place.out,
            "subsequence_length": LENGTH,
            **{"keep": 1.0, "min_confidence": 0.0, "intergenic_confidence": 0.0, "min_genes": 1},
            **{"val_test_batch_size": 4, "command_line": "the command"},
        }
        return PseudoLabelRequest(**given | options)

    return make


def run(
    count: int, request: PseudoLabelRequest, progress=lambda _index: Progress()
) -> list[Result]:
    return together(
        count,
        lambda processes: pseudo_label(request, progress(processes.index), processes=processes),
    )


def written(count: int, request: PseudoLabelRequest) -> dict[str, bytes]:
    """What so many processes write; nothing else is left."""
    first, *others = run(count, request)
    assert isinstance(first, PseudoLabels), first
    assert others == [None] * (count - 1)
    found = {path.name: path.read_bytes() for path in request.out_dir.iterdir()}
    for path in request.out_dir.iterdir():
        path.unlink()
    return found


def stop(count: int, request: PseudoLabelRequest, model: str) -> None:
    """So many processes that are interrupted, each after some rows that a model predicts."""
    outcomes = run(count, request, lambda _index: Stopping(model, 3))
    assert all(isinstance(outcome, Interrupted) for outcome in outcomes), outcomes
    assert [path.name for path in request.out_dir.iterdir()] == ["predictions"]


@pytest.mark.parametrize("models", [1, 2])
def test_the_files_of_one_process(place, request_for, models):
    request = request_for()
    request = replace(request, load_model_paths=request.load_model_paths[:models])
    alone = written(1, request)
    assert {"training_data.h5", "validation_data.h5", "kept.gff3"} < set(alone)
    assert json.loads(alone["pseudo_label.json"])["genes"]["kept"] > 5
    for count in (2, 3):
        assert written(count, request) == alone


@pytest.mark.parametrize("counts", [(2, 1), (1, 2), (2, 3, 2)])
def test_another_number_of_processes_resumes(request_for, counts):
    """The first interruption is within the first model's predictions, the next within the
    second's, which alone are left then."""
    request = request_for()
    alone = written(1, request)
    for count, model in zip(counts[:-1], ("m.h5", "second.h5"), strict=False):
        stop(count, replace(request, resume=True), model)
    assert written(counts[-1], replace(request, resume=True)) == alone


def test_only_what_is_left_is_predicted(request_for, monkeypatch):
    """As the first process finds it: in every process."""
    request = request_for()
    stop(1, request, "second.h5")
    assert (request.predictions / "model1.h5").exists()
    seen = []

    def noted(one, progress, *, processes):
        seen.append((processes.index, one.prediction_output_path.name, one.resume))
        return predict_module.predict(one, progress, processes=processes)

    monkeypatch.setattr(teachers, "predict", noted)
    written(2, replace(request, resume=True))
    assert sorted(seen) == [(0, "model2.h5", True), (1, "model2.h5", True)]


def test_rows_of_other_processes_alone_are_resumed(request_for):
    """The first process had none when it was interrupted."""
    request = request_for()
    alone = written(1, request)
    stop(2, request, "m.h5")
    main = request.predictions / "model1.h5.journal"
    main.unlink()
    assert list(request.predictions.glob("model1.h5.journal.*"))
    assert written(2, replace(request, resume=True)) == alone


def test_processes_that_do_not_do_the_same(place, request_for):
    other = place.folder / "other" / "g.fa"
    other.parent.mkdir()
    other.write_text(place.fasta.read_text().replace("A", "C", 1))
    requests = [
        request_for(),
        request_for(
            load_model_paths=(place.model,), fasta=other, keep=0.5, min_cds=90, resume=True
        ),
    ]
    before = place.content()
    outcomes = together(
        2, lambda processes: pseudo_label(requests[processes.index], processes=processes)
    )
    for outcome in outcomes:
        assert isinstance(outcome, InputError)
        assert str(outcome) == (
            "differ in: --keep, --min-cds, --resume, genome (SHA-256), models (SHA-256)"
        )
    assert place.content() == before


def test_where_the_first_one_fails_all_end(request_for):
    request = request_for(min_genes=1000)
    failed, ended = run(2, request)
    assert "pass, expected at least 1,000" in str(failed)
    assert isinstance(ended, ProcessLostError)
    assert [path.name for path in request.out_dir.iterdir()] == ["predictions"]


def test_a_process_that_waits_passes_a_stop_on(request_for, monkeypatch):
    """The first one judges genes meanwhile."""
    judging = Event()

    def judge(*arguments):
        progress = arguments[-1]
        judging.set()
        ends = time.monotonic() + 60
        while not progress.interrupted():
            assert time.monotonic() < ends
            time.sleep(0.01)
        raise Interrupted("stopped")

    class Asked(Progress):
        def interrupted(self) -> bool:
            return judging.is_set()

    request = request_for()
    with monkeypatch.context() as patch:
        patch.setattr(module, "judge", judge)
        stopped, _ = run(2, request, lambda index: [Progress, Asked][index]())
    assert isinstance(stopped, Interrupted)
    assert "the predictions are kept" in str(stopped)
    written(2, replace(request, resume=True))


def test_a_dry_run(place, request_for):
    before = place.content()
    planned, other = run(2, request_for(dry_run=True))
    assert isinstance(planned, PlannedLabels)
    assert other is None
    assert [one.processes for one in planned.estimate.left] == [2, 2]
    assert place.content() == before
    paths: list[Path] = list(place.folder.rglob(".*"))
    assert paths == []
