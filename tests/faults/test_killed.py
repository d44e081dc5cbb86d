"""kill -9 at any moment: nothing is half-written, and the next call comes to the same result."""

import random
import shutil

import pytest

from tests.faults.harness import (
    Whole,
    check_recovers,
    killed_at_event,
    killed_at_time,
    moments,
    uninterrupted,
)
from tests.faults.scenarios import SCENARIOS

KILLS = 6
"""Of each kind."""


QUICK = ("prepare", "add-coverage")
"""Commands without Keras, which takes several starts of it; `predict` is killed in
`tests/cli/test_predict_gff3.py` too.
"""


@pytest.fixture(
    scope="module",
    params=[
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SCENARIOS
    ],
)
def whole(request, tmp_path_factory) -> Whole:
    """The uninterrupted run of a command."""
    return uninterrupted(SCENARIOS[request.param], tmp_path_factory.mktemp(request.param))


def test_killed_while_it_works_with_files(whole: Whole):
    """Where there is most to lose: at the second half of what it does with files."""
    folder = whole.inputs.with_name("run")
    assert killed_at_event(whole, folder, max(1, whole.events * 3 // 4))
    check_recovers(whole, folder)


@pytest.mark.slow
def test_killed_at_any_use_of_a_file(whole: Whole):
    events = range(1, whole.events + 1)
    chosen = random.Random(1).sample(events, KILLS)
    for event in chosen:
        folder = whole.inputs.with_name(f"event_{event}")
        assert killed_at_event(whole, folder, event)
        check_recovers(whole, folder)


@pytest.mark.slow
def test_killed_at_any_time(whole: Whole):
    for number, share in enumerate(moments(2, KILLS)):
        folder = whole.inputs.with_name(f"moment_{number}")
        while not killed_at_time(whole, folder, share):  # this run was quicker
            assert share > 0.01, "it is never killed"
            check_recovers(whole, folder)
            shutil.rmtree(folder)
            share /= 2
        check_recovers(whole, folder)
