"""Kinds of values that several commands take."""

from pathlib import Path
from typing import Any

import click

from helixer_ft.errors import InputError
from helixer_ft.formats.released_models import LINEAGES, find_released

LINEAGE_HELP = (
    f"or a lineage ({', '.join(LINEAGES)}): the newest of its models that Helixer has downloaded"
)


class ModelPath(click.ParamType):
    """The path of a model, or a lineage; a file of that name in the working directory wins."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; click reports a lineage of which no model is there."""
        path = Path(value)
        if str(value) not in LINEAGES or path.exists():
            return path
        try:
            return find_released(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


def name_list(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Names separated by commas, in one or several options."""
    names = [name.strip() for value in values for name in value.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))
