"""Weights between the untouched and the tuned model's: what part of a training is worth keeping.

Between two heads of one linear layer lie those whose logits are means of theirs, so that a new head
is cut short like anything else.

A model that already knows a species loses by training on a little of it, and may lose less, or
gain, by a part of the way there (Wortsman et al. 2022, arXiv:2109.01903, who choose no share).
docs/evidence.md has the measurements.
"""

from dataclasses import replace

from helixer_ft.dataset.dataset import Dataset
from helixer_ft.engine import Engine
from helixer_ft.network.weights import LayerWeights
from helixer_ft.recipes import recipe_of
from helixer_ft.settings import TrainingSettings
from helixer_ft.training.dataset_score import DatasetScore
from helixer_ft.training.history import Check, TrainingProgress
from helixer_ft.training.loop import TrainingData
from helixer_ft.training.prepared import PreparedRun
from helixer_ft.training.scoring import is_better, score_dataset


def weights_to_keep(prepared: PreparedRun) -> LayerWeights | None:
    """What a tuning may be cut short to: the weights of the model as it was, its own head included
    where the new one is alike. None: all of the tuning is kept, whatever the validation data say,
    because the recipe wants that, their labels are predictions, or there are layers that the model
    had not: a new hidden layer is another one, however alike (coverage is compared with a head
    without, which is to be trained alike).
    """
    plan, base = prepared.plan, prepared.base
    alike = len(plan.new) == 1 and base.architecture.computes_like(plan.model.architecture)
    other_layers = plan.new and not alike
    if not recipe_of(prepared.settings).partial_shares or prepared.keeps_last or other_layers:
        return None
    if prepared.request.strategy.input_coverage and plan.new:
        return None
    return plan.model.weights | {name: base.weights[name] for name in plan.new}


def best_part(
    engine: Engine,
    start: LayerWeights,
    before: DatasetScore | None,
    best: tuple[Check, LayerWeights],
    data: TrainingData,
    settings: TrainingSettings,
    progress: TrainingProgress,
) -> tuple[Check, LayerWeights, float]:
    """The share of a training that is best on the validation data, of those that the recipe tries;
    of equals, the largest. Nothing of it where not even that one is better than the start beyond
    doubt: what was chosen among several by a small difference may be worse elsewhere.

    Parameters
    ----------
    engine
        The network; has the weights of the result afterwards.
    start, before
        Weights before training, and their score on the validation data; None: not known yet.
    best
        The best check of the training, and its weights.
    data
        The sets to score on.
    settings
        Those of the training.
    progress
        Reports the scoring.

    Returns
    -------
    tuple
        The check with the scores of the result, its weights, and the share.
    """
    check, tuned = best

    def score(share: float, dataset: Dataset, name: str) -> DatasetScore:
        engine.set_weights(between(start, tuned, share))
        task = f"scoring {share:.0%} of the tuning: {name}"
        return score_dataset(engine, dataset, settings.val_test_batch_size, progress, task)

    scores = {1.0: check.validation}
    for share in recipe_of(settings).partial_shares:
        scores[share] = score(share, data.validation, "validation data")
    found = max(scores, key=lambda share: (scores[share].genic_f1, -scores[share].loss))
    before = before or score(0.0, data.validation, "validation data")
    if not is_better(before, scores[found], data.validation, settings.seed):
        found, scores = 0.0, {0.0: before}
    if found < 1:
        subset = score(found, data.subset, "training subset")
        check = replace(check, validation=scores[found], subset=subset)
    weights = between(start, tuned, found)
    engine.set_weights(weights)
    return check, weights, found


def between(start: LayerWeights, tuned: LayerWeights, share: float) -> LayerWeights:
    """The weights at a share of the way from `start` (0) to `tuned` (1), in the layers of `tuned`;
    exactly the one or the other at its end, and where both are alike.
    """
    if share == 1:
        return tuned
    return {
        layer: [
            a + (b - a) * a.dtype.type(share) for a, b in zip(start[layer], arrays, strict=True)
        ]
        for layer, arrays in tuned.items()
    }
