"""Results that the terminal cannot show, and messages that nobody reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import tiny_model

from helixer_ft.cli import main
from helixer_ft.cli.standard_streams import Messages
from helixer_ft.formats.model_h5 import write_model_file

PROGRAM = [sys.executable, "-m", "helixer_ft"]


def run(*arguments: object, **how) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONIOENCODING"}
    environment = inherited | {"PYTHONPATH": str(Path(__file__).parents[2]), **how.pop("env", {})}
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], env=environment, text=True, check=False, **how
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("stream", ["full", "nobody"])
def test_a_log_that_cannot_be_written_ends_no_run(model_path, data_dir, tmp_path, stream):
    arguments = ("freeze", "-l", model_path, "-d", data_dir, "-s", tmp_path / "new.h5", "-e", 1)
    if stream == "full":
        with open("/dev/full", "w") as full:
            result = run(*arguments, stdout=subprocess.PIPE, stderr=full)
    else:
        read, write = os.pipe()
        os.close(read)
        result = run(*arguments, stdout=subprocess.PIPE, stderr=write)
        os.close(write)
    assert result.returncode == 0
    assert "Saved: " in result.stdout
    assert (tmp_path / "new.h5").is_file()


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_streams_that_are_closed_are_no_files_of_ours(model_path, tmp_path, closed):
    """What is opened next would get their numbers, and what is printed."""
    shown = tmp_path / "shown"
    look = (
        "import os, sys; from helixer_ft.cli.standard_streams import prepare_streams; "
        "prepare_streams(); own = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY); "
        "print('out'); print('err', file=sys.stderr); sys.stdout.flush(); sys.stderr.flush(); "
        "os.write(own, str([own > 2, *map(bool, (sys.stdin, sys.stdout, sys.stderr))]).encode())"
    )

    start = ["sh", "-c", 'exec "$0" "$@" ' + " ".join(f"{number}>&-" for number in closed)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for command in ([sys.executable, "-c", look, shown], [*PROGRAM, "doctor", "--help"]):
        done = subprocess.run([*start, *command], env=environment, check=False)
        assert done.returncode == 0
    assert shown.read_text() == "[True, True, True, True]"


def test_messages_that_break_half_way(tmp_path):
    path = tmp_path / "log"
    with open(path, "w", buffering=1) as file:
        messages = Messages(file)
        assert messages.fileno() == file.fileno()
        messages.write("before\n")
        broken = os.open("/dev/full", os.O_WRONLY)
        os.dup2(broken, file.fileno())
        os.close(broken)
        for _ in range(3):
            assert messages.write("after\n") == 6
            messages.flush()
    assert path.read_text() == "before\n"


def test_what_standard_output_cannot_encode(tmp_path):
    path = tmp_path / "small.h5"
    write_model_file(path, tiny_model().to_file({}))
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    expected = run("inspect", path, **options, env={"PYTHONIOENCODING": "utf-8"})
    assert not expected.stdout.isascii()
    found = run("inspect", path, **options, env={"PYTHONIOENCODING": "ascii"})
    assert found.returncode == 0, found.stderr
    assert found.stdout.isascii()
    assert len(found.stdout.splitlines()) == len(expected.stdout.splitlines())


@pytest.mark.parametrize("option", ["csv", "test_data"])
def test_the_options_file_is_no_other_file(model_path, test_path, tmp_path, option):
    path = tmp_path / "o.toml"
    given = {"load_model_path": [str(model_path)], "test_data": [str(test_path)], "force": True}
    given[option] = [str(path)] if option == "test_data" else str(path)
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items()))
    before = path.read_bytes()
    result = CliRunner().invoke(main, ["evaluate", "--config", str(path)])
    assert result.exit_code == 2
    assert "o.toml: is the file of --config. Give another path." in result.stderr
    assert path.read_bytes() == before
