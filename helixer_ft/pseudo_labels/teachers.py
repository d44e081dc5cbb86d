"""The predictions of each teacher, which the processes of a run share.

The first process knows what is there, and tells the others what is left.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helixer_ft import __version__
from helixer_ft.formats import atomic
from helixer_ft.formats.input_file import check_input_file, real_path
from helixer_ft.formats.label_source import SourceFile
from helixer_ft.genome.fasta import WHAT
from helixer_ft.inference.estimate import PlannedPrediction, plan_prediction
from helixer_ft.inference.parts import are_there
from helixer_ft.inference.predict import predict
from helixer_ft.inference.request import PredictRequest
from helixer_ft.network.model import TrainedModel
from helixer_ft.pseudo_labels.request import PseudoLabelRequest
from helixer_ft.runtime.processes import Processes, Together
from helixer_ft.settings import option


@dataclass(frozen=True)
class Teachers:
    """The models of one run of `pseudo-label`.

    Attributes
    ----------
    request
        What is asked for.
    models
        The teachers.
    """

    request: PseudoLabelRequest
    models: tuple[TrainedModel, ...]

    @cached_property
    def fasta(self) -> SourceFile:
        """The genome's name and hash."""
        check_input_file(self.request.fasta, WHAT)
        return SourceFile.of(self.request.fasta)

    @property
    def files(self) -> list[Path]:
        """The predictions of each; not all may be there."""
        return [_prediction(self.request.predictions, i) for i in range(len(self.models))]

    def alike(self) -> dict[str, Any]:
        """What must be the same in all processes; keys are for messages."""
        request = self.request
        paths = {"--out-dir": [request.out_dir], "--bam": request.bams}
        paths["--previous"] = [request.previous] if request.previous else []
        return {
            "models (SHA-256)": [model.file.sha256 for model in self.models],
            "genome (SHA-256)": self.fasta.sha256,
            "species": request.genome_species,
            **{name: [str(real_path(path)) for path in own] for name, own in paths.items()},
            **{option(name): value for name, value in request.settings().items()},
            "--val-test-batch-size": request.val_test_batch_size,
            "--resume": request.resume,
            "--force": request.force,
            "--dry-run": request.dry_run,
            "helixer-ft": __version__,
        }

    def predict(self, progress: Together, processes: Processes) -> None:
        """Predict whatever is not there yet; all processes call this at the same point.

        Raises
        ------
        InputError, HelixerFtError, Interrupted
            As `predict`; what is done is kept.
        """
        for one in self._left(self.request.predictions, progress, processes).values():
            progress.notice(f"predicting with {one.load_model_path}")
            predict(one, progress, processes=processes)

    def plan(self, progress: Together, processes: Processes) -> dict[int, PlannedPrediction]:
        """What is left to be predicted, by the number of its teacher, and what that would take; no
        file is left. All processes call this at the same point.

        Raises
        ------
        InputError
            As `predict`.
        """
        with self._folder_of_plan(processes) as folder:
            planned = {
                number: plan_prediction(one, progress, processes=processes)
                for number, one in self._left(folder, progress, processes).items()
            }
            processes.gather("", progress.pass_on_a_stop)  # all are done with the folder
        return planned

    @contextmanager
    def _folder_of_plan(self, processes: Processes) -> Iterator[Path]:
        """That of the interrupted run that is resumed; otherwise an empty one on that disk."""
        folder = self.request.predictions
        if not processes.is_first or (self.request.resume and folder.exists()):
            yield folder
            return
        beside = atomic.existing_folder(self.request.out_dir)
        with TemporaryDirectory(
            dir=beside, prefix=".helixer-ft-", ignore_cleanup_errors=True
        ) as empty:
            yield Path(empty)

    def _left(
        self, folder: Path, progress: Together, processes: Processes
    ) -> dict[int, PredictRequest]:
        """The predictions that are not there yet, by the number of their teacher: those that the
        first process finds in its folder.
        """
        found: dict[int, bool] = {}
        if processes.is_first:
            for number in range(len(self.models)):
                one = self._prediction(number, folder, resume=False)
                if not one.output.exists():
                    found[number] = are_there(one)
        told = json.dumps([str(folder.absolute()), list(found.items())])
        first, left = json.loads(processes.gather(told, progress.pass_on_a_stop)[0])
        return {
            number: self._prediction(number, Path(first), resume=resume) for number, resume in left
        }

    def _prediction(self, number: int, folder: Path, *, resume: bool) -> PredictRequest:
        request, model = self.request, self.models[number].file.path
        assert model is not None, "read from a file"
        return PredictRequest(
            load_model_path=model,
            prediction_output_path=_prediction(folder, number),
            fasta=request.fasta,
            species=request.genome_species,
            subsequence_length=request.subsequence_length,
            exclude=request.exclude,
            pool_offsets=True,
            val_test_batch_size=request.val_test_batch_size,
            precision=request.precision,
            resume=resume,
            checkpoint_minutes=request.checkpoint_minutes,
            skip_device_check=request.skip_device_check,
            command_line=request.command_line,
        )


def _prediction(folder: Path, number: int) -> Path:
    return folder / f"model{number + 1}.h5"
