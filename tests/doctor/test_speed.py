"""What `doctor` says of memory where there is too little of it."""

import math
from types import SimpleNamespace

import pytest

from helixer_ft.doctor import speed


@pytest.mark.parametrize("least", [1, 2])
def test_no_memory_for_two_windows_is_no_window(least):
    """A device whose memory others hold: that is a finding, and no error."""
    engine = SimpleNamespace(
        memory=SimpleNamespace(in_use=lambda: 7, available=lambda: 3),
        devices=1,
        step_bytes=lambda batch, n, training: math.inf if n >= least else 100.0,
    )
    assert speed._memory(engine, 900) == (10, None, 0)
