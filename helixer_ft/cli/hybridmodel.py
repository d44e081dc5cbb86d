"""HybridModel.py's own words, accepted so that its commands can be pasted over."""

from typing import TYPE_CHECKING, Any

import click

from helixer_ft.cli.shared_options import in_order
from helixer_ft.errors import InputError
from helixer_ft.settings import option

if TYPE_CHECKING:
    from helixer_ft.network.strategies import Strategy

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


def training_notices(strategy: "Strategy", options: dict[str, Any]) -> list[str]:
    """What to say of them; those that contradict the command are refused."""
    used = [
        option(name)
        for name in ("resume_training", "fine_tune", "fine_tune_resume", "predict_phase")
        if options[name]
    ]
    contradiction = next((word for word in used if word.startswith("--fine-tune")), None)
    if contradiction is not None and not strategy.fixes_body:
        raise InputError(
            f"{contradiction} keeps the body fixed, '{strategy.command}' trains every layer. "
            f"Use 'helixer-ft freeze', or leave {contradiction} out."
        )
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
