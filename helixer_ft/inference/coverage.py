"""Which coverage a prediction takes: what the model says, and what is said for it."""

from helixer_ft.dataset.coverage import CoverageWanted, coverage_of_model
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_PREFIX
from helixer_ft.inference.request import PredictRequest
from helixer_ft.network.model import TrainedModel


def wanted_coverage(request: PredictRequest, model: TrainedModel) -> CoverageWanted | None:
    """What coverage to read, by the request and the model; None: none.

    Raises
    ------
    InputError
        Options that contradict the model; a genome in FASTA, which has no coverage; a model that
        does not say how coverage was normalised, where the request does not either.
    """
    path = request.load_model_path
    n_tracks = model.architecture.coverage_channels // 2
    prefix, normalization = request.coverage_prefix, request.coverage_norm
    if not n_tracks:
        for name, given in (("--coverage-prefix", prefix), ("--coverage-norm", normalization)):
            if given is not None:
                raise InputError(
                    f"{name} is {given}, but {path} takes no coverage. Leave {name} out."
                )
        return None
    if request.fasta is not None:
        raise InputError(
            f"{path}: takes coverage of {n_tracks} track(s) in addition to the bases, and a FASTA "
            "file has none. Make a data file of the genome with helixer-ft prepare, add the tracks "
            "with helixer-ft add-coverage --data, and predict on it with -t."
        )
    return coverage_of_model(
        model,
        path,
        prefix,
        normalization,
        unknown="Say so with --coverage-norm; and with --coverage-prefix, where the tracks are "
        f"not {DEFAULT_PREFIX}.",
        why="and says so itself",
    )
