"""Lines and genes that are not as they should be: passed over or masked, counted, never silent.

One odd line does not cost the genome; many are a sign of another file, or another assembly.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Gene
from helixer_ft.genome.notices import MASKED, Notices
from helixer_ft.genome.records import Records

MANY_LINES = 10
MANY_SHARE = 0.05
"""So many lines, and this share of all, are not a typing error."""
_MANY_GENES = 3

PROBLEMS = {
    "no_strand": "no strand",
    "mixed_strands": "features on both strands or in several places",
    "cds_outside_exons": "CDS outside exons",
    "unknown_parent": "CDS whose parent is not in the file",
    "end_before_start": "features that end before they start",
    "beyond_end": "beyond the end of the sequence",
    "crosses_origin": "across the origin of a circular sequence",
    "pseudogene": "pseudogenes with CDS",
}
"""Why whole genes are masked, in words of masked.tsv and of notices."""


@dataclass
class Oddities:
    """Counts what is odd in a file.

    Attributes
    ----------
    path
        The file.
    notices
        Of the file.
    strict
        Refuse the first.
    """

    path: Path
    notices: Notices
    strict: bool
    _reversed: int = 0
    _first_reversed: str = ""
    _beyond: list[str] = field(default_factory=list)
    _genes_beyond: set[str] = field(default_factory=set)

    def trailing_tab(self, line: int) -> None:
        """Count a line with empty columns at its end."""
        if self.strict:
            raise InputError(
                f"{self.path}, line {line}: has empty columns after the ninth, which --strict "
                "refuses."
            )
        self.notices.add("lines with empty columns after the ninth, left out", f"line {line}")

    def reversed(
        self, records: Records, named: tuple[str, ...], line: int, first: str, last: str
    ) -> None:
        """Count a feature that ends before it starts, and remember what it belongs to."""
        message = (
            f"line {line}: has start {first} and end {last}, expected 1 ≤ start ≤ end. GFF3 and "
            "GTF count from 1, the lower coordinate first on both strands."
        )
        if self.strict:
            raise InputError(f"{self.path}, {message}")
        self._reversed += 1
        self._first_reversed = self._first_reversed or message
        self.notices.add("features that end before they start", f"line {line}: {first} to {last}")
        for name in named:
            records.reversed.setdefault(name, line)

    def after_reading(self, records: Mapping[str, Records], lines: int) -> None:
        """Count the features beyond the ends of sequences; refuse a file with many odd lines."""
        if self._many(self._reversed, lines):
            raise InputError(
                f"{self.path}, {self._first_reversed} {self._reversed:,} of {lines:,} features "
                "end before they start."
            )
        beyond = [
            f"line {line}: ends at {end:,}, {name} has {there.length:,} bp"
            for name, there in records.items()
            for line, end in there.beyond
            if not there.circular
        ]
        if beyond and self.strict:
            raise InputError(f"{self.path}, {min(beyond, key=_line_number)}.")
        if self._many(len(beyond), lines):
            raise self._other_assembly(f"{len(beyond):,} of {lines:,} features", beyond[0])
        self.notices.add("features beyond the end of their sequence, cut there", *beyond)
        self._beyond = beyond

    def refuse_many_beyond(self, genes: Iterable[Gene]) -> None:
        """Refuse an annotation with many coding genes beyond the ends of sequences."""
        n = len(self._genes_beyond)
        total = len(self._genes_beyond | {gene.id for gene in genes if gene.coding})
        if (n > 1 and 2 * n >= total) or (n >= _MANY_GENES and n > MANY_SHARE * total):
            raise self._other_assembly(f"{n:,} of {total:,} coding genes", self._beyond[0])

    def gene_beyond(self, name: str) -> None:
        """Count a coding gene that goes on beyond the end of its sequence, or lies there."""
        self._genes_beyond.add(name)

    def masked(self, problem: str, name: str, line: int) -> None:
        """Count a gene that gets no labels."""
        where = f"{name}, line {line}" if line else name
        if self.strict:
            raise InputError(
                f"{self.path}: {where}: would be masked ({PROBLEMS[problem]}), which --strict "
                "refuses. Correct the gene, or leave out --strict."
            )
        self.notices.add(f"{MASKED}{PROBLEMS[problem]}", where)

    def _other_assembly(self, how_many: str, example: str) -> InputError:
        return InputError(
            f"{self.path}: {how_many} lie beyond the end of their sequence ({example}), expected "
            "features within the sequences. Are genome and annotation the same version of the "
            "assembly? Give the two that belong together."
        )

    @staticmethod
    def _many(n: int, total: int) -> bool:
        return n >= MANY_LINES and n > MANY_SHARE * total


def _line_number(text: str) -> int:
    return int(text.removeprefix("line ").split(":", 1)[0])
