"""From a model and a genome to the adapted model."""

from helixer_ft.adaptation.adapted import AUTO_MIX, Adaptation, Mix
from helixer_ft.adaptation.record import original_of
from helixer_ft.adaptation.statistics import (
    batch_norms,
    count_bases,
    measure,
    with_statistics,
)
from helixer_ft.adaptation.windows import WindowSource
from helixer_ft.errors import InputError
from helixer_ft.network.model import TrainedModel
from helixer_ft.progress import Progress

MIN_BASES = 100_000
"""Fewest bases, both strands counted, that statistics are taken of; see docs/evidence.md."""


def adapt_model(
    model: TrainedModel,
    source: WindowSource,
    mix: Mix = AUTO_MIX,
    progress: Progress | None = None,
) -> Adaptation:
    """Measure the batch-norm statistics of a genome, and mix them with those of a model.

    Parameters
    ----------
    model
        The network. Where it was adapted before, the statistics it came with count.
    source
        The genome, or data.
    mix
        Share of the genome's statistics, 0 to 1; "auto": by their shift (see `mix_for`).
    progress
        Reports the passes.

    Raises
    ------
    InputError
        A model without batch norm; too little sequence; a mix that is none; damaged data.
    Interrupted
        `progress` said so.
    """
    progress = progress or Progress()
    check_mix(mix)
    require_batch_norm(model)
    bases = count_bases(source)
    if bases < MIN_BASES:
        raise InputError(
            f"{', '.join(map(str, source.paths))}: {_amount(bases)}, expected at least "
            f"{MIN_BASES:,} of both strands: statistics of less sequence say little about a "
            "genome. Give the whole genome."
        )
    original = original_of(model)
    weights = with_statistics(model.weights, original)
    measured = measure(model.with_weights(weights), source, progress)
    adaptation = Adaptation(
        base=model,
        original=original,
        measured=measured,
        mix=0,
        chosen_by="shift",
        bases=bases,
        sources=source.fingerprints(),
    )
    if mix == AUTO_MIX:
        return adaptation.with_mix(adaptation.recommended_mix, "shift")
    return adaptation.with_mix(float(mix), "user")


def require_batch_norm(model: TrainedModel) -> None:
    """Refuse a model that has no batch norm.

    Raises
    ------
    InputError
        It has none.
    """
    if not batch_norms(model):
        raise InputError(
            f"{model.file.path or 'the model'}: has no batch normalisation, so there are no "
            "statistics to adapt. Use the model as it is, or fine-tune it."
        )


def check_mix(mix: Mix) -> None:
    """Refuse a mix that is neither "auto" nor a share.

    Raises
    ------
    InputError
        It is neither.
    """
    if mix != AUTO_MIX and not 0 <= float(mix) <= 1:
        raise InputError(
            f"--batchnorm-mix is {mix}, expected auto or a number from 0 (the model's statistics) "
            "to 1 (the genome's)."
        )


def _amount(bases: int) -> str:
    if not bases:
        return "has no base but N"
    return f"has {bases:,} bases that are not N, both strands counted"
