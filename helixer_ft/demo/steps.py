"""The steps of a demo: each has a title, and the command that a user would type for it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.demo.files import DemoFiles
from helixer_ft.demo.request import DemoRequest
from helixer_ft.simulate.species import TARGET

LEARNING_RATE = 3e-3
"""Higher than for a released model: the shipped one has some 40,000 parameters."""
PATIENCE = 5
STRATEGIES = ("adapted", "head", "hidden-layer", "head-coverage", "whole")
"""Some of what `compare` can train; the others take longer than a demo should."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes
    ----------
    title
        What it does, in a few words.
    words
        What a user would type for it, after `helixer-ft`.
    """

    title: str
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command line."""
        return shlex.join(["helixer-ft", *self.words])


class Steps:
    """Makes the steps of a demonstration.

    Parameters
    ----------
    request
        What is asked for.
    files
        Where everything is.
    """

    def __init__(self, request: DemoRequest, files: DemoFiles) -> None:
        self._files = files
        self._size = request.size
        self._backend = () if request.backend == "auto" else ("--backend", request.backend)

    def prepare(self, validation: tuple[str, ...], test: tuple[str, ...]) -> Step:
        """Training, validation and test data of the species, by sequences."""
        files = self._files
        return _step(
            "Training, validation and test data of your species",
            *("prepare", "--fasta", files.genome, "--gff3", files.genes),
            *("--species", TARGET.name, "--subsequence-length", self._size.subsequence_length),
            *("--validation-seqids", ",".join(validation), "--test-seqids", ",".join(test)),
            *("--out-dir", files.data),
        )

    def add_coverage(self) -> Step:
        """RNA-seq into all data of the species."""
        files = self._files
        return _step(
            "RNA-seq coverage for all data of your species",
            *("add-coverage", "-d", files.data, "--bam", files.reads),
        )

    def compare(self) -> Step:
        """Every strategy in `STRATEGIES`."""
        files = self._files
        return _step(
            f"The untouched model, and {len(STRATEGIES)} ways to tune it",
            *("compare", "-l", files.source_model, "-d", files.data, "-t", files.test_data),
            *("--out-dir", files.tuned, "--strategies", ",".join(STRATEGIES)),
            *("--learning-rate", f"{LEARNING_RATE:g}", "-e", self._size.epochs),
            *("--patience", PATIENCE, *self._backend),
        )

    def predict(self, model: Path) -> Step:
        """The test data, by the recommended model."""
        files = self._files
        return _step(
            "Predictions for the held-out sequences, by the recommended model",
            *("predict", "-l", model, "-t", files.test_data, "-p", files.predictions),
            *self._backend,
        )


def _step(title: str, *words: object) -> Step:
    return Step(title, tuple(map(str, words)))
