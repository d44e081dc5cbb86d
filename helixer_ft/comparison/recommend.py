"""Which model to take: chosen on the validation data, judged on the test data."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helixer_ft.metrics import MIN_BLOCKS, Interval, paired_bootstrap
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.outcome import Comparison

UNTOUCHED = "untouched"
"""Strategy of a model that was not tuned."""

Regions = Mapping[str, Sequence[Hashable]]
"""Set -> the genome block of each of its windows."""


@dataclass(frozen=True)
class Row:
    """A model, untouched or tuned.

    Attributes
    ----------
    name
        What it is called.
    model
        What the untouched model is called that it is or was made from.
    path
        Its file.
    strategy
        What trained; `UNTOUCHED`: nothing.
    trainable_parameters, total_parameters
        How many trained, of how many.
    scores
        By set: `validation` and, where given, `test`.
    compared
        The same, compared with the untouched model; empty where it is that.
    seconds
        The training took.
    """

    name: str
    model: str
    path: Path
    strategy: str
    trainable_parameters: int
    total_parameters: int
    scores: Mapping[str, DatasetScore]
    compared: Mapping[str, Comparison]
    seconds: float = 0.0

    @property
    def is_tuned(self) -> bool:
        """Whether it was trained here."""
        return self.strategy != UNTOUCHED

    @property
    def validation_f1(self) -> float:
        """The score that chooses."""
        return self.scores["validation"].genic_f1

    @property
    def decisive(self) -> Comparison | None:
        """The comparison that its verdict is based on; None for the untouched model."""
        return self.compared.get("test") or self.compared.get("validation")

    @property
    def verdict(self) -> str:
        """ "better", "not better" or "cannot tell"; empty for the untouched model."""
        return self.decisive.interval.verdict if self.decisive else ""

    @property
    def text(self) -> str:
        """The result in a line."""
        found = self.decisive
        assert found is not None, "it was trained"
        before, after = found.baseline, found.tuned
        return (
            f"{self.verdict}: genic F1 {before.genic_f1:.4f} -> {after.genic_f1:.4f}, wrong bases "
            f"{before.wrong_share:.1%} -> {after.wrong_share:.1%}"
        )


@dataclass(frozen=True)
class Recommendation:
    """Which model to take, and why.

    Attributes
    ----------
    row
        The model.
    reasons
        In plain words.
    is_tentative
        Whether a tuned model is recommended although there is too little to score on for a
        verdict.
    runner_up
        Name of the tuned model that the best one on the validation data was compared with; empty
        where there is no other.
    interval
        The best of the two minus the other, genic F1 on the validation data.
    """

    row: Row
    reasons: tuple[str, ...]
    is_tentative: bool = False
    runner_up: str = ""
    interval: Interval | None = None

    @property
    def text(self) -> str:
        """What to do, in one line."""
        if not self.row.is_tuned:
            return f"keep the untouched model, {self.row.path}"
        doubt = " for now" if self.is_tentative else ""
        return f"use {self.row.path} ({self.row.strategy}){doubt}"

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "name": self.row.name,
            "path": str(self.row.path),
            "strategy": self.row.strategy,
            "tentative": self.is_tentative,
            "reasons": list(self.reasons),
            "runner_up": self.runner_up or None,
            "difference": self.interval.to_dict("genic_f1") if self.interval else None,
        }


def recommend(rows: Sequence[Row], regions: Regions, seed: int = 0) -> Recommendation:
    """Choose on the validation data, judge on the test data (else on the same).

    The best two tuned models by validation genic F1 are compared by a paired bootstrap; where that
    cannot tell them apart, the simpler one is taken: with fewer parameters trained, or the earlier
    one. It is recommended where it is better than the best untouched model.

    Parameters
    ----------
    rows
        Untouched models, at least one, and tuned ones in the order of their candidates.
    regions
        Genome blocks.
    seed
        Of the bootstrap.
    """
    untouched = max((row for row in rows if not row.is_tuned), key=lambda row: row.validation_f1)
    tuned = sorted((row for row in rows if row.is_tuned), key=lambda row: -row.validation_f1)
    if not tuned:
        return Recommendation(untouched, ("Nothing was tuned.",))
    best, *others = tuned
    chosen, runner_up, found = best, "", None
    reason = f"{best.name} is the only tuned model (genic F1 {best.validation_f1:.4f})."
    if others:
        chosen, reason, found = _of_two(best, others[0], list(rows), regions, seed)
        runner_up = others[0].name
    reasons, take, tentative = [reason], False, False
    if chosen.validation_f1 <= untouched.validation_f1:
        reasons.append(
            "On the validation data, which chose its checkpoint, it is no better than the "
            f"untouched model ({untouched.validation_f1:.4f})."
        )
    else:
        on = "test" if "test" in chosen.scores else "validation"
        gain = _difference(untouched, chosen, on, regions, seed)
        tentative = gain.blocks < MIN_BLOCKS and gain.low > 0
        take = tentative or gain.verdict == "better"
        reasons += _judgement(untouched, chosen, on, gain)
    return Recommendation(
        chosen if take else untouched, tuple(reasons), tentative, runner_up, found
    )


def _of_two(
    best: Row, second: Row, rows: list[Row], regions: Regions, seed: int
) -> tuple[Row, str, Interval]:
    """The model to take, why, and what sets the two apart."""
    found = _difference(second, best, "validation", regions, seed)
    scores = f"genic F1 {best.validation_f1:.4f} and {second.validation_f1:.4f} {found.text}"
    if found.low > 0:  # with few genome blocks too: a choice has to be made
        text = f"{best.name} is better on the validation data than the second, {second.name}: "
        return best, f"{text}{scores}.", found
    order = [row.name for row in rows]
    simpler, other = sorted(
        (best, second), key=lambda row: (row.trainable_parameters, order.index(row.name))
    )
    why = (
        f"{simpler.trainable_parameters:,} parameters trained, not {other.trainable_parameters:,}"
        if simpler.trainable_parameters < other.trainable_parameters
        else "as many parameters trained, in fewer steps"
    )
    text = (
        f"The best two on the validation data, {best.name} and {second.name}, cannot be told apart "
        f"({scores}): {simpler.name} is the simpler one ({why})."
    )
    return simpler, text, found


def _judgement(untouched: Row, chosen: Row, on: str, gain: Interval) -> list[str]:
    """What the decisive data say of the chosen model, and what that is worth."""
    before, after = (row.scores[on].genic_f1 for row in (untouched, chosen))
    claim = {
        "better": "It is better than the untouched model",
        "not better": "It is no better than the untouched model",
        "cannot tell": "Whether it is better than the untouched model cannot be told",
    }[gain.verdict]
    which = "the test data, which chose nothing" if on == "test" else "the validation data"
    reasons = [f"{claim} on {which}: genic F1 {before:.4f} -> {after:.4f} {gain.text}."]
    if gain.blocks < MIN_BLOCKS:
        reasons.append(
            f"{gain.blocks} genome blocks are too few for a verdict ({MIN_BLOCKS} are needed): "
            "score on more sequence."
        )
    if on == "validation":
        reasons.append(
            "There are no test data: checkpoint and strategy were chosen on the data that this "
            "rests on, so it is optimistic. Give held-out sequences with --test-data."
        )
    return reasons


def _difference(one: Row, other: Row, on: str, regions: Regions, seed: int) -> Interval:
    """Genic F1 of the second minus that of the first, on a set."""
    before, after = (row.scores[on].counts[:, :1] for row in (one, other))  # phase not all have
    return paired_bootstrap(before, after, regions[on], seed=seed)["genic"]
