"""Plans of the strategies, in one call."""

from helixer_ft.network.coverage import CoverageInput
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Freeze, Plan, Whole


def plan_whole(model: TrainedModel, **options) -> Plan:
    """What `whole` makes of a network."""
    return Whole(**options).plan(model)


def plan_freeze(
    model: TrainedModel,
    *,
    hidden_layer: bool = False,
    coverage: CoverageInput | None = None,
    seed: int = 0,
    **options,
) -> Plan:
    """What `freeze` makes of a network."""
    strategy = Freeze(post_coverage_hidden_layer=hidden_layer, **options)
    return strategy.plan(model, coverage=coverage, seed=seed)
