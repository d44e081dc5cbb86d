"""The commands that are shown ask for what is done."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from helixer_ft.cli.demo_output import NEXT_STEPS
from helixer_ft.demo.demo import STEPS
from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.request import DemoRequest, DemoSize
from helixer_ft.demo.steps import Step, Steps

LIBRARY = (
    "preparation.prepare.prepare",
    "coverage.add.add_coverage",
    "training.prepared.prepare_run",
    "evaluation.evaluate.evaluate",
    "inference.predict.predict",
)
"""What the commands call, with a request first."""


class Asked(BaseException):
    """Carries the request out of a command."""


@pytest.fixture
def asked(monkeypatch):
    """Run a command line up to the library; returns the request it makes."""

    def stop(request, *_args, **_kwargs):
        raise Asked(request)

    for name in LIBRARY:
        monkeypatch.setattr(f"helixer_ft.{name}", stop)

    def run(command: str) -> object:
        program, *arguments = shlex.split(command)
        assert program == "helixer-ft"
        with pytest.raises(Asked) as caught:
            CliRunner().invoke(main, arguments, catch_exceptions=False)
        return caught.value.args[0]

    return run


def all_steps(request: DemoRequest) -> list[Step]:
    steps = Steps(request, DemoFiles(request.out_dir))
    return [
        steps.prepare_source(),
        steps.prepare_target(("chr09", "chr10"), ("chr11", "chr12")),
        steps.evaluate(),
        steps.freeze(),
        steps.hidden_layer(),
        steps.add_coverage(),
        steps.with_coverage(),
        steps.whole(),
        steps.predict(request.out_dir / "models" / "whole.h5"),
    ]


@pytest.mark.parametrize("number", range(STEPS - 1))
def test_a_command_asks_for_what_its_step_does(asked, number, tmp_path, monkeypatch):
    """Also with numbers other than the defaults, and a folder whose name has a blank."""
    monkeypatch.chdir(tmp_path)
    Path("my demo", "models").mkdir(parents=True)  # where whole and freeze hold the folder of a run
    size = DemoSize(subsequence_length=1350, freeze_epochs=7, whole_epochs=3)
    step = all_steps(DemoRequest(Path("my demo"), size=size))[number]
    request = asked(step.command)
    same = {"force": step.request.force}
    if hasattr(step.request, "command_line"):
        same["command_line"] = step.command
        assert step.request.command_line == step.command
    assert replace(request, **same) == step.request


def test_no_two_steps_do_the_same():
    steps = all_steps(DemoRequest())
    assert len({step.command for step in steps}) == len({step.title for step in steps}) == STEPS - 1


def test_a_backend_that_was_asked_for_is_in_the_commands_that_compute():
    plain, chosen = (all_steps(DemoRequest(backend=name)) for name in ("auto", "tensorflow"))
    assert [step.request for step in plain if "--backend" in step.command] == []
    computing = [step.command.split()[1] for step in chosen if step.command.endswith("tensorflow")]
    assert computing == ["evaluate", "freeze", "freeze", "freeze", "whole", "predict"]


@pytest.mark.parametrize("command", NEXT_STEPS)
def test_commands_for_the_users_own_species_are_commands(asked, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert asked(command)
