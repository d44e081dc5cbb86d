"""The page about a comparison."""

import re
from dataclasses import replace

from helixer_ft.report import write_comparison
from helixer_ft.report.page import percent, score, signed
from tests.comparison.outcomes import compared, tuned, untouched
from tests.report.html_page import Page


def test_the_table_its_links_and_the_recommendation(tmp_path):
    path = tmp_path / "report.html"
    rows = [
        untouched("land <b>"),
        tuned("head", 0.5, trainable_parameters=500),
        replace(tuned("whole", 0.7), path=tmp_path / "javascript:alert(1) <b>.h5"),
    ]
    run = rows[2].path.with_suffix(".run")
    run.mkdir()
    (run / "report.html").write_text("x")
    outcome = compared(tmp_path, rows, left_out={"head-coverage": "no <coverage>"})
    write_comparison(outcome, path)
    found = Page(path)
    assert found.unclosed == []
    row, interval = rows[1], rows[1].decisive.interval
    assert found.row("2. head freeze")[:4] == [
        row.verdict,
        score(row.validation_f1),
        score(row.scores["test"].genic_f1),
        f"{signed(interval.difference)} {signed(interval.low)} to {signed(interval.high)}",
    ]
    assert found.row("2. head freeze")[4:] == [
        percent(row.scores["test"].wrong_share).replace("\N{NARROW NO-BREAK SPACE}", " "),
        "500 of 2,000",
        "90 s",
    ]
    assert found.row("1. land <b> untouched")[:1] == [""]
    assert not found.names & {"b", "script", "coverage"}
    assert outcome.recommendation.row.name == "whole"
    assert found.text.index("Use ") < found.text.index("whole is better") < found.text.index("1. ")
    assert "Left out: head-coverage: no <coverage>" in found.text
    links = found.attributes("href")
    (link,) = [address for address in links if address != "data:," and address[0] != "#"]
    assert link == "./javascript%3Aalert%281%29%20%3Cb%3E.run/report.html"
    assert not re.search("https?:", found.source)


def test_f1_per_class(tmp_path):
    rows = [untouched("base"), tuned("head", 0.6)]
    write_comparison(compared(tmp_path, rows), tmp_path / "report.html")
    found = Page(tmp_path / "report.html")
    scores = rows[1].scores["test"].scores
    assert found.row("2. head")[:5] == [
        score(scores[name].f1) for name in ("genic", "intergenic", "UTR", "CDS", "intron")
    ]


def test_classes_of_phase_where_the_first_model_has_none(tmp_path):
    plain, head = untouched("base"), tuned("head", 0.6)
    scores = {on: replace(one, counts=one.counts[:, :1]) for on, one in plain.scores.items()}
    write_comparison(
        compared(tmp_path, [replace(plain, scores=scores), head]), tmp_path / "report.html"
    )
    found = Page(tmp_path / "report.html")
    assert score(head.scores["test"].scores["phase 0"].f1) in found.row("2. head")
    assert "phase 0" in found.source


def test_without_test_data_and_without_any_training(tmp_path):
    rows = [untouched("base", test=False)]
    write_comparison(compared(tmp_path, rows, test=False), tmp_path / "report.html")
    found = Page(tmp_path / "report.html")
    assert "Nothing was tuned." in found.text
    assert "which is optimistic" in found.text
    assert "genic F1, test" not in found.source
