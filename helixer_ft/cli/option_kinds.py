"""Kinds of options, which say how metavar and default appear in the help."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from helixer_ft.cli.types import FILE, OrAuto, name_list
from helixer_ft.settings import Auto

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Asked = TypeVar("Asked", bound="DataclassInstance")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_INTEGER = {"type": int, "metavar": "N"}
_NUMBER = {"type": float, "metavar": "X"}
_VALUES: dict[Any, dict[str, Any]] = {
    int: _INTEGER,
    int | None: _INTEGER,
    float: _NUMBER,
    bool: {"is_flag": True},
    int | Auto: {"type": OrAuto(int)},
    int | Auto | None: {"type": OrAuto(int)},
    float | Auto: {"type": OrAuto(float)},
}
"""What the annotation of a setting says of its option."""


def in_order(options: Sequence[Decorator]) -> Decorator:
    """One decorator that adds options in the order of the sequence."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def from_options(kind: type[Asked], options: dict[str, Any], **others: Any) -> Asked:
    """A dataclass, each field of which is an option of that name, but for `others`."""
    names = [field.name for field in fields(kind) if field.name not in others]
    return kind(**{name: options[name] for name in names}, **others)


def option(names: str, text: str, **kwargs: Any) -> Decorator:
    """An option by its names ("-t --test-data"); a default, where it has one, is shown."""
    shown = kwargs.get("default") is not None
    return click.option(*names.split(), help=text, **{"show_default": shown} | kwargs)


def path(names: str, text: str, metavar: str = "FILE", **kwargs: Any) -> Decorator:
    """A file or a folder; the library says what is wrong with it."""
    return option(names, text, **{"type": FILE, "metavar": metavar} | kwargs)


def integer(names: str, text: str, **kwargs: Any) -> Decorator:
    """A whole number; the library says what is wrong with it, but for `least`."""
    least = kwargs.pop("least", None)
    kind = {} if least is None else {"type": click.IntRange(min=least)}
    return option(names, text, **_INTEGER | kind | kwargs)


def number(names: str, text: str, **kwargs: Any) -> Decorator:
    """A number."""
    return option(names, text, **_NUMBER | kwargs)


def flag(names: str, text: str, **kwargs: Any) -> Decorator:
    """Off unless given."""
    return option(names, text, is_flag=True, **kwargs)


def choice(names: str, text: str, values: Sequence[str], **kwargs: Any) -> Decorator:
    """One of some words."""
    return option(names, text, type=click.Choice(values), **kwargs)


def setting(owner: type, name: str, text: str, *short: str, **kwargs: Any) -> Decorator:
    """A field of a dataclass as an option: with its default and its kind of value."""
    default, hint = getattr(owner, name), get_type_hints(owner)[name]
    if isinstance(default, tuple):
        default = ",".join(f"{weight:g}" for weight in default)
    if get_origin(hint) is Literal:
        kwargs["type"] = click.Choice(get_args(hint))
    names = " ".join([*short, "--" + name.replace("_", "-"), name])
    return option(names, text, **{"default": default} | _VALUES.get(hint, {}) | kwargs)


def name_lists(names: str, text: str) -> Decorator:
    """Names separated by commas, repeatable."""
    return option(names, text, multiple=True, callback=name_list, metavar="NAMES")
