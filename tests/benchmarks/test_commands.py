"""The parts of benchmarks/commands.py that need no Helixer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import commands

BENCHMARKS = Path(commands.__file__).parent


def python(code: str) -> commands.Command:
    return [sys.executable, "-c", code]


MEASURE = """
import sys, tempfile
from pathlib import Path
import commands
quick, slow = ([sys.executable, "-c", code] for code in sys.argv[1:])
# two commands one after another, in a folder that is empty at the start of each run
task = commands.Task("a task", [quick], [slow, slow])
with tempfile.TemporaryDirectory() as folder:
    print(*commands.measure(task, 2, Path(folder)), sep="|")
"""


def test_a_row_has_seconds_memory_and_their_ratios():
    quick = "import time; time.sleep(0.1); open('left', 'x')"
    slow = "import time; time.sleep(0.5); kept = b'x' * 300 * 2**20"
    # in a process of its own: what starts a command counts as its memory until it runs
    result = subprocess.run(
        [*python(MEASURE), quick, slow],
        cwd=BENCHMARKS,
        env=os.environ | {"PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        text=True,
        check=True,
    )
    name, ours, helixers, times, small, large, ratio = result.stdout.strip().split("|")
    assert name == "a task"
    assert 0.1 < float(ours) < float(helixers)
    assert float(helixers) > 1
    assert float(times.rstrip("×")) == pytest.approx(float(helixers) / float(ours), rel=0.1)
    assert float(large) > 300 > float(small)
    assert float(ratio) == pytest.approx(float(small) / float(large), abs=0.1)


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(tmp_path):
    with pytest.raises(SystemExit, match="ended with 3:\nno such thing"):
        commands.run(python("print('no such thing'); raise SystemExit(3)"), tmp_path)
