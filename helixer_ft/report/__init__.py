"""Pages about runs: self-contained HTML, written from their outcomes."""

from helixer_ft.report.comparison_page import write_comparison
from helixer_ft.report.run_page import write_report

__all__ = ["write_comparison", "write_report"]
