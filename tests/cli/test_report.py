"""The page that `whole` and `freeze` leave, and a run whose page cannot be written."""

import json

import pytest
from click.testing import CliRunner

import helixer_ft.report
from helixer_ft.cli import main
from tests.report.html_page import Page


@pytest.fixture
def arguments(pages, model_path, data_dir, test_path, tmp_path) -> list[str]:
    return [
        *("freeze", "--keep-head", "-l", str(model_path), "-d", str(data_dir)),
        *("-t", str(test_path), "-s", str(tmp_path / "tuned.h5"), "-e", "1", "-b", "4"),
    ]


def test_the_page_has_the_numbers_that_are_printed(arguments, tmp_path):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    path = tmp_path / "tuned.run" / "report.html"
    lines = result.stdout.splitlines()
    assert f"Report: {path}" in lines
    (genic,) = (
        line.split()
        for line in result.stdout.split("Scores on the test data")[1].splitlines()
        if line.startswith("genic")
    )
    found = Page(path)
    shown = " ".join(found.row("genic")[:4]).replace("→", "->").replace("−", "-")
    assert shown.split() == genic[1:]
    (heading,) = (values["class"] for name, values in found.elements if name == "h1")
    assert lines[-1].startswith(f"Verdict: {heading.replace('-', ' ')}.")
    assert found.text.count("Wrong bases:") == 4  # the verdict, and three windows


def test_a_page_that_cannot_be_written_takes_no_result_with_it(arguments, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no font")

    monkeypatch.setattr(helixer_ft.report, "write_report", fail)
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert outcome["report"] is None
    assert outcome["test"]["tuned"]["genic_f1"] > 0
    assert (tmp_path / "tuned.h5").exists()
    path = tmp_path / "tuned.run" / "report.html"
    assert f"{path}: the report could not be written: no font" in result.stderr
