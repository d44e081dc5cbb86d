"""The pages that users read, and what the tests take from them."""

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]


def page_name(path: Path) -> str:
    """For the names of tests."""
    return str(path.relative_to(ROOT))


def code_blocks(text: str) -> list[str]:
    """What stands in the fenced code blocks of a page."""
    return re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, re.M | re.S)


def without_code_blocks(text: str) -> str:
    """The rest of it."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)


def command_lines(text: str) -> list[str]:
    """The lines of a page's code blocks, or of a script; those that go on with \\ as one."""
    joined = "\n".join(code_blocks(text) or [text]).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines()]


@functools.cache
def source_texts() -> list[str]:
    """Every string in the package; what an f-string fills in is an ellipsis."""
    texts = []
    for path in (ROOT / "helixer_ft").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "…") for part in node.values)
                texts.append("".join(part if isinstance(part, str) else "…" for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts
