"""Counts of what is worth reporting about an annotation; and the IDs that a user trusts."""

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Notice

MASKED = "genes masked: "
"""What a notice begins with that speaks of genes that get no labels."""

_PREFIX = re.compile(r"(?:gene|transcript|mrna|rna)[:-]", re.IGNORECASE)


def some(names: Collection[str]) -> str:
    """Names for a message: the first three, and how many there are."""
    shown = ", ".join(list(names)[:3])
    return shown if len(names) <= 3 else f"{shown}, ... ({len(names):,} in all)"


class Notices:
    """Counts of what was noticed, with the first example of each kind."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._examples: dict[str, str] = {}

    def add(self, kind: str, *examples: str) -> None:
        """Count one per example."""
        if examples:
            self._counts[kind] += len(examples)
            self._examples.setdefault(kind, examples[0])

    def as_tuple(self) -> tuple[Notice, ...]:
        """All kinds, most frequent first."""
        counts = self._counts.most_common()
        return tuple(Notice(kind, n, self._examples[kind]) for kind, n in counts)


class TrustedIds:
    """The IDs that are to be trusted, and which of them are in the annotation."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = {*ids}
        self._met: set[str] = set()

    def __contains__(self, identifier: str) -> bool:
        bare = _PREFIX.sub("", identifier, count=1) if _PREFIX.match(identifier) else identifier
        met = self._ids & {identifier, bare}
        self._met |= met
        return bool(met)

    @property
    def missing(self) -> list[str]:
        """IDs that are not in the annotation, sorted."""
        return sorted(self._ids - self._met)

    def check(self, path: Path) -> None:
        """Raise InputError if none of them is in the annotation."""
        if not self._met:
            raise InputError(
                f"{path}: has none of the {len(self._ids):,} trusted genes, for example "
                f"{', '.join(self.missing[:3])}. Give IDs of genes or transcripts, one a line, "
                "as in the file's ID attributes."
            )
