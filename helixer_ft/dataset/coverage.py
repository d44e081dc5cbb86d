"""Which coverage is read of data files: what a model says that it takes, or what the data hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.network.coverage import CoverageInput, track_list


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
