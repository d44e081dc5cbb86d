"""The parts of a batch that devices compute, and what they come to together.

The arithmetic is compared in a process of its own, which is told to have two devices.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import random_rows

from helixer_ft.dataset.batch import Batch
from helixer_ft.dataset.dataset import open_dataset
from tests.data_files import write_data_file

jax = pytest.importorskip("jax")

from helixer_ft.engine.shards import Shards  # noqa: E402 - needs JAX

HERE = Path(__file__)
ROOT = HERE.parents[2]


class Device:
    """One of another process, as a mesh sees it."""

    def __init__(self, process: int) -> None:
        self.process_index = process
        self.id = process


@pytest.fixture
def shards_of(monkeypatch):
    """The devices of three processes (one, two and one), as each of them sees them."""
    from helixer_ft.engine import shards as module

    monkeypatch.setattr(module, "Mesh", lambda devices, axes: None)
    monkeypatch.setattr(module, "NamedSharding", lambda mesh, spec: spec)

    def make(process: int) -> Shards:
        monkeypatch.setattr(jax, "process_index", lambda: process)
        return Shards([Device(number) for number in (0, 1, 1, 2)])

    return make


def batch_of_numbers(n: int) -> Batch:
    """Each row holds its number, from 1."""
    numbers = np.arange(1, n + 1, dtype=np.uint8)
    return Batch(np.broadcast_to(numbers[:, None, None], (n, 3, 9)).copy(), np.zeros((256, 4)))


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [
        (8, 8, [[1, 2], [3, 4, 5, 6], [7, 8]]),
        (6, 6, [[1, 2], [3, 4, 5, 6], [0, 0]]),
        (3, 8, [[1, 2], [3, 0, 0, 0], [0, 0]]),
        (1, 1, [[1], [0, 0], [0]]),
    ],
)
@pytest.mark.parametrize("reads_part", [False, True])
def test_every_process_has_its_part(shards_of, n, size, expected, reads_part):
    whole = batch_of_numbers(n)
    asked: list[int] = []

    def read(indices: np.ndarray) -> Batch:
        asked.extend(indices.tolist())
        return Batch(whole.rows[indices], whole.base_table)

    for process, rows in enumerate(expected):
        shards = shards_of(process)
        batch = shards.reading(read, size)(np.arange(n)) if reads_part else whole
        part = shards.part(batch, size)
        assert part.rows[:, 0, 0].tolist() == rows
        assert part.n == n
    if reads_part:  # each subsequence once, but for a process that has none and looks at the first
        empty = sum(not any(rows) for rows in expected)
        assert sorted(asked) == sorted([*range(n), *[0] * empty])


def test_one_process_reads_everything(shards_of, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 0)
    shards = Shards([Device(0), Device(0)])
    assert shards.reading(read := object(), 5) is read


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_two_devices_compute_what_one_does(tmp_path, platform):
    """Loss, gradients, batch-norm statistics and scores of a batch that is not divisible; with the
    recurrence for either kind of device.
    """
    write_data_file(tmp_path / "rows.h5", random_rows(4, seed=8))
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, HERE, tmp_path / "rows.h5", platform],
        env=environment
        | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "HELIXER_FT_TEST_BACKEND": "jax",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    differences = json.loads(done.stdout)
    assert differences.pop("devices") == [1, 2]
    assert max(differences.values()) < 1e-4, differences


def compare(path: Path, platform: str) -> dict[str, object]:
    """Largest differences between one device and two, relative to the largest value."""
    from conftest import tiny_model

    from helixer_ft.engine.jax import JaxEngine
    from helixer_ft.network import lstm_jax
    from tests.plans import plan_whole

    recurrence = lstm_jax.recurrence_for(platform)
    lstm_jax.recurrence_for = lambda _: recurrence
    plan = plan_whole(tiny_model(dropout=0.2))
    found, everything = [], jax.devices()
    dataset = open_dataset([path], pool_size=9, phase=True, transitions=True)
    batch = dataset.read(np.arange(7))
    for devices in (everything[:1], everything):
        jax.devices = lambda devices=devices: devices
        engine = JaxEngine(plan.model.architecture, plan.model.weights, plan)
        total, parts = engine.add_gradients(batch, 7)
        state = engine.state()
        scored = engine.score(batch, 7)
        found.append(
            {
                "loss": [np.array(total), parts],
                "gradients": state.accumulated[0][1],
                # the others are random states
                "statistics": [v for v in state.variables["fixed"] if v.dtype.kind == "f"],
                "counts": [scored.counts],
                "entropy": [scored.entropy],
            }
        )
        found[-1]["devices"] = engine.devices
    return {
        name: max(
            float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-6))
            for a, b in zip(*(np_arrays(side[name]) for side in found), strict=True)
        )
        for name in ("loss", "gradients", "statistics", "counts", "entropy")
    } | {"devices": [side["devices"] for side in found]}


def np_arrays(arrays: list) -> list[np.ndarray]:
    return [np.asarray(array, np.float64) for array in arrays]


if __name__ == "__main__":
    print(json.dumps(compare(Path(sys.argv[1]), sys.argv[2])))
