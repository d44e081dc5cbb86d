"""What a predictions file says of how it was made."""

import hashlib
import json

from helixer_ft import __version__
from helixer_ft.formats.model_h5 import BATCHNORM
from helixer_ft.formats.predictions_h5 import helixer_attributes
from helixer_ft.inference.prepared import PreparedPrediction
from helixer_ft.inference.selection import selection_attributes, shortened


def file_attributes(prepared: PreparedPrediction) -> dict[str, str | int]:
    """The attributes of the file: Helixer's own, the time among them, and `helixer_ft_...`."""
    request, model, overlap = prepared.request, prepared.model, prepared.overlap
    with open(request.load_model_path, "rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    values: dict[str, str | int] = {
        "helixer_ft_version": __version__,
        "helixer_ft_command_line": shortened(request.command_line),
        "helixer_ft_overlap_offset": overlap.offset,
        "helixer_ft_core_length": overlap.core,
    }
    if request.skip_device_check:
        values["helixer_ft_device_check"] = "skipped"
    if request.fasta is not None:
        values["helixer_ft_species"] = request.genome_species
        values |= selection_attributes(request)
    if model.coverage is not None:
        values["helixer_ft_coverage"] = model.coverage.to_json()
    if prepared.adaptation is not None:
        values["helixer_ft_batchnorm"] = json.dumps(prepared.adaptation.to_dict())
    elif BATCHNORM in model.file.provenance:
        values["helixer_ft_batchnorm"] = shortened(model.file.provenance[BATCHNORM])
    return values | helixer_attributes(
        model.file.config,
        n_bases_removed=overlap.removed,
        test_data_path=prepared.source.path,
        model_path=request.load_model_path,
        model_md5sum=md5,
    )
