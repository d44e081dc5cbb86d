"""What all pages share: templates that escape their values, and the format of numbers."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from helixer_ft.formats import atomic
from helixer_ft.metrics import GENIC_CLASSES, Interval
from helixer_ft.progress import duration_text

MINUS = "\N{MINUS SIGN}"
_NAMES = {"sub_genic": "sub-genic", "legacy_cds": "legacy CDS", "none": "no phase"}
_FIRST = ("genic", *GENIC_CLASSES)


def write_page(template: str, path: Path, **values: Any) -> None:
    """Fill in a template and write the page atomically; an earlier page is replaced.

    Raises
    ------
    HelixerFtError
        Writing failed; an existing file at `path` is unchanged.
    """
    text = _environment().get_template(template).render(**values)
    # names of files may contain bytes that are not UTF-8
    atomic.write_bytes(path, text.encode("utf-8", "replace"), force=True)


@functools.cache
def _environment() -> Environment:
    loader = PackageLoader("helixer_ft.report")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, _, _ = loader.get_source(environment, "style.css")
    environment.globals["style"] = Markup(style)
    filters = (score, signed, interval, percent, class_name, in_order, sentence)
    environment.filters |= {filter.__name__: filter for filter in filters}
    environment.filters["duration"] = duration_text
    return environment


def score(value: float) -> str:
    """A score as text: "0.8271"."""
    return f"{value:.4f}"


def signed(value: float) -> str:
    """A difference as text, with a minus sign that is as wide as the plus."""
    return f"{value:+.4f}".replace("-", MINUS)


def interval(value: Interval) -> str:
    """Both ends of a 95 % interval as text."""
    return f"{signed(value.low)} to {signed(value.high)}"


def percent(share: float) -> str:
    """A share as text: "12.3 %"."""
    return f"{share:.1%}".replace("%", "\N{NARROW NO-BREAK SPACE}%")


def class_name(name: str) -> str:
    """What a class, a phase or a composite score is called on a page."""
    return _NAMES.get(name, name)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of scores as tables have them: what decides first, then the classes, then the rest."""
    names = list(names)
    return [*_FIRST, *(name for name in names if name not in _FIRST)]


def sentence(text: str) -> str:
    """A message as a sentence: it begins with a capital."""
    return text[:1].upper() + text[1:]
