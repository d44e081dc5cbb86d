"""Bars of any width, rates and time left, what a log says."""

import io

import pytest
from rich.console import Console

from helixer_ft.cli import progress_display
from helixer_ft.cli.output import Printer, TextConsole, plain_table
from helixer_ft.cli.progress_display import LogDisplay, Task, bar_line
from tests.cli.scripted_run import check


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress_display.time, "monotonic", clock.monotonic)
    return clock


def advanced(clock: Clock, task: Task, *steps: tuple[float, int]) -> Task:
    for seconds, n in steps:
        clock.now += seconds
        task.advance(n, "")
    return task


def test_rate_and_time_left_are_those_of_the_last_minute(clock):
    task = advanced(clock, Task("epoch 1", 1000, "windows"), (100, 10))
    assert (task.rate, task.left) == ("0.10 windows/s", "2.8 h left")
    advanced(clock, task, *[(1, 2)] * 70)  # the first step was compiled, too
    assert (task.rate, task.left) == ("2.00 windows/s", "7 min left")
    assert (task.amount, task.percent) == ("150 of 1,000 windows", "15%")


def test_what_was_done_before_does_not_count_as_fast(clock):
    task = advanced(clock, Task("epoch 1", 1000, "windows", done=500), (10, 100))
    assert (task.amount, task.rate, task.left) == (
        *("600 of 1,000 windows", "10 windows/s", "40 s left"),
    )


@pytest.mark.parametrize(
    ("unit", "amount", "rate"),
    [
        ("bytes", "2.0 MB of 8.0 MB", "1.0 MB/s"),
        ("bases", "2.0 of 8.0 Mb", "1.000 Mb/s"),
        ("reads", "2,000,000 of 8,000,000 reads", "1,000,000 reads/s"),
        ("", "2,000,000 of 8,000,000", ""),
    ],
)
def test_units(clock, unit, amount, rate):
    task = advanced(clock, Task("reading", 8_000_000, unit), (2, 2_000_000))
    assert (task.amount, task.rate, task.left) == (amount, rate, "6.0 s left")


def test_a_task_without_a_total(clock):
    task = advanced(clock, Task("reading genome.fa", 0, "bases"), (2, 3_000_000))
    assert (task.amount, task.percent, task.left) == ("3.0 Mb", "", "")
    assert bar_line(task, 80).plain == "reading genome.fa  3.0 Mb  1.500 Mb/s"


NAME = "scoring the tuned model, without coverage: validation data"
ALL = "  25%  250 of 1,000 windows  25 windows/s  30 s left  loss 1.2"
LINES = {
    200: f"{NAME}  {'━' * 5}{'─' * 15}{ALL}",
    80: f"scoring the tuned…{ALL}",
    79: "scoring the tune…  25%  250 of 1,000 windows  25 windows/s  30 s left  loss 1.2",
    40: "scoring the t…  25%  30 s left  loss 1.2",
    20: "scoring the tu…  25%",
}


@pytest.mark.parametrize("width", LINES)
def test_a_bar_leaves_out_what_matters_less(clock, width):
    task = advanced(clock, Task(NAME, 1000, "windows"), (10, 250))
    task.note = "loss 1.2"
    line = bar_line(task, width).plain
    assert line == LINES[width]
    assert len(line) <= width


def test_a_bar_of_ascii(clock):
    task = advanced(clock, Task("epoch 12", 100), (10, 50))
    line = bar_line(task, 80, ascii_only=True).plain
    assert line == "epoch 12  ##########..........  50%  50 of 100  10 s left"
    task.name = NAME
    assert bar_line(task, 30, ascii_only=True).plain.isascii()


def log() -> tuple[LogDisplay, io.StringIO]:
    file = io.StringIO()
    return LogDisplay(Console(file=file, soft_wrap=True)), file


def test_a_log_says_each_kind_of_task_once_and_shows_life_every_minute(clock):
    display, file = log()
    for epoch in (1, 2):
        display.start(Task(f"epoch {epoch}", 400, "windows"))
        for _ in range(40):  # 200 s
            clock.now += 5
            display.advance(10, "loss 1.2")
        display.finish()
    lines = file.getvalue().splitlines()
    assert lines[:4] == [
        "epoch 1 (400 windows)",
        "epoch 1: 120 of 400 windows (30%), 2.00 windows/s, loss 1.2, 2 min left",
        "epoch 1: 240 of 400 windows (60%), 2.00 windows/s, loss 1.2, 80 s left",
        "epoch 1: 360 of 400 windows (90%), 2.00 windows/s, loss 1.2, 20 s left",
    ]
    assert [line.split(":")[0] for line in lines[4:]] == ["epoch 2"] * 3


def test_a_log_has_each_check_as_it_was_when_it_came():
    display, file = log()
    for number in range(4):
        display.check(check(number, 4))
    lines = file.getvalue().splitlines()
    assert len(lines) == 6
    assert [line.endswith("best") for line in lines[2:]] == [False, True, True, True]
    assert max(map(len, lines)) <= 80


def table(capsys, width: int | None) -> list[str]:
    printer = Printer(quiet=False, as_json=False)
    if width is not None:
        printer.out = TextConsole(force_terminal=True, no_color=True, width=width)
    row = ("CDS", "0.1000 -> 0.2000", "0.3000 -> 0.4000", "0.5000 -> 0.6000")
    printer.table(plain_table("Scores", ("", "precision", "recall", "F1"), [row]))
    return capsys.readouterr().out.splitlines()[1:]


def test_tables_are_folded_where_a_terminal_is_narrow(capsys):
    whole = table(capsys, None)
    assert whole == [
        "            precision            recall                F1",
        "CDS  0.1000 -> 0.2000  0.3000 -> 0.4000  0.5000 -> 0.6000",
    ]
    assert table(capsys, len(whole[1])) == whole
    assert table(capsys, 40) == [
        "            precision            recall",
        "CDS  0.1000 -> 0.2000  0.3000 -> 0.4000",
        "                   F1",
        "CDS  0.5000 -> 0.6000",
    ]
    assert len(table(capsys, 10)) == 6


def test_words_are_wrapped_and_paths_are_left_whole(capsys):
    console = TextConsole(force_terminal=True, no_color=True, width=20)
    path = "/a/long/path/of/many/folders/model.h5"
    console.print(f"Saved, at last: {path} (check 3, epoch 4)", markup=False)
    assert capsys.readouterr().out.splitlines() == [
        *("Saved, at last:", path, "(check 3, epoch 4)"),
    ]


def test_quiet_shows_no_progress(capsys):
    printer = Printer(quiet=True, as_json=False)
    assert list(printer.track("reading", 2, "ab", "windows")) == ["a", "b"]
    printer.notice("a notice")
    printer.close()
    assert capsys.readouterr().err == ""
    printer.warning("a warning")
    assert capsys.readouterr().err == "Warning: a warning\n"
