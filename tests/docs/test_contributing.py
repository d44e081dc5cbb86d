"""Where CONTRIBUTING.md sends those who add something is there."""

import re

import pytest

from tests.docs.pages import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (an? [^|]*) \| (.*) \| ([^|]*) \|$", TEXT, re.M)
MOST = {"a strategy": 3, "a format of values": 1, "a source of labels": 2, "a metric": 2}
"""Code files that it may take."""


def test_kinds_of_additions():
    assert [name for name in MOST if any(row[0].startswith(name) for row in ROWS)] == list(MOST)
    assert len(ROWS) >= 7


@pytest.mark.parametrize(("what", "where", "files"), ROWS, ids=[row[0] for row in ROWS])
def test_places_are_there(what, where, files):
    for path in re.findall(r"`([\w./]+\.(?:py|md))`", where):
        if "NAME" not in path:
            assert (ROOT / "helixer_ft" / path).exists() or (ROOT / path).exists(), path
    for names, path in re.findall(r"((?:`\w+`(?: and )?)+) in `([\w/]+\.py)`", where):
        text = (ROOT / "helixer_ft" / path).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^(?:def |class )?{name}\b", text, re.M), f"{name} in {path}"
    for start, most in MOST.items():
        if what.startswith(start):
            assert max(map(int, re.findall(r"\d+", files))) <= most
    for name, path in re.findall(r"`(test_\w+)` in `(tests/[\w/]+\.py)`", TEXT):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
