"""Kinds of values that several commands take."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from helixer_ft.errors import InputError
from helixer_ft.formats.released_models import LINEAGES, find_released
from helixer_ft.settings import check_weights

FILE = click.Path(path_type=Path)
"""A file or a folder; the library says what is wrong with it."""
LINEAGE_HELP = (
    f"or a lineage ({', '.join(LINEAGES)}): the newest of its models that Helixer has downloaded"
)


class ModelPath(click.ParamType):
    """The path of a model, or a lineage; a file of that name in the working directory wins."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; click reports a lineage of which no model has been downloaded."""
        path = Path(value)
        if str(value) not in LINEAGES or path.exists():
            return path
        try:
            return find_released(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Lineages where no path has this beginning, else paths: a shell cannot show both."""
        lineages = [CompletionItem(name) for name in LINEAGES if name.startswith(incomplete)]
        if lineages and not any(Path().glob(f"{glob.escape(incomplete)}*")):
            return lineages
        return [CompletionItem(incomplete, type="file")]


class WeightList(click.ParamType):
    """`0.7,1.6,1.2,1.2`, the same in brackets, or `none`; parsed as numbers, never evaluated."""

    name = "LIST"
    takes_list = True

    def __init__(self, length: int) -> None:
        self.length = length

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...] | None:
        """The weights, or None for `none`; click reports what cannot be parsed."""
        items: Sequence[Any] = value
        if isinstance(value, str):
            text = value.strip()
            if text.lower() == "none":
                return None
            if text.startswith("[") != text.endswith("]"):
                self.fail(f"'{value}' has only one bracket.", param, ctx)
            items = text.removeprefix("[").removesuffix("]").split(",")
        try:
            weights = tuple(float(item) for item in items)
        except (TypeError, ValueError):
            self.fail(
                f"{value!r} is not a list of numbers; expected {self.length} numbers separated by "
                "commas, or none.",
                param,
                ctx,
            )
        try:
            check_weights(param.opts[-1] if param else "weights", weights, self.length)
        except InputError as error:
            self.fail(str(error), param, ctx)
        return weights


class BatchSize(click.ParamType):
    """A whole number, or `auto`."""

    name = "auto|N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """The number, or "auto"; click reports what is neither."""
        try:
            return "auto" if value == "auto" else int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor auto.", param, ctx)


def name_list(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Names separated by commas, in one or several options."""
    names = [name.strip() for value in values for name in value.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


class Duration(click.ParamType):
    """A time in seconds, minutes, hours or days: `90m`, `8h`, `1.5d`; in seconds."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds; click reports what is no time."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", str(value).strip())
        if not found:
            self.fail(f"{value!r} is not a time, expected one like 90m, 8h or 1d.", param, ctx)
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
