"""The outcome of a preparation as values, and as the JSON object that prepare.json holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from helixer_ft.genome.annotation import Notice
from helixer_ft.metrics import ClassBases
from helixer_ft.preparation.samples import Sample
from helixer_ft.preparation.split import Split
from helixer_ft.preparation.survey import GeneRecord, MaskedTotal


@dataclass(frozen=True)
class Content(ClassBases):
    """Bases and genes of a species, or of a set.

    Attributes
    ----------
    bases, valid_bases
        See `ClassBases`; of both strands.
    genes
        Coding genes.
    """

    genes: tuple[GeneRecord, ...]

    @property
    def usable_genes(self) -> int:
        """Trusted genes of whose coding bases at least half are valid."""
        return sum(gene.usable for gene in self.genes)

    def to_dict(self) -> dict[str, Any]:
        """As in prepare.json."""
        return {
            "genes": len(self.genes),
            "usable_genes": self.usable_genes,
            **self.class_shares(),
        }


@dataclass(frozen=True)
class SetReport:
    """One set, over all species.

    Attributes
    ----------
    content
        What is in it; None without annotation.
    subsequences
        Rows, both strands.
    sequences
        Sequences that it has a part of.
    """

    content: Content | None
    subsequences: int
    sequences: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        counts = {"subsequences": self.subsequences, "sequences": self.sequences}
        return counts if self.content is None else counts | self.content.to_dict()


@dataclass(frozen=True)
class GeneLengths:
    """Spans of the trusted coding genes against the window.

    Attributes
    ----------
    median, maximum
        In bp.
    longer_than_window
        Number of genes longer than a window.
    recommended_subsequence_length
        In bp; holds at least 99 % of them and more than the present one does. None if no gene is
        longer than a window.
    longer_than_recommended
        Number of genes longer than that.
    """

    median: int
    maximum: int
    longer_than_window: int
    recommended_subsequence_length: int | None
    longer_than_recommended: int


@dataclass(frozen=True)
class SpeciesReport:
    """One species.

    Attributes
    ----------
    sample
        Its files and role.
    sequences, length
        Number of sequences that are used, and their bp (one strand).
    annotated_sequences
        Those with a coding gene.
    content, other_genes, lengths, masked, notices
        Of its annotation; content is None without one.
    split
        Where its sequences went; None if they were not split.
    """

    sample: Sample
    sequences: int
    length: int
    annotated_sequences: int = 0
    content: Content | None = None
    other_genes: int = 0
    lengths: GeneLengths | None = None
    masked: Mapping[str, MaskedTotal] = field(default_factory=dict)
    notices: Sequence[Notice] = ()
    split: Split | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in prepare.json."""
        gff3 = self.sample.gff3
        result: dict[str, Any] = {
            "fasta": str(self.sample.fasta),
            "gff3": None if gff3 is None else str(gff3),
            "role": self.sample.role,
            "sequences": self.sequences,
            "length": self.length,
        }
        if self.content is None:
            return result
        trusted = [gene for gene in self.content.genes if gene.trusted]
        result |= {
            "annotated_sequences": self.annotated_sequences,
            **self.content.to_dict(),
            "trusted_genes": len(trusted),
            "other_genes": self.other_genes,
            "introns": sum(gene.introns for gene in trusted),
            "gene_lengths": None if self.lengths is None else asdict(self.lengths),
            "masked": {
                error: asdict(total) | {"share": total.bases / (2 * self.length)}
                for error, total in self.masked.items()
            },
            "annotation_notices": [asdict(notice) for notice in self.notices],
        }
        if self.split is not None:
            result |= {
                "split_by": "blocks" if self.split.in_blocks else "sequences",
                "smallest_gap": self.split.smallest_gap,
            }
        return result


@dataclass(frozen=True)
class Preparation:
    """What was, or with --dry-run would be, prepared.

    Attributes
    ----------
    species
        One report each.
    sets
        "training", "validation", "test", or "all" where nothing is split.
    files
        Written files; empty after a dry run.
    settings
        As given, named as the options.
    notices, warnings
        What the user should know.
    """

    species: Sequence[SpeciesReport]
    sets: Mapping[str, SetReport]
    settings: Mapping[str, Any]
    notices: Sequence[str]
    warnings: Sequence[str]
    versions: Mapping[str, str]
    command_line: str
    dry_run: bool = False
    files: Sequence[Path] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object of prepare.json and of --json."""
        return {
            "dry_run": self.dry_run,
            "files": [path.name for path in self.files],
            "sets": {name: part.to_dict() for name, part in self.sets.items()},
            "species": {report.sample.species: report.to_dict() for report in self.species},
            "notices": list(self.notices),
            "warnings": list(self.warnings),
            "settings": dict(self.settings),
            "versions": dict(self.versions),
            "command_line": self.command_line,
            "seconds": round(self.seconds, 3),
        }


def joined(parts: Iterable[Content]) -> Content:
    """Several contents as one."""
    parts = list(parts)
    return Content(
        bases=sum((part.bases for part in parts), np.zeros(4, np.int64)),
        valid_bases=sum((part.valid_bases for part in parts), np.zeros(4, np.int64)),
        genes=tuple(gene for part in parts for gene in part.genes),
    )
