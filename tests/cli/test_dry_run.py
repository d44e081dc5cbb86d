"""What a dry run says of memory and batch sizes."""

import pytest

from helixer_ft.cli.run_output import _batch_lines
from helixer_ft.runtime.batch_size import BatchAdvice
from helixer_ft.training.estimate import Estimate


def lines(batch_size: int | None, advice: BatchAdvice | None = None) -> list[str]:
    return list(_batch_lines(8, Estimate(1, 1, 1, 0, 10, 20, batch_size, 32, advice)))


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (8, "Batch size: 8 fits (up to 8 would)"),
        (256, "Batch size: 8 fits (256 or more would)"),
        (1024, "Batch size: 8 fits (1024 or more would)"),
        (3, "Batch size: 8 does not fit safely. Try --batch-size 3 --accumulate 3"),
        (0, "Batch size: not even one subsequence fits safely. Request more memory"),
        (None, "Batch size: TensorFlow does not report how much memory the GPU has (JAX does)"),
    ],
)
def test_whether_the_batch_fits(largest, said):
    assert lines(largest) == [said]


def test_what_to_try_on_a_gpu():
    _, said = lines(100, BatchAdvice(64, 8.5e-4))
    assert said == (
        "For this GPU: --batch-size 64 with --learning-rate 0.00085 takes about as long per step "
        "as 8 (rules of thumb: see docs/devices.md)"
    )
