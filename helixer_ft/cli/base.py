"""What all commands have in common: errors become a message and an exit status."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from helixer_ft.errors import ABORTED, HelixerFtError, Interrupted, is_out_of_memory
from helixer_ft.formats.input_file import real_path

PROCESS = "helixer_ft.process"
"""Key in `click.Context.meta`: the name of this process, if there are several."""
CONFIG = "helixer_ft.config"
"""Key for the path of --config, if it is given."""
_SMALLER_BATCHES = {
    "batch_size": "--batch-size (with --accumulate, to the same effect)",
    "val_test_batch_size": "--val-test-batch-size",
}


def tell_of_signal(name: str) -> None:
    """Report a signal from within its handler."""
    with contextlib.suppress(OSError):
        os.write(2, f"\n{name}: stopping after this step (Ctrl-C: at once)\n".encode())


class Command(click.Command):
    """A click command that ends in one readable message instead of a traceback.

    `--debug` (a parameter of the command) lets the traceback through.
    """

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """See click; a bad value may come from the file of --config, and the message says so."""
        try:
            return super().make_context(*arguments, **options)
        except click.UsageError as error:
            from helixer_ft.cli.printable import printable

            from_file = isinstance(error, click.BadParameter) and _is_from_file(error)
            where = " It is set in the --config file." if from_file else ""
            error.message = printable(error.message) + where  # type: ignore[misc]
            raise

    def invoke(self, ctx: click.Context) -> Any:
        _refuse_config_elsewhere(ctx)
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except KeyboardInterrupt:
            click.echo("Aborted!", err=True)
            sys.exit(ABORTED)
        except Interrupted as error:
            from helixer_ft.cli.command_line import resume_command

            click.echo(f"Interrupted: {error}\nTo resume:\n  {resume_command()}", err=True)
            sys.exit(error.exit_code)
        except HelixerFtError as error:
            self._end(ctx, str(error), error.exit_code, error)
        except BrokenPipeError:
            sys.exit(1)
        except OSError as error:  # a folder that cannot be read, a disk that is gone
            text = f"{error.filename or 'a file'}: {error.strerror or error}."
            self._end(ctx, text, 1, error)
        except Exception as error:
            if is_out_of_memory(error):
                options = [text for name, text in _SMALLER_BATCHES.items() if name in ctx.params]
                advice = f" Try a smaller {' and '.join(options)}." if options else ""
                self._end(ctx, f"out of memory.{advice}", 1, error)
            text = (
                f"unexpected {type(error).__name__}: {error}. This is a fault of helixer-ft: "
                "please report it with the output of the same command with --debug."
            )
            self._end(ctx, text, 1, error)

    @staticmethod
    def _end(ctx: click.Context, text: str, status: int, error: BaseException) -> NoReturn:
        if ctx.params.get("debug"):
            raise error
        from helixer_ft.cli.printable import printable

        click.echo(f"Error: {ctx.meta.get(PROCESS, '')}{printable(text)}", err=True)
        sys.exit(status)


def _refuse_config_elsewhere(ctx: click.Context) -> None:
    """Refuse a path that is the --config file, which a command would write over or read as data."""
    config = ctx.meta.get(CONFIG)
    if config is None:
        return
    for option in ctx.command.params:
        value = ctx.params.get(option.name or "")
        for path in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(path, Path) and real_path(path) == real_path(config):
                raise click.BadParameter(
                    f"{path}: is the file of --config. Give another path.", ctx, option
                )


def _is_from_file(error: click.BadParameter) -> bool:
    if error.ctx is None or error.param is None or error.param.name is None:
        return False
    return error.ctx.get_parameter_source(error.param.name) is ParameterSource.DEFAULT_MAP
