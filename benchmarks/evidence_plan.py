"""What evidence.py runs: strategies, recipes, and runs as values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

Words = tuple[str, ...]

STRATEGIES: Mapping[str, tuple[Words, ...]] = {
    "whole": (("whole",),),
    "whole, statistics kept": (("whole", "--freeze-batchnorm"),),
    "head": (("freeze",),),
    "hidden layer": (("freeze", "--post-coverage-hidden-layer"),),
    "kept head": (("freeze", "--keep-head"),),
    "head, then whole": (("freeze",), ("whole",)),
}
"""Name -> commands of helixer-ft, each on the model of the one before."""
PEER: Mapping[str, str] = {"Helixer, whole network": "whole", "Helixer, --fine-tune": "freeze"}
"""Name -> the strategy that Helixer's own training is compared with."""
DATA = "DATA"
"""Stands for the folder of the run's training and validation data."""
RECIPES: Mapping[str, Words] = {
    "default": (),
    "helixer": ("--recipe", "helixer"),
    "patience 10": ("--recipe", "helixer", "--patience", "10"),
    "adapted": ("--batchnorm-from", DATA),
}
"""Name -> further words of each command."""
TRIALS: Mapping[str, tuple[str, ...]] = {
    "lower layers slower": ("whole",),
    "weak pull": ("whole",),
    "strong pull": ("whole",),
    "label smoothing": ("whole", "head", "hidden layer"),
    "dropout": ("head", "hidden layer"),
}
"""Changes to the default recipe that no option makes (evidence_trials.py), used as recipes -> the
strategies that they are tried with."""
HEAD_RECIPES = ("default", "adapted")
"""Of the heads that are no new output layer alone."""
ROWS: Sequence[tuple[str, str]] = (
    *((strategy, recipe) for strategy in ("whole", "head") for recipe in RECIPES),
    *((strategy, recipe) for strategy in ("hidden layer", "kept head") for recipe in HEAD_RECIPES),
    *((strategy, "default") for strategy in ("whole, statistics kept", "head, then whole")),
    *((strategy, trial) for trial, strategies in TRIALS.items() for strategy in strategies),
)
"""Strategies and recipes of the tables, in this order."""
CURVES: Sequence[tuple[str, str]] = (("whole", "default"), ("head", "default"))
"""Those of the learning curves."""
SHARES = (10, 20, 50)
"""Per cent of the training windows in the learning curves; 100 is in the tables."""
REFERENCE = "whole/patience 10"
"""The row that others are compared with."""


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes
    ----------
    model
        Name of the base model's file without its ending.
    species
        Its folder.
    strategy, recipe
        Names in `STRATEGIES` (or `PEER`) and `RECIPES`.
    share
        Per cent of the training windows.
    seed
        Of the run, and of the choice of windows.
    known
        Whether the base model was trained on the species.
    """

    model: str
    species: str
    strategy: str
    recipe: str
    share: int
    seed: int
    known: bool = False

    @property
    def row(self) -> str:
        """What all seeds and species of it have in common: its row in the tables."""
        return row_name(self.strategy, self.recipe, self.share)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.model}/{self.species}/{self.row}/{self.seed}"

    @property
    def folder(self) -> str:
        """Its folder below the work folder; as `name`, for every file system."""
        return re.sub(r"[^\w./-]+", "_", self.name.replace("@", ".at."))

    @property
    def words(self) -> tuple[Words, ...]:
        """The commands, without the files; other words are another run."""
        if self.strategy in PEER:
            return ((*PEER[self.strategy].split(), "helixer"),)
        tried = ("--trial", self.recipe) if self.recipe in TRIALS else RECIPES[self.recipe]
        end = (*tried, "--seed", str(self.seed))
        return tuple((*command, *end) for command in STRATEGIES[self.strategy])

    def to_dict(self) -> dict[str, Any]:
        """As a record holds it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def row_name(strategy: str, recipe: str, share: int = 100) -> str:
    """STRATEGY/RECIPE, and @SHARE where not all windows are used."""
    return f"{strategy}/{recipe}" + ("" if share == 100 else f"@{share}")


def plan(
    models: Mapping[str, Sequence[str]],
    species: Sequence[str],
    seeds: int,
    *,
    only: Sequence[str] = ("*",),
    peer_seeds: int = 0,
) -> list[Run]:
    """The runs in their order: all of one seed before the next, so that a part is of use.

    Parameters
    ----------
    models
        Name of a base model -> species it was trained on.
    species
        Their folders.
    seeds
        Number of seeds.
    only
        Patterns of rows (`row_name`), with `*`.
    peer_seeds
        Repeats of Helixer's own training; 0: none.
    """
    rows = [(strategy, recipe, 100) for strategy, recipe in ROWS]
    rows += [(strategy, recipe, share) for strategy, recipe in CURVES for share in SHARES]
    if peer_seeds:
        rows += [(name, "helixer", 100) for name in PEER]
    return [
        Run(model, one, strategy, recipe, share, seed, one in known)
        for seed in range(seeds)
        for model, known in models.items()
        for one in species
        for strategy, recipe, share in rows
        if any(fnmatchcase(row_name(strategy, recipe, share), pattern) for pattern in only)
        and (strategy not in PEER or seed < peer_seeds)
    ]
