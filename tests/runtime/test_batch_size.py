"""Which larger batch is advised, and with which learning rate."""

import pytest

from helixer_ft.runtime.batch_size import BatchAdvice, batch_advice


@pytest.mark.parametrize(
    ("fits", "given", "expected"),
    [
        (200, {}, (64, 8.5e-4)),  # sqrt(64 / 8) times the rate of 8
        (63, {}, (32, 6e-4)),
        (15, {}, None),
        (0, {}, None),
        (1000, {"devices": 4}, (256, 1.7e-3)),  # 64 on each
        (100, {"devices": 3}, (96, 1e-3)),  # 32 on each
        (2, {"devices": 4}, None),
        (200, {"batch_size": 32}, (64, 4.2e-4)),
        (200, {"batch_size": 64}, None),
        (200, {"windows": 700}, (32, 6e-4)),  # 16 updates in an epoch are left
        (200, {"windows": 100}, None),
        (200, {"learning_rate": 1e-4}, (64, 2.8e-4)),
    ],
)
def test_the_largest_batch_that_costs_no_time(fits, given, expected):
    found = batch_advice(fits, **{"batch_size": 8, "learning_rate": 3e-4} | given)
    assert found == (expected and BatchAdvice(*expected))
