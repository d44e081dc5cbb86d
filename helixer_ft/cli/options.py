"""Options that `whole` and `freeze` share; defaults come from the settings of the library."""

import shlex
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from helixer_ft.cli.types import LINEAGE_HELP, ModelPath
from helixer_ft.errors import InputError
from helixer_ft.training.settings import (
    OPTIMIZERS,
    PRECISIONS,
    CacheSettings,
    TrainingSettings,
    check_weights,
)

_DEFAULTS = {setting.name: setting.default for setting in fields(TrainingSettings)}
_FILE = click.Path(path_type=Path)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class WeightList(click.ParamType):
    """`0.7,1.6,1.2,1.2`, the same in brackets, or `none`; parsed as numbers, never evaluated."""

    name = "LIST"

    def __init__(self, length: int) -> None:
        self.length = length

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...] | None:
        """The weights, or None for `none`; click reports what cannot be parsed."""
        items: Sequence[Any]
        if isinstance(value, str):
            text = value.strip()
            if text.lower() == "none":
                return None
            if text.startswith("[") != text.endswith("]"):
                self.fail(f"'{value}' has only one bracket.", param, ctx)
            items = text.removeprefix("[").removesuffix("]").split(",")
        else:
            items = value
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
        if value == "auto":
            return "auto"
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor auto.", param, ctx)


def _load_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Make the values of a run's config.toml the defaults of this command."""
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(
            f"{path}: could not be read as TOML ({error}); expected the config.toml of a run."
        ) from error
    command = values.pop("command", ctx.info_name)
    if command != ctx.info_name:
        raise click.BadParameter(
            f"{path}: is the configuration of '{command}', but this command is '{ctx.info_name}'."
        )
    known = {param.name: param for param in ctx.command.params}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise click.BadParameter(
            f"{path}: has the unknown option(s) {', '.join(unknown)}; expected names of options of "
            f"'{ctx.info_name}' with _ for -."
        )
    for name, value in values.items():
        takes_list = known[name].multiple or isinstance(known[name].type, WeightList)
        if isinstance(value, dict) or (isinstance(value, list) and not takes_list):
            raise click.BadParameter(
                f"{path}: has {name} = {value!r}, expected "
                + ("a list." if takes_list else "a single value.")
            )
        # as text, so that a value passes the same checks as on the command line
        values[name] = list(map(str, value)) if isinstance(value, list) else str(value)
    ctx.default_map = {**(ctx.default_map or {}), **values}


def _setting(name: str, help_text: str, *short: str, **kwargs: Any) -> Decorator:
    default = _DEFAULTS[name]
    if isinstance(default, tuple):
        default = ",".join(f"{weight:g}" for weight in default)
    flag = "--" + name.replace("_", "-")
    return click.option(
        *short, flag, name, default=default, show_default=default is not None, help=help_text,
        **kwargs,
    )  # fmt: skip


_OPTIONS: list[Decorator] = [
    click.option(
        "-l", "--load-model-path", type=ModelPath(), required=True, metavar="FILE",
        help=f"Trained Helixer model (.h5), {LINEAGE_HELP}.",
    ),
    click.option(
        "-d", "--data-dir", type=_FILE, required=True, metavar="DIR",
        help="Folder; every training_data*h5 and validation_data*h5 in it is used.",
    ),
    click.option(
        "-t", "--test-data", type=_FILE, multiple=True, metavar="FILE",
        help="Held-out labelled data (repeatable): the verdict is taken there.",
    ),
    click.option(
        "-s", "--save-model-path", type=_FILE, default="best_model.h5", show_default=True,
        metavar="FILE",
        help="This run's best check by genic F1 on the validation data; the folder beside it "
        "(best_model.run) has report.html, history.csv and config.toml.",
    ),
    _setting("epochs", "Upper bound; --patience ends a run earlier.", "-e", type=int, metavar="N"),
    _setting("batch_size", "Subsequences per training step.", "-b", type=int, metavar="N"),
    _setting(
        "val_test_batch_size", "Subsequences per scoring step; never changes a result.",
        type=int, metavar="N",
    ),
    _setting(
        "accumulate", "Gradients of N batches per update, for small GPUs.", type=int, metavar="N"
    ),
    _setting("learning_rate", "Of the optimiser.", type=float, metavar="X"),
    _setting(
        "check_every_nth_batch",
        "Validate and checkpoint also after every N training batches of an epoch.  [default: at "
        "each epoch's end only]",
        type=int, metavar="N",
    ),
    _setting(
        "patience",
        "Checks in a row without improvement before stopping, counted from the first check with "
        "genic F1 > 0.",
        type=int, metavar="N",
    ),
    _setting("optimizer", "AdamW, or Adam (no weight decay).", type=click.Choice(OPTIMIZERS)),
    _setting(
        "weight_decay", "Share of each weight taken off per update (AdamW).", type=float,
        metavar="X",
    ),
    _setting("clip_norm", "Largest gradient norm of a variable.", type=float, metavar="X"),
    _setting(
        "class_weights", "Loss weights of intergenic, UTR, CDS, intron; none turns them off.",
        type=WeightList(4),
    ),
    _setting(
        "transition_weights",
        "Loss weights where transcript, CDS, intron begin and end; none turns them off.",
        type=WeightList(6),
    ),
    _setting("save_every_check", "Keep the model of every check.", is_flag=True),
    _setting(
        "precision",
        "Of the computation; weights, loss and the saved model stay in float32. The mixed ones are "
        "for GPUs.",
        type=click.Choice(PRECISIONS),
    ),
    _setting("seed", "Everything random follows from it.", type=int, metavar="N"),
    click.option(
        "--cache-dir", type=_FILE, metavar="DIR",
        help="Keep the decoded data (and freeze: the output of the body) on disk there, not in "
        "memory.  [default: memory where it fits, else $SLURM_TMPDIR, $TMPDIR or the folder of the "
        "run]",
    ),
    click.option(
        "--keep-cache", is_flag=True,
        help="Leave these files for later runs on the same data (and body).",
    ),
    click.option(
        "--dry-run", is_flag=True,
        help="Check everything, say what would train, stop before training.",
    ),
    click.option(
        "--backend", type=click.Choice(["auto", "tensorflow", "jax"]), default="auto",
        show_default=True,
        help="Keras backend. auto: KERAS_BACKEND if set, else the one that sees an accelerator, "
        "else JAX where installed, else TensorFlow.",
    ),
    click.option(
        "--config", type=_FILE, metavar="FILE", is_eager=True, expose_value=False,
        callback=_load_config, help="A run's config.toml, repeated; options given here override.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Results and errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Layer table and confusion matrices too."),
    click.option("--debug", is_flag=True, help="Show the traceback of an error."),
    click.option("--force", is_flag=True, help="Overwrite the output of an earlier run."),
    # HybridModel.py's own words, so that its commands can be pasted over
    click.option("--resume-training", is_flag=True, hidden=True),
    click.option("--fine-tune", is_flag=True, hidden=True),
    click.option("--fine-tune-resume", is_flag=True, hidden=True),
    click.option("--predict-phase", is_flag=True, hidden=True),
    click.option("--gpu-id", type=click.IntRange(min=0), hidden=True),
    click.option("--workers", type=int, hidden=True),
]  # fmt: skip

HYBRIDMODEL_NOTE = (
    "HybridModel.py's --resume-training, --fine-tune, --fine-tune-resume (= --keep-head), "
    "--predict-phase, --gpu-id and --workers are accepted too."
)


def training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options, in their order."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def settings_from(options: dict[str, Any]) -> TrainingSettings:
    """The training settings among a command's parameters."""
    return TrainingSettings(**{name: options[name] for name in _DEFAULTS})


def cache_settings_from(options: dict[str, Any]) -> CacheSettings:
    """The cache settings among a command's parameters; `whole` has no features to cache."""
    defaults = CacheSettings()
    return CacheSettings(
        features=options.get("cache_features", defaults.features),
        folder=options["cache_dir"],
        precision=options.get("cache_precision", defaults.precision),
        keep=options["keep_cache"],
    )


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["helixer-ft", *sys.argv[1:]])
