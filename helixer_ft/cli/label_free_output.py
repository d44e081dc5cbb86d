"""Prints scores of genes without a reference; notices and warnings go to standard error."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from helixer_ft.cli.gene_scores_output import contents, frames_table
from helixer_ft.cli.output import Printer, plain_table
from helixer_ft.genes.label_free import GeneSet, LabelFreeScores
from helixer_ft.genes.label_free_scores import Estimate, Score
from helixer_ft.metrics import MIN_BLOCKS

_TOO_FEW = "too few to tell"


def show(outcome: LabelFreeScores, printer: Printer) -> None:
    """The result of `evaluate-genes` without a reference."""
    for text in outcome.notices:
        printer.notice(text)
    for text in outcome.warnings:
        printer.warning(text)
    if printer.as_json:
        printer.json(outcome.to_dict())
        return
    printer.lines(
        f"{'' if outcome.request.split is None else 'Check stretches on '}"
        f"{len(outcome.seqids):,} sequence(s), {outcome.bases / 1e6:.2f} Mb, {outcome.blocks:,} "
        f"genome blocks of {outcome.block_bases:,} bp."
    )
    for number, own in enumerate(outcome.sets, start=1):
        selected = f"; selected by {', '.join(own.filters)}" if own.filters else ""
        printer.lines(f"[{number}] {own.path}: {contents(own.selection)}{selected}.")
    if outcome.support is not None:
        printer.lines(
            f"Reads: {outcome.support.total:,} canonical introns with at least "
            f"{outcome.request.min_reads} reads of {outcome.request.min_overhang} bases on either "
            "side."
        )
    printer.table(_score_table(outcome))
    for number in range(1, len(outcome.sets)):
        printer.table(_difference_table(outcome, number))
    printer.table(
        frames_table({f"[{i}]": own.frames for i, own in enumerate(outcome.sets, start=1)})
    )
    printer.lines("What the scores say:", *_sayings(outcome))


def _score_table(outcome: LabelFreeScores) -> Table:
    """A row per score, a column per file."""
    several = outcome.blocks >= MIN_BLOCKS
    rows = [
        (
            score.label,
            *(_with_interval(score, own.scores[score.name], several) for own in outcome.sets),
            _filtered(score, outcome.sets),
        )
        for score in outcome.scores
    ]
    intervals = "95 % intervals" if several else f"{outcome.blocks} blocks: {_TOO_FEW}"
    title = f"Scores without a reference ({intervals})"
    columns = ("score", *(f"[{n}]" for n in range(1, len(outcome.sets) + 1)), "cannot judge")
    return plain_table(title, columns, rows)


def _difference_table(outcome: LabelFreeScores, number: int) -> Table:
    """One file against the first."""
    own = outcome.sets[number]
    pair = (outcome.sets[0], own)
    rows = []
    for score in outcome.scores:
        found = own.differences[score.name]
        if outcome.blocks < MIN_BLOCKS:
            interval, clear = _TOO_FEW, "–"
        elif found.low is None or found.high is None:
            interval = clear = "–"
        else:
            interval = f"{_text(score, found.low, '+')} to {_text(score, found.high, '+')}"
            clear = "yes" if found.low > 0 or found.high < 0 else "no"
        filtered = _filtered(score, pair, (1, number + 1))
        rows.append((score.label, _text(score, found.value, "+"), interval, clear, filtered))
    columns = ("score", "difference", "95 % interval", "beyond chance", "cannot judge")
    return plain_table(f"[{number + 1}] less [1]", columns, rows)


def _with_interval(score: Score, found: Estimate, several: bool) -> str:
    value = _text(score, found.value)
    if not several or found.low is None:
        return value
    return f"{value} ({_text(score, found.low)} to {_text(score, found.high)})"


def _text(score: Score, value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{value:{sign}.1%}" if score.per == 1 else f"{value:{sign}.1f}"


def _filtered(score: Score, sets: Sequence[GeneSet], numbers: Sequence[int] | None = None) -> str:
    """Of which files the score was a filter."""
    numbers = numbers or range(1, len(sets) + 1)
    spoilt = [n for n, own in zip(numbers, sets, strict=True) if score.spoilt_by(own.filters)]
    return "filter of " + ", ".join(f"[{n}]" for n in spoilt) if spoilt else ""


def _sayings(outcome: LabelFreeScores) -> Iterator[str]:
    for score in outcome.scores:
        if score.says:
            yield f"- {score.label.strip()}: {score.says}."
    if any(score.spoilt_by(own.filters) for score in outcome.scores for own in outcome.sets):
        yield (
            "- filter: the genes of that file were selected by this, or there are fewer of them "
            "because they were selected. The score then follows from the selection and cannot "
            "judge."
        )
