"""HybridModel.py's own words, accepted so that its commands can be pasted over."""

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
"""Of commands that score or predict."""

training_words = in_order([
    click.option("--resume-training", is_flag=True, hidden=True),
    click.option("--fine-tune", is_flag=True, hidden=True),
    click.option("--fine-tune-resume", is_flag=True, hidden=True),
    scoring_words,
])  # fmt: skip
"""Of commands that train."""


def scoring_notices(options: dict[str, Any]) -> list[str]:
    """What to say of those that have no meaning here."""
    if options["workers"] is None:
        return []
    return ["--workers has no meaning here: data are read ahead in one thread"]


def refuse_fixed_body(options: dict[str, Any]) -> None:
    """Refuse, for `whole`, the words that ask for a body that stays as it is."""
    for word in ("fine_tune", "fine_tune_resume"):
        if options[word]:
            raise InputError(
                f"{option(word)} keeps the body fixed, 'whole' trains every layer. "
                f"Use 'helixer-ft freeze', or leave {option(word)} out."
            )


def training_notices(options: dict[str, Any]) -> list[str]:
    """What to say of them."""
    names = ("resume_training", "fine_tune", "fine_tune_resume", "predict_phase")
    used = [option(name) for name in names if options[name]]
    used += [option(name) for name in ("workers", "gpu_id") if options[name] is not None]
    notices = scoring_notices(options)
    if used:
        notices.insert(
            0,
            f"{', '.join(used)}: HybridModel.py's words. Defaults differ: at most 100 epochs (not "
            "10000), class and transition weights as recommended (not none), coverage normalised "
            "by log (not as it is); "
            "--resume-training loads trained weights, it does not go on with an interrupted run "
            "(--resume does)",
        )
    return notices
