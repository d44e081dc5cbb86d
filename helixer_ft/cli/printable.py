"""Text from files for the terminal: control characters are shown as escapes, not sent."""

from typing import Any

from rich.console import Console
from rich.text import Text


def printable(text: str) -> str:
    """`text` with an escape ("\\x1b") for every invisible character; line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


def one_line(text: str) -> str:
    """As `printable`, and line ends as escapes too: a name with one must not look like two."""
    return printable(text).replace("\n", "\\n")


class PlainConsole(Console):
    """Prints text as it is: nothing in it is markup, nothing controls the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, *arguments: Any, **options: Any) -> Text:
        """See rich; all text passes through here, including tables."""
        return super().render_str(printable(text), *arguments, **options)
