"""Coverage as a network takes it with the bases: which tracks, and how they are normalised."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import PADDING, READS, SIGNAL, Track
from helixer_ft.formats.coverage_names import NORMALIZATIONS

ATTRIBUTE = "coverage"
"""Name, without prefix, of the model file's provenance attribute that holds a `CoverageInput`."""
_LOG_OFFSET, _LINEAR_DIVISOR = 1.1, 100


@dataclass(frozen=True)
class CoverageInput:
    """What a network takes in addition to the bases.

    Attributes
    ----------
    prefix
        Prefix of the datasets: "rnaseq" for `evaluation/rnaseq_coverage`.
    normalization
        "log", "linear" or "none"; see `normalize`.
    tracks
        In order.
    """

    prefix: str
    normalization: str
    tracks: tuple[Track, ...]

    def __post_init__(self) -> None:
        if self.normalization not in NORMALIZATIONS:
            raise InputError(
                f"--coverage-norm is {self.normalization}, expected one of "
                f"{', '.join(NORMALIZATIONS)}."
            )

    @property
    def channels(self) -> int:
        """Values per base: coverage and spliced coverage of each track."""
        return 2 * len(self.tracks)

    @property
    def silence(self) -> tuple[np.float16, np.float16]:
        """Normalised values of a base without any read, and of padding."""
        values = self.normalize(np.array([0, PADDING], np.float32))
        return values[0], values[1]

    def normalize(self, coverage: np.ndarray) -> np.ndarray:
        """Values as the network takes them, as Helixer makes them (padding, -1, included).

        `ln(x + 1.1)` (log), `x / 100` (linear) or `x` (none).

        Parameters
        ----------
        coverage
            float32, any shape.

        Returns
        -------
        np.ndarray
            float16, of the same shape.

        Raises
        ------
        InputError
            A value that is not a number, below -1 with log, or too large for float16.
        """
        if np.isnan(coverage).any():
            raise InputError(
                "has values that are not a number (NaN), which no --coverage-norm can mend; "
                "expected a value for every base. Make the track anew."
            )
        lowest = coverage.min(initial=0)
        if self.normalization == "log" and lowest < PADDING:
            raise InputError(
                f"has values down to {lowest:g}, which have no logarithm; expected none below "
                f"{PADDING} with --coverage-norm log. Give --coverage-norm linear or none."
            )
        if self.normalization == "log":
            values = np.log(coverage.astype(np.float64) + _LOG_OFFSET)  # as Helixer rounds
        elif self.normalization == "linear":
            values = coverage.astype(np.float64) / _LINEAR_DIVISOR
        else:
            values = coverage
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float16)
        if np.isinf(rounded).any():
            raise InputError(
                f"has values up to {np.abs(coverage).max():g}, more than the network's 16 bits "
                f"hold with --coverage-norm {self.normalization}. Give --coverage-norm log."
            )
        return rounded

    def normalize_data(self, coverage: np.ndarray, data_path: Path) -> np.ndarray:
        """`normalize` for values of a data file, which an error names."""
        try:
            return self.normalize(coverage)
        except InputError as error:
            raise InputError(f"{data_path}: its '{self.prefix}' coverage {error}") from error

    def check(self, data_path: Path, tracks: Sequence[Track]) -> None:
        """Refuse data with other tracks.

        Raises
        ------
        InputError
            Another number of tracks, another name or another kind, by name.
        """
        if tuple(tracks) == self.tracks:
            return
        raise InputError(
            f"{data_path}: its '{self.prefix}' coverage has the track(s) {track_list(tracks)}, "
            f"expected {track_list(self.tracks)}, in this order. Add the coverage so, with "
            "helixer-ft add-coverage (--track-names names the tracks)."
        )

    def to_json(self) -> str:
        """As the model file holds it."""
        return json.dumps(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The values that JSON output and model file have."""
        tracks = [{"name": track.name, "kind": track.kind} for track in self.tracks]
        return {"prefix": self.prefix, "normalization": self.normalization, "tracks": tracks}

    @classmethod
    def from_json(cls, text: str, source: str) -> "CoverageInput":
        """What `to_json` wrote; `source` is the file's name, for messages.

        Raises
        ------
        InputError
            Anything else.
        """
        try:
            value = json.loads(text)
            tracks = tuple(Track(str(track["name"]), track["kind"]) for track in value["tracks"])
            if not tracks or any(track.kind not in (READS, SIGNAL) for track in tracks):
                raise ValueError(f"tracks {value['tracks']}")
            return cls(str(value["prefix"]), value["normalization"], tracks)
        except (ValueError, TypeError, LookupError, RecursionError, InputError) as error:
            raise InputError(
                f"{source}: its attribute helixer_ft_{ATTRIBUTE} cannot be read ({error}); "
                "expected prefix, normalization and tracks, as helixer-ft writes them. "
                "The file is damaged: copy it again."
            ) from error


def track_list(tracks: Sequence[Track]) -> str:
    """ "leaf (reads), root (signal)"."""
    return ", ".join(f"{track.name} ({track.kind})" for track in tracks) or "none"
