"""HybridModel.py's option names, accepted so that its commands can be pasted."""

from typing import Any

import click

from helixer_ft.cli.option_kinds import in_order
from helixer_ft.errors import InputError
from helixer_ft.settings import option

SCORING_NOTE = "--predict-phase, --gpu-id and --workers are accepted too."
TRAINING_NOTE = (
    "HybridModel.py's --resume-training, --fine-tune, --fine-tune-resume (= --keep-head), "
    "--predict-phase, --gpu-id and --workers are accepted too."
)

scoring_words = in_order([
    click.option("--predict-phase", is_flag=True, hidden=True),
    click.option("--gpu-id", type=click.IntRange(min=0), hidden=True),
    click.option("--workers", type=int, hidden=True),
])  # fmt: skip
"""Options of commands that score or predict."""

training_words = in_order([
    click.option("--resume-training", is_flag=True, hidden=True),
    click.option("--fine-tune", is_flag=True, hidden=True),
    click.option("--fine-tune-resume", is_flag=True, hidden=True),
    scoring_words,
])  # fmt: skip
"""Options of commands that train."""


def scoring_notices(options: dict[str, Any]) -> list[str]:
    """Notices about the options that are ignored."""
    if options["workers"] is None:
        return []
    return ["--workers is ignored: one thread reads the data ahead"]


def refuse_fixed_body(options: dict[str, Any]) -> None:
    """Refuse, for `whole`, the options that ask for a fixed body."""
    for word in ("fine_tune", "fine_tune_resume"):
        if options[word]:
            raise InputError(
                f"{option(word)} keeps the body fixed, but 'whole' trains every layer. "
                f"Use 'helixer-ft freeze', or leave {option(word)} out."
            )


def training_notices(options: dict[str, Any]) -> list[str]:
    """Notices about the options that were used."""
    names = ("resume_training", "fine_tune", "fine_tune_resume", "predict_phase")
    used = [option(name) for name in names if options[name]]
    used += [option(name) for name in ("workers", "gpu_id") if options[name] is not None]
    if not used:
        return []
    return [
        f"{', '.join(used)}: HybridModel.py's option names. Defaults differ: another course of "
        "training (--recipe helixer has HybridModel.py's), the recommended class and transition "
        "weights (not none), log normalisation of coverage (not none); --resume-training loads "
        "trained weights, it does not resume an interrupted run (--resume does)",
        *scoring_notices(options),
    ]
