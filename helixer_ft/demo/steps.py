"""The steps of a demonstration: what the library is asked to do, and the command for it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from helixer_ft.coverage.request import CoverageRequest
from helixer_ft.demo.files import COVERAGE, HEAD, HIDDEN_LAYER, WHOLE, DemoFiles
from helixer_ft.demo.request import DemoRequest
from helixer_ft.evaluation.request import EvaluateRequest
from helixer_ft.inference.request import PredictRequest
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.settings import TrainingSettings
from helixer_ft.simulate import SOURCE, TARGET
from helixer_ft.training.request import FineTuneRequest

LEARNING_RATE = 3e-3
"""Higher than for a released model: the shipped one has some 40,000 parameters."""
PATIENCE = 5

Asked = TypeVar("Asked", covariant=True)


@dataclass(frozen=True)
class Step(Generic[Asked]):
    """One step.

    Attributes
    ----------
    title
        What it does, in a few words.
    command
        What a user would type for it.
    request
        What the library is asked to do.
    """

    title: str
    command: str
    request: Asked


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

    def prepare_source(self) -> Step[PrepareRequest]:
        """Labelled data of the source species."""
        files, length = self._files, self._size.subsequence_length
        command = _command(
            *("prepare", "--fasta", files.source_genome, "--gff3", files.source_genes),
            *("--species", SOURCE.name, "--subsequence-length", length, "--no-split"),
            *("--out-dir", files.source),
        )
        request = PrepareRequest(
            (Sample(SOURCE.name, files.source_genome, files.source_genes),),
            files.source,
            subsequence_length=length,
            split=False,
            force=True,
            command_line=command,
        )
        return Step("Labelled data of the species the model was trained on", command, request)

    def prepare_target(
        self, validation: tuple[str, ...], test: tuple[str, ...]
    ) -> Step[PrepareRequest]:
        """Training, validation and test data of the target species, by sequences."""
        files, length = self._files, self._size.subsequence_length
        command = _command(
            *("prepare", "--fasta", files.genome, "--gff3", files.genes),
            *("--species", TARGET.name, "--subsequence-length", length),
            *("--validation-seqids", ",".join(validation), "--test-seqids", ",".join(test)),
            *("--out-dir", files.data),
        )
        request = PrepareRequest(
            (Sample(TARGET.name, files.genome, files.genes),),
            files.data,
            subsequence_length=length,
            validation_seqids=validation,
            test_seqids=test,
            force=True,
            command_line=command,
        )
        return Step("Training, validation and test data of your species", command, request)

    def evaluate(self) -> Step[EvaluateRequest]:
        """The untouched model, at home and abroad."""
        files = self._files
        command = _command(
            *("evaluate", "-l", files.source_model),
            *("-t", files.source_data, "-t", files.test_data, *self._backend),
        )
        request = EvaluateRequest((files.source_model,), (files.source_data, files.test_data))
        return Step("The untouched model, on its own species and on yours", command, request)

    def freeze(self) -> Step[FineTuneRequest]:
        """A new output layer."""
        return self._tune("A new output layer on the frozen body", ["freeze"], HEAD)

    def hidden_layer(self) -> Step[FineTuneRequest]:
        """A hidden layer and an output layer."""
        command = ["freeze", "--post-coverage-hidden-layer"]
        return self._tune("A hidden layer and an output layer", command, HIDDEN_LAYER)

    def add_coverage(self) -> Step[CoverageRequest]:
        """RNA-seq into all data of the target species."""
        files = self._files
        command = _command("add-coverage", "-d", files.data, "--bam", files.reads)
        request = CoverageRequest(data_dir=files.data, bams=(files.reads,), command_line=command)
        return Step("RNA-seq coverage for all data of your species", command, request)

    def with_coverage(self) -> Step[FineTuneRequest]:
        """An output layer that takes RNA-seq coverage too."""
        command = ["freeze", "--input-coverage"]
        return self._tune("An output layer that takes the coverage too", command, COVERAGE)

    def whole(self) -> Step[FineTuneRequest]:
        """Every layer."""
        return self._tune("Every layer of the model, from DNA alone", ["whole"], WHOLE)

    def predict(self, model: Path) -> Step[PredictRequest]:
        """The test data, by a tuned model."""
        files = self._files
        command = _command(
            *("predict", "-l", model, "-t", files.test_data, "-p", files.predictions),
            *self._backend,
        )
        request = PredictRequest(
            load_model_path=model,
            test_data=files.test_data,
            prediction_output_path=files.predictions,
            force=True,
            command_line=command,
        )
        title = "Predictions for the held-out sequences, by the best model on the validation data"
        return Step(title, command, request)

    def _tune(self, title: str, strategy: Sequence[str], name: str) -> Step[FineTuneRequest]:
        files, size = self._files, self._size
        is_whole = strategy[0] == "whole"
        settings = TrainingSettings(
            epochs=size.whole_epochs if is_whole else size.freeze_epochs,
            learning_rate=LEARNING_RATE,
            patience=PATIENCE,
        )
        command = _command(
            *(*strategy, "-l", files.source_model, "-d", files.data, "-t", files.test_data),
            *("-s", files.model(name), "--learning-rate", f"{settings.learning_rate:g}"),
            *("-e", settings.epochs, "--patience", settings.patience, *self._backend),
        )
        request = FineTuneRequest(
            command="whole" if is_whole else "freeze",
            load_model_path=files.source_model,
            data_dir=files.data,
            test_data=(files.test_data,),
            save_model_path=files.model(name),
            post_coverage_hidden_layer="--post-coverage-hidden-layer" in strategy,
            input_coverage="--input-coverage" in strategy,
            settings=settings,
            force=True,
            command_line=command,
        )
        return Step(title, command, request)


def strategy_of(request: FineTuneRequest) -> str:
    """The command and the options that make a strategy, as they are typed."""
    words: list[str] = [request.command]
    if request.post_coverage_hidden_layer:
        words.append("--post-coverage-hidden-layer")
    if request.input_coverage:
        words.append("--input-coverage")
    return " ".join(words)


def _command(*words: object) -> str:
    return shlex.join(["helixer-ft", *map(str, words)])
