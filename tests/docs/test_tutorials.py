"""The tutorials, run from top to bottom: commands work, and end in the verdicts that are shown."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

TUTORIALS = sorted(ROOT.glob("docs/tutorials/*.md"))
TOLERANCE = 0.05
"""Of scores: the rounding of another backend or machine leads training elsewhere."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("helixer_post_bin") or importlib.util.find_spec("helixerpost")),
        reason="HelixerPost is not installed",
    ),
]


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """In which `python` and `helixer-ft` are these ones."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("python", ""), ("helixer-ft", "-m helixer_ft")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": paths}


def write_sheet(folder: Path, text: str) -> None:
    """A block with tabs is a sheet, or one line more for it."""
    name, before = "sheet.tsv", ""
    if (folder / name).exists():
        name, before = "sheet2.tsv", (folder / name).read_text()
    (folder / name).write_text(before + text)


def check(shown: str, printed: str) -> None:
    """The verdicts that a page shows are those that were printed, but for rounding."""
    for line in re.findall(r"^(?:Verdict|Coverage helped): .*$", shown, re.M):
        pattern = re.escape(re.sub(r"\d+\.\d+", "@", line)).replace("@", r"(-?\d+\.\d+)")
        expected = list(map(float, re.findall(r"\d+\.\d+", line)))
        found = [list(map(float, match.groups())) for match in re.finditer(pattern, printed)]
        assert any(values == pytest.approx(expected, abs=TOLERANCE) for values in found), (
            f"{line}\nis not among {found} in\n{printed[-3000:]}"
        )


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial(page, environment, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    printed = ""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) > 6
    for language, text in blocks:
        if "\t" in text:
            write_sheet(folder, text)
        elif language == "bash":
            done = subprocess.run(
                ["bash", "-euc", text],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}"
            printed = done.stdout
        else:
            check(text, printed)
