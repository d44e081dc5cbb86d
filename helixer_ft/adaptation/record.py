"""What a model file says about its batch-norm statistics (HDF5 attributes)."""

import base64
import binascii
import json

import numpy as np

from helixer_ft.adaptation.adapted import Adaptation
from helixer_ft.adaptation.statistics import LayerStatistics, Statistics, batch_norms, statistics_of
from helixer_ft.errors import InputError
from helixer_ft.formats.model_h5 import BATCHNORM, BATCHNORM_ORIGINAL, PROVENANCE_PREFIX
from helixer_ft.network.model import TrainedModel


def to_attributes(adaptation: Adaptation) -> dict[str, str]:
    """Attributes of the adapted model.

    The original statistics are little-endian float32 in base64: they must come back bit for bit.
    """
    encoded = {
        name: {
            key: base64.b64encode(array.astype("<f4").tobytes()).decode()
            for key, array in vars(one).items()
        }
        for name, one in adaptation.original.items()
    }
    return {BATCHNORM: json.dumps(adaptation.to_dict()), BATCHNORM_ORIGINAL: json.dumps(encoded)}


def kept_attributes(model: TrainedModel) -> dict[str, str]:
    """Those that the file of a model has, for a file of another one with the same body."""
    provenance = model.file.provenance
    return {
        name: provenance[name] for name in (BATCHNORM, BATCHNORM_ORIGINAL) if name in provenance
    }


def adapted_to(model: TrainedModel) -> str:
    """Names of the files whose statistics a model has, as its own file says; empty: none, because
    it was not adapted, or at a mix of 0, or its body has trained since.
    """
    said = model.file.provenance
    try:
        found = json.loads(said.get(BATCHNORM, "{}"))
        has_them = found["mix"] > 0 and BATCHNORM_ORIGINAL in said
        return ", ".join(map(str, found["sources"])) if has_them else ""
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""


def original_of(model: TrainedModel) -> Statistics:
    """The statistics that a model came with, also where it was adapted since.

    Raises
    ------
    InputError
        Its file has them, but damaged.
    """
    text = model.file.provenance.get(BATCHNORM_ORIGINAL)
    if text is None:
        return statistics_of(model)
    present = statistics_of(model)
    try:
        encoded = json.loads(text)
        found = {
            layer.name: LayerStatistics(
                *(_decoded(encoded[layer.name][key]) for key in ("mean", "variance"))
            )
            for layer in batch_norms(model)
        }
        for name, one in found.items():
            if one.mean.shape != present[name].mean.shape or one.variance.shape != one.mean.shape:
                raise ValueError(f"{len(one.mean)} and {len(one.variance)} channels of '{name}'")
            if not np.isfinite([one.mean, one.variance]).all() or (one.variance < 0).any():
                raise ValueError(f"values of '{name}'")
    except (ValueError, TypeError, LookupError, RecursionError, binascii.Error) as error:
        raise InputError(
            f"{model.file.path}: its attribute {PROVENANCE_PREFIX}{BATCHNORM_ORIGINAL} cannot be "
            f"read ({error}); expected the statistics of its batch norms before it was adapted. "
            "The file is damaged: copy it again, or adapt the model that it was made from."
        ) from error
    return found


def _decoded(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
