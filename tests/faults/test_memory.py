"""A batch for which there is no memory: the message says how large a one there is memory for."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import tiny_model

from helixer_ft.cli import main
from helixer_ft.dataset.batch import Batch
from helixer_ft.engine import engine_class, forward_function
from helixer_ft.engine.base import Engine
from helixer_ft.inference import network
from helixer_ft.network.model import build_body
from helixer_ft.network.strategies import Whole
from helixer_ft.runtime import memory
from helixer_ft.runtime.memory import (
    MAX_SUGGESTION,
    MEMORY_SHARE,
    OutOfMemoryError,
    batch_in_memory,
    largest_batch,
    measured_bytes,
    room_for_batch,
)
from helixer_ft.runtime.resources import ProcessMemory

ERRORS = {
    "host": MemoryError(),
    "jax": RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."),
    "tensorflow": type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor"),
}


class Device(ProcessMemory):
    """A device as JAX shows it: its peak is that since the start, and cannot be reset."""

    is_host = False

    def __init__(self, limit: int, resident: int = 0) -> None:
        self.limit, self.resident, self.top = limit, resident, resident

    def in_use(self) -> int:
        return self.resident

    def available(self) -> int:
        return self.limit - self.resident

    def peak(self) -> int:
        return self.top

    def reset_peak(self) -> None:
        pass

    def run(self, taken: float) -> None:
        """A program that takes so much, or fails."""
        if self.resident + taken > self.limit:
            raise ERRORS["jax"]
        self.top = max(self.top, int(self.resident + taken))


def advised(device: Device, n: int, fixed: float, each: float) -> int:
    """The batch that is advised where `n` did not fit: each takes so much, and all so much more."""

    def bytes_of(size: int) -> float:
        return fixed + each * size

    advice: list[int] = []
    with (
        pytest.raises(OutOfMemoryError),
        batch_in_memory(
            n,
            lambda: largest_batch(bytes_of, room_for_batch(device), n, MAX_SUGGESTION),
            lambda size: (advice.append(size), "")[1],
        ),
    ):
        device.run(bytes_of(n))
    return advice[0]


GIB = 2**30
CARDS = {  # limit, what ran before, the batch that failed, bytes for all and for each
    "scored 32 at once before": (60, 32 * 0.149, 256, 0, 0.296),
    "scored 350 at once before": (60, 350 * 0.149, 256, 0, 0.296),
    "a small card": (18, 32 * 0.149, 64, 0, 0.296),
    "nothing before": (60, 0, 256, 0, 0.296),
    "trained with another size before": (60, 192 * 0.296, 256, 0, 0.296),
    "much that does not grow": (60, 0, 256, 20, 0.2),
}


@pytest.mark.parametrize("case", CARDS.values(), ids=CARDS)
def test_the_advice_is_what_fits_whatever_ran_before(case):
    limit, before, n, fixed, each = (value * GIB if value != case[2] else value for value in case)
    device = Device(int(limit), int(0.05 * GIB))
    device.run(before)
    size = advised(device, n, fixed, each)
    assert device.resident + fixed + size * each <= MEMORY_SHARE * limit
    truly = (MEMORY_SHARE * limit - device.resident - fixed) / each
    assert size == pytest.approx(truly, rel=0.03)


def test_what_takes_more_than_the_two_sizes_tell_is_made_smaller():
    """A program that is compiled for more subsequences may take more for each of them."""
    tried = []

    def bytes_of(n: int) -> float:
        tried.append(n)
        return 10 * n + (0.05 * n * n if n > 8 else 0)

    found = largest_batch(bytes_of, 1000, 8, 256)
    assert bytes_of(found) <= 1000 < 1.35 * bytes_of(found)
    assert len(tried) < 8


def test_too_many_to_be_compiled():
    """Where the compiler itself finds no memory for so many, fewer are asked for."""

    def bytes_of(n: int) -> float:
        return 10.0 * n if n <= 64 else float("inf")

    assert largest_batch(bytes_of, 500, 256, 256) == 50
    assert largest_batch(lambda n: float("inf"), 500, 256, 256) == 0


@pytest.mark.parametrize(
    ("start", "most", "expected"), [(256, 256, 80), (1, 256, 80), (60, 60, 60), (60, 70, 70)]
)
def test_the_largest_batch_from_any_start(start, most, expected):
    assert largest_batch(lambda n: 5 + 10 * n, 805, start, most) == expected


def tried(n: int, fits: int, told: int | None, error: Exception = ERRORS["jax"]) -> None:
    """A batch where only so many fit, and so many are told; raises what comes of it."""

    def step(size: int) -> None:
        if size > fits:
            raise error

    with batch_in_memory(n, lambda: told, lambda size: f"take {size}"):
        step(n)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_the_number_that_fits(error):
    tried(8, 8, 0)
    with pytest.raises(OutOfMemoryError, match=r"^out of memory with 8 .* About 6 would fit: tak"):
        tried(8, 5, 6, error)


@pytest.mark.parametrize("told", [None, 5, 9])
def test_never_as_many_as_did_not_fit(told):
    with pytest.raises(OutOfMemoryError, match=r"with 5 subseq.* Half as many may fit: take 2"):
        tried(5, 4, told)


@pytest.mark.parametrize(("n", "told"), [(8, 0), (1, 0), (1, None)])
def test_not_even_one(n, told):
    with pytest.raises(OutOfMemoryError, match="Not even one fits: give the job more memory"):
        tried(n, 0, told)


def test_a_peak_that_can_be_reset_is_measured():
    class Host(Device):
        def reset_peak(self) -> None:
            self.top = self.resident

    host = Host(1000, 200)
    host.run(700)  # before
    assert measured_bytes(host, lambda: host.run(100)) == 100
    assert measured_bytes(host, lambda: host.run(900)) == float("inf")
    with pytest.raises(ValueError, match="other"):
        measured_bytes(host, lambda: int("other"))


def test_memory_that_was_freed_before_hides_nothing(monkeypatch):
    """The C library keeps it, and a run that takes it up again would seem to take none."""

    class Host(Device):
        kept = 150

        def in_use(self) -> int:
            return super().in_use() + self.kept

        def reset_peak(self) -> None:
            self.top = self.resident

        def peak(self) -> int:
            return max(super().peak(), self.in_use())

    host = Host(1000, 200)
    assert measured_bytes(host, lambda: host.run(100)) == 0
    monkeypatch.setattr(memory, "give_back", lambda: setattr(host, "kept", 0))
    assert measured_bytes(host, lambda: host.run(100)) == 100


def test_other_errors_are_what_they_are():
    with pytest.raises(ValueError, match="other"):
        tried(8, 5, 4, ValueError("other"))


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
        "Error: out of memory with 6 subsequences at once. Half as many may fit: start again with "
        "--batch-size 3 --accumulate 4, which makes updates of 12 subsequences (now 12).",
    )
    assert not (tmp_path / "t.h5").exists()
    advised = run(command, "--batch-size", 3, "--accumulate", 4, "--force")
    assert advised.exit_code == 0, advised.output


def test_scoring(run, monkeypatch):
    fails_above(monkeypatch, Engine, "score", 4, ERRORS["tensorflow"])
    check(
        run("whole"),
        "out of memory with 8 subsequences at once. Half as many may fit: give "
        "--val-test-batch-size 4, which changes no result.",
    )
    assert run("whole", "--val-test-batch-size", 4, "--force").exit_code == 0


def tiny():
    """A Keras model, for the kind of function it is compiled to."""
    return build_body(tiny_model().architecture)


@pytest.mark.slow
def test_the_frozen_body(run, monkeypatch):
    fails_above(monkeypatch, type(forward_function(tiny())), "__call__", 6, ERRORS["jax"])
    found = run("freeze", "--val-test-batch-size", 12)
    check(found, "out of memory with 12 subsequences", "give --val-test-batch-size 6")
    assert run("freeze", "--val-test-batch-size", 6, "--force").exit_code == 0


# -- a device whose memory real programs would exceed --------------------------------------------

on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="XLA plans the memory")


def some(n: int) -> Batch:
    """Subsequences as those of the data."""
    return Batch(np.ones((n, 3, 90), np.uint8), np.zeros((256, 4), np.float32))


def planned(n: int, *, training: bool) -> float:
    """Bytes that the tiny network takes, by XLA's plan."""
    plan = Whole().plan(tiny_model())
    engine = engine_class()(plan.model.architecture, plan.model.weights, plan)
    return engine.step_bytes(some(1), n, training=training)


@pytest.fixture
def device(monkeypatch):
    """JAX as it is on a GPU of so many bytes: programs that would take more fail, sometimes only
    when their result is read.
    """
    from helixer_ft.engine import jax as module

    class Late:
        """A result that never comes."""

        def __float__(self) -> float:
            raise ERRORS["jax"]

    def make(limit: float, *, late: bool = False) -> Device:
        device = Device(int(limit))
        monkeypatch.setattr(module, "device_memory", lambda: device)
        for name in ("_gradients", "_score"):
            compute = getattr(module.JaxEngine, name)

            def run(self, batch, *n, compute=compute, training=name == "_gradients"):
                try:
                    device.run(self.step_bytes(batch, len(batch), training=training))
                except RuntimeError:
                    if late and training:
                        return Late(), None, []
                    raise
                return compute(self, batch, *n)

            monkeypatch.setattr(module.JaxEngine, name, run)
        return device

    return make


@on_jax
@pytest.mark.parametrize("late", [False, True])
def test_training_on_a_device(run, device, tmp_path, late):
    """Room for 2 or 3 of 6 subsequences; others were scored before, which took more."""
    limit = (planned(2, training=True) + planned(3, training=True)) / 2 / MEMORY_SHARE
    device(limit, late=late)
    check(
        run("whole", "--val-test-batch-size", 1),
        "Error: out of memory with 6 subsequences at once. About 2 would fit: start again with "
        "--batch-size 2 --accumulate 3, which makes updates of 6 subsequences (now 6).",
    )
    assert not (tmp_path / "t.h5").exists()
    assert run("whole", "--batch-size", 2, "--accumulate", 3, "--force").exit_code == 0


@on_jax
def test_scoring_on_a_device(run, device):
    limit = (planned(5, training=False) + planned(6, training=False)) / 2 / MEMORY_SHARE
    device(limit)
    found = run("whole", "--val-test-batch-size", 8)
    check(found, "About 5 would fit: give --val-test-batch-size 5, which changes no result")


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
    assert "no memory for so many windows at once: continuing with " in result.stderr

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
