"""The adapted model: a row of a comparison for which nothing is trained."""

import time
from pathlib import Path

from helixer_ft.adaptation.adapt import adapt
from helixer_ft.adaptation.request import AdaptRequest
from helixer_ft.comparison.bases import run_request
from helixer_ft.comparison.candidates import ADAPTED, Adapt, Candidate
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.comparison.state import Trained
from helixer_ft.network.strategies import Whole
from helixer_ft.runtime.processes import Processes
from helixer_ft.training.fine_tune import score_untouched
from helixer_ft.training.history import TrainingProgress
from helixer_ft.training.prepared import PreparedRun, prepare_run
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.workbench import Workbench

SCORED_AS = Candidate("whole", Whole())
"""A candidate whose run scores a model as it is, without the output of its body."""


def adapt_and_score(
    request: CompareRequest,
    asked: FineTuneRequest,
    name: str,
    label: str,
    progress: TrainingProgress,
    processes: Processes,
    workbench: Workbench,
) -> Trained:
    """Write the adapted model, and score it as an untouched one.

    Parameters
    ----------
    request, asked
        The comparison, and the run that stands for the adapted model in it.
    name, label
        What the adapted model is called, and the model that it is made of.
    progress, processes, workbench
        As for `fine_tune`.

    Raises
    ------
    InputError, HelixerFtError, Interrupted
        See `adapt` and `fine_tune`.
    """
    began = time.monotonic()
    path = asked.save_model_path
    adaptation = adapt(
        AdaptRequest(
            load_model_path=asked.load_model_path,
            save_model_path=path,
            source=request.batchnorm_source,
            batchnorm_mix=request.batchnorm_mix,
            dry_run=not processes.is_first,  # one of them writes
            force=True,
            skip_device_check=request.skip_device_check,
            command_line=request.command_line,
        ),
        progress,
    )
    processes.any(False)  # it is written
    prepared = _prepared(request, path, progress, processes, workbench)
    scores = score_untouched(prepared, progress)
    return Trained(
        name=name,
        candidate=ADAPTED,
        model=label,
        strategy=Adapt().plan(adaptation.base).strategy,
        started_from="",
        trainable_parameters=0,
        total_parameters=prepared.plan.total_parameters,
        scores={on: scores[on] for on in prepared.scored},
        checks=0,
        epochs=0,
        best_epoch=0,
        best_batch=0,
        tuning_share=1.0,
        ended=f"nothing was trained: a mix of {adaptation.mix:g} by {adaptation.chosen_by}",
        seconds=time.monotonic() - began,
        warnings=(),
    )


def _prepared(
    request: CompareRequest,
    path: Path,
    progress: TrainingProgress,
    processes: Processes,
    workbench: Workbench,
) -> PreparedRun:
    """The run that scores a model; it writes nothing."""
    asked = run_request(request, path, SCORED_AS.name, SCORED_AS)
    return prepare_run(asked, progress, processes=processes, workbench=workbench)
