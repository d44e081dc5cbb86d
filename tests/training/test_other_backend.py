"""The tests of losses, gradient steps, Helixer's figures and interrupted runs on the other backend.

Of kept features only the runs of one strategy: the rest is the same on both. Whole runs on both
backends are compared in tests/cli/test_startup.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_engine_and_oracles_on_the_other_backend():
    other = {"jax": "tensorflow", "tensorflow": "jax"}[keras.backend.backend()]
    if other == "jax":
        pytest.importorskip("jax")
    files = [HERE.parent / "engine" / f"test_{name}.py" for name in ("loss", "engine")]
    files += [HERE / f"test_{name}.py" for name in ("oracles", "resuming")]
    files.append(HERE / "test_features.py::test_results_do_not_depend_on_the_cache[hidden layer]")
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n",
            "0",
            *map(str, files),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"HELIXER_FT_TEST_BACKEND": other},
        cwd=HERE.parents[1],
    )
    assert result.returncode == 0, result.stdout[-5000:]
    assert " passed" in result.stdout
