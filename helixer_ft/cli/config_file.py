"""`--config`: options of a command read from a TOML file."""

import tomllib
from pathlib import Path
from typing import Any, NoReturn

import click

from helixer_ft.cli.base import CONFIG
from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import check_input_file


def load_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Make the values of a TOML file the defaults of this command.

    Names are those of the options, with _ for -; `command`, if present, must be this one.
    Click reports everything that is unusable.
    """
    if path is None:
        return
    ctx.meta[CONFIG] = path
    try:
        check_input_file(path, "a file of options (TOML)")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except InputError as error:
        raise click.BadParameter(str(error)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise click.BadParameter(
            f"{path}: could not be read as TOML ({error}); expected the config.toml of a run, or "
            "options of this command, one a line: name = value."
        ) from error

    def refuse(what: str) -> NoReturn:
        raise click.BadParameter(f"{path}: {what}")

    lists = {name: one if isinstance(one, list) else [one] for name, one in values.items()}
    nul = [name for name, items in lists.items() if any("\0" in str(item) for item in items)]
    if nul:
        refuse(f"has a NUL character in {', '.join(nul)}, expected text without.")
    command = values.pop("command", ctx.info_name)
    if command != ctx.info_name:
        refuse(f"is the configuration of '{command}', but this command is '{ctx.info_name}'.")
    known = _options(ctx.command)
    unknown = sorted(values.keys() - known)
    if unknown:
        refuse(
            f"has the unknown option(s) {', '.join(unknown)}; expected names of options of "
            f"'{ctx.info_name}' with _ for -."
        )
    defaults: dict[str, Any] = {}
    for name, value in values.items():
        option = known[name]
        takes_list = option.multiple or getattr(option.type, "takes_list", False)
        if isinstance(value, dict) or (isinstance(value, list) and not takes_list):
            expected = "a list" if takes_list else "a single value"
            refuse(f"has {name} = {value!r}, expected {expected}.")
        if option.multiple:
            value = lists[name]
        # as text, so that a value passes the same checks as on the command line
        defaults[str(option.name)] = (
            list(map(str, value)) if isinstance(value, list) else str(value)
        )
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options that a file may set, by their long name with _ for -."""
    return {
        word.removeprefix("--").replace("-", "_"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.is_eager
        for word in parameter.opts
        if word.startswith("--")
    }
