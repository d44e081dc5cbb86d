"""Accelerators of made-up machines: what is there, whether a backend sees it, and if not, why."""

import json
import os
import sys
import time

import keras
import pytest

from helixer_ft.errors import InputError
from helixer_ft.runtime import accelerators, backend, unseen
from helixer_ft.runtime.accelerators import Answer, accelerator_present, ask, device_files
from helixer_ft.runtime.backend import select_backend
from helixer_ft.runtime.unseen import why_unseen

NOTHING = Answer(error="Unknown backend: 'gpu' requested")
RUNNING = keras.backend.backend()


class Machine:
    """Devices, driver and packages as files and answers."""

    def __init__(self, folder, monkeypatch):
        self.dev, self.proc, self.packages = folder / "dev", folder / "proc", {}
        self.dev.mkdir()
        self.gpus("")
        monkeypatch.setattr(accelerators, "_DEV", self.dev)
        monkeypatch.setattr(accelerators, "_PROC", self.proc)
        version = lambda name: self.packages.get(name, "")  # noqa: E731
        monkeypatch.setattr(accelerators, "installed_version", version)
        monkeypatch.setattr(unseen, "installed_version", version)
        monkeypatch.setattr(unseen, "find_spec", lambda name: None)
        monkeypatch.setattr(unseen, "_APPTAINER", folder / "apptainer")
        monkeypatch.setattr(unseen, "_CONTAINERS", (folder / "docker",))
        monkeypatch.setattr(unseen, "_no_driver_library", lambda: None)
        self.apptainer, self.docker = folder / "apptainer", folder / "docker"
        for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"):
            monkeypatch.delenv(name, raising=False)

    def gpus(self, *names):
        for name in names:
            (self.dev / name).touch() if name else None

    def driver(self, version):
        path = self.proc / "driver/nvidia/version"
        path.parent.mkdir(parents=True)
        path.write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Wed Dec 6\n")


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    monkeypatch.setitem(os.environ, "JAX_PLATFORMS", "")  # put back after the test
    return Machine(tmp_path, monkeypatch)


# -- what is there -----------------------------------------------------------------------------


def test_nothing_there(machine):
    assert device_files() == ()
    assert not accelerator_present()
    assert accelerators.driver_version() is None


@pytest.mark.parametrize("name", ["nvidia0", "nvidiactl", "kfd", "dxg", "accel0", "nvhost-gpu"])
def test_device_files_that_count(machine, name):
    machine.gpus(name)
    assert [path.rsplit("/", 1)[1] for path in device_files()] == [name]
    assert accelerator_present()


@pytest.mark.parametrize("name", ["nvram", "null", "accelerometer"])
def test_device_files_that_do_not(machine, name):
    machine.gpus(name)
    assert not accelerator_present()


def test_a_driver_counts_without_device_files(machine):
    machine.driver("535.104.05")
    assert accelerators.driver_version() == (535, 104, 5)
    assert accelerator_present()


# -- what a backend says -----------------------------------------------------------------------


def asked(monkeypatch, code) -> Answer:
    monkeypatch.setitem(accelerators._QUESTIONS, "jax", code)
    accelerators._ask.cache_clear()
    try:
        return ask("jax")
    finally:
        accelerators._ask.cache_clear()


def test_backends_are_asked_in_a_process_of_their_own():
    answer = ask(RUNNING)
    assert answer.kinds == ()
    assert not answer.timed_out


def test_the_answer_is_the_last_line(monkeypatch):
    text = 'print(\'loaded\'); print(\'{"kinds": ["H100"], "error": ""}\')'
    assert asked(monkeypatch, text) == Answer(("H100",))


def test_a_backend_that_aborts(monkeypatch):
    answer = asked(monkeypatch, "import os, sys; print('bad driver', file=sys.stderr); os.abort()")
    assert answer.kinds == ()
    assert "bad driver" in answer.error
    assert "-6" in answer.error


def test_a_backend_that_never_answers(monkeypatch):
    monkeypatch.setattr(accelerators, "ANSWER_SECONDS", 0.5)
    started = time.monotonic()
    assert asked(monkeypatch, "import time; time.sleep(60)").timed_out
    assert time.monotonic() - started < 10


def test_asked_once(monkeypatch, tmp_path):
    answer = json.dumps({"kinds": [], "error": ""})
    code = f"open({str(tmp_path / 'log')!r}, 'a').write('x'); print({answer!r})"
    monkeypatch.setitem(accelerators._QUESTIONS, "jax", code)
    accelerators._ask.cache_clear()
    ask("jax")
    ask("jax")
    accelerators._ask.cache_clear()
    assert (tmp_path / "log").read_text() == "x"


# -- why not -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_hidden_by_a_variable(machine, monkeypatch, value):
    machine.gpus("nvidia0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    text = why_unseen("jax", NOTHING)
    assert f"CUDA_VISIBLE_DEVICES is '{value}'" in text
    assert "--gpus=1" in text


def test_left_out_by_jax_platforms(machine, monkeypatch):
    machine.gpus("nvidia0")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert "JAX_PLATFORMS is 'cpu'" in why_unseen("jax", NOTHING)
    assert "JAX_PLATFORMS" not in why_unseen("tensorflow", NOTHING)


@pytest.mark.parametrize(("name", "extra"), [("jax", ".[cuda]"), ("tensorflow", "tensorflow-cuda")])
def test_no_cuda_libraries(machine, name, extra):
    machine.gpus("nvidia0")
    text = why_unseen(name, NOTHING)
    assert "without its CUDA libraries" in text
    assert extra in text


@pytest.mark.parametrize(
    ("plugin", "driver", "parts"),
    [
        ("jax-cuda12-plugin", "470.82.01", ["470.82.1", "CUDA 12", "525 or later"]),
        ("jax-cuda13-plugin", "550.54.14", ["CUDA 13", "580 or later", ".[cuda12]"]),
        ("jax-cuda13-plugin", "470.82.01", ["CUDA 13", "newer driver"]),
    ],
)
def test_a_driver_older_than_the_libraries(machine, plugin, driver, parts):
    machine.gpus("nvidia0")
    machine.driver(driver)
    machine.packages |= {plugin: "0.10.2", "jaxlib": "0.10.2"}
    text = why_unseen("jax", NOTHING)
    assert all(part in text for part in parts), text
    assert ("cuda12" in text) == (driver == "550.54.14")


def test_a_plugin_of_another_version(machine):
    machine.gpus("nvidia0")
    machine.packages |= {"jax-cuda12-plugin": "0.9.0", "jaxlib": "0.10.2"}
    text = why_unseen("jax", NOTHING)
    assert "jax-cuda12-plugin is 0.9.0 and jaxlib 0.10.2" in text
    assert ".[cuda12]" in text


@pytest.mark.parametrize(
    ("kind", "part"),
    [("apptainer", "Start it with --nv"), ("docker", "Start it with --gpus all"), ("", "SLURM")],
)
def test_a_driver_without_device_files(machine, kind, part):
    machine.driver("535.104.05")
    if kind:
        getattr(machine, kind).touch()
    assert part in why_unseen("jax", NOTHING)


def test_a_device_file_that_may_not_be_opened(machine, monkeypatch):
    monkeypatch.setattr(unseen, "device_files", lambda: ("/dev/nvidia0", "/dev/nvidiactl"))
    monkeypatch.setattr(unseen.os, "access", lambda path, mode: False)
    machine.packages |= {"jax-cuda12-plugin": "0.10.2", "jaxlib": "0.10.2"}
    assert "may not open /dev/nvidia0" in why_unseen("jax", NOTHING)


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory", "no free memory"),
        ("CUDA driver version is insufficient for CUDA runtime version", "older than the CUDA"),
        ("failed call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY", "not ready"),
        ("CUDA_ERROR_INVALID_DEVICE: invalid device ordinal", "names a GPU that is not there"),
        ("CUDA_ERROR_DEVICE_UNAVAILABLE", "one at a time"),
        ("Outdated cuDNN installation found.", "missing or older"),
        ("CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", "MIG"),
        ("something new", "something new"),
    ],
)
def test_what_the_backend_says(machine, said, part):
    machine.gpus("nvidia0")
    machine.packages |= {"jax-cuda12-plugin": "0.10.2", "jaxlib": "0.10.2"}
    assert part in why_unseen("jax", Answer(error=f"first line\n{said}" if part != said else said))


def test_no_answer_in_time(machine):
    machine.gpus("kfd")
    assert "did not answer within 120 s" in why_unseen("jax", Answer(timed_out=True))


def test_an_accelerator_of_another_maker(machine):
    machine.gpus("kfd")
    assert "NVIDIA GPUs alone" in why_unseen("jax", NOTHING)


# -- the choice --------------------------------------------------------------------------------


def answers(monkeypatch, **kinds):
    monkeypatch.setattr(accelerators, "ask", lambda name: Answer(tuple(kinds.get(name, ()))))


def test_an_accelerator_that_is_not_seen_is_told_of(machine, monkeypatch):
    machine.gpus("nvidia0")
    answers(monkeypatch)
    chosen = select_backend(RUNNING)
    assert chosen.accelerators == ()
    for part in ("nvidia0", f"{RUNNING} does not see it", "CUDA libraries", "--require-gpu"):
        assert part in chosen.warning
    if RUNNING == "jax":
        assert os.environ["JAX_PLATFORMS"] == "cpu"  # and it is not tried


def test_require_gpu(machine, monkeypatch):
    with pytest.raises(InputError, match="--require-gpu: this machine shows no accelerator"):
        select_backend(RUNNING, require_gpu=True)
    machine.gpus("nvidia0")
    answers(monkeypatch)
    with pytest.raises(InputError, match=r"does not see it.*without its CUDA libraries"):
        select_backend(RUNNING, require_gpu=True)
    answers(monkeypatch, **{RUNNING: ["H100"]})
    assert select_backend(RUNNING, require_gpu=True).accelerators == ("H100",)


def test_the_backend_that_sees_it_is_taken(machine, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(backend, "_installed", lambda name: True)
    machine.gpus("nvidia0")
    answers(monkeypatch, tensorflow=["T4"])
    assert backend._choose("auto").name == "tensorflow"
    answers(monkeypatch, tensorflow=["T4"], jax=["T4"])
    assert backend._choose("auto") == backend.Backend("jax", "it sees an accelerator")
    answers(monkeypatch)
    assert "no accelerator that can be used" in backend._choose("auto").reason


@pytest.mark.skipif(RUNNING != "jax", reason="plugins of JAX")
def test_two_cuda_plugins(machine, monkeypatch):
    machine.packages |= {"jax-cuda12-plugin": "0.10.2", "jax-cuda13-plugin": "0.10.2"}
    select_backend("jax")  # of no consequence without a GPU
    machine.gpus("nvidia0")
    monkeypatch.setattr(accelerators, "ask", lambda name: pytest.fail("asked"))
    with pytest.raises(InputError, match="are both installed, and JAX can use one"):
        select_backend("jax")


@pytest.mark.skipif(RUNNING != "jax", reason="plugins of JAX")
@pytest.mark.skipif(sys.platform != "linux", reason="device files of Linux")
def test_a_login_node_with_cuda_libraries_is_quiet(machine):
    machine.packages |= {"jax-cuda12-plugin": "0.10.2"}
    assert select_backend("jax").warning == ""
    assert os.environ["JAX_PLATFORMS"] == "cpu"


def test_gpu_id_of_a_gpu_that_is_not_there(machine, monkeypatch):
    machine.gpus("nvidia0", "nvidia1", "nvidia2", "nvidia3", "nvidiactl")
    answers(monkeypatch, **{RUNNING: ["T4"]})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(
        InputError, match=r"--gpu-id is 7, but this machine has 4 NVIDIA GPUs.*0 to 3"
    ):
        select_backend(RUNNING, 7)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    select_backend(RUNNING, 3)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"


@pytest.mark.parametrize(("version", "fits"), [("3.12.1", False), ("3.13.0", True), ("3.9", False)])
def test_keras_older_than_the_bound(machine, version, fits):
    machine.packages["keras"] = version
    if fits:
        select_backend(RUNNING)
    else:
        with pytest.raises(InputError, match=rf"Keras {version} is installed, expected 3.13 or"):
            select_backend(RUNNING)
