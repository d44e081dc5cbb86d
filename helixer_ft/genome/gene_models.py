"""Features of one sequence -> its genes, by the links between them."""

import re
import sys
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import (
    UNKNOWN_PHASE,
    Gene,
    Interval,
    Notice,
    Strand,
    Transcript,
)

_NEVER_TRANSCRIPTS = {"protein", "polypeptide"}
"""What some files name as a second parent of CDS."""

MASKED = "genes masked: "
"""What a notice begins with that speaks of genes that get no labels."""

_MAX_ANCESTORS = 1000
"""Of a feature; those of real files have two or three, or some dozens."""

_PREFIX = re.compile(r"(?:gene|transcript|mrna|rna)[:-]", re.IGNORECASE)


class Notices:
    """Counts what was met, with the first example of each kind."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, kind: str, *examples: str) -> None:
        """Count one per example."""
        if examples:
            self._counts[kind] = self._counts.get(kind, 0) + len(examples)
            self._examples.setdefault(kind, examples[0])

    def as_tuple(self) -> tuple[Notice, ...]:
        """All kinds, most frequent first."""
        kinds = sorted(self._counts, key=lambda kind: -self._counts[kind])
        return tuple(Notice(kind, self._counts[kind], self._examples[kind]) for kind in kinds)


class TrustedIds:
    """The IDs that are to be trusted, and which of them were met."""

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
        """IDs not met, sorted."""
        return sorted(self._ids - self._met)

    def check(self, path: Path) -> None:
        """Raise InputError if none was met."""
        if not self._met:
            raise InputError(
                f"{path}: has none of the {len(self._ids):,} trusted genes, for example "
                f"{', '.join(self.missing[:3])}. Give IDs of genes or transcripts, one a line, "
                "as in the file's ID attributes."
            )


@dataclass(slots=True)
class Feature:
    """A line that is no part of a transcript: a gene, a transcript, or anything else."""

    id: str
    type: str
    line: int
    start: int
    end: int
    strand: str
    parents: tuple[str, ...]
    elsewhere: list[tuple[int, int, str]] = field(default_factory=list)
    """Further ranges of a feature in several places (trans-splicing)."""

    @property
    def is_gene(self) -> bool:
        """Whether the type is that of a gene: gene, ncRNA_gene, pseudogene, ..."""
        return self.type.lower().endswith("gene")

    def same_as(self, other: "Feature") -> bool:
        """Whether two lines say the same."""
        return (self.type, self.start, self.end, self.strand, self.parents) == (
            *(other.type, other.start, other.end, other.strand, other.parents),
        )


Piece = tuple[str, int, int, int, str]
"""Part of a transcript as read: "exon", "cds" or "utr", start, end, phase, strand."""


@dataclass
class Records:
    """All that is read of one sequence."""

    length: int
    features: dict[str, Feature] = field(default_factory=dict)
    parts: dict[str, list[Piece]] = field(default_factory=dict)
    """ID of the parent -> what hangs on it."""
    beyond: tuple[int, int] | None = None
    """Line and end of the first feature behind the sequence's end."""
    circular: bool = False


def build_genes(
    records: Records, trusted: TrustedIds | None, notices: Notices, path: Path
) -> list[Gene]:
    """Return the genes of a sequence in the order of the file.

    What cannot be labelled without guessing becomes a gene that is not trusted.

    Parameters
    ----------
    records
        What the file has on the sequence.
    trusted
        IDs of genes and transcripts; None: all.
    notices
        Counts what is put right or left out.
    path
        Of the file, for messages.

    Raises
    ------
    InputError
        Parents in a circle.
    """
    builder = _Builder(records, trusted, notices, path)
    found = sorted(builder.genes(), key=lambda item: item[0])
    return [piece for _, gene in found for piece in _within(gene, records.length)]


@dataclass(frozen=True)
class _Builder:
    records: Records
    trusted: TrustedIds | None
    notices: Notices
    path: Path

    def genes(self) -> Iterator[tuple[int, Gene]]:
        """Yield line and gene."""
        features, parts = self.records.features, self.records.parts
        lines = {feature.id: feature for feature in features.values() if feature.is_gene}
        members: dict[str, list[Feature]] = {}
        for feature in features.values():
            owners = self._owners(feature)
            if feature.is_gene or feature.id not in parts or feature.type in _NEVER_TRANSCRIPTS:
                continue
            if not owners:  # a transcript without gene line is a gene of its own
                lines[feature.id] = feature
            for owner in owners or (feature,):
                members.setdefault(owner.id, []).append(feature)
        for line in lines.values():
            for gene in self._gene(line, members.get(line.id, [])):
                yield line.line, gene
        for parent, own in parts.items():
            if parent not in features:
                self.notices.add(_UNKNOWN_PARENT, parent)
            if parent not in features and _has_cds(own):
                ranges = _ranges([], own)
                stray = Feature(parent, "", 0, *_hull(ranges.values()), "", ())
                for gene in self._emit(stray, [self._transcript(stray, own)], ranges):
                    yield sys.maxsize, replace(gene, trusted=False, problem="unknown_parent")

    def _owners(self, feature: Feature) -> list[Feature]:
        """Return the nearest genes above a feature."""
        found: dict[str, Feature] = {}
        below = dict.fromkeys(feature.parents, feature.id)
        """Ancestor -> one of those that name it as their parent."""
        open_ends = list(below)
        while open_ends:
            name = open_ends.pop()
            if name == feature.id:
                raise InputError(
                    f"{self.path}, line {feature.line}: {feature.id!r} is its own ancestor "
                    f"({_circle(name, below)}). Correct the Parent attributes."
                )
            above = self.records.features.get(name)
            if above is None:
                if name in feature.parents:
                    self.notices.add(_UNKNOWN_PARENT, name)
            elif above.is_gene:
                found[name] = above
            else:
                new = [parent for parent in above.parents if parent not in below]
                below |= dict.fromkeys(new, name)
                open_ends += new
            if len(below) > _MAX_ANCESTORS:
                raise InputError(
                    f"{self.path}, line {feature.line}: {feature.id!r} has more than "
                    f"{_MAX_ANCESTORS} ancestors, expected a gene and perhaps what is between. "
                    "Correct the Parent attributes."
                )
        return list(found.values())

    def _gene(self, line: Feature, members: list[Feature]) -> list[Gene]:
        """Return a gene; one per strand if it cannot be told which is the right one."""
        pairs = [
            (feature, self.records.parts[feature.id])
            for feature in sorted(members, key=lambda feature: feature.line)
        ]
        if line.is_gene and line.id in self.records.parts:
            pairs = self._with_direct(line, self.records.parts[line.id], pairs)
        ranges = _ranges(
            [line, *(feature for feature, _ in pairs)],
            [piece for _, pieces in pairs for piece in pieces],
        )
        if not line.elsewhere and ranges[line.strand] != (line.start, line.end):
            self.notices.add("genes that end before their transcripts do, widened", line.id)
        transcripts = [self._transcript(feature, pieces) for feature, pieces in pairs]
        return self._emit(line, transcripts, ranges)

    def _with_direct(
        self, line: Feature, direct: list[Piece], pairs: list[tuple[Feature, list[Piece]]]
    ) -> list[tuple[Feature, list[Piece]]]:
        """Find the transcript of parts that hang on the gene itself."""
        coding = _has_cds(direct)
        if any(_has_cds(pieces) for _, pieces in pairs):
            if coding:
                self.notices.add(
                    "genes with CDS of their own beside that of their transcripts, the former "
                    "left out",
                    line.id,
                )
        elif coding and len(pairs) == 1:
            return [(pairs[0][0], pairs[0][1] + direct)]
        elif coding or not pairs:
            return [*pairs, (line, direct)]
        return pairs

    def _transcript(self, feature: Feature, pieces: list[Piece]) -> Transcript:
        cds = sorted(
            {(start, end, phase) for kind, start, end, phase, _ in pieces if kind == "cds"}
        )
        exons, utrs = _intervals(pieces, "exon"), _intervals(pieces, "utr")
        repeated = len(pieces) - len(cds) - len(exons) - len(utrs)
        self.notices.add("exons, CDS or UTR pieces that stand twice", *[feature.id] * repeated)
        unknown = sum(phase == UNKNOWN_PHASE for _, _, phase in cds)
        self.notices.add("CDS pieces without phase ('.')", *[feature.id] * unknown)
        own = (feature.start, feature.end)
        start, end = _hull([own, *(piece[1:3] for piece in pieces)])
        if (start, end) != own and not feature.elsewhere:
            self.notices.add("transcripts that end before their parts do, widened", feature.id)
        if not exons:
            exons = _merged(piece[1:3] for piece in pieces) or [(start, end)]
            if cds:
                self.notices.add(
                    "coding transcripts without exons, made from CDS and UTR", feature.id
                )
                if not utrs:  # all we know of the UTRs is where the transcript ends
                    exons[0] = (start, exons[0][1])
                    exons[-1] = (exons[-1][0], end)
        return Transcript(feature.id, start, end, tuple(exons), tuple(cds), feature.type)

    def _emit(
        self,
        line: Feature,
        transcripts: list[Transcript],
        ranges: dict[str, Interval],
    ) -> list[Gene]:
        """Return the gene on its strand; on each strand, not trusted, if that is not clear."""
        coding = any(transcript.cds for transcript in transcripts)
        strands = [cast(Strand, strand) for strand in ranges if strand in ("+", "-")]
        problem = ""
        if not coding:
            strands = strands[:1]
        elif not strands:
            problem = "no_strand"
            strands = ["+", "-"]
            everywhere = _hull(ranges.values())
            ranges = {"+": everywhere, "-": everywhere}
        elif len(strands) > 1 or line.elsewhere:
            problem = "mixed_strands"
        elif any(_cds_outside_exons(transcript) for transcript in transcripts):
            problem = "cds_outside_exons"
        if self.trusted is not None:
            named = [transcript for transcript in transcripts if transcript.id in self.trusted]
            if line.id not in self.trusted:
                problem = problem or ("" if named or not coding else "untrusted")
                transcripts = named or transcripts
        if problem and problem != "untrusted":
            self.notices.add(f"{MASKED}{_PROBLEMS[problem]}", line.id)
        return [
            # one of them has the transcripts, so that a gene on both strands counts once
            Gene(
                line.id,
                strand,
                *ranges[strand],
                tuple(transcripts) if strand == strands[0] else (),
                trusted=not problem,
                problem=problem,
            )
            for strand in strands
        ]


_UNKNOWN_PARENT = "parents that are not in the file"
_PROBLEMS = {
    "no_strand": "no strand",
    "mixed_strands": "features on both strands or in several places",
    "cds_outside_exons": "CDS outside exons",
}


def _circle(name: str, below: Mapping[str, str]) -> str:
    """Say which features are each the parent of the one before, from `name` back to it."""
    names = [name, below[name]]
    while names[-1] != name:
        names.append(below[names[-1]])
    return " < ".join(reversed(names))


def _within(gene: Gene, length: int) -> Iterable[Gene]:
    """Cut a gene at the origin of a circular sequence; the parts are not trusted."""
    if gene.end <= length:
        return [gene]
    parts = [(gene.start, length), (0, gene.end - length)]
    if gene.start >= length:
        parts = [(gene.start - length, gene.end - length)]
    trusted, problem = not gene.coding, "crosses_origin" if gene.coding else ""
    return [
        replace(
            gene,
            start=start,
            end=end,
            transcripts=gene.transcripts if i == 0 else (),
            trusted=trusted,
            problem=problem,
        )
        for i, (start, end) in enumerate(parts)
    ]


def _cds_outside_exons(transcript: Transcript) -> bool:
    exons = _merged(transcript.exons)
    starts = [start for start, _ in exons]
    return not all(
        (at := bisect_right(starts, first)) and last <= exons[at - 1][1]
        for first, last, _ in transcript.cds
    )


def _has_cds(pieces: Iterable[Piece]) -> bool:
    return any(piece[0] == "cds" for piece in pieces)


def _intervals(pieces: Iterable[Piece], category: str) -> list[Interval]:
    """Return what is of a category, sorted, each interval once."""
    return sorted({(start, end) for kind, start, end, _, _ in pieces if kind == category})


def _ranges(features: Iterable[Feature], pieces: Iterable[Piece]) -> dict[str, Interval]:
    """Return the range that features and pieces cover per strand, the first feature's first."""
    found: dict[str, list[Interval]] = {}
    for feature in features:
        found.setdefault(feature.strand, []).append((feature.start, feature.end))
        for start, end, strand in feature.elsewhere:
            found.setdefault(strand, []).append((start, end))
    for strand, piece in {(piece[4], piece[1:3]) for piece in pieces}:
        found.setdefault(strand, []).append(piece)
    return {strand: _hull(intervals) for strand, intervals in found.items()}


def _hull(intervals: Iterable[Interval]) -> Interval:
    starts, ends = zip(*intervals, strict=True)
    return min(starts), max(ends)


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Union of intervals; what touches is one."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged
