"""What a page holds, read as a browser reads it."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Elements, attributes and text of a page.

    Attributes
    ----------
    text
        All of it, runs of white space as one space.
    elements
        (name, attributes) in order.
    rows
        Cells of each row of a table.
    unclosed
        Elements that are open at the end.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.unclosed: list[str] = []
        self._text: list[str] = []
        self.feed(self.source)
        self.close()
        self.text = " ".join(" ".join(self._text).split())
        self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.elements}

    def attributes(self, *names: str) -> list[str]:
        """Values of the attributes of such names, of all elements."""
        return [values[name] for _, values in self.elements for name in names if name in values]

    def row(self, first: str) -> list[str]:
        """The first row of a table that begins so, without that cell."""
        return next(row[1:] for row in self.rows if row and row[0] == first)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag, f"{tag} at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if self.unclosed and self.unclosed[-1] in ("style",):
            return
        self._text.append(data)
        if {"td", "th"} & set(self.unclosed):
            self.rows[-1][-1] += data
