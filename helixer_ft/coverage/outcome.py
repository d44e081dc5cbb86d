"""What an addition of coverage did."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.coverage.strandedness import MATES, Evidence
from helixer_ft.formats.coverage_h5 import Track


@dataclass
class TrackReport:
    """One track over all data files.

    Attributes
    ----------
    track, files
        The track, and the name of the file (two, for a pair of bigWigs) it was read from.
    strandedness
        "reverse", "forward" or "unstranded"; a pair of bigWigs: "stranded".
    evidence
        What its reads say of strands; None for a signal, or without labels.
    missing
        Sequences of the data that a file of reads does not know; their coverage is 0.
    reads
        Counted, supplementary alignments and both mates of a pair included; 0 for a signal.
    bases, covered, spliced
        Strand-bases of the data rows, those with a value other than 0, and those that reads skip.
    total
        Sum of all values.
    not_finite
        Bases whose signal is NaN or infinite, and was taken as 0.
    """

    track: Track
    files: str
    strandedness: str
    evidence: Evidence | None = None
    missing: tuple[str, ...] = ()
    reads: int = 0
    bases: int = 0
    covered: int = 0
    spliced: int = 0
    total: float = 0.0
    not_finite: int = 0

    def count(self, coverage: np.ndarray, spliced: np.ndarray | None) -> None:
        """Add one row, without its padding."""
        self.bases += len(coverage)
        self.covered += int(np.count_nonzero(coverage))
        self.total += float(coverage.sum(dtype=np.float64))
        if spliced is not None:
            self.spliced += int(np.count_nonzero(spliced))

    @property
    def covered_share(self) -> float:
        """Share of strand-bases with a value other than 0."""
        return self.covered / max(1, self.bases)

    @property
    def mean(self) -> float:
        """Mean value per strand-base."""
        return self.total / max(1, self.bases)

    @property
    def spliced_share(self) -> float:
        """Share of strand-bases that reads skip."""
        return self.spliced / max(1, self.bases)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        evidence = None
        if self.evidence is not None:
            evidence = {
                "reads": self.evidence.reads,
                "forward_share": self.evidence.forward_share,
                **{
                    mate: {"sense": sense, "antisense": antisense}
                    for mate, (sense, antisense) in zip(
                        MATES, self.evidence.counts.tolist(), strict=True
                    )
                },
            }
        return {
            "name": self.track.name,
            "kind": self.track.kind,
            "files": self.files,
            "strandedness": self.strandedness,
            "evidence": evidence,
            "missing_sequences": list(self.missing),
            "reads": self.reads,
            "mean": self.mean,
            "covered_share": self.covered_share,
            "spliced_share": self.spliced_share,
            "not_finite": self.not_finite,
        }


@dataclass
class CoverageOutcome:
    """What was written.

    Attributes
    ----------
    prefix
        Of the datasets.
    files
        The new data files.
    tracks
        In order.
    warnings
        What may spoil the result.
    seconds
        Wall time.
    """

    prefix: str
    files: tuple[Path, ...]
    tracks: tuple[TrackReport, ...]
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "prefix": self.prefix,
            "files": [str(path) for path in self.files],
            "tracks": [report.to_dict() for report in self.tracks],
            "warnings": self.warnings,
            "seconds": round(self.seconds, 3),
        }
