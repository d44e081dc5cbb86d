"""The untouched models of a comparison, and what can be made of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.adaptation.mix import AUTO_MIX
from helixer_ft.comparison.candidates import Candidate
from helixer_ft.comparison.folder import CompareFolder
from helixer_ft.comparison.progress import SILENT
from helixer_ft.comparison.request import CompareRequest
from helixer_ft.dataset.label_sources import refuse_predicted
from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.network.model import load_model
from helixer_ft.network.strategies import Plan, Whole
from helixer_ft.training.planned import plan_run
from helixer_ft.training.request import FineTuneRequest


@dataclass(frozen=True)
class Possible:
    """A candidate that a model and the data allow: what trains, how many parameters of how many."""

    candidate: Candidate
    strategy: str
    trainable_parameters: int
    total_parameters: int


@dataclass(frozen=True)
class Base:
    """An untouched model.

    Attributes
    ----------
    label
        What it is called.
    path, sha256
        Its file.
    parameters
        How many it has.
    possible
        What can be trained of it, in order.
    left_out
        Name of a candidate -> why it cannot be trained.
    """

    label: str
    path: Path
    sha256: str
    parameters: int
    possible: tuple[Possible, ...]
    left_out: Mapping[str, str]


def run_request(
    request: CompareRequest,
    base_path: Path,
    name: str,
    candidate: Candidate,
    *,
    resume: bool = False,
    adapted: bool = False,
) -> FineTuneRequest:
    """The single run that trains a candidate.

    Parameters
    ----------
    request
        The comparison.
    base_path
        The model to start from.
    name
        What the tuned model is called.
    candidate
        What trains.
    resume
        Whether the run was interrupted before.
    adapted
        Whether training starts from the batch-norm statistics of the adapted model.
    """
    return FineTuneRequest(
        strategy=candidate.strategy,
        load_model_path=base_path,
        data_dir=request.data_dir,
        save_model_path=CompareFolder(request).model(name),
        test_data=request.test_data,
        settings=request.settings,
        batchnorm_from=request.batchnorm_source if adapted else None,
        batchnorm_mix=request.batchnorm_mix if adapted else AUTO_MIX,
        cache=request.cache,
        predict_phase=request.predict_phase,
        mix_label_sources=request.mix_label_sources,
        force=True,  # the comparison has checked what it may replace
        resume=resume,
        skip_device_check=request.skip_device_check,
        compare_coverage=False,
        command_line=request.command_line,
    )


def look_at_models(request: CompareRequest) -> tuple[list[Base], dict[str, str]]:
    """Load every model, and see which candidates it and the data allow; no data are read yet.

    Returns
    -------
    tuple
        The models, and of those that cannot be used the label -> the error.

    Raises
    ------
    InputError
        No model can be used; a candidate that was asked for by name can be made of none.
    """
    bases: list[Base] = []
    errors: dict[str, HelixerFtError] = {}
    for label, path in zip(request.labels, request.load_model_paths, strict=True):
        try:
            bases.append(_look_at(request, label, path))
        except HelixerFtError as error:
            errors[label] = error
    if not bases:
        raise next(iter(errors.values()))
    for name in request.strategies:
        reasons = [base.left_out.get(name, "") for base in bases]
        if all(reasons):
            raise InputError(f"--strategies {name}: {reasons[0]}")
    return bases, {label: str(error) for label, error in errors.items()}


def _look_at(request: CompareRequest, label: str, path: Path) -> Base:
    model = load_model(path)
    possible: list[Possible] = []
    errors: dict[str, HelixerFtError] = {}
    for candidate in request.candidates:
        asked = run_request(request, path, candidate.name, candidate)
        try:
            candidates = [one.candidate for one in possible]
            if candidate.from_best_head and not any(one.is_head for one in candidates):
                raise InputError("no head can be trained that it could start from.")
            plan = _plan(asked)
        except InputError as error:
            errors[candidate.name] = error
        else:
            sizes = plan.trainable_parameters, plan.total_parameters
            possible.append(Possible(candidate, plan.strategy, *sizes))
    if not possible:
        # what is wrong with model or data is wrong with every candidate
        any_asked = run_request(request, path, "whole", Candidate("whole", Whole()))
        _plan(any_asked)
        name, reason = next(iter(errors.items()))
        raise InputError(f"--strategies {name}: {reason}")
    left_out = {name: str(error) for name, error in errors.items()}
    size = model.architecture.parameters()
    return Base(label, path, model.file.sha256, size, tuple(possible), left_out)


def _plan(asked: FineTuneRequest) -> Plan:
    """What trains; the validation data must be able to choose among trainings.

    Raises
    ------
    InputError
        As `plan_run`; validation labels that are predictions.
    """
    planned = plan_run(asked, SILENT)
    try:
        refuse_predicted(planned.sets["validation"])
    except InputError as error:
        raise InputError(
            f"compare chooses models and strategies on the validation data. {error} helixer-ft "
            "whole and freeze train on predicted labels without choosing by them."
        ) from error
    return planned.plan
