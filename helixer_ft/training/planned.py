"""A run that is planned: its model is loaded, its data are opened, but not read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helixer_ft.dataset.coverage import CoverageWanted
from helixer_ft.dataset.dataset import Dataset, check_lengths, open_dataset
from helixer_ft.dataset.label_sources import (
    are_predicted,
    label_sources,
    refuse_mixed,
    refuse_predicted,
)
from helixer_ft.formats.data_folder import DATA_PREFIXES
from helixer_ft.network.architecture import Architecture
from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.network.strategies import Plan
from helixer_ft.progress import Progress
from helixer_ft.recipes import choose
from helixer_ft.training.coverage import wanted_coverage
from helixer_ft.training.data_checks import find_files
from helixer_ft.training.request import FineTuneRequest


@dataclass(frozen=True)
class PlannedRun:
    """What can be said of a run before its data are read.

    Attributes
    ----------
    request
        What was asked; in its settings, nothing is left to be chosen.
    base, plan, comparison
        As in `PreparedRun`.
    coverage
        What the data have of it, where it was asked for.
    sets
        Training, validation and, where given, test data, opened.
    """

    request: FineTuneRequest
    base: TrainedModel
    plan: Plan
    comparison: Plan | None
    coverage: CoverageInput | None
    sets: dict[str, Dataset]

    def on(self, start: TrainedModel) -> "PlannedRun":
        """The run whose training starts from another model of the same architecture."""
        plan, comparison = _plans(self.request, start, self.coverage)
        return replace(self, plan=plan, comparison=comparison)


def plan_run(request: FineTuneRequest, progress: Progress) -> PlannedRun:
    """Load the model, open the data, apply the strategy; nothing is written.

    Raises
    ------
    InputError
        A model or data that cannot be used, or not by this strategy.
    """
    data_files = [find_files(request.data_dir, prefix) for prefix in DATA_PREFIXES]
    base = load_model(request.load_model_path)
    architecture = base.architecture
    wanted = wanted_coverage(request, base)
    if request.predict_phase:
        base.require_phase(request.load_model_path)
    takes_coverage = wanted is not None and architecture.coverage_channels > 0
    if wanted is not None and takes_coverage:
        progress.notice(
            f"{request.load_model_path} takes coverage of {architecture.coverage_channels // 2} "
            f"track(s), prefix {wanted.prefix}, normalisation {wanted.normalization}: all data "
            "must have it"
        )
    sets, coverage = _open_sets(request, architecture, wanted, *data_files)
    if coverage is not None and takes_coverage:
        base = base.with_coverage(coverage, str(request.load_model_path))
    settings = choose(
        request.settings,
        len(sets["training"]),
        head_alone=request.strategy.fixes_body,
        predicted=predicted_sets(sets),
    )
    request = replace(request, settings=settings)
    plan, comparison = _plans(request, base, coverage)
    return PlannedRun(request, base, plan, comparison, coverage, sets)


def _plans(
    request: FineTuneRequest, start: TrainedModel, coverage: CoverageInput | None
) -> tuple[Plan, Plan | None]:
    """The strategy applied to the model that training starts from, and, where that is to be
    compared, without coverage.
    """
    plan = request.plan(start, coverage if request.strategy.input_coverage else None)
    compares = request.compare_coverage and plan.new and plan.model.coverage
    return plan, request.plan(start) if compares else None


def _open_sets(
    request: FineTuneRequest,
    architecture: Architecture,
    coverage: CoverageWanted | None,
    training_files: list[Path],
    validation_files: list[Path],
) -> tuple[dict[str, Dataset], CoverageInput | None]:
    """Training, validation and, where asked for, test data, all of one subsequence length; and
    their coverage.
    """
    common: dict[str, Any] = {
        "pool_size": architecture.pool_size,
        "phase": architecture.has_phase,
        "coverage_prefix": coverage.prefix if coverage else None,
    }
    transitions = request.settings.transition_weights is not None
    sets = {
        "training": open_dataset(training_files, transitions=transitions, **common),
        "validation": open_dataset(validation_files, transitions=False, **common),
    }
    if request.test_data:
        sets["test"] = open_dataset(request.test_data, transitions=False, all_rows=True, **common)
        refuse_predicted(sets["test"])
    if not request.mix_label_sources:
        refuse_mixed({name: sets[name] for name in ("training", "validation")})
    files = [file for dataset in sets.values() for file in dataset.source.files]
    check_lengths(files)
    if coverage is None:
        return sets, None
    found = coverage.found_in(files)
    return {name: dataset.with_coverage(found) for name, dataset in sets.items()}, found


def predicted_sets(sets: Mapping[str, Dataset]) -> frozenset[str]:
    """Names of the sets of which some labels are predictions."""
    return frozenset(name for name, one in sets.items() if are_predicted(label_sources(one)))
