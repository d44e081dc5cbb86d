"""Pages about runs: self-contained HTML, written from their outcomes."""

from helixer_ft.report.run_page import write_report
from helixer_ft.report.summary_page import SummaryRow, write_summary

__all__ = ["SummaryRow", "write_report", "write_summary"]
