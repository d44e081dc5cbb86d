"""From a model and a genome to the adapted model."""

import json

from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.adaptation.mix import AUTO_MIX, Mix, check_mix
from helixer_ft.adaptation.record import original_of, to_attributes
from helixer_ft.adaptation.request import AdaptRequest
from helixer_ft.adaptation.statistics import (
    batch_norms,
    count_bases,
    measure,
    with_statistics,
)
from helixer_ft.adaptation.windows import WindowSource, open_windows, source_files
from helixer_ft.errors import InputError
from helixer_ft.formats import atomic
from helixer_ft.formats.data_folder import refuse_data_name
from helixer_ft.formats.input_file import refuse_overwriting
from helixer_ft.formats.model_h5 import write_model_file
from helixer_ft.network.model import TrainedModel, load_model
from helixer_ft.progress import Progress
from helixer_ft.runtime.backend import versions

MIN_BASES = 100_000
"""Fewest bases, both strands counted, that statistics are taken of; see docs/evidence.md."""


def adapt(request: AdaptRequest, progress: Progress | None = None) -> Adaptation:
    """Read a model, measure a genome, write the adapted model (but for a dry run).

    Raises
    ------
    InputError
        Files or options that cannot be used, a file that is read and would be written; see
        `adapt_model`.
    HelixerFtError
        Writing failed; an existing output file is unchanged.
    Interrupted
        `progress` said so; nothing is written.
    """
    output = request.save_model_path
    refuse_overwriting(source_files(request.source), [output], "--save-model-path")
    read_from = request.source
    refuse_data_name(output, read_from if read_from.is_dir() else read_from.parent)
    if not request.dry_run:
        atomic.check_writable(output, force=request.force)
    model = load_model(request.load_model_path)
    require_batch_norm(model)
    scratch = None if request.dry_run else output.parent
    with open_windows(
        request.source, max_bp=request.max_bp, scratch=scratch, progress=progress
    ) as source:
        adaptation = adapt_model(model, source, request.batchnorm_mix, progress)
    if not request.dry_run:
        file = adaptation.model.to_file(_provenance(request, adaptation))
        write_model_file(output, file, force=request.force)
    return adaptation


def adapt_model(
    model: TrainedModel,
    source: WindowSource,
    mix: Mix = AUTO_MIX,
    progress: Progress | None = None,
    *,
    least: int = MIN_BASES,
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
    least
        Fewest bases that are enough.

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
    bases = require_enough(source, least)
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
        share=source.n_windows / source.n_found,
        sources=source.fingerprints(),
    )
    if mix == AUTO_MIX:
        return adaptation.with_mix(adaptation.recommended_mix, "shift")
    return adaptation.with_mix(float(mix), "user")


def require_enough(source: WindowSource, least: int = MIN_BASES) -> int:
    """Count the bases of both strands.

    Raises
    ------
    InputError
        Fewer than enough; a genome that cannot be read.
    """
    bases = count_bases(source)
    if bases < least:
        part = source.n_windows < source.n_found
        raise InputError(
            f"{', '.join(map(str, source.paths))}: {_amount(bases)}"
            f"{', where --max-bp ends' if part else ''}, expected at least "
            f"{least:,} of both strands: statistics of less sequence say little about a "
            f"genome. Give {'a larger --max-bp' if part else 'the whole genome'}."
        )
    return bases


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


def _amount(bases: int) -> str:
    if not bases:
        return "has no base but N"
    return f"has {bases:,} bases that are not N, both strands counted"


def _provenance(request: AdaptRequest, adaptation: Adaptation) -> dict[str, str]:
    """What the adapted file says: all that its base said of its weights, and what was done here."""
    base = adaptation.base.file
    record = {
        "version": versions()["helixer_ft"],
        "adapted_model": str(request.load_model_path),
        "adapted_model_sha256": base.sha256,
        "adapt_versions": json.dumps(versions()),
        "adapt_command_line": request.command_line,
    }
    if request.skip_device_check:
        record["device_check"] = "skipped"
    return {**base.provenance, **record, **to_attributes(adaptation)}
