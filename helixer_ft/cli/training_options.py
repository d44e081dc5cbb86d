"""Options that `whole` and `freeze` share; defaults come from the settings of the library."""

from dataclasses import fields
from typing import Any

import click

from helixer_ft.cli.hybridmodel import training_words
from helixer_ft.cli.option_kinds import Decorator, in_order
from helixer_ft.cli.shared_options import (
    checkpoint_option,
    computing_options,
    config_option,
    load_model_option,
    output_options,
    processes_options,
    resume_option,
)
from helixer_ft.cli.types import FILE as _FILE
from helixer_ft.cli.types import WeightList
from helixer_ft.settings import OPTIMIZERS, PRECISIONS, TrainingSettings

_DEFAULTS = {setting.name: setting.default for setting in fields(TrainingSettings)}


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
    load_model_option(),
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
    _setting(
        "batch_size", "Subsequences per training step, on all devices together.", "-b", type=int,
        metavar="N",
    ),
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
    resume_option,
    checkpoint_option,
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
    computing_options,
    processes_options,
    config_option("Options of a run, repeated: its config.toml"),
    output_options(
        verbose="Layer table and confusion matrices too.",
        force="Overwrite the output of an earlier run.",
    ),
    training_words,
]  # fmt: skip

training_options = in_order(_OPTIONS)
"""The options of `whole` and `freeze`, in their order."""
