"""The commands that are shown are what is done."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from helixer_ft.cli import main
from helixer_ft.cli.demo import _parse
from helixer_ft.cli.demo_output import NEXT_STEPS
from helixer_ft.demo.demo import STEPS
from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.request import DemoRequest, DemoSize
from helixer_ft.demo.steps import LEARNING_RATE, PATIENCE, STRATEGIES, Step, Steps

LIBRARY = (
    "preparation.prepare.prepare",
    "comparison.compare.compare",
    "inference.predict.predict",
)
"""What the commands for the user's own species call."""


class Asked(BaseException):
    """A command came to the library."""


@pytest.fixture
def asked(monkeypatch):
    """Run a command line up to the library."""

    def stop(*_args, **_kwargs):
        raise Asked

    for name in LIBRARY:
        monkeypatch.setattr(f"helixer_ft.{name}", stop)

    def run(command: str) -> None:
        program, *arguments = shlex.split(command)
        assert program == "helixer-ft"
        with pytest.raises(Asked):
            CliRunner().invoke(main, arguments, catch_exceptions=False)

    return run


def all_steps(request: DemoRequest) -> list[Step]:
    steps = Steps(request, DemoFiles(request.out_dir))
    return [
        steps.prepare(("chr09", "chr10"), ("chr11", "chr12")),
        steps.add_coverage(),
        steps.compare(),
        steps.predict(request.out_dir / "tuned" / "whole.h5"),
    ]


def test_what_a_command_asks_for():
    """Also with numbers other than the defaults, and a folder whose name has a blank."""
    out = Path("my demo")
    size = DemoSize(subsequence_length=1350, epochs=7)
    steps = all_steps(DemoRequest(out, size=size))
    requests = [_parse(step.words) for step in steps]
    target, coverage, comparison, prediction = requests
    assert target.split
    assert target.subsequence_length == 1350
    assert target.validation_seqids == ("chr09", "chr10")
    assert target.test_seqids == ("chr11", "chr12")
    assert coverage.bams == (out / "rnaseq.bam",)
    assert comparison.load_model_paths == (out / "source_model.h5",)
    assert comparison.test_data == (out / "data/test_data.h5",)
    assert comparison.out_dir == out / "tuned"
    assert tuple(one.name for one in comparison.candidates) == STRATEGIES
    assert comparison.settings.epochs == 7
    assert comparison.settings.learning_rate == LEARNING_RATE
    assert comparison.settings.patience == PATIENCE
    assert prediction.load_model_path == out / "tuned/whole.h5"
    for step, request in zip(steps, requests, strict=True):
        assert request.force  # what may be replaced was checked before
        assert getattr(request, "command_line", step.command) == step.command
        assert "--force" not in step.words


def test_no_two_steps_do_the_same():
    steps = all_steps(DemoRequest())
    assert len({step.command for step in steps}) == len({step.title for step in steps}) == STEPS - 1


def test_a_backend_that_was_asked_for_is_in_the_commands_that_compute():
    plain, chosen = (all_steps(DemoRequest(backend=name)) for name in ("auto", "tensorflow"))
    assert [step for step in plain if "--backend" in step.words] == []
    computing = [step.words[0] for step in chosen if step.words[-1] == "tensorflow"]
    assert computing == ["compare", "predict"]


@pytest.mark.parametrize("command", NEXT_STEPS)
def test_commands_for_the_users_own_species_are_commands(asked, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked(command)
