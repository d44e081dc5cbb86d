"""README's commands on simulated data, shortened: the shipped model, tuned to the target."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from helixer_ft.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()


def quick_start() -> list[list[str]]:
    """README's commands that simulate a species and tune to it."""
    (block,) = re.findall(r"^```\n(helixer-ft simulate .*?)^```", README, re.M | re.S)
    commands = [shlex.split(line) for line in block.replace("\\\n", " ").splitlines()]
    return commands[:2]


def run_quick_start(epochs: str | None = None) -> dict:
    simulation, tuning = quick_start()
    result = CliRunner().invoke(main, simulation[1:])
    assert result.exit_code == 0, result.output
    assert tuning[:2] == ["helixer-ft", "whole"]
    arguments = [*tuning[1:], "--json", *(["-e", epochs] if epochs else [])]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.slow
def test_tuning_the_shipped_model_helps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run_quick_start(epochs="2")
    assert outcome["verdict"] == "better"
    assert outcome["verdict_on"] == "test"
    assert (
        outcome["test"]["baseline"]["genic_f1"] < 0.5 < 0.65 < outcome["test"]["tuned"]["genic_f1"]
    )


@pytest.mark.slow
def test_the_whole_quick_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run_quick_start()
    before, after = (outcome["test"][which]["genic_f1"] for which in ("baseline", "tuned"))
    assert outcome["verdict"] == "better"
    assert 1 - after < (1 - before) / 3
