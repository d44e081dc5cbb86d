"""Commands of Helixer, as the page of those who move over shows them, and what becomes of them."""

import functools
import os
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from helixer_ft.recipes import choose
from helixer_ft.settings import CHOSEN_FROM_DATA, TrainingOptions
from tests.docs.pages import ROOT, code_blocks, command_lines
from tests.docs.test_cli_reference import COMMANDS, parse

TEXT = (ROOT / "docs/migration.md").read_text(encoding="utf-8")
LINES = command_lines(TEXT)
THEIRS = [line for line in LINES if line and not line.startswith("helixer-ft ")]
BLOCKS = [block.replace("\\\n", " ").strip() for block in code_blocks(TEXT)]
PASTED = [
    (theirs, ours)
    for theirs, ours in pairwise(BLOCKS)
    if theirs.startswith("HybridModel.py ") and ours.startswith("helixer-ft ")
]
"""A command of HybridModel.py, and the one that the page puts in its place."""


def test_each_use_of_hybridmodel_is_there():
    assert [ours.split()[1] for _, ours in PASTED] == [
        "whole", "freeze", "freeze", "freeze", "evaluate", "predict",
    ]  # fmt: skip


@pytest.mark.parametrize(("theirs", "ours"), PASTED, ids=[theirs for theirs, _ in PASTED])
def test_only_the_first_word_needs_to_change(theirs, ours):
    first = " ".join(ours.split()[:2])
    parse(theirs.replace("HybridModel.py", first))


@pytest.mark.parametrize(("theirs", "ours"), PASTED, ids=[theirs for theirs, _ in PASTED])
def test_files_are_the_same_in_both(theirs, ours):
    def files(line: str) -> list[str]:
        return [word for word in shlex.split(line) if word.endswith(".h5") or word == "data"]

    assert files(theirs) == files(ours)


def test_defaults_named_are_those_of_the_options():
    named = {
        "--batch-size": "8", "--learning-rate": "3e-4",
        "--patience": "3", "--weight-decay": "3.5e-5", "--clip-norm": "3.0", "--epochs": "100",
        "--seed": "0",
    }  # fmt: skip
    options = {p.opts[-1]: p.default for p in COMMANDS["whole"].command.params}
    originals = choose(TrainingOptions(recipe="helixer"), 1000, head_alone=False)
    for name, value in named.items():
        assert f"`{name}`" in TEXT
        setting = name.removeprefix("--").replace("-", "_")
        assert options[name] == ("auto" if setting in CHOSEN_FROM_DATA else float(value))
        assert getattr(originals, setting) == float(value)
        assert re.search(rf"(?<![\d.]){re.escape(value)}(?!\d)", TEXT)


def test_options_said_to_be_missing_are():
    options = {
        name for context in COMMANDS.values() for p in context.command.params for name in p.opts
    }
    gone = re.search(r"Gone:\n?(.*?)\.\s", TEXT, re.S)
    named = set(re.findall(r"`(--[\w-]+)`", gone[1]))
    assert len(named) == 9
    assert not named & options


@functools.cache
def options_of_helixer(program: str) -> set[str]:
    """The options that the help of a program of Helixer names."""
    peer = Path(os.environ["HELIXER_PEER"])
    command = [peer / "bin" / program]
    if program == "add_ngs_coverage.py":  # is not installed as a program
        (script,) = peer.glob(f"lib/python3*/site-packages/helixer/evaluation/{program}")
        command = [peer / "bin/python", script]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.stdout))


@pytest.mark.peer
@pytest.mark.parametrize("line", THEIRS)
def test_helixer_has_these_options(line):
    words = [word for word in shlex.split(line) if word != "python"]
    if words[0] == "helixer_post_bin":
        pytest.skip("takes no options")
    used = {word for word in words if word.startswith("-")}
    assert used
    assert used <= options_of_helixer(words[0])
