"""The Markdown that adaptation.py makes of its figures."""

from typing import Any

Record = dict[str, Any]


def render(results: Record) -> str:
    """The section."""
    return ""
