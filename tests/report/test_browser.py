"""The page in a real browser: both themes, a phone, and print."""

import pytest

from helixer_ft.report import write_comparison, write_report
from tests.comparison.outcomes import compared, tuned, untouched
from tests.report.browser import CHROMIUM, Browser
from tests.report.outcomes import comparison, coverage, outcome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
INK = "getComputedStyle(document.querySelector('svg text')).fill"
SCROLLS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
WIDE = """Array.from(document.querySelectorAll('main *, header *')).filter(
    e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1).length"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A run with long names, and a page that links to it."""
    folder = tmp_path_factory.mktemp("pages")
    long = "a" * 150 + ".h5"
    result = outcome(
        folder,
        test=comparison(0.3, 0.6),
        coverage=coverage(),
        request={"save_model_path": folder / long},
        prepared={"warnings": ("w" * 200,)},
    )
    write_report(result, folder / "report.html")
    rows = [untouched("b" * 150), tuned("head", 0.5), tuned("hidden-layer-coverage", 0.7)]
    write_comparison(compared(folder, rows), folder / "comparison.html")
    return folder


@pytest.mark.parametrize("name", ["report.html", "comparison.html"])
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_themes_and_widths(browser, pages, name, width, dark):
    browser.open(pages / name, width=width, dark=dark)
    assert browser.evaluate("innerWidth") == width
    assert not browser.evaluate(SCROLLS)
    assert browser.evaluate(WIDE) == 0
    dark_paper, light_paper = "rgb(20, 24, 29)", "rgb(255, 255, 255)"
    assert browser.evaluate(BACKGROUND) == (dark_paper if dark else light_paper)
    if name == "report.html":
        assert browser.evaluate(INK) == ("rgb(154, 166, 178)" if dark else "rgb(92, 104, 117)")
    methods = [event.get("method") for event in browser.events]
    assert not {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"} & {
        *methods
    }
    requested = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert [url for url in requested if not url.startswith("data:")] == [(pages / name).as_uri()]


def test_a_summary_fits_a_phone(browser, pages):
    """Each run is a block of its own there, with a label at each number."""
    shown = "getComputedStyle(document.querySelector('.runs thead')).display"
    label = "getComputedStyle(document.querySelector('.runs td'), '::before').content"
    inside = "document.querySelector('.scroll').scrollWidth <= innerWidth"
    browser.open(pages / "comparison.html", width=390, dark=False)
    assert browser.evaluate(shown) == "none"
    assert browser.evaluate(label) == '"verdict"'
    assert browser.evaluate(inside)
    browser.open(pages / "comparison.html", width=1200, dark=False)
    assert browser.evaluate(shown) == "table-header-group"
    assert browser.evaluate(label) == "none"


def test_print(browser, pages, tmp_path):
    browser.open(pages / "report.html", width=1200, dark=True)
    browser.pdf(tmp_path / "report.pdf")
    text = (tmp_path / "report.pdf").read_bytes()
    assert text.startswith(b"%PDF")
    assert text.count(b"/Type /Page\n") in range(3, 12)
