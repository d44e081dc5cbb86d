"""Checks of a run as lines of text, for wide and for narrow terminals."""

from collections.abc import Sequence

from helixer_ft.training.history import Check

_WIDE = (
    f"{'':31}{'training subset':<14} {'validation':>14}\n"
    f"check  epoch  batch  {'loss':>8}{'loss':>9}{'F1':>7}{'loss':>9}{'F1':>7}{'time':>10}"
)
"""The first `loss` is the weighted one of training; the others are unweighted. F1 is genic."""
_NARROW = f"check epoch    loss     F1{'time':>8}"
"""Loss and genic F1 are those on the validation data."""
WIDE = 78
"""Columns that the wide form takes."""


def heading(width: int) -> str:
    """The lines above the checks."""
    return _WIDE if width >= WIDE else _NARROW


def line(check: Check, width: int, *, best: bool) -> str:
    """One check; `best` marks it: the best one, or the last where scores do not decide."""
    mark = ("  best" if check.by_score else "  last") if best else ""
    if width < WIDE:
        place = f"{check.number:>5} {check.epoch:>5}" if check.number else "untouched  "
        scores = f"{check.validation.loss:>7.4f} {check.validation.genic_f1:.4f}"
        return f"{place} {scores} {check.seconds:>5.0f} s{mark}"
    place = f"{check.number:>5}  {check.epoch:>5}  {check.batch:>5}"
    loss = f"{check.training_loss or 0:>8.4f}"
    if check.number == 0:
        place, loss = f"{'untouched model':<19}", " " * 8
    scores = "  ".join(
        f"{score.loss:>7.4f} {score.genic_f1:.4f}" for score in (check.subset, check.validation)
    )
    return f"{place}  {loss}  {scores}  {check.seconds:>6.0f} s{mark}"


def table(checks: Sequence[Check], width: int, *, last: int | None = None) -> list[str]:
    """Heading and checks, the best one marked.

    Parameters
    ----------
    checks
        In order; the untouched model, where it is there, first.
    width
        Width of the terminal in columns.
    last
        At most this many checks at the end, and the untouched model and the best one; None: all.
    """
    best = max((check.number for check in checks if check.improved), default=None)
    newest = {check.number for check in checks[-last:]} if last else None
    return [
        *heading(width).split("\n"),
        *(
            line(check, width, best=check.number == best)
            for check in checks
            if newest is None or check.number in newest | {0, best}
        ),
    ]
