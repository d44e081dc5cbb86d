"""The five rules of docs/architecture.md, and its picture and table, made from the imports."""

import ast
import importlib.util
from collections.abc import Iterator, Mapping

import pytest

from tests.docs.pages import ROOT

HOMES = {
    "click": {"cli"},
    "rich": {"cli"},
    "jinja2": {"report"},
    "matplotlib": {"report"},
    "keras": {"doctor", "engine", "inference", "network", "runtime"},
    "jax": {"doctor", "engine", "network", "runtime"},
    "tensorflow": {"doctor", "engine", "network", "runtime"},
    "pysam": {"coverage", "preparation", "simulate"},
    "pybigtools": {"coverage"},
}
"""Library -> the rooms that may import it."""
PRINTING = {"formats.hdf5_walker", "runtime.tied_process"}
"""Programs of their own, which answer the process that started them."""
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 80

# Temporary: what still breaks a rule. Each entry goes with the change that mends it;
# `test_exceptions_are_needed` fails once one is no longer needed.
EXCEPTIONS: set[str] = set()


def _load_script():
    path = ROOT / "docs/draw_architecture.py"
    spec = importlib.util.spec_from_file_location("draw_architecture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _load_script()
MODULES = SCRIPT.modules()


def upward_arrows(arrows: Mapping[tuple[str, str], list[str]]) -> dict[str, list[str]]:
    """Those that break rule 1, with the modules concerned."""
    return {
        f"{source} -> {target}": where
        for (source, target), where in arrows.items()
        if SCRIPT.floor_of(target) < SCRIPT.floor_of(source)
    }


def circle(targets: Mapping[str, set[str]]) -> list[str]:
    """A way from a name back to itself; empty where there is none."""
    done: set[str] = set()

    def search(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for target in sorted(targets.get(name, ())):
            if ring := search(target, [*way, name]):
                return ring
        done.add(name)
        return []

    return next((ring for name in sorted(targets) if (ring := search(name, []))), [])


def strays() -> set[str]:
    """Libraries away from home, as `library in room`."""
    return {
        f"{library} in {room}"
        for name, path in MODULES.items()
        for library in {dotted.partition(".")[0] for dotted in SCRIPT.imported(path)} & set(HOMES)
        if (room := name.partition(".")[0]) not in HOMES[library]
    }


def talkers() -> set[str]:
    """Calls of `print` and `input`, and of `sys.exit`, outside of the command line."""
    found = set()
    for name, path in MODULES.items():
        if name.partition(".")[0] == "cli" or name in PRINTING:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("print", "input", "sys.exit", "exit", "click.echo"):
                    found.add(f"{called.rpartition('.')[2]} in {name}".replace("echo", "print"))
    return found


def too_long() -> Iterator[str]:
    """Modules and functions that break rule 5."""
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > MOST_LINES:
            yield name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION:
                    yield f"{name}.{node.name}"


def test_every_room_is_on_one_floor():
    rooms = [room for floor in SCRIPT.FLOORS for room in floor]
    assert sorted(rooms) == sorted({name.partition(".")[0] for name in MODULES})


def test_imports_lead_down():
    upward = upward_arrows(SCRIPT.room_arrows())
    assert {pair: where for pair, where in upward.items() if pair not in EXCEPTIONS} == {}


def test_there_is_no_circle():
    rooms: dict[str, set[str]] = {}
    for source, target in SCRIPT.room_arrows():
        if f"{source} -> {target}" not in EXCEPTIONS:
            rooms.setdefault(source, set()).add(target)
    assert circle(rooms) == []
    assert circle(SCRIPT.module_arrows()) == []


def test_libraries_stay_at_home():
    assert strays() - EXCEPTIONS == set()


def test_only_the_command_line_talks():
    assert talkers() - EXCEPTIONS == set()


def test_modules_and_functions_are_short():
    assert set(too_long()) - EXCEPTIONS == set()


def test_exceptions_are_needed():
    broken = {*upward_arrows(SCRIPT.room_arrows()), *strays(), *talkers(), *too_long()}
    assert EXCEPTIONS - broken == set(), "mended: take these out of EXCEPTIONS"


def test_an_upward_arrow_and_a_circle_would_be_seen():
    assert set(upward_arrows({("formats", "training"): ["x"], ("cli", "errors"): ["y"]})) == {
        "formats -> training"
    }
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    with pytest.raises(ValueError, match="attic is on no floor"):
        SCRIPT.floor_of("attic")


def test_picture_and_table_are_of_these_imports():
    remedy = "run: python docs/draw_architecture.py"
    assert SCRIPT.PICTURE.read_text(encoding="utf-8") == SCRIPT.draw(), remedy
    page = SCRIPT.PAGE.read_text(encoding="utf-8")
    assert page == SCRIPT.page(page), remedy


def test_picture_has_every_room():
    picture = SCRIPT.draw()
    for floor in SCRIPT.FLOORS:
        for room in floor:
            assert f">{room}</text>" in picture
    assert picture.count("marker-end") == len(SCRIPT.drawn_arrows()) >= 10
