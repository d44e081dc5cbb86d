"""The page of messages has those of the code, word by word, and says what to do about each."""

import re

import click
import pytest

from helixer_ft.cli import main
from tests.docs.pages import ROOT, source_texts

TEXT = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^- (`.*)\n((?:  .*\n)+)", TEXT, re.M)
"""First line, with the messages, and the lines below it."""
MESSAGES = [message for line, _ in ENTRIES for message in re.findall(r"`([^`]+)`", line)]


def test_enough_of_them():
    assert len(MESSAGES) >= 40


@pytest.mark.parametrize("message", MESSAGES)
def test_message_is_in_the_code(message):
    assert any(message in text for text in source_texts())


@pytest.mark.parametrize(("line", "below"), ENTRIES, ids=[line[:60] for line, _ in ENTRIES])
def test_says_what_it_means_and_what_to_do(line, below):
    meaning, arrow, remedy = below.partition("→")
    assert len(meaning.strip()) > 5
    assert arrow, "no → before what to do"
    assert remedy.strip()


def test_no_message_twice():
    assert len(set(MESSAGES)) == len(MESSAGES)


def test_every_command_that_reads_data_has_its_part():
    parts = " ".join(re.findall(r"^## (.*)$", TEXT, re.M))
    commands = set(main.list_commands(click.Context(main)))
    assert commands >= {"prepare", "whole"}
    for name in commands & {
        "prepare", "add-coverage", "whole", "freeze", "evaluate", "predict", "evaluate-genes",
    }:  # fmt: skip
        assert f"`{name}`" in parts
