"""Which coverage a run takes: what was asked for, what the model says, what the data hold."""

from helixer_ft.dataset.coverage import CoverageWanted, coverage_of_model
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_NORMALIZATION, DEFAULT_PREFIX
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Strategy
from helixer_ft.settings import option
from helixer_ft.training.request import FineTuneRequest


def wanted_coverage(request: FineTuneRequest, base: TrainedModel) -> CoverageWanted | None:
    """What coverage to read, by the request and the model; None: none.

    Raises
    ------
    InputError
        Options that contradict each other or the model.
    """
    _check_options(request.strategy)
    model = request.load_model_path
    prefix, normalization = request.strategy.coverage_prefix, request.strategy.coverage_norm
    if not base.architecture.coverage_channels:
        if not request.strategy.input_coverage:
            return None
        if request.strategy.keep_head:
            raise InputError(
                f"{model}: takes no coverage, and --keep-head keeps its head. Leave out "
                "--keep-head for a new head that takes coverage, or leave out --input-coverage."
            )
        return CoverageWanted(
            prefix or DEFAULT_PREFIX, normalization or DEFAULT_NORMALIZATION, None
        )
    return coverage_of_model(
        base,
        model,
        prefix,
        normalization,
        unknown="Say so with freeze --input-coverage --coverage-norm (and --keep-head, to train "
        "its head further), or tune the model it was made from.",
        why="and is scored for comparison",
        remedy=", or start from the model it was made from",
    )


def _check_options(strategy: Strategy) -> None:
    if strategy.input_coverage:
        return
    for field in ("coverage_prefix", "coverage_norm", "ablate_coverage"):
        if getattr(strategy, field) not in (None, False):
            name = option(field)
            raise InputError(f"{name} requires --input-coverage. Add it, or leave {name} out.")
