"""What a training run can be told. Defaults live here alone; command line and docs read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from helixer_ft.errors import InputError

Optimizer = Literal["adamw", "adam"]
OPTIMIZERS = get_args(Optimizer)
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
CachePrecision = Literal["float32", "float16"]
PRECISIONS, CACHE_PRECISIONS = get_args(Precision), get_args(CachePrecision)
Recipe = Literal["default", "helixer"]
RECIPES = get_args(Recipe)
Auto = Literal["auto"]
AUTO: Auto = "auto"
RECOMMENDED_CLASS_WEIGHTS = (0.7, 1.6, 1.2, 1.2)
RECOMMENDED_TRANSITION_WEIGHTS = (1.0, 12.0, 3.0, 1.0, 12.0, 3.0)


LARGEST = 1e30
"""Largest number that may go into the computation: float32 ends at 3e38."""


@dataclass(frozen=True)
class TrainingOptions:
    """What is asked of the shared training loop; what is "auto" is chosen from the data, by
    `recipes.choose`, which makes `TrainingSettings` of it.

    Attributes
    ----------
    recipe
        How training proceeds, and what "auto" becomes: see `recipes.RECIPES`. The default is the
        better one in docs/evidence.md.
    epochs
        Upper bound; patience ends a run earlier. Where the recipe lowers the learning rate, it
        does so over these epochs.
    batch_size, val_test_batch_size
        Subsequences per step in training and in scoring; the second never changes a result. "auto":
        as many as fit, on processors at most 8 (32 for a head alone), which is as fast as more.
    accumulate
        Gradients of this many batches make one update.
    learning_rate
        Learning rate of the optimiser.
    check_every_nth_batch
        Check also after every so many batches of an epoch; None: at each epoch's end only.
    patience
        Checks in a row without improvement before stopping, counted from the first check with
        genic F1 > 0.
    optimizer, weight_decay, clip_norm
        AdamW subtracts `weight_decay` times the weight per update, whatever the learning rate, as
        TensorFlow Addons did; where the recipe lowers the learning rate, this falls with it.
        Gradients are clipped per variable to `clip_norm`.
    class_weights
        Loss weights of intergenic, UTR, CDS, intron; None: 1.
    transition_weights
        Loss weights of steps at the six kinds of transition (see docs/formats.md); None: 1.
    save_every_check
        Keep the model of every check.
    precision
        Precision of the computation; weights, loss and the LSTM's memory stay in float32.
    seed
        New layers, dropout, order of the training data, training subset, bootstrap.
    checkpoint_minutes
        Longest time between two writings of the state, from which an interrupted run resumes;
        0: after every batch.
    """

    recipe: Recipe = "default"
    epochs: int | Auto = AUTO
    batch_size: int | Auto = AUTO
    val_test_batch_size: int | Auto = AUTO
    accumulate: int = 1
    learning_rate: float | Auto = AUTO
    check_every_nth_batch: int | Auto | None = AUTO
    patience: int | Auto = AUTO
    optimizer: Optimizer = "adamw"
    weight_decay: float = 3.5e-5
    clip_norm: float = 3.0
    class_weights: tuple[float, ...] | None = RECOMMENDED_CLASS_WEIGHTS
    transition_weights: tuple[float, ...] | None = RECOMMENDED_TRANSITION_WEIGHTS
    save_every_check: bool = False
    precision: Precision = "float32"
    seed: int = 0
    checkpoint_minutes: float = 10.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "val_test_batch_size", "accumulate", "patience"):
            require(name, getattr(self, name), 1)
        require("check_every_nth_batch", self.check_every_nth_batch, 1)
        require("seed", self.seed, 0)
        if self.recipe not in RECIPES:
            raise InputError(f"--recipe is {self.recipe}, expected one of {', '.join(RECIPES)}.")
        for name in ("learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value != AUTO and not 1 / LARGEST <= value <= LARGEST:
                raise InputError(
                    f"{option(name)} is {value}, expected a number above 0 ({1 / LARGEST:.0e} to "
                    f"{LARGEST:.0e}, which the computation can hold)."
                )
        if not 0 <= self.weight_decay <= LARGEST:
            raise InputError(
                f"--weight-decay is {self.weight_decay}, expected a number of at least 0, and at "
                f"most {LARGEST:.0e}."
            )
        check_minutes(self.checkpoint_minutes)
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"--optimizer is {self.optimizer}, expected adamw or adam.")
        check_precision(self.precision)
        if self.optimizer == "adam" and self.weight_decay not in (0, type(self).weight_decay):
            raise InputError("--weight-decay requires --optimizer adamw. Leave one of the two out.")
        check_weights("--class-weights", self.class_weights, 4)
        check_weights("--transition-weights", self.transition_weights, 6)

    @property
    def chosen_from_data(self) -> tuple[str, ...]:
        """Names of the settings that are left to the recipe."""
        return tuple(name for name in CHOSEN_FROM_DATA if getattr(self, name) == AUTO)


CHOSEN_FROM_DATA = ("epochs", "batch_size", "learning_rate", "check_every_nth_batch", "patience")
"""Settings that a recipe chooses where they are "auto"."""


@dataclass(frozen=True)
class TrainingSettings(TrainingOptions):
    """Settings of the shared training loop, every one a number; by default the original's.

    Attributes
    ----------
    epochs, batch_size, learning_rate, check_every_nth_batch, patience
        See `TrainingOptions`.
    """

    recipe: Recipe = "helixer"
    epochs: int = 100
    batch_size: int = 8
    learning_rate: float = 3e-4
    check_every_nth_batch: int | None = None
    patience: int = 3


@dataclass(frozen=True)
class CacheSettings:
    """What is kept of what would otherwise be computed again and again.

    Attributes
    ----------
    features
        `freeze`: the output of the frozen body.
    folder
        Where on disk; None: `$SLURM_TMPDIR`, `$TMPDIR`, else next to the model that is written.
    precision
        Precision of the kept output of the body.
    keep
        Leave the files for later runs.
    """

    features: bool = True
    folder: Path | None = None
    precision: CachePrecision = "float32"
    keep: bool = False

    def __post_init__(self) -> None:
        if self.precision not in CACHE_PRECISIONS:
            raise InputError(
                f"--cache-precision is {self.precision}, expected one of "
                f"{', '.join(CACHE_PRECISIONS)}."
            )


def option(name: str) -> str:
    """The command-line option of a setting."""
    return "--" + name.replace("_", "-")


def check_weights(name: str, weights: Sequence[float] | None, length: int) -> None:
    """Refuse a list of loss weights of the wrong length, negative, not finite or all zero."""
    if weights is None:
        return
    if len(weights) != length:
        raise InputError(
            f"{name} has {len(weights)} values {list(weights)}, expected {length} numbers "
            "(or none), for example "
            f"{list(RECOMMENDED_CLASS_WEIGHTS if length == 4 else RECOMMENDED_TRANSITION_WEIGHTS)}."
        )
    if not all(0 <= weight <= LARGEST for weight in weights):
        raise InputError(
            f"{name} is {list(weights)}, expected numbers of at least 0, and at most {LARGEST:.0e}."
        )
    if not any(weights):
        raise InputError(
            f"{name} is all zero, so nothing would be learnt; expected weights above 0."
        )


def check_minutes(minutes: float) -> None:
    """Refuse minutes between checkpoints that are not a number, or below 0."""
    if not minutes >= 0:
        raise InputError(f"--checkpoint-minutes is {minutes}, expected a number of at least 0.")


def check_precision(precision: str) -> None:
    """Refuse a precision that Keras does not have, or that nobody would want."""
    if precision not in PRECISIONS:
        raise InputError(f"--precision is {precision}, expected one of {', '.join(PRECISIONS)}.")


def require(name: str, value: int | Auto | None, least: int) -> None:
    """Refuse a setting below `least`; None is unset, "auto" chosen later."""
    if value is not None and value != AUTO and value < least:
        raise InputError(f"{option(name)} is {value}, expected a whole number of at least {least}.")
