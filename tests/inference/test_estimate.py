"""What a dry run of `predict` says."""

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.errors import InputError, Interrupted
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.inference import estimate as module
from helixer_ft.inference.estimate import plan_prediction
from helixer_ft.inference.predict import predict
from helixer_ft.inference.request import PredictRequest
from helixer_ft.progress import Progress
from tests.data_files import write_data_file
from tests.inference.together import together


@pytest.fixture(autouse=True)
def network(monkeypatch) -> list[int]:
    """Windows take 2 ms each, and their number is kept; uniform noise is what they give."""
    seen: list[int] = []

    def build(*_):
        values = np.random.default_rng(0).dirichlet([1] * 4, (1, 2, 90)).astype(np.float32)

        def run(batch):
            seen.append(len(batch))
            time.sleep(0.002 * len(batch))
            return np.repeat(values, len(batch), axis=0)

        return run

    monkeypatch.setattr(module, "prediction_function", build)
    monkeypatch.setattr("helixer_ft.inference.predict.prediction_function", build)
    return seen


@pytest.fixture
def request_for(tmp_path):
    """300 rows, 598 windows; a genome of 260 + 2 rows, the last two of which are not computed."""
    write_model_file(tmp_path / "model.h5", tiny_model().to_file({}))
    write_data_file(tmp_path / "data.h5", random_rows(150))
    letters = "".join("CATG"[base] for base in np.random.default_rng(0).integers(0, 4, 130 * 90))
    (tmp_path / "genome.fa").write_text(f">a\n{letters}\n>t\nACGT\n")

    def make(**options) -> PredictRequest:
        given = {"val_test_batch_size": 4, **options}
        if "fasta" not in given:
            given["test_data"] = tmp_path / "data.h5"
        return PredictRequest(tmp_path / "model.h5", tmp_path / "out.h5", **given)

    return make


def test_what_it_takes(request_for, network):
    request = request_for()
    before = sorted(request.output.parent.iterdir())
    found = plan_prediction(request).estimate
    assert sorted(request.output.parent.iterdir()) == before
    assert (found.rows, found.windows, found.batch_size) == (300, 598, 2)
    assert sum(network) < 40
    assert found.window_seconds > 0.002
    assert found.seconds == pytest.approx(598 * found.window_seconds)
    assert 0 < found.memory < found.memory_limit
    assert found.disk == 2 * found.predictions_bytes < found.disk_free
    predict(request)
    assert found.predictions_bytes == pytest.approx(request.output.stat().st_size, rel=0.3)


def test_several_processes_share_the_time(request_for):
    request = request_for()
    planned = together(2, lambda processes: plan_prediction(request, processes=processes))
    for one in planned:
        found = one.estimate
        assert found.processes == 2
        assert found.seconds == pytest.approx(598 * found.window_seconds / 2)


def test_a_genome_takes_disk_of_its_own(request_for, tmp_path, monkeypatch):
    """Its bases, and what HelixerPost reads."""
    monkeypatch.setattr(module, "find_helixerpost", lambda: None)
    genome = {"fasta": tmp_path / "genome.fa", "subsequence_length": 90}
    found = plan_prediction(request_for(**genome)).estimate
    assert (found.rows, found.windows) == (262, 2 * 259)
    assert found.disk == 2 * found.predictions_bytes + 130 * 90 + 4
    more = plan_prediction(request_for(**genome, gff3_out=tmp_path / "g.gff3")).estimate
    assert more.disk == more.predictions_bytes * 2 + 130 * 90 + 4 + int(0.4 * 262 * 90)


def test_what_is_left_of_an_interrupted_run(request_for):
    class Stopping(Progress):
        done = 0

        def advance(self, steps: int = 1, note: str = "") -> None:
            self.done += steps

        def interrupted(self) -> bool:
            return self.done == 199

    request = request_for()
    with pytest.raises(Interrupted):
        predict(request, Stopping())
    with pytest.raises(InputError, match="an interrupted prediction left 200 rows"):
        plan_prediction(request)
    planned = plan_prediction(replace(request, resume=True))
    assert planned.resumed_from == 200
    assert planned.estimate.rows == 100
    assert planned.estimate.windows == pytest.approx(200, abs=2)
    size = planned.estimate.predictions_bytes  # of 300 rows; of 200 the journal is there
    assert planned.estimate.disk == pytest.approx(size + size // 3, abs=1)
    assert predict(replace(request, resume=True)).resumed_from == 200


def test_where_nothing_is_computed(request_for, tmp_path):
    (tmp_path / "tiny.fa").write_text(">a\nACGT\n")
    found = plan_prediction(request_for(fasta=tmp_path / "tiny.fa", subsequence_length=90)).estimate
    assert (found.rows, found.windows, found.seconds, found.predictions_bytes) == (2, 0, 0, 0)


def test_every_key_is_documented(request_for):
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text()
    text = page.split("## `predict --dry-run --json`")[1].split("\n## ")[0]
    found = plan_prediction(request_for()).to_dict()
    keys = [*found, *found["estimate"]]
    assert set(keys) <= set(re.findall(r"`(\w+)`", text))
