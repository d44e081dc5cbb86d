"""What is said of strategies, better or not."""

from pathlib import Path

import pytest

from helixer_ft.demo.outcome import DemoOutcome, Scored, StrategyRow
from helixer_ft.demo.request import DemoRequest
from helixer_ft.errors import InputError
from helixer_ft.metrics import Interval
from helixer_ft.network.strategies import Whole
from helixer_ft.report import SummaryRow
from helixer_ft.training.request import FineTuneRequest


def row(strategy: str, low: float, high: float, errors: float, blocks: int = 40) -> StrategyRow:
    interval = Interval((low + high) / 2, low, high, blocks)
    scores = SummaryRow(strategy, "test", 0.4, 0.5, interval, 0.3, errors, 10, 100, 1.0)
    request = FineTuneRequest(Whole(), Path("a.h5"), Path("data"), Path("b.h5"))
    return StrategyRow(request, scores, 0.5, ())


def outcome(*rows: StrategyRow) -> DemoOutcome:
    home = Scored(0.9, 0.1)
    return DemoOutcome(DemoRequest(), (), home, Scored(0.4, 0.3), rows, None, 1.0, {})


def test_strategies_that_are_not_better_are_named():
    first, second = outcome(
        row("one", -0.2, -0.1, 0.4),
        row("two", -0.1, 0.1, 0.29),
        row("three", 0.1, 0.2, 0.25),
        row("four", 0.1, 0.2, 0.2, blocks=19),
    ).conclusions()
    assert first == (
        "Better than the untouched model: 1 of 4 strategies (one: not better; two: cannot tell; "
        "four: cannot tell)."
    )
    assert second == "Fewest errors on held-out sequences: four, wrong bases 30.0% -> 20.0%."


def test_where_all_are_better_no_other_is_named():
    first, _ = outcome(row("one", 0.1, 0.2, 0.1), row("two", 0.1, 0.2, 0.2)).conclusions()
    assert first == "Better than the untouched model: 2 of 2 strategies."


def test_error_ratio():
    assert row("one", 0.1, 0.2, 0.1).error_ratio == pytest.approx(3)
    assert row("one", 0.1, 0.2, 0.0).error_ratio == float("inf")


def test_seed_is_not_negative():
    with pytest.raises(InputError, match="--seed is -1"):
        DemoRequest(seed=-1)
