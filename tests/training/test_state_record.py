"""A state is read as what it was written as, and anything else is refused."""

from dataclasses import dataclass

import numpy as np
import pytest

from helixer_ft.engine.values import Accumulated, EngineState
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.state_record import from_record, to_record

STATE = EngineState(
    {"trainable": [np.arange(6.0).reshape(2, 3), np.ones(4)], "fixed": []},
    [Accumulated(4, [np.zeros(2)]), Accumulated(2, [np.ones(2)])],
)


@dataclass(frozen=True)
class Some:
    name: str
    pair: tuple[float, float] | None
    steps: tuple[tuple[int, float], ...]


def test_arrays_lie_where_the_format_has_them():
    arrays: dict[str, np.ndarray] = {}
    record = to_record(EngineState, STATE, "trainings/0/engine", arrays)
    assert record == {
        "variables": {"trainable": 2, "fixed": 0},
        "accumulated": [
            {"subsequences": 4, "gradients": 1},
            {"subsequences": 2, "gradients": 1},
        ],
    }
    assert sorted(arrays) == [
        f"trainings/0/engine/{place}"
        for place in ("gradients/0/0", "gradients/1/0", "trainable/0", "trainable/1")
    ]
    found = from_record(EngineState, record, "trainings/0/engine", arrays)
    assert found.variables.keys() == STATE.variables.keys()
    assert np.array_equal(found.variables["trainable"][0], STATE.variables["trainable"][0])
    assert [n for n, _ in found.accumulated] == [4, 2]


def test_counts_leave_nothing_in_the_record():
    arrays: dict[str, np.ndarray] = {}
    score = DatasetScore(np.arange(64).reshape(2, 2, 4, 4), 0.25)
    assert to_record(DatasetScore, score, "baseline/test", arrays) == {"loss": 0.25}
    found = from_record(DatasetScore, {"loss": 0.25}, "baseline/test", arrays)
    assert np.array_equal(found.counts, score.counts)
    arrays["baseline/test/counts"] = score.counts[0]
    with pytest.raises(ValueError, match=r"baseline/test/counts is int64 of shape \(2, 4, 4\)"):
        from_record(DatasetScore, {"loss": 0.25}, "baseline/test", arrays)


@pytest.mark.parametrize("pair", [None, (0.5, -1.0)])
def test_plain_values(pair):
    some = Some("a", pair, ((4, 0.5), (3, 0.25)))
    record = to_record(Some, some, "", {})
    assert from_record(Some, record, "", {}) == some
    for name, wrong in (("name", 3), ("pair", [1.0, "b"]), ("steps", [[1, 2.0, 3]]), ("steps", 5)):
        with pytest.raises((TypeError, ValueError)):
            from_record(Some, record | {name: wrong}, "", {})
