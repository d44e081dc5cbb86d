"""A window of the genome: reference, untouched and tuned model, one track each."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from helixer_ft.formats.data_h5 import NO_CLASS
from helixer_ft.metrics import GENIC_CLASSES
from helixer_ft.report.drawing import COLOURS, as_svg, figure
from helixer_ft.report.figures import CLASS_ROLES
from helixer_ft.training.views import WindowView

COLUMNS = 1000
"""Most columns of a track: a screen has no more pixels for it."""
_HEIGHTS = (0.05, 0.5, 0.86, 0.2)
"""Heights of intergenic, UTR, CDS and intron, which distinguish them without colour."""
_WIDTH, _HEIGHT = 9.6, 1.75
_TRACKS = {"reference": 0.0, "untouched": 1.15, "errors": 1.78, "tuned": 2.5, "errors ": 3.13}
"""Track -> its middle, downwards."""


def window_figure(view: WindowView) -> Markup:
    """The tracks of a window, in the direction in which its strand is read."""
    n = len(view.truth)
    starts = _column_starts(n)
    masked = ~_most(view.valid, starts, 2).astype(bool)
    with figure(_WIDTH, _HEIGHT, left=0.8, right=0.3, top=0.05) as (drawn, axes):
        for name, classes in (
            ("reference", view.truth % NO_CLASS),
            ("untouched", view.before),
            ("tuned", view.after),
        ):
            _draw_classes(
                axes, _TRACKS[name], _most(classes, starts, len(GENIC_CLASSES)), starts, n
            )
        for name, classes in (("errors", view.before), ("errors ", view.after)):
            wrong = (classes != view.truth % NO_CLASS) & view.valid
            _draw_errors(axes, _TRACKS[name], wrong, starts, n)
        for start, end, value in _runs(masked.astype(np.uint8), starts, n):
            if value:
                axes.axvspan(
                    start, end, facecolor=COLOURS["soft"], edgecolor=COLOURS["muted"],
                    hatch="////", alpha=0.55, linewidth=0,
                )  # fmt: skip
        axes.set_xlim(0, n)
        axes.set_ylim(3.45, -0.55)
        axes.set_yticks(list(_TRACKS.values()), [name.strip() for name in _TRACKS])
        for label in axes.get_yticklabels():
            label.set_color(COLOURS["muted" if label.get_text() == "errors" else "ink"])
            if label.get_text() == "errors":
                label.set_fontsize(7.5)
        _label_coordinates(axes, view)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(axis="x", length=3, color=COLOURS["muted"])
        description = (
            f"Classes along {n:,} bases: reference, untouched model "
            f"({view.errors(view.before):,} wrong bases), tuned model "
            f"({view.errors(view.after):,} wrong bases)"
        )
        return as_svg(drawn, f"window-{view.kind}", description)


def _column_starts(n: int) -> np.ndarray:
    return np.unique(np.linspace(0, n, min(n, COLUMNS), endpoint=False).astype(np.int64))


def _most(values: np.ndarray, starts: np.ndarray, n_values: int) -> np.ndarray:
    """(columns,) the most frequent value of each; of those equally frequent the highest."""
    counts = np.stack(
        [np.add.reduceat(values == value, starts, dtype=np.int64) for value in range(n_values)]
    )
    return n_values - 1 - counts[::-1].argmax(axis=0)


def _runs(columns: np.ndarray, starts: np.ndarray, n: int) -> Iterator[tuple[int, int, int]]:
    """Stretches of one value: start, end (in bases), value."""
    first = np.flatnonzero(np.append(True, columns[1:] != columns[:-1]))
    begins = starts[first].tolist()
    yield from zip(begins, [*begins[1:], n], columns[first].tolist(), strict=True)


def _draw_classes(
    axes: Axes, middle: float, columns: np.ndarray, starts: np.ndarray, n: int
) -> None:
    """One outline per class, of all its stretches."""
    boxes: dict[int, list[tuple[int, int]]] = {}
    for start, end, code in _runs(columns, starts, n):
        boxes.setdefault(code, []).append((start, end))
    for code, stretches in sorted(boxes.items()):
        half = _HEIGHTS[code] / 2
        corners = [
            corner
            for start, end in stretches
            for corner in (
                (start, middle - half), (end, middle - half),
                (end, middle + half), (start, middle + half), (start, middle - half),
            )
        ]  # fmt: skip
        steps = [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY] * len(stretches)
        outline = Outline(corners, steps)
        outline.should_simplify = False
        axes.add_patch(PathPatch(outline, facecolor=COLOURS[CLASS_ROLES[code]], linewidth=0))


def _draw_errors(axes: Axes, middle: float, wrong: np.ndarray, starts: np.ndarray, n: int) -> None:
    """Share of wrong bases, column by column, as a strip."""
    share = np.add.reduceat(wrong, starts, dtype=np.int64) / np.diff(np.append(starts, n))
    bottom = middle + 0.16
    axes.plot([0, n], [bottom, bottom], color=COLOURS["line"], linewidth=0.5)
    if not wrong.any():
        return
    changes = np.flatnonzero(np.append(True, share[1:] != share[:-1]))
    edges = np.append(starts[changes], n)
    heights = np.append(share[changes], share[-1])
    axes.fill_between(
        edges, bottom, bottom - 0.34 * heights, step="post", color=COLOURS["wrong"], linewidth=0
    )


def _label_coordinates(axes: Axes, view: WindowView) -> None:
    """Ticks at round coordinates of the genome, falling where the minus strand is read."""
    sign = 1 if view.strand == "+" else -1
    low, high = sorted((view.start, view.end))
    round_ones = [
        c for c in MaxNLocator(6, integer=True).tick_values(low, high) if low <= c <= high
    ]
    axes.xaxis.set_major_locator(FixedLocator([sign * (c - view.start) for c in round_ones]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{view.start + sign * x:,.0f}"))
