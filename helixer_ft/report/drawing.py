"""Matplotlib figures as SVG that takes its colours from the page: light, dark and in print.

Figures hold no text from files: names go into the page, which escapes them.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no news of its font cache

import matplotlib as mpl  # noqa: E402
from markupsafe import Markup, escape  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

ROLES = (
    *("ink", "muted", "line", "paper", "accent", "soft", "wrong"),
    *("intergenic", "utr", "cds", "intron", "on-class"),
)
"""CSS variables of the page, see `templates/style.css`."""
COLOURS = {role: f"#0102{number:02x}" for number, role in enumerate(ROLES, start=1)}
"""Stand-ins that matplotlib draws with, exchanged for the variables afterwards."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "helixer-ft",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.titlecolor": COLOURS["ink"],
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "semibold",
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "hatch.color": COLOURS["muted"],
    "lines.solid_capstyle": "round",
    "path.simplify": True,
}
_FONT = re.compile(r"(?:font-family: [^;\"]*;? ?)|(?<=px )'DejaVu Sans'[^;\"]*")
_ATTRIBUTE = re.compile(r'="[^"]*"')
_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")


@contextmanager
def figure(
    width: float,
    height: float,
    *,
    left: float,
    right: float = 0.15,
    top: float = 0.25,
    bottom: float = 0.3,
) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one pair of axes in the style of the pages; size and margins in inches."""
    with mpl.rc_context(_STYLE):
        drawn = Figure(figsize=(width, height))
        box = (left / width, bottom / height)
        yield drawn, drawn.add_axes((*box, 1 - right / width - box[0], 1 - top / height - box[1]))


def as_svg(drawn: Figure, name: str, description: str) -> Markup:
    """A figure as an element of a page.

    Parameters
    ----------
    drawn
        The figure; its text is this package's own.
    name
        Name of the figure, unique on the page.
    description
        What it shows, for those who do not see it.
    """
    text = StringIO()
    with mpl.rc_context(_STYLE):
        drawn.savefig(
            text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None, "matplotlib writes one"
    for role, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{role})")
    body = re.sub(r'(?<= id=")|(?<=url\(#)|(?<=href="#)', f"{name}-", body)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.S)  # would hold for the whole page
    body = body.replace("xlink:href", "href")
    body = _FONT.sub("", body)
    body = _ATTRIBUTE.sub(lambda found: _LONG_NUMBER.sub(_shorter, found[0]), body)
    title = f'<title id="{name}-title">{escape(description)}</title>'
    return Markup(f'<svg role="img" aria-labelledby="{name}-title" {box[0]}>{title}{body}')


def _shorter(number: re.Match[str]) -> str:
    """Hundredths of a point are enough to draw by."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
