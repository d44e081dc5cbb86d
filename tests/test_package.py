"""What the package says of itself, in its files for others."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

from helixer_ft import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_types_are_for_others_too():
    assert files("helixer_ft").joinpath("py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["helixer_ft"]


def test_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", text, re.M) == [__version__]
    assert re.findall(r"^license: (.*)$", text, re.M) == [PROJECT["project"]["license"]]


def test_pythons_that_are_named_are_those_that_are_tested():
    named = [
        line.rpartition(" ")[2]
        for line in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", line)
    ]
    workflow = (ROOT / ".github/workflows/checks.yml").read_text(encoding="utf-8")
    (tested,) = re.findall(r"^ +python: \[(.*)\]$", workflow, re.M)
    assert re.findall(r"[\d.]+", tested) == named
    assert PROJECT["project"]["requires-python"] == f">={named[0]}"


def test_one_command_runs_all_checks():
    """The script that a clean checkout is tested with, the workflow and the page run the same."""
    for name in (".ci/run", ".github/workflows/checks.yml", "CONTRIBUTING.md", "README.md"):
        assert "./check.sh" in (ROOT / name).read_text(encoding="utf-8"), name
    script = (ROOT / "check.sh").read_text(encoding="utf-8")
    for command in ("ruff check .", "ruff format --check .", "mypy", "sphinx -q -W", "pytest"):
        assert command in script
