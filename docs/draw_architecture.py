"""Draws docs/_static/architecture.svg from the imports of `helixer_ft`, and writes the table of its
rooms into docs/architecture.md.

python docs/draw_architecture.py

`FLOORS` is the one place that says which room lies where; tests/docs/test_architecture.py holds the
imports to it.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "helixer_ft"
PAGE = Path(__file__).with_name("architecture.md")
PICTURE = Path(__file__).with_name("_static") / "architecture.svg"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("evaluation", "demo", "simulate", "doctor", "report"),
    (
        "comparison",
        "pseudo_labels",
        "training",
        "inference",
        "adaptation",
        "inspection",
        "preparation",
        "genes",
        "coverage",
    ),
    ("engine", "dataset"),
    ("network", "genome", "runtime"),
    ("formats",),
    ("recipes", "settings", "progress", "errors", "metrics"),
)
"""From top to bottom. A room (a folder of the package, or a module beside them) imports from floors
below its own and, as long as there is no circle, from rooms beside it.
"""

Arrows = Mapping[tuple[str, str], list[str]]
"""(importing, imported) -> where, as `importing module -> imported module`."""

_BOX, _GAP, _HEIGHT, _STEP, _MARGIN, _ARC = 112, 16, 38, 96, 24, 34


def modules() -> dict[str, Path]:
    """The package's modules: `training.loop` -> its file; a folder's `__init__` is the folder's."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in ("", "__main__"):
            found[name] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """Dotted names a file imports, wherever in the file; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_arrows() -> dict[str, set[str]]:
    """Module -> the modules of the package it imports."""
    names = modules()
    result = {}
    for name, path in names.items():
        targets = set()
        for dotted in imported(path):
            root, _, inner = dotted.partition(".")
            if root == PACKAGE.name:
                targets.add(inner if inner in names else inner.rpartition(".")[0])
        result[name] = (targets & set(names)) - {name}
    return result


def room_arrows() -> Arrows:
    """The same between rooms."""
    result = defaultdict(list)
    for name, targets in module_arrows().items():
        for target in sorted(targets):
            pair = name.partition(".")[0], target.partition(".")[0]
            if pair[0] != pair[1]:
                result[pair].append(f"{name} -> {target}")
    return dict(sorted(result.items()))


def floor_of(room: str) -> int:
    """0 is the top floor.

    Raises
    ------
    ValueError
        If the room is on no floor.
    """
    for number, rooms in enumerate(FLOORS):
        if room in rooms:
            return number
    raise ValueError(f"{room} is on no floor of FLOORS in docs/draw_architecture.py: add it there.")


def drawn_arrows() -> list[tuple[str, str]]:
    """The arrows of the picture: without those to the lowest floor, which every room may import
    from, and those that a longer way through other rooms implies.
    """
    targets = defaultdict(set)
    for source, target in room_arrows():
        if target not in FLOORS[-1]:
            targets[source].add(target)

    def reached(room: str, seen: frozenset[str] = frozenset()) -> set[str]:
        nearer = targets[room] - seen
        return nearer.union(*(reached(other, seen | {room}) for other in nearer))

    return [
        (source, target)
        for source in sorted(targets)
        for target in sorted(targets[source])
        if not any(target in reached(other) for other in targets[source] - {target})
    ]


def draw() -> str:
    """The picture, as SVG."""
    width = max(len(floor) for floor in FLOORS) * (_BOX + _GAP) - _GAP + 2 * _MARGIN
    height = len(FLOORS) * _STEP - (_STEP - _HEIGHT) + 2 * _MARGIN
    corner = {}
    for number, rooms in enumerate(FLOORS):
        left = (width - len(rooms) * (_BOX + _GAP) + _GAP) / 2
        for place, room in enumerate(rooms):
            corner[room] = left + place * (_BOX + _GAP), _MARGIN + number * _STEP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="14">',
        "<title>Rooms of helixer_ft, and which imports from which</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#56708a"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
    ]
    labels = []
    for room, (x, y) in corner.items():
        fill = "#f3f3f3" if room in FLOORS[-1] else "#e3eef8"
        lines.append(
            f'<rect x="{x:g}" y="{y}" width="{_BOX}" height="{_HEIGHT}" rx="6" '
            f'fill="{fill}" stroke="#56708a"/>'
        )
        labels.append(
            f'<text x="{x + _BOX / 2:g}" y="{y + _HEIGHT / 2 + 5:g}" text-anchor="middle" '
            f'fill="#1c2a38" stroke="{fill}" stroke-width="5" paint-order="stroke">{room}</text>'
        )
    for pair in drawn_arrows():
        path = _path(*(corner[room] for room in pair))
        lines.append(
            f'<path d="{path}" fill="none" stroke="#56708a" stroke-width="1.3" '
            'marker-end="url(#tip)"/>'
        )
    lines += labels
    lines.append(
        f'<text x="{width / 2:g}" y="{height - _MARGIN - _HEIGHT - 12}" text-anchor="middle" '
        'fill="#56708a" font-style="italic">every room may import from these</text>'
    )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _path(source: tuple[float, float], target: tuple[float, float]) -> str:
    """From lower to upper edge of a box; on one floor straight, or in an arc above the boxes."""
    (x0, y0), (x1, y1) = source, target
    middle0, middle1 = x0 + _BOX / 2, x1 + _BOX / 2
    if y0 != y1:
        shift = max(-0.3, min(0.3, (middle1 - middle0) / 800)) * _BOX
        start, end = middle0 + shift, middle1 - shift
        bend = (y1 - y0 - _HEIGHT) / 2
        return (
            f"M{start:g},{y0 + _HEIGHT} C{start:g},{y0 + _HEIGHT + bend:g} "
            f"{end:g},{y1 - bend:g} {end:g},{y1}"
        )
    if abs(middle1 - middle0) < 1.5 * _BOX:  # neighbours
        right = middle1 > middle0
        edges = (x0 + _BOX, x1) if right else (x0, x1 + _BOX)
        return f"M{edges[0]:g},{y0 + _HEIGHT / 2:g} L{edges[1]:g},{y0 + _HEIGHT / 2:g}"
    return f"M{middle0:g},{y0} C{middle0:g},{y0 - _ARC} {middle1:g},{y0 - _ARC} {middle1:g},{y0}"


def table() -> str:
    """Room, what it holds (the first sentence of its docstring), and the rooms it imports from."""
    names, arrows = modules(), room_arrows()
    rows = ["| room | holds | imports from |", "|---|---|---|"]
    for floor in FLOORS:
        for room in floor:
            text = ast.get_docstring(ast.parse(names[room].read_text(encoding="utf-8"))) or ""
            sentence = " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".")
            targets = [
                b for lower in FLOORS for b in lower if (room, b) in arrows and b not in FLOORS[-1]
            ]
            rows.append(f"| `{room}` | {sentence} | {', '.join(targets) or '–'} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """The page with the table of today between its two marks."""
    before, _, rest = text.partition("<!-- rooms -->\n")
    _, _, after = rest.partition("<!-- end of rooms -->")
    return f"{before}<!-- rooms -->\n{table()}\n<!-- end of rooms -->{after}"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
