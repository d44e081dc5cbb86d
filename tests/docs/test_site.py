"""The site builds without a warning, has every page, and fetches nothing from anywhere."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

MISSING = [name for name in ("furo", "myst_parser", "sphinx") if not importlib.util.find_spec(name)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (extra docs)"),
]

FETCHED = {
    "link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src",
    "video": "src", "audio": "src", "object": "data", "embed": "src", "use": "href",
}  # fmt: skip
"""What a browser fetches by itself: elements and their attributes."""


class Fetched(HTMLParser):
    """Collects the addresses that a page makes a browser fetch, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.links: list[str] = []
        self.styles = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in FETCHED and (address := values.get(FETCHED[tag])):
            self.addresses.append(address)
        if tag == "a" and (link := values.get("href")):
            self.links.append(link)
        self.styles += values.get("style") or ""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """As docs/README.md has it."""
    folder = tmp_path_factory.mktemp("site")
    (line,) = re.findall(r"sphinx-build (.*)", (ROOT / "docs/README.md").read_text())
    options, source, _ = line.rsplit(maxsplit=2)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", *options.split(), source, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "-W" in options
    return folder


def test_every_page_is_there(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in pages_of_docs()}
    assert pages == {
        path.relative_to(site) for path in site.rglob("*.html") if "_static" not in path.parts
    } - {Path("genindex.html"), Path("search.html")}


def pages_of_docs() -> list[Path]:
    """The pages, but for what is said to those who build them."""
    return [path for path in (ROOT / "docs").rglob("*.md") if path.name != "README.md"]


def test_nothing_is_fetched_from_elsewhere(site):
    for path in site.rglob("*.html"):
        page = Fetched(path.read_text(encoding="utf-8"))
        assert len(page.addresses) > 3
        outside = [a for a in page.addresses if re.match(r"(\w+:)?//", a) or a.startswith("http")]
        assert outside == []
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", text), path


def test_links_within_the_site_lead_to_files(site):
    for path in site.rglob("*.html"):
        for link in Fetched(path.read_text(encoding="utf-8")).links:
            target = link.split("#")[0].split("?")[0]
            if target and not re.match(r"\w+:", target):
                assert (path.parent / target).exists(), (path.name, link)


def test_training_page_is_the_repositorys(site):
    html = (site / "training.html").read_text(encoding="utf-8")
    assert "Should I fine-tune?" in html
    assert 'href="cli.html"' in html
    assert "training.md" not in "".join(Fetched(html).links)


def test_light_and_dark(site):
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert "prefers-color-scheme" in styles
    assert "training_data" in (site / "searchindex.js").read_text(encoding="utf-8")
