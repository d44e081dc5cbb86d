"""Which coverage a run takes: what was asked for, what the model says, what the data hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_NORMALIZATION, DEFAULT_PREFIX
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.network.coverage import CoverageInput, track_list
from helixer_ft.network.model import TrainedModel
from helixer_ft.network.strategies import Strategy
from helixer_ft.training.request import FineTuneRequest


@dataclass(frozen=True)
class CoverageWanted:
    """Coverage to be read; its tracks are those of the model, else (None) those of the data."""

    prefix: str
    normalization: str
    of_model: CoverageInput | None

    def found_in(self, files: Sequence[DataFile]) -> CoverageInput:
        """The coverage of the data files, the same in all of them.

        Raises
        ------
        InputError
            Tracks that differ between the files, or from the model's.
        """
        first = files[0]
        coverage = self.of_model or CoverageInput(self.prefix, self.normalization, first.tracks)
        for file in files:
            if self.of_model is None and file.tracks != first.tracks:
                raise InputError(
                    f"{file.path}: its '{self.prefix}' coverage has the track(s) "
                    f"{track_list(file.tracks)}, but {first.path} has {track_list(first.tracks)}; "
                    "expected the same tracks in the same order in all training, validation and "
                    "test data. Add the coverage anew (--track-names names the tracks)."
                )
            coverage.check(file.path, file.tracks)
        return coverage


def wanted_coverage(request: FineTuneRequest, base: TrainedModel) -> CoverageWanted | None:
    """What coverage to read, by the request and the model; None: none.

    Raises
    ------
    InputError
        Options that contradict each other or the model.
    """
    _check_options(request.strategy)
    model = request.load_model_path
    n_tracks = base.architecture.coverage_channels // 2
    prefix, normalization = request.strategy.coverage_prefix, request.strategy.coverage_norm
    if not n_tracks:
        if not request.strategy.input_coverage:
            return None
        if request.strategy.keep_head:
            raise InputError(
                f"{model}: takes no coverage, so --keep-head has no head to train that does. Leave "
                "--keep-head out: a new head takes it; or leave --input-coverage out."
            )
        return CoverageWanted(
            prefix or DEFAULT_PREFIX, normalization or DEFAULT_NORMALIZATION, None
        )
    own = base.coverage
    if own is None:
        if normalization is None:
            raise InputError(
                f"{model}: takes coverage of {n_tracks} track(s), but does not say how it was "
                "normalised (Helixer does not write it down). Say so with freeze --input-coverage "
                "--coverage-norm (and --keep-head, to train its head further), or tune the model "
                "it was made from."
            )
        return CoverageWanted(prefix or DEFAULT_PREFIX, normalization, None)
    return coverage_of_model(
        own,
        model,
        prefix,
        normalization,
        why="and is scored for comparison",
        remedy=", or start from the model it was made from",
    )


def coverage_of_model(
    own: CoverageInput,
    model: Path,
    prefix: str | None,
    normalization: str | None,
    *,
    why: str,
    remedy: str = "",
) -> CoverageWanted:
    """The coverage that a model says it takes.

    Parameters
    ----------
    own, model
        What it says, and its path.
    prefix, normalization
        What is said of it on the command line; None: nothing.
    why, remedy
        For the message: why it must be the same, and what to do instead of saying nothing.

    Raises
    ------
    InputError
        That is something else.
    """
    for name, given, its in (
        ("--coverage-prefix", prefix, own.prefix),
        ("--coverage-norm", normalization, own.normalization),
    ):
        if given not in (None, its):
            raise InputError(
                f"{name} is {given}, but {model} was trained with {its}, {why}. Leave {name} "
                f"out{remedy}."
            )
    return CoverageWanted(own.prefix, own.normalization, own)


def _check_options(strategy: Strategy) -> None:
    if strategy.input_coverage:
        return
    for name, given in (
        ("--coverage-prefix", strategy.coverage_prefix is not None),
        ("--coverage-norm", strategy.coverage_norm is not None),
        ("--ablate-coverage", strategy.ablate_coverage),
    ):
        if given:
            raise InputError(
                f"{name} acts with --input-coverage only. Add --input-coverage, or leave {name} "
                "out."
            )
