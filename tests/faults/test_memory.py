"""A batch for which there is no memory: the message says how large a one there is memory for."""

import numpy as np
import pytest
from click.testing import CliRunner, Result

from helixer_ft import engine as engines
from helixer_ft.cli import main
from helixer_ft.dataset.batch import Batch
from helixer_ft.engine.base import Engine
from helixer_ft.inference import network
from helixer_ft.runtime.memory import OutOfMemoryError, batch_in_memory
from helixer_ft.runtime.resources import ProcessMemory

ERRORS = {
    "host": MemoryError(),
    "jax": RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."),
    "tensorflow": type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor"),
}


class Device(ProcessMemory):
    """A device with 1000 bytes, of which `resident` are taken, and each subsequence takes 100."""

    def __init__(self, resident: int = 200) -> None:
        self.resident = resident

    def in_use(self) -> int:
        return self.resident

    def available(self) -> int:
        return 1000 - self.resident

    def peak(self) -> int:
        return self.resident + 100

    def reset_peak(self) -> None:
        pass


def tried(n: int, fits: int, error: Exception = ERRORS["jax"], resident: int = 200) -> list[int]:
    """What is tried of a batch where only so many fit; raises what comes of it."""
    sizes = []

    def step(size: int) -> None:
        sizes.append(size)
        if size > fits:
            raise error

    with batch_in_memory(Device(resident), n, lambda: step(1), lambda size: f"take {size}"):
        step(n)
    return sizes


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_the_number_that_fits(error):
    assert tried(8, 8) == [8]
    with pytest.raises(OutOfMemoryError, match=r"^out of memory with 8 .* About 6 would fit: tak"):
        tried(8, 5, error)


def test_never_as_many_as_did_not_fit():
    with pytest.raises(OutOfMemoryError, match=r"with 5 subsequences .* About 2 would fit: take 2"):
        tried(5, 4)


@pytest.mark.parametrize(("n", "fits", "resident"), [(8, 0, 200), (1, 0, 200), (8, 5, 790)])
def test_not_even_one(n, fits, resident):
    with pytest.raises(OutOfMemoryError, match="Not even one fits: give the job more memory"):
        tried(n, fits, resident=resident)


def test_other_errors_are_what_they_are():
    with pytest.raises(ValueError, match="other"):
        tried(8, 5, ValueError("other"))


# -- the commands ------------------------------------------------------------------------------


@pytest.fixture
def run(model_path, data_dir, test_path, tmp_path):
    def call(command: str, *options: object) -> Result:
        given = {
            "evaluate": ["-t", test_path],
            "predict": ["-t", test_path, "-p", tmp_path / "out.h5"],
        }.get(command, ["-d", data_dir, "-s", tmp_path / "t.h5", "-e", 1, "-b", 6])
        arguments = [command, "-l", model_path, *given, *options]
        return CliRunner().invoke(main, list(map(str, arguments)))

    return call


def fails_above(monkeypatch, kind: type, name: str, fits: int, error: Exception) -> None:
    """Let a method that takes a batch fail where that is larger."""
    compute = getattr(kind, name)

    def method(self, batch: Batch, *arguments):
        if len(batch) > fits:
            raise error
        return compute(self, batch, *arguments)

    monkeypatch.setattr(kind, name, method)


def check(result: Result, *parts: str) -> None:
    assert result.exit_code == 1, result.output
    for part in parts:
        assert part in result.stderr
    assert "Traceback" not in result.stderr
    assert "Verdict" not in result.stdout


@pytest.mark.parametrize("command", ["whole", pytest.param("freeze", marks=pytest.mark.slow)])
def test_training(run, monkeypatch, tmp_path, command):
    fails_above(monkeypatch, Engine, "add_gradients", 3, ERRORS["jax"])
    check(
        run(command, "--accumulate", 2),
        "Error: out of memory with 6 subsequences at once. About 3 would fit: start anew with "
        "--batch-size 3 --accumulate 4, which makes updates of 12 subsequences (now 12).",
    )
    assert not (tmp_path / "t.h5").exists()
    advised = run(command, "--batch-size", 3, "--accumulate", 4, "--force")
    assert advised.exit_code == 0, advised.output


def test_scoring(run, monkeypatch):
    fails_above(monkeypatch, Engine, "score", 4, ERRORS["tensorflow"])
    check(
        run("whole"),
        "out of memory with 8 subsequences at once. About 4 would fit: give --val-test-batch-size "
        "4, which changes no result.",
    )
    assert run("whole", "--val-test-batch-size", 4, "--force").exit_code == 0


@pytest.mark.slow
def test_the_frozen_body(run, monkeypatch):
    from helixer_ft.training import features

    compiled = engines.forward_function

    def small(model, *devices):
        forward = compiled(model, *devices)

        def run_body(batch: Batch) -> np.ndarray:
            if len(batch) > 6:
                raise ERRORS["jax"]
            return forward(batch)

        return run_body

    monkeypatch.setattr(features, "forward_function", small)
    check(run("freeze"), "out of memory with 12 subsequences", "give --val-test-batch-size 6")
    assert run("freeze", "--val-test-batch-size", 6, "--force").exit_code == 0


@pytest.mark.parametrize("command", ["predict", pytest.param("evaluate", marks=pytest.mark.slow)])
def test_predicting_goes_on_with_fewer(run, monkeypatch, command):
    whole = network.BatchedPrediction._part

    def small(self, batch: Batch) -> np.ndarray:
        if self.batch_size > 3:
            raise ERRORS["jax"]
        return whole(self, batch)

    monkeypatch.setattr(network.BatchedPrediction, "_part", small)
    result = run(command, "--val-test-batch-size", 8)
    assert result.exit_code == 0, result.output
    assert "no memory for so many windows at once: going on with " in result.stderr

    def never(self, batch: Batch) -> np.ndarray:
        raise ERRORS["jax"]

    monkeypatch.setattr(network.BatchedPrediction, "_part", never)
    options = ["--force"] if command == "predict" else []
    check(run(command, "--val-test-batch-size", 8, *options), "out of memory with one window of 90")


def test_anywhere_else_there_is_advice_too(run, monkeypatch):
    from helixer_ft.training import fine_tune

    def fail(*_arguments) -> None:
        raise MemoryError

    monkeypatch.setattr(fine_tune, "_start", fail)
    check(run("whole"), "out of memory. Try a smaller --batch-size (with --accumulate")
