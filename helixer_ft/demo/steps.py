"""The steps of a demo: each has a title, and the command that a user would type for it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.demo.files import COVERAGE, HEAD, HIDDEN_LAYER, WHOLE, DemoFiles
from helixer_ft.demo.request import DemoRequest
from helixer_ft.simulate.species import SOURCE, TARGET

LEARNING_RATE = 3e-3
"""Higher than for a released model: the shipped one has some 40,000 parameters."""
PATIENCE = 5
TUNED = {
    HEAD: ("A new output layer on the frozen body", "freeze"),
    HIDDEN_LAYER: (
        "A hidden layer and an output layer", "freeze", "--post-coverage-hidden-layer"
    ),
    COVERAGE: (
        "An output layer that takes the coverage too", "freeze", "--input-coverage"
    ),
    WHOLE: ("Every layer of the model, from DNA alone", "whole"),
}  # fmt: skip
"""Tuned model -> the title of its step, and the strategy as it is typed."""


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

    def prepare_source(self) -> Step:
        """Labelled data of the source species."""
        files = self._files
        return _step(
            "Labelled data of the species the model was trained on",
            *("prepare", "--fasta", files.source_genome, "--gff3", files.source_genes),
            *("--species", SOURCE.name, "--subsequence-length", self._size.subsequence_length),
            *("--no-split", "--out-dir", files.source),
        )

    def prepare_target(self, validation: tuple[str, ...], test: tuple[str, ...]) -> Step:
        """Training, validation and test data of the target species, by sequences."""
        files = self._files
        return _step(
            "Training, validation and test data of your species",
            *("prepare", "--fasta", files.genome, "--gff3", files.genes),
            *("--species", TARGET.name, "--subsequence-length", self._size.subsequence_length),
            *("--validation-seqids", ",".join(validation), "--test-seqids", ",".join(test)),
            *("--out-dir", files.data),
        )

    def evaluate(self) -> Step:
        """The untouched model, at home and abroad."""
        files = self._files
        return _step(
            "The untouched model, on its own species and on yours",
            *("evaluate", "-l", files.source_model),
            *("-t", files.source_data, "-t", files.test_data, *self._backend),
        )

    def tune(self, name: str) -> Step:
        """One of the strategies in `TUNED`."""
        files, size = self._files, self._size
        title, *strategy = TUNED[name]
        epochs = size.whole_epochs if name == WHOLE else size.freeze_epochs
        return _step(
            title,
            *(*strategy, "-l", files.source_model, "-d", files.data, "-t", files.test_data),
            *("-s", files.model(name), "--learning-rate", f"{LEARNING_RATE:g}"),
            *("-e", epochs, "--patience", PATIENCE, *self._backend),
        )

    def add_coverage(self) -> Step:
        """RNA-seq into all data of the target species."""
        files = self._files
        return _step(
            "RNA-seq coverage for all data of your species",
            *("add-coverage", "-d", files.data, "--bam", files.reads),
        )

    def predict(self, model: Path) -> Step:
        """The test data, by a tuned model."""
        files = self._files
        return _step(
            "Predictions for the held-out sequences, by the best model on the validation data",
            *("predict", "-l", model, "-t", files.test_data, "-p", files.predictions),
            *self._backend,
        )


def _step(title: str, *words: object) -> Step:
    return Step(title, tuple(map(str, words)))
