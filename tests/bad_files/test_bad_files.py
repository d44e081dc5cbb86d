"""Bad files: whatever happens to a file, a command reads it, or refuses it in one message."""

import faulthandler
import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from tests.bad_files.judge import RSS_UNIT, SECONDS, Ran, Runner, problems, run_program
from tests.bad_files.kinds import Kind
from tests.bad_files.sound import COMMANDS, QUICK, Case, arguments_of, cases, write_sound

PER_TEST = 5


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bad_files") / "sound"
    write_sound(folder)
    return folder


def run_here(arguments: list[str], folder: Path) -> Ran:
    """A command in this process, which ends where it hangs."""
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(main, arguments)
    finally:
        os.chdir(before)
        faulthandler.cancel_dump_traceback_later()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
    return Ran(result.exit_code, result.stdout, result.stderr, memory)


def judged(drawn: Iterator[Case], sound: Path, tmp_path: Path, run: Runner) -> list[str]:
    """Case and problem of all that go wrong."""

    @cache
    def normal(command: str) -> tuple[Ran, Any]:
        copy = tmp_path / command.replace(" ", "_")
        shutil.copytree(sound, copy)
        ran = run(arguments_of(command), copy)
        assert ran.status == 0, ran.stderr
        return ran, ran.result(copy)

    found = []
    for number, case in enumerate(drawn):
        folder = tmp_path / str(number)
        texts = problems(case, sound, folder, run, partial(normal, case.command))
        found += [f"{case}: {text}" for text in texts]
    return found


@pytest.mark.parametrize("seed", range(30 // PER_TEST))
def test_bad_files_in_this_process(sound, tmp_path, seed):
    commands = [QUICK[(PER_TEST * seed + i) % len(QUICK)] for i in range(PER_TEST)]
    assert judged(cases(seed, PER_TEST, tuple(commands)), sound, tmp_path, run_here) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 100 + 300 // PER_TEST))
def test_bad_files_on_the_command_line(sound, tmp_path, seed):
    names = tuple(COMMANDS)
    commands = [names[(PER_TEST * seed + i) % len(names)] for i in range(PER_TEST)]
    drawn = cases(seed, PER_TEST, tuple(commands))
    assert judged(drawn, sound, tmp_path, run_program) == []


@pytest.mark.parametrize("command", QUICK[:3])
def test_a_sound_file_is_judged_sound_and_a_wrong_result_is_not(sound, tmp_path, command):
    """The judge itself: it is content with a sound file, and with no other result for one."""

    def nothing(path, generator):
        return Kind.HARMLESS

    case = Case(command, COMMANDS[command][1][0], nothing, 0)
    arguments = arguments_of(command)
    ran = run_here(arguments, sound)
    assert problems(case, sound, tmp_path / "a", run_here, lambda: (ran, ran.result(sound))) == []

    def lies(arguments, folder):
        return Ran(0, ran.stdout.replace('"kind"', '"sort"'), "", 0)

    def fails(arguments, folder):
        (folder / "left.partial").touch()
        return Ran(1, "{}", "Traceback \x1b", 2**40)

    (problem,) = problems(case, sound, tmp_path / "b", lies, lambda: (ran, ran.result(sound)))
    assert problem.startswith("gives another result")
    texts = " ".join(problems(case, sound, tmp_path / "c", fails, lambda: (ran, ran.result(sound))))
    for part in (
        "ends in a traceback", "sends control characters", "takes 1,099,511,627,776 bytes",
        "refuses a sound file", "prints a result", "gives no message", "leaves something behind",
    ):  # fmt: skip
        assert part in texts
    broken = replace(case, mutation=lambda path, generator: Kind.BROKEN)
    texts = " ".join(
        problems(broken, sound, tmp_path / "d", fails, lambda: (ran, ran.result(sound)))
    )
    assert "does not name the file" in texts
    assert "refuses a sound file" not in texts
