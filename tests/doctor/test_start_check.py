"""The check at the start of a run: once on an accelerator, kept, and a mismatch ends the run.

The tests take the CPU for an accelerator.
"""

import json

import pytest

from helixer_ft.doctor import start_check
from helixer_ft.doctor.comparison import Comparison
from helixer_ft.doctor.start_check import DeviceCheckError, cache_file, check_at_start
from helixer_ft.progress import Progress
from helixer_ft.runtime import devices
from helixer_ft.runtime.processes import Processes


class Log(Progress):
    def __init__(self):
        self.notices = []

    def notice(self, text):
        self.notices.append(text)


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """Calls of the comparison, whose outcome the test sets."""
    calls = []

    def compare(precision, quantities):
        calls.append(precision)
        return [Comparison("H100", precision, "predictions", calls_off[0], 1e-3)]

    calls_off = [1e-6]
    monkeypatch.setattr(start_check, "compare", compare)
    monkeypatch.setattr(devices, "uses_accelerator", lambda: True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return calls, calls_off


def test_once_for_a_machine_and_each_precision(checked):
    calls, _ = checked
    log = Log()
    for _ in range(3):
        check_at_start("float32", log)
    check_at_start("mixed_bfloat16", log)
    assert calls == ["float32", "mixed_bfloat16"]
    assert len(log.notices) == 2
    assert len(json.loads(cache_file().read_text())["passed"]) == 2


@pytest.mark.parametrize("changed", ["driver", "versions", "variables"])
def test_again_where_what_it_depends_on_changes(checked, monkeypatch, changed):
    calls, _ = checked
    check_at_start("float32")
    if changed == "driver":
        monkeypatch.setattr(start_check, "driver_version", lambda: (999, 1))
    elif changed == "versions":
        monkeypatch.setattr(start_check, "installed_versions", lambda: {"jax": "99"})
    else:
        monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    check_at_start("float32")
    assert len(calls) == 2


def test_not_on_the_cpu(checked, monkeypatch):
    monkeypatch.setattr(devices, "uses_accelerator", lambda: False)
    check_at_start("float32")
    assert checked[0] == []


def test_a_mismatch_ends_the_run_and_is_not_kept(checked):
    calls, off = checked
    off[0] = 0.5
    for _ in range(2):
        with pytest.raises(DeviceCheckError) as error:
            check_at_start("float32")
    assert error.value.exit_code == 1
    for part in ("H100", "predictions", "5.0e-01", "1e-03", "doctor", "--skip-device-check"):
        assert part in str(error.value)
    assert len(calls) == 2
    assert not cache_file().exists()


def test_a_read_only_home_is_one_notice(checked, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder would be")
    log = Log()
    check_at_start("float32", log)
    assert len([text for text in log.notices if "could not be written" in text]) == 1


@pytest.mark.parametrize("content", ["", "[]", '{"passed": 3}', '{"passed": [1]}', "\0"])
def test_a_damaged_file_is_made_anew(checked, content):
    cache_file().parent.mkdir(parents=True)
    cache_file().write_text(content)
    check_at_start("float32")
    check_at_start("float32")
    assert checked[0] == ["float32"]


class Together(Processes):
    """Another process says yes to everything."""

    def any(self, flag):
        return True


def test_all_processes_check_where_one_has_to(checked):
    check_at_start("float32")
    with pytest.raises(DeviceCheckError, match="another process"):
        check_at_start("float32", None, Together())
    assert checked[0] == ["float32", "float32"]


def test_a_user_without_a_home(monkeypatch):
    """As in a container with a user number that it does not know."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(start_check.os.path, "expanduser", lambda path: path)
    assert start_check.cache_file().name == "device-check.json"


def test_the_file_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_file() == tmp_path / ".cache/helixer-ft/device-check.json"
