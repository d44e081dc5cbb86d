"""The model that a training starts from, where it takes batch-norm statistics of a genome."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from helixer_ft.adaptation.adapt import adapt_model, require_batch_norm
from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.adaptation.mix import AUTO_MIX
from helixer_ft.adaptation.record import adapted_to, kept_attributes, to_attributes
from helixer_ft.adaptation.windows import open_windows, source_digest
from helixer_ft.dataset.dataset import Dataset
from helixer_ft.dataset.label_sources import are_predicted, label_sources
from helixer_ft.engine import Engine, engine_class
from helixer_ft.formats.model_h5 import BATCHNORM
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.weights import LayerWeights
from helixer_ft.progress import Progress
from helixer_ft.runtime.processes import Processes
from helixer_ft.settings import AUTO
from helixer_ft.training.request import FineTuneRequest
from helixer_ft.training.scoring import (
    DatasetScore,
    choose_windows_at_once,
    is_better,
    score_dataset,
)

MIXES = (0.0, 0.25, 0.5, 1.0)
"""Mixes that are tried on the validation data."""


def adapted_base(
    request: FineTuneRequest,
    base: TrainedModel,
    validation: Dataset,
    before: Mapping[str, str] | None,
    processes: Processes,
    progress: Progress,
) -> Adaptation | None:
    """The model with the statistics that the request asks for; None: as it was read, because the
    request asks for none, or it was adapted before and none is better beyond doubt.

    Parameters
    ----------
    request
        The run.
    base
        The untouched model.
    validation
        What chooses the mix, where that is "auto"; where their labels are predictions, the shift
        does.
    before
        Provenance of the interrupted run that is resumed, whose mix counts; None: there is none.
    processes
        Those that work on the run; all of them come to the same.
    progress
        Reports the work.

    Raises
    ------
    InputError
        See `adapt_model` and `open_windows`.
    """
    if request.batchnorm_from is None:
        return None
    require_batch_norm(base)
    scratch = request.save_model_path.parent
    with open_windows(request.batchnorm_from, scratch=scratch, progress=progress) as source:
        adaptation = adapt_model(base, source, request.batchnorm_mix, progress)
    # agreement with labels that are predictions chooses nothing: the mix by the shift stays
    if request.batchnorm_mix == AUTO_MIX and not are_predicted(label_sources(validation)):
        if before is not None:
            return _as_before(adaptation, before.get(BATCHNORM))
        return _best_mix(adaptation, request, validation, processes, progress)
    return adaptation


def batchnorm_notices(
    request: FineTuneRequest, base: TrainedModel, adaptation: Adaptation | None
) -> list[str]:
    """What the user should know of the statistics that training starts from."""
    if adaptation is None:
        sources = adapted_to(base)
        if not sources:
            return []
        doubt = ""
        if request.batchnorm_from is not None:
            doubt = (
                ": on the validation data, none of those mixed with "
                f"{request.batchnorm_from} is better beyond doubt"
            )
        return [f"batch norm has the statistics of {sources} (adapted before){doubt}"]
    shifts = ", ".join(f"{shift:.3f}" for shift in adaptation.shifts.values())
    if not adaptation.mix:
        return [
            "batch norm starts from the statistics that the model came with, mix 0"
            f"{_choice(adaptation)}; the means of {request.batchnorm_from} are {shifts} standard "
            "deviations away"
        ]
    return [
        f"batch norm starts from the statistics of {request.batchnorm_from}, mix "
        f"{adaptation.mix:g}{_choice(adaptation)}; their means shift by {shifts} standard "
        "deviations. What is called the untouched model has its own"
    ]


def batchnorm_origin(request: FineTuneRequest) -> dict[str, Any]:
    """What the statistics follow from, for the record of a run that may be resumed."""
    if request.batchnorm_from is None:
        return {}
    return {"--batchnorm-from": source_digest(request.batchnorm_from)}


def batchnorm_provenance(
    base: TrainedModel, adaptation: Adaptation | None, *, fixed: bool
) -> dict[str, str]:
    """What a tuned model says of its batch-norm statistics; `fixed`: they are those of the start.

    Those of a body that trains move on, and what they were before means nothing for it.
    """
    if adaptation is None:
        return kept_attributes(base) if fixed else {}
    attributes = to_attributes(adaptation)
    return attributes if fixed else {BATCHNORM: attributes[BATCHNORM]}


def _best_mix(
    adaptation: Adaptation,
    request: FineTuneRequest,
    validation: Dataset,
    processes: Processes,
    progress: Progress,
) -> Adaptation | None:
    """The mix with the best genic F1 on the validation data, the smaller one of equals; 0, or None
    of a model that was adapted before, where that is not better beyond doubt than the model as it
    was read: training makes up for what a head does not know, and not for statistics that are no
    better than those it came with.
    """
    base = adaptation.base
    dataset = validation if base.architecture.coverage_channels else validation.without_coverage()
    engine: Engine = engine_class()(base.architecture, base.weights, None, request.chosen_settings)
    size = request.settings.val_test_batch_size
    if size == AUTO:
        first = dataset.read(np.arange(1))
        size = choose_windows_at_once(engine, first, [len(dataset)], processes.least)

    def score(weights: LayerWeights, name: str) -> DatasetScore:
        engine.set_weights(weights)
        return score_dataset(engine, dataset, size, progress, f"validation data, {name}")

    scores = {
        mix: score(adaptation.with_mix(mix, "validation").model.weights, f"mix {mix:g}")
        for mix in MIXES
    }
    adapted_before = bool(adapted_to(base))
    as_read = score(base.weights, "the model as it is") if adapted_before else scores[0]
    best = max(MIXES, key=lambda mix: (scores[mix].genic_f1, -mix))
    if not is_better(as_read, scores[best], dataset, request.settings.seed):
        if adapted_before:
            return None
        best = 0.0
    f1 = {mix: score.genic_f1 for mix, score in scores.items()}
    return adaptation.with_mix(best, "validation", f1)


def _as_before(adaptation: Adaptation, said: str | None) -> Adaptation | None:
    """What the interrupted run chose, whose record of it is `said`: that of the model as it was
    read, or none, where that stayed.
    """
    base = adaptation.base
    if adapted_to(base) and said in (None, base.file.provenance[BATCHNORM]):
        return None
    assert said is not None, "a run that takes statistics says which"
    outcome = json.loads(said)
    scores = {float(mix): f1 for mix, f1 in (outcome["validation_genic_f1"] or {}).items()}
    return adaptation.with_mix(outcome["mix"], outcome["chosen_by"], scores or None)


def _choice(adaptation: Adaptation) -> str:
    if adaptation.validation_f1 is None:
        return ""
    scores = ", ".join(f"{mix:g}: {f1:.4f}" for mix, f1 in adaptation.validation_f1.items())
    doubt = "" if adaptation.mix else "; none is better than 0 beyond doubt"
    return f" (genic F1 on the validation data: {scores}{doubt})"
