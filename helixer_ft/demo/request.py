"""What a demo is asked to do, and the defaults."""

from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import InputError


@dataclass(frozen=True)
class DemoSize:
    """How much is simulated, and how long each training may last.

    Attributes
    ----------
    sequences, sequence_length
        Number and length (bp) of the sequences of the species. A sixth each, at least one, becomes
        validation and test data.
    subsequence_length
        Length of a window in bp, a multiple of 9.
    epochs
        Upper bound; patience ends a training earlier.
    """

    sequences: int = 12
    sequence_length: int = 54_000
    subsequence_length: int = 2700
    epochs: int = 30


@dataclass(frozen=True)
class DemoRequest:
    """One demonstration.

    Attributes
    ----------
    out_dir
        Folder for everything that is written.
    seed
        Seed of the species and its reads.
    backend
        As it was asked for ("auto", "tensorflow", "jax"), for the commands that are shown.
    force
        Replace the files of an earlier demonstration in `out_dir`.
    size
        Size of the species, and length of the training.
    """

    out_dir: Path = Path("helixer-ft-demo")
    seed: int = 0
    backend: str = "auto"
    force: bool = False
    size: DemoSize = DemoSize()

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"--seed is {self.seed}, expected a whole number of at least 0.")
