"""What a run looks like in a terminal of 80 columns, in a narrow one, in a dumb one, in a pipe."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import random_rows

from tests.cli.screen import Screen, in_terminal
from tests.data_files import write_data_file

COLOURS = {str(code) for base in (30, 40, 90, 100) for code in range(base, base + 8)} | {"38", "48"}
SCRIPTED = Path(__file__).with_name("scripted_run.py")


def helixer_ft(*arguments: object) -> list[object]:
    return ["-c", "from helixer_ft.cli import main; main(prog_name='helixer-ft')", *arguments]


def places(lines: list[str], pattern: str) -> list[int]:
    return [i for i, line in enumerate(lines) if re.search(pattern, line)]


def frames(text: str, width: int) -> list[list[str]]:
    """What the screen showed after each refresh: where the cursor goes up, the next one begins."""
    screen = Screen(width)
    shown = []
    for part in re.split(r"(?=\r\x1b\[2K)", text):
        screen.feed(part)
        shown.append(list(screen.lines))
    return shown


def test_a_run_in_a_terminal_of_80_columns(tmp_path):
    status, screen, text = in_terminal([SCRIPTED, 12], 80, tmp_path)
    assert status == 0, text
    assert screen.wrapped == []
    # while it ran: a bar with count, rate and time left; the last checks above it
    numbers = r"\d+%  [48] of 12 windows  \d+(\.\d+)? windows/s  \d\.\d s left  loss 1\."
    bar = rf"^epoch \d+  [━─]+  {numbers}"
    last = max(
        (lines for lines in frames(text, 80) if places(lines, bar)),
        key=lambda lines: len(places(lines, r"^ +\d+ +\d+ +3  ")),
    )
    assert len(places(last, r"^ +\d+ +\d+ +3  ")) == 8
    assert len(places(last, "^untouched model")) == 1
    assert places(last, bar)[0] == places(last, r"^ +\d+ +\d+ +3  ")[-1] + 1
    assert screen.colours & COLOURS
    # what stays: every check once, the best one marked, no bar
    assert not places(screen.lines, r" windows/s|[━─]|evaluating")
    assert len(places(screen.lines, r"^check  epoch  batch")) == 1
    assert len(places(screen.lines, "^untouched model")) == 1
    rows = places(screen.lines, r"^ +\d+ +\d+ +3    \d\.\d{4}(   \d\.\d{4} \d\.\d{4}){2} +\d+ s")
    assert len(rows) == 12
    assert rows == list(range(rows[0], rows[0] + 12))
    assert places(screen.lines, " s  best$") == [rows[-2]]
    assert rows[-1] < places(screen.lines, "^Verdict:")[0]


def test_a_run_in_a_terminal_of_40_columns_without_colour(tmp_path):
    status, screen, text = in_terminal([SCRIPTED, 2], 40, tmp_path, NO_COLOR="1")
    assert status == 0, text
    assert screen.wrapped == []
    assert not screen.colours & COLOURS
    assert re.search(r"evaluating .*…  \d+%  \d+ of 12 windows|evaluating .*…  \d+%  .* left", text)
    start = screen.lines.index("check epoch    loss     F1    time")
    assert [line.rstrip() for line in screen.lines[start + 1 : start + 4]] == [
        "untouched    1.2000 0.4000     0 s",
        "    1     1  1.1800 0.4100    61 s  best",
        "    2     2  1.1600 0.4200   122 s",
    ]
    verdict = "Verdict: better. " + "A long sentence goes on. " * 5
    assert " ".join(screen.lines[start + 4 :]).split() == verdict.split()
    assert all(len(line) <= 40 for line in screen.lines)


def test_an_error_leaves_the_terminal_as_text(tmp_path):
    status, screen, text = in_terminal([SCRIPTED, 2, "fail"], 80, tmp_path)
    assert status == 1, text
    assert not places(screen.lines, r" windows/s|[━─]")
    assert len(places(screen.lines, "^untouched model")) == 1
    assert places(screen.lines, "^untouched model")[0] < places(screen.lines, "diverged")[0]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is back


def test_a_dumb_terminal_gets_a_log(tmp_path):
    write_data_file(tmp_path / "d.h5", random_rows(3))
    status, _, text = in_terminal(helixer_ft("inspect", "d.h5"), 80, tmp_path, TERM="dumb")
    assert status == 0, text
    assert "\x1b" not in text
    assert "reading d.h5 (6 windows)" in text
    status, screen, text = in_terminal(helixer_ft("inspect", "d.h5"), 80, tmp_path)
    assert status == 0, text
    assert re.search("reading d.h5 .*0 of 6 windows", text)
    assert not places(screen.lines, "reading d.h5")


def test_a_log_of_a_run(tmp_path):
    """Lines without control characters: each check, and each kind of task once."""
    done = subprocess.run(
        [sys.executable, SCRIPTED, "2"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"COLUMNS": "30", "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert all(one.isprintable() or one == "\n" for one in done.stderr + done.stdout)
    assert done.stderr.splitlines() == [
        "evaluating the frozen body: validation data (12 windows)",
        "evaluating the frozen body: training data (12 windows)",
        "                               training subset     validation",
        "check  epoch  batch      loss     loss     F1     loss     F1      time",
        "untouched model                 1.0000 0.5000   1.2000 0.4000       0 s",
        "epoch 1 (12 windows)",
        "    1      1      3    1.4800   0.9800 0.5100   1.1800 0.4100      61 s  best",
        "    2      2      3    1.4600   0.9600 0.5200   1.1600 0.4200     122 s",
    ]
    assert done.stdout.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 40])
def test_a_run_that_computes(model_path, data_dir, test_path, tmp_path, width):
    options = ["-l", model_path, "-d", data_dir, "-t", test_path, "-s", "tuned.h5", "-e", 3]
    command = helixer_ft("freeze", *options, "-b", 4, "--patience", 9)
    status, screen, text = in_terminal(command, width, tmp_path)
    assert status == 0, text
    assert not places(screen.lines, r"of 12 windows|[━─…]")
    start = places(screen.lines, "^untouched")
    assert len(start) == 1
    assert all(re.match(r" +[123] +[123] ", line) for line in screen.lines[start[0] + 1 :][:3])
    # tables of results are folded, not cut; paths may be longer than a line
    assert len(places(screen.lines, "^legacy_cds  ")) == (2 if width == 80 else 6)
    assert all(len(line) <= width or "/" in line for line in screen.lines)
    assert places(screen.lines, "^Verdict: ")
