"""The parts of benchmarks/commands.py that need no Helixer."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import commands


def python(code: str) -> commands.Command:
    return [sys.executable, "-c", code]


def test_a_row_has_seconds_memory_and_their_ratios(tmp_path):
    quick = python("import time; time.sleep(0.1); open('left', 'x')")
    slow = python("import time; time.sleep(0.5); kept = b'x' * 300 * 2**20")
    # two commands one after another, in a folder that is empty at the start of each run
    row = commands.measure(commands.Task("a task", [quick], [slow, slow]), 2, tmp_path)
    name, ours, helixers, times, small, large, ratio = row
    assert name == "a task"
    assert 0.1 < float(ours) < 1 < float(helixers)
    assert float(times.rstrip("×")) == pytest.approx(float(helixers) / float(ours), rel=0.1)
    assert float(large) > 300 > float(small)
    assert float(ratio) == pytest.approx(float(small) / float(large), abs=0.1)


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(tmp_path):
    with pytest.raises(SystemExit, match="ended with 3:\nno such thing"):
        commands.run(python("print('no such thing'); raise SystemExit(3)"), tmp_path)
