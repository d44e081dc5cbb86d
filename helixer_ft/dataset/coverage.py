"""Which coverage is read of data files: what a model says that it takes, or what the data hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_PREFIX
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.network.coverage import CoverageInput, track_list
from helixer_ft.network.model import TrainedModel


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


def coverage_of_model(
    model: TrainedModel,
    path: Path,
    prefix: str | None,
    normalization: str | None,
    *,
    unknown: str,
    why: str,
    remedy: str = "",
) -> CoverageWanted:
    """The coverage that a model takes.

    Parameters
    ----------
    model, path
        One that takes coverage, and its path.
    prefix, normalization
        What is said of it on the command line; None: nothing.
    unknown, why, remedy
        For messages: what to do where neither the model nor the command line says how coverage was
        normalised; why it must be as the model says, and what to do besides leaving the option out.

    Raises
    ------
    InputError
        The normalisation is not known, or the command line says something else than the model.
    """
    own = model.coverage
    if own is None and normalization is None:
        raise InputError(
            f"{path}: takes coverage of {model.architecture.coverage_channels // 2} track(s), but "
            f"does not say how it was normalised (Helixer does not write it down). {unknown}"
        )
    if own is None:
        assert normalization is not None
        return CoverageWanted(prefix or DEFAULT_PREFIX, normalization, None)
    for name, given, its in (
        ("--coverage-prefix", prefix, own.prefix),
        ("--coverage-norm", normalization, own.normalization),
    ):
        if given not in (None, its):
            raise InputError(
                f"{name} is {given}, but {path} was trained with {its}, {why}. Leave {name} "
                f"out{remedy}."
            )
    return CoverageWanted(own.prefix, own.normalization, own)
