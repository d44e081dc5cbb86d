"""What a run looks like in a terminal of 80 columns, in a narrow one, in a dumb one, in a pipe."""

import re
import subprocess
import sys

import pytest
from conftest import random_rows

from tests.cli.screen import in_terminal
from tests.data_files import write_data_file

COLOURS = {str(code) for base in (30, 40, 90, 100) for code in range(base, base + 8)} | {"38", "48"}


@pytest.fixture
def freeze(model_path, data_dir, test_path) -> list[object]:
    options = ["-l", model_path, "-d", data_dir, "-t", test_path, "-s", "tuned.h5"]
    return ["freeze", *options, "-e", 3, "-b", 4, "--patience", 9]


def places(lines: list[str], pattern: str) -> list[int]:
    return [i for i, line in enumerate(lines) if re.search(pattern, line)]


def test_a_run_in_a_terminal_of_80_columns(freeze, tmp_path):
    status, screen, text = in_terminal(freeze, 80, tmp_path)
    assert status == 0, text
    assert screen.wrapped == 0
    # while it ran: bars with rate or count, and the live table above them
    assert re.search(r"evaluating the frozen body: training data .*\d+% .*of 12 windows", text)
    assert re.search(r"epoch 2 .*\d+% .*of 12 windows", text)
    assert re.search(r"scoring: validation data .*of 8 windows", text)
    assert screen.colours & COLOURS
    # what stays: each check once, the last best one marked, no bar
    assert not places(screen.lines, r"of 12 windows|[━─]")
    assert len(places(screen.lines, r"^check  epoch  batch")) == 1
    assert len(places(screen.lines, "^untouched model")) == 1
    checks = places(screen.lines, r"^ +[123]      [123]      3  ( +\d\.\d{4}){5} +\d+ s")
    assert len(checks) == 3
    assert checks == list(range(checks[0], checks[0] + 3))
    assert len(places(screen.lines, " s  best$")) == 1
    assert checks[-1] < places(screen.lines, "^Verdict:")[0]


def test_a_run_in_a_terminal_of_40_columns_without_colour(freeze, tmp_path):
    status, screen, text = in_terminal(freeze, 40, tmp_path, NO_COLOR="1")
    assert status == 0, text
    assert not screen.colours & COLOURS
    live = places(screen.lines, r"^check epoch    loss     F1    time$")
    assert len(live) == 1
    table = screen.lines[live[0] + 1 : live[0] + 5]
    assert table[0].startswith("untouched  ")
    assert all(re.match(r"    [123]     [123] +\d\.\d{4} 0\.\d{4} +\d+ s", row) for row in table[1:])
    # tables of results are folded, not cut; only what has no blanks (a path) may be longer
    assert not places(screen.lines, "…")
    assert len(places(screen.lines, r"^legacy_cds  ")) == 6
    assert all(len(line) <= 40 for line in screen.lines)
    assert len(places(screen.lines, r"^legacy_cds .* -> .* [+-]\d\.\d{4}$")) == 2


def test_an_error_leaves_the_terminal_as_text(freeze, tmp_path):
    status, screen, text = in_terminal([*freeze, "--learning-rate", "1e30"], 80, tmp_path)
    assert status == 1, text
    assert "training diverged" in " ".join(screen.lines)
    assert not places(screen.lines, r"of 12 windows|[━─]")
    assert len(places(screen.lines, "^untouched model")) == 1
    assert places(screen.lines, "^untouched model")[0] < places(screen.lines, "^Error:")[0]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is back


def test_a_dumb_terminal_gets_a_log(tmp_path):
    write_data_file(tmp_path / "d.h5", random_rows(3))
    status, screen, text = in_terminal(["inspect", "d.h5"], 80, tmp_path, TERM="dumb")
    assert status == 0, text
    assert "\x1b" not in text
    assert "reading d.h5" in text
    status, screen, text = in_terminal(["inspect", "d.h5"], 80, tmp_path)
    assert status == 0, text
    assert re.search("reading d.h5 .*of 1 chunks", text)
    assert not places(screen.lines, "reading d.h5")


def test_nothing_but_text_in_a_pipe(tmp_path):
    """Not even where the terminal could do more, and the table is as wide as it is."""
    write_data_file(tmp_path / "d.h5", random_rows(3))
    command = "from helixer_ft.cli import main; main(['inspect', 'd.h5'])"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=tmp_path, capture_output=True, check=True, env={"COLUMNS": "30", "TERM": "xterm"},
    )  # fmt: skip
    for text in (done.stdout.decode(), done.stderr.decode()):
        assert text
        assert all(character.isprintable() or character == "\n" for character in text)
    assert done.stderr.decode() == "reading d.h5 (1 chunks)\n"
    rows = [line for line in done.stdout.decode().splitlines() if "intergenic" in line]
    assert any(re.search("UTR +CDS +intron", row) for row in rows)
