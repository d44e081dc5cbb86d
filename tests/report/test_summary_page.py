"""Runs side by side on one page."""

import re
from dataclasses import replace

from helixer_ft.metrics import Interval, accuracy
from helixer_ft.report import SummaryRow, write_summary
from helixer_ft.report.page import score, signed
from tests.report.html_page import Page
from tests.report.outcomes import comparison, outcome

ROW = SummaryRow(
    strategy="whole network",
    on="test",
    before=0.4,
    after=0.8,
    interval=Interval(0.4, 0.35, 0.45, 40),
    errors_before=0.3,
    errors_after=0.1,
    trainable_parameters=1000,
    total_parameters=2000,
    seconds=90,
)


def test_a_row_has_the_numbers_of_its_run(tmp_path):
    compared = comparison(0.3, 0.6)
    row = SummaryRow.of(outcome(tmp_path, test=compared), strategy="freeze")
    assert (row.strategy, row.on, row.verdict) == ("freeze", "test", "better")
    assert (row.before, row.after) == (compared.baseline.genic_f1, compared.tuned.genic_f1)
    assert row.errors_after == 1 - accuracy(compared.tuned.genic_matrix)
    assert (row.trainable_parameters, row.total_parameters) == (504, 1648)
    assert SummaryRow.of(outcome(tmp_path)).strategy == "freeze + new head"


def test_the_table_and_its_links(tmp_path):
    path = tmp_path / "report.html"
    report = tmp_path / "models" / "javascript:alert(1) <b>.run" / "report.html"
    rows = [replace(ROW, report=report), replace(ROW, strategy="<script>", after=0.3)]
    rows[1] = replace(rows[1], interval=Interval(-0.1, -0.2, 0.0, 40))
    write_summary(rows, path, title="A <b>", introduction=["One."], notes=["Two."])
    found = Page(path)
    assert found.unclosed == []
    assert found.row("whole network") == [
        *("better", f"{score(0.4)} → {score(0.8)}", f"{signed(0.4)} +0.3500 to +0.4500"),
        *("30.0 % → 10.0 %", "1,000 of 2,000", "90 s"),
    ]
    assert found.row("<script>")[:2] == ["not better", "0.4000 → 0.3000"]
    assert found.row("<script>")[2].startswith("−0.1000 ")
    assert not found.names & {"b", "script"}
    assert "A <b>" in found.text
    assert found.text.index("One.") < found.text.index("strategy") < found.text.index("Two.")
    (link,) = [address for address in found.attributes("href") if address != "data:,"]
    assert link == "./models/javascript%3Aalert%281%29%20%3Cb%3E.run/report.html"
    assert not re.search("https?:", found.source)
