"""Which of several processes this one is, and what is its own."""

import keras
import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.formats.origin import digest
from helixer_ft.runtime import backend
from helixer_ft.runtime.backend import select_backend
from helixer_ft.runtime.gpu_shares import own_gpus
from helixer_ft.runtime.launch import Launch, launch_from
from helixer_ft.runtime.processes import Processes, started

SLURM = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "node[003-007],other",
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NTASKS": "5",
}


def test_options_name_the_process():
    assert launch_from("node1:4000", 3, 2, {}) == Launch("node1:4000", 3, 2)
    assert launch_from(None, None, None, {}) is None
    assert launch_from("node1:4000", 1, 0, {}) is None


def test_options_override_slurm():
    assert launch_from("node1:4000", 3, 2, SLURM) == Launch("node1:4000", 3, 2)
    assert launch_from("node1:4000", 1, 0, SLURM) is None


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (("node1:4000", None, None), "--num-processes and --process-id must be given too"),
        ((None, 2, None), "--coordinator and --process-id must be given too"),
        (("node1:4000", 2, None), "--process-id must be given too"),
        (("node1:4000", 2, 2), "--process-id is 2, expected 0 to 1"),
        (("node1:4000", 2, -1), "--process-id is -1, expected 0 to 1"),
        (("node1:4000", 0, 0), "--num-processes is 0, expected at least 1"),
        (("node1:\u00b2", 2, 0), "expected HOST:PORT"),  # isdigit() calls it a digit
        (("node1:" + "9" * 5000, 2, 0), "expected HOST:PORT"),
        (("node1", 2, 0), "--coordinator is 'node1', expected HOST:PORT"),
        (("node1:", 2, 0), "expected HOST:PORT"),
        ((":4000", 2, 0), "expected HOST:PORT"),
        (("node1:99999", 2, 0), "expected HOST:PORT"),
        (("node1:http", 2, 0), "expected HOST:PORT"),
    ],
)
def test_options_that_do_not_belong_together(given, part):
    with pytest.raises(InputError) as error:
        launch_from(*given, {})
    assert part in str(error.value)


def test_tasks_of_a_slurm_step_are_the_processes():
    launch = launch_from(None, None, None, SLURM)
    assert launch is not None
    assert (launch.count, launch.index) == (5, 2)
    host, port = launch.coordinator.split(":")
    assert host == "node003"
    assert 1024 < int(port) < 65536
    assert launch_from(None, None, None, SLURM | {"SLURM_PROCID": "4"}) == Launch(
        launch.coordinator, 5, 4
    )


def test_two_steps_of_a_job_do_not_meet():
    one, other = (
        launch_from(None, None, None, SLURM | {"SLURM_STEP_ID": step}) for step in ("0", "1")
    )
    assert one.coordinator != other.coordinator


@pytest.mark.parametrize(
    "change",
    [
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},  # srun -n 1
        # the batch script itself, and a shell of salloc: the job has more tasks, they are none
        {"SLURM_STEP_NODELIST": "", "SLURM_STEP_NUM_TASKS": "", "SLURM_PROCID": "0"},
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "5", "SLURM_PROCID": "0"},
        {"SLURM_PROCID": "\u00b2"},
        {"SLURM_JOB_ID": "9" * 5000},
    ],
)
def test_one_task_is_one_process_alone(change):
    assert launch_from(None, None, None, SLURM | change) is None


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("rack[2-3]node[07,09-12],other", "rack2node07"), ("gpu[01]-ib,other", "gpu01-ib")],
)
def test_node_lists_with_several_ranges(nodes, first):
    launch = launch_from(None, None, None, SLURM | {"SLURM_STEP_NODELIST": nodes})
    assert launch is not None
    assert launch.coordinator.split(":")[0] == first


def test_a_task_that_the_step_does_not_have_is_refused():
    with pytest.raises(InputError, match="SLURM_PROCID is 7, expected 0 to 1 as SLURM_STEP_NUM"):
        launch_from(None, None, None, SLURM | {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "7"})


@pytest.mark.parametrize(
    "nodes", ["node001", "node001,host2", "node[001-0015],host2", "node[001,007-015],host2"]
)
def test_the_first_node_is_the_one_that_jax_takes(nodes, monkeypatch):
    clusters = pytest.importorskip("jax._src.clusters.slurm_cluster")
    environ = SLURM | {"SLURM_STEP_NODELIST": nodes}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    cluster = clusters.SlurmCluster
    launch = launch_from(None, None, None, environ)
    address = cluster.get_coordinator_address(None, None)
    assert launch.coordinator.split(":")[0] == address.split(":")[0] == "node001"
    assert (launch.count, launch.index) == (cluster.get_process_count(), cluster.get_process_id())


@pytest.mark.parametrize(
    ("visible", "present", "beside", "expected"),
    [
        (None, 4, ["*"], None),  # alone on the machine: all
        (None, 4, ["*", ""], [0, 2]),
        (None, 4, ["", "*"], [1, 3]),
        (None, 3, ["", "*"], [1]),
        ("0,1", 8, ["0,1", "*0,1"], [1]),
        ("2,3", 8, ["0,1", "*2,3"], None),  # each was given its own
        ("0", 8, ["0", "*0"], None),  # likewise, in a control group each
        (None, 0, ["", "*"], None),  # no GPU at all
    ],
)
def test_processes_of_a_machine_share_its_gpus(visible, present, beside, expected):
    assert own_gpus(visible, present, beside) == expected


def test_one_process_alone():
    with started(None, print) as processes:
        assert type(processes) is Processes
        assert processes.is_first
        assert (processes.index, processes.count, processes.beside) == (0, 1, 1)
        assert processes.any(True) is True
        assert processes.any(False) is False
        processes.require_same({"anything": 1})


def test_digest_differs_where_an_array_does():
    arrays = [np.zeros(3), np.ones(2)]
    assert digest(iter(arrays)) == digest(iter([array.copy() for array in arrays]))
    assert digest(iter(arrays)) != digest(iter([np.zeros(3), np.array([1.0, 2.0])]))


# -- the backend -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["--backend", "KERAS_BACKEND"])
def test_tensorflow_is_refused(monkeypatch, how):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(InputError) as error:
        select_backend("tensorflow" if how == "--backend" else "auto", several_processes=True)
    for part in (f"({how})", "one process", 'pip install ".[jax]"', "--backend jax"):
        assert part in str(error.value)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="needs JAX")
def test_several_processes_take_jax_without_asking_it(monkeypatch):
    """JAX must not compute, nor look for devices, before its processes are connected."""
    import jax

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(backend, "start_quietly", lambda _: pytest.fail("started"))
    monkeypatch.setattr(jax, "devices", lambda *_: pytest.fail("asked"))
    chosen = select_backend("auto", several_processes=True)
    assert (chosen.name, chosen.reason) == ("jax", "several processes need it")


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="needs TensorFlow")
def test_tensorflow_says_that_it_uses_one_gpu(monkeypatch):
    import tensorflow as tf

    from helixer_ft.engine import device_notice

    assert device_notice() is None
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["one", "two"])
    assert "one of 2 GPUs" in device_notice()
    assert "--backend jax" in device_notice()
