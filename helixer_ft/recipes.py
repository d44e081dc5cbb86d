"""How a training proceeds: the learning rate from update to update, averaging, and the numbers that
are chosen from the amount of data.

`docs/evidence.md` has the measurements that these choices rest on: the rows *whole, default*
against *whole, helixer*, and *head*, *hidden layer* and *kept head, default* against *head,
helixer*; for `Recipe.partial_shares`, the species that the model knows.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, fields, replace

from helixer_ft.settings import (
    AUTO,
    CHOSEN_FROM_DATA,
    Auto,
    TrainingOptions,
    TrainingSettings,
    option,
)


@dataclass(frozen=True)
class Recipe:
    """A way to train.

    Attributes
    ----------
    warmup
        Updates over which the learning rate rises to its full value.
    last_rate
        The learning rate of the last update as a share of the full one, to which it falls along
        half a cosine; 1: it stays.
    average
        Checks score and save a moving average of the weights, in which those of an update have a
        share of 1 - `average`; None: the weights of the last update.
    shifts
        In every epoch, each window begins at another base of its first pooled step, so that the
        steps hold other bases. Not where the body is frozen, whose output is computed once, of the
        windows as they are.
    partial_shares
        Shares of the way from the untouched model's weights to those of the best check (share 1).
        Of all these the one is kept that is best on the validation data, or the untouched model,
        where not even that one is better beyond doubt. Empty: the best check is kept. Not where
        the untouched model has no such layers.
    """

    warmup: int = 0
    last_rate: float = 1.0
    average: float | None = None
    shifts: bool = False
    partial_shares: tuple[float, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether every update has the same learning rate."""
        return self.warmup == 0 and self.last_rate == 1.0

    def rate(self, full: float, update: int, updates: int) -> float:
        """The learning rate of an update (from 0) of all that the epochs make, in a training whose
        learning rate is `full`.
        """
        warmup = min(self.warmup, updates // 4)
        if update < warmup:
            return full * (update + 1) / (warmup + 1)
        done = (update - warmup) / max(1, updates - warmup)
        cosine = (1 + math.cos(math.pi * min(1.0, done))) / 2
        return full * (self.last_rate + (1 - self.last_rate) * cosine)

    def share(self, updates: int) -> float:
        """The share that the average of so many updates keeps when the next one comes: less at
        first, so that the start is soon left behind.
        """
        assert self.average is not None, "the recipe averages"
        return min(self.average, (1 + updates) / (10 + updates))


RECIPES = {  # rows of the same names in docs/evidence.md
    "helixer": Recipe(),
    "default": Recipe(
        warmup=20,
        last_rate=0.01,
        average=0.98,
        shifts=True,
        partial_shares=(0.75, 0.5, 0.25),
    ),
}


SMALL_BATCH, SMALL_DATA, LARGEST_DOUBLINGS = 2, 400, 2
"""Batch size of all layers up to so many training windows; four times the windows have batches
twice as large, up to the original's 8."""
WHOLE_RATE, HEAD_RATE, MOST_BY_ROOT = 1e-3, 7e-3, 8
"""Learning rates of all layers and of a head alone, in batches of `SMALL_BATCH`; they grow with the
square root of the batch, the usual rule for Adam (Malladi et al. 2022, arXiv:2205.10287), up to
batches of `MOST_BY_ROOT`: larger ones were not tried."""
EPOCHS_OF_ONE, FEWEST_EPOCHS, MOST_EPOCHS, HEAD_EPOCHS = 110, 5, 40, 30
"""Epochs fall with the square root of the windows; a head alone, which is quick, has its own."""
CHECKS, PATIENCE, PATIENT_SHARE = 10, 3, 0.4
"""Checks that a training has at least, where there are batches for them; and its patience: a share
of all checks, because the last updates, at a low learning rate, gain too."""
PREDICTED_EPOCHS = 10
"""Most epochs where the training labels are predictions, whatever the recipe: 3 were too few, more
were not tried (docs/evidence.md, "Labels from the model's own predictions")."""


def recipe_of(settings: TrainingOptions) -> Recipe:
    """The recipe by its name."""
    return RECIPES[settings.recipe]


def choose(
    options: TrainingOptions,
    windows: int,
    *,
    head_alone: bool,
    predicted: Collection[str] = (),
) -> TrainingSettings:
    """Settings in which every "auto" has become a number.

    Parameters
    ----------
    options
        What is asked for; numbers stay as they are.
    windows
        Subsequences of the training data.
    head_alone
        Whether the body is frozen.
    predicted
        Which of "training" and "validation" data have labels that are predictions: on the first,
        training is short; agreement with the second does not end it.
    """
    if isinstance(options, TrainingSettings):
        return options
    if "training" in predicted and options.epochs == AUTO:
        usual = _epochs(windows, head_alone) if options.recipe == "default" else PREDICTED_EPOCHS
        options = replace(options, epochs=min(usual, PREDICTED_EPOCHS))
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    chosen = TrainingSettings()
    if options.recipe == "default":
        chosen = _by_amount(windows, head_alone, options)
    auto = {name: getattr(chosen, name) for name in CHOSEN_FROM_DATA if given[name] == AUTO}
    settings = TrainingSettings(**given | auto)
    if "validation" in predicted and options.patience == AUTO:
        n_batches = math.ceil(windows / settings.batch_size)
        checks = _checks(settings.epochs, n_batches, settings.check_every_nth_batch)
        settings = replace(settings, patience=checks)
    return settings


def choice_notices(
    options: TrainingOptions, chosen: TrainingSettings, windows: int
) -> tuple[str, ...]:
    """What to say of the numbers that were chosen."""
    names = options.chosen_from_data
    if not names:
        return ()
    texts = [f"{option(name)} {_text(getattr(chosen, name))}" for name in names]
    return (f"recipe {options.recipe}, for {windows:,} training windows: {', '.join(texts)}",)


def _text(value: float | None) -> str:
    return "at each epoch's end" if value is None else f"{value:g}"


def _by_amount(windows: int, head_alone: bool, options: TrainingOptions) -> TrainingSettings:
    """The default recipe's numbers; those that the user gave come first where others follow."""
    batch_size = _given(options.batch_size, _batch_size(windows, head_alone))
    epochs = _given(options.epochs, _epochs(windows, head_alone))
    n_batches = math.ceil(windows / batch_size)
    parts = max(1, round(CHECKS / epochs))
    updates = math.ceil(n_batches / options.accumulate)
    every = options.check_every_nth_batch
    if every == AUTO:
        few = parts == 1 or updates < 2 * parts
        every = None if few else math.ceil(updates / parts) * options.accumulate
    checks = _checks(epochs, n_batches, every)
    rate = HEAD_RATE if head_alone else WHOLE_RATE
    of_an_update = min(MOST_BY_ROOT, batch_size * options.accumulate)
    return TrainingSettings(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=float(f"{rate * math.sqrt(of_an_update / SMALL_BATCH):.2g}"),
        check_every_nth_batch=every,
        patience=max(PATIENCE, math.ceil(PATIENT_SHARE * checks)),
    )


def _batch_size(windows: int, head_alone: bool) -> int:
    """Few windows make many updates, many make smooth ones; a head alone needs fewer updates."""
    doublings = max(1 if head_alone else 0, math.ceil(math.log(windows / SMALL_DATA, 4)))
    return SMALL_BATCH * 2 ** min(LARGEST_DOUBLINGS, doublings)


def _epochs(windows: int, head_alone: bool) -> int:
    if head_alone:
        return HEAD_EPOCHS
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(EPOCHS_OF_ONE / math.sqrt(windows))))


def _checks(epochs: int, n_batches: int, every: int | None) -> int:
    """Checks of a whole training, with epochs of so many batches."""
    return epochs * (1 if every is None else math.ceil(n_batches / every))


def _given(asked: int | Auto, chosen: int) -> int:
    return chosen if asked == AUTO else asked
