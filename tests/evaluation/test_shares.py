"""Several processes score a share of the rows each: all get the scores of one, every number."""

import json

import numpy as np
import pytest
from conftest import random_rows, tiny_model

from helixer_ft.evaluation import scoring
from helixer_ft.evaluation.calibration import calibration_sums
from helixer_ft.evaluation.evaluate import evaluate
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.formats.model_h5 import write_model_file
from tests.data_files import write_data_file
from tests.inference.together import together

pytestmark = pytest.mark.usefixtures("compiled_once")


@pytest.fixture
def request_for(tmp_path):
    """Two models on two files, one of two species."""
    for seed in (1, 2):
        write_model_file(tmp_path / f"{seed}.h5", tiny_model(seed=seed).to_file({}))
    parts = [random_rows(5, seed=1), random_rows(4, seed=2, seqid="chr2")]
    parts[1]["species"][:] = b"other"
    write_data_file(
        tmp_path / "a.h5", {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    )
    write_data_file(tmp_path / "b.h5", random_rows(2, seed=3, seqid="chr3"))

    def make(**options) -> EvaluateRequest:
        return EvaluateRequest(
            (tmp_path / "1.h5", tmp_path / "2.h5"),
            (tmp_path / "a.h5", tmp_path / "b.h5"),
            **{"val_test_batch_size": 4, **options},
        )

    return make


def numbers(request: EvaluateRequest, count: int) -> list[str]:
    """All that each of the processes would print."""
    outcomes = together(count, lambda processes: evaluate(request, processes=processes))
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    found = [outcome.to_dict() for outcome in outcomes]
    for values in found:
        values.pop("seconds")
    return [json.dumps(values) for values in found]


@pytest.mark.parametrize(("overlap", "count"), [(False, 2), (True, 2), (True, 3), (False, 9)])
def test_every_number_of_one_process(request_for, overlap, count):
    request = request_for(overlap=overlap)
    (alone,) = numbers(request, 1)
    assert numbers(request, count) == [alone] * count


def test_each_scores_its_share(request_for, monkeypatch):
    request, rows = request_for(), []
    real = scoring._scored_rows

    def counted(*arguments):
        for scored in real(*arguments):
            rows.append(tuple(arguments[2]))
            yield scored

    monkeypatch.setattr(scoring, "_scored_rows", counted)
    numbers(request, 2)
    sizes = {share: rows.count(share) for share in rows}
    assert sorted(sizes.values()) == [20, 24]  # of 22 rows by two models; batches are not cut
    assert set(sizes) == {((0, 10), (0, 0)), ((10, 18), (0, 4))}


def test_processes_that_do_not_do_the_same(request_for):
    requests = [request_for(), request_for(seed=1, overlap=True)]
    outcomes = together(
        2, lambda processes: evaluate(requests[processes.index], processes=processes)
    )
    assert [str(outcome) for outcome in outcomes] == ["differ in: --overlap, --seed"] * 2


def test_calibration_adds_up_in_any_order():
    """Sums of probabilities, which in float64 depend on the order."""
    generator = np.random.default_rng(0)
    rows = [
        calibration_sums(
            generator.dirichlet([1] * 4, 900).astype(np.float32), generator.integers(0, 4, 900)
        )
        for _ in range(50)
    ]
    backwards = sum(reversed(rows))
    assert np.array_equal(sum(rows), backwards)
    assert np.array_equal(sum(rows[:20]) + sum(rows[20:]), backwards)
