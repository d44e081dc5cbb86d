"""Which transcripts are there, and which gene each of them belongs to.

By the links that the file has: Parent, gene_id, geneID, Name; where lines are missing, the gene or
the transcript is made of what is there.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Interval
from helixer_ft.genome.feature_types import NEVER_TRANSCRIPTS, is_transcript
from helixer_ft.genome.intervals import hull, joined
from helixer_ft.genome.notices import Notices
from helixer_ft.genome.records import Feature, Piece, Place, Records

Member = tuple[Feature, list[Piece]]
"""A transcript and its parts."""

_MAX_ANCESTORS = 1000
"""Of a feature; those of real files have two or three, or some dozens."""
_FAR = 100_000
"""bp without any transcript that part two genes of one name, where no gene line joins them."""

UNKNOWN_PARENT = "parents that are not in the file"
MADE_TRANSCRIPTS = "transcripts whose line is missing, made from their CDS and exons"
LONELY_CDS = "CDS without Parent, taken as genes of their own"


@dataclass
class Group:
    """A gene and its transcripts.

    Attributes
    ----------
    line
        The gene's line; of a gene without line, its transcript's, or one that is made.
    members
        Its transcripts.
    direct
        What hangs on the gene itself.
    unlinked
        CDS of a parent that is not in the file, next to a transcript that it should belong to.
    united
        Several genes that share a transcript in several places.
    """

    line: Feature
    members: list[Member] = field(default_factory=list)
    direct: list[Piece] = field(default_factory=list)
    unlinked: bool = False
    united: bool = False

    def by_line(self) -> "list[Group]":
        """A gene for each line, where genes of their own have one ID: every transcript lies within
        one of the lines, which have no base in common. Otherwise this one.
        """
        line, places = self.line, sorted(self.line.places)
        if not line.elsewhere or line.in_parts or self.united or self.direct:
            return [self]
        if any(start < end for (_, end, _), (start, _, _) in pairwise(places)):
            return [self]
        members: dict[Place, list[Member]] = {}
        for member in self.members:
            start, end = _span(member)
            around = [p for p in places if p[0] <= start and end <= p[1]]
            if not around or around[0][2] != member[0].strand:
                return [self]
            members.setdefault(around[0], []).append(member)
        if len(members) < 2:
            return [self]
        genes = []
        for (start, end, strand), own in members.items():
            first = min(feature.line for feature, _ in own)
            gene = replace(line, start=start, end=end, strand=strand, line=first, elsewhere=None)
            genes.append(Group(gene, own))
        return genes


class Grouping:
    """Puts together the genes of one sequence.

    Parameters
    ----------
    records
        What the file has on the sequence.
    notices
        Counts what is missing.
    path
        Of the file, for messages.
    """

    def __init__(self, records: Records, notices: Notices, path: Path) -> None:
        self._records = records
        self._notices = notices
        self._path = path
        self._groups: dict[str, Group] = {}
        """ID of a gene line -> the gene."""
        self._without_line: dict[tuple[str, str], list[Member]] = {}
        """What transcripts without gene line have in common -> these transcripts."""
        self._alone: list[Group] = []

    def groups(self) -> list[Group]:
        """All genes.

        Raises
        ------
        InputError
            Parents in a circle.
        """
        records = self._records
        self._groups = {name: Group(gene) for name, gene in records.genes.items()}
        for gene in records.genes.values():
            self._owners(gene)
        for feature in records.features.values():
            owners, missing = self._owners(feature)
            if feature.id in records.parts and self._is_transcript(feature):
                self._assign((feature, records.parts[feature.id]), owners, missing)
        orphans = []
        for name, pieces in records.parts.items():
            if name in records.gene_of and name not in records.features:
                self._assign((self._made(name, pieces), pieces), [], [])
            elif name in records.features and self._is_transcript(records.features[name]):
                continue
            elif name in self._groups:
                self._groups[name].direct = pieces
            elif name not in records.features:
                orphans.append(name)
        implied = [
            group for key, members in self._without_line.items() for group in _implied(key, members)
        ]
        distinct = {id(group): group for group in self._groups.values()}.values()
        found = [*distinct, *self._alone, *implied]
        return found + self._adopt(orphans, found)

    def _is_transcript(self, feature: Feature) -> bool:
        """Whether parts that name this ID are those of a transcript."""
        if feature.type in NEVER_TRANSCRIPTS:
            return False
        return (
            feature.id not in self._records.genes
            or is_transcript(feature.type)
            or feature.id in feature.parents
        )

    def _assign(self, member: Member, owners: list[Feature], missing: list[str]) -> None:
        """Give a transcript to its genes, or to those that say the same of their gene."""
        feature = member[0]
        stated = feature.gene or self._records.gene_of.get(feature.id, "")
        if not owners and stated in self._records.genes:
            owners = [self._records.genes[stated]]
        if len(owners) > 1 and feature.elsewhere:
            owners = [self._united(owners)]
        for owner in owners:
            self._groups[owner.id].members.append(member)
        if owners:
            return
        for kind, name in (
            ("gene", stated),
            ("parent", missing[0] if missing else ""),
            ("name", feature.name),
        ):
            if name:
                self._without_line.setdefault((kind, name), []).append(member)
                return
        self._alone.append(Group(feature, [member]))

    def _united(self, owners: list[Feature]) -> Feature:
        """Make one gene of those that share a transcript in several places (trans-splicing)."""
        first = self._groups[owners[0].id]
        first.united = True
        for owner in owners[1:]:
            other = self._groups[owner.id]
            if other is not first:
                places = dict.fromkeys((*first.line.places[1:], *other.line.places))
                first.line.elsewhere = places
                first.members += other.members
                for name, group in self._groups.items():
                    if group is other:
                        self._groups[name] = first
        return first.line

    def _owners(self, feature: Feature) -> tuple[list[Feature], list[str]]:
        """Return the nearest genes above a feature, and the parents that are not there."""
        if not feature.parents:
            return [], []
        records = self._records
        found: dict[str, Feature] = {}
        missing = []
        below = dict.fromkeys(feature.parents, feature.id)
        """Ancestor -> one of those that name it as their parent."""
        open_ends = list(below)
        while open_ends:
            name = open_ends.pop()
            gene = records.genes.get(name)
            if gene is not None and gene is not feature:
                found[name] = gene
                continue
            if name == feature.id:
                if name in feature.parents:
                    continue  # its own parent: without one
                raise InputError(
                    f"{self._path}, line {feature.line}: {feature.id!r} is its own ancestor "
                    f"({_circle(name, below)}). Correct the Parent attributes."
                )
            above = records.features.get(name)
            if above is None:
                if name in feature.parents:
                    self._notices.add(UNKNOWN_PARENT, name)
                    missing.append(name)
            else:
                new = [parent for parent in above.parents if parent not in below]
                below |= dict.fromkeys(new, name)
                open_ends += new
            if len(below) > _MAX_ANCESTORS:
                raise InputError(
                    f"{self._path}, line {feature.line}: {feature.id!r} has more than "
                    f"{_MAX_ANCESTORS} ancestors, expected a gene and perhaps what is between. "
                    "Correct the Parent attributes."
                )
        return sorted(found.values(), key=lambda gene: gene.line), missing

    def _made(self, name: str, pieces: list[Piece]) -> Feature:
        """Return the line of a transcript that has none."""
        span = hull(piece[1:3] for piece in pieces)
        return Feature(name, "mRNA", self._records.lines[name], *span, pieces[0][4], ())

    def _adopt(self, orphans: list[str], groups: list[Group]) -> list[Group]:
        """Find the genes of parts whose parent is not in the file."""
        records, result = self._records, []
        hosts = _Hosts(groups)
        for name in orphans:
            pieces = records.parts[name]
            coding = any(piece[0] == "cds" for piece in pieces)
            lonely = name in records.without_parent
            if not lonely:
                self._notices.add(UNKNOWN_PARENT, name)
            others = records.beside.get(name, ())
            if not coding or any(o in records.features or o in records.genes for o in others):
                continue  # the parts hang on what is there, too
            made = self._made(name, pieces)
            if not lonely and hosts.has_exons_for(made, pieces):
                result.append(Group(made, [(made, pieces)], unlinked=True))
                continue
            self._notices.add(LONELY_CDS if lonely else MADE_TRANSCRIPTS, name)
            host = hosts.empty_gene_around(made)
            if host is not None:
                host.members.append((made, pieces))
            else:
                result.append(Group(made, [(made, pieces)]))
        return result


class _Hosts:
    """Where CDS of unknown parents may belong: genes without anything, transcripts without CDS."""

    def __init__(self, groups: Iterable[Group]) -> None:
        groups = list(groups)
        self._empty = _Spans(
            [(g.line.start, g.line.end, g.line.strand, g)
             for g in groups if g.line.is_gene and not g.members and not g.direct]
        )  # fmt: skip
        self._exons = _Spans(
            [(f.start, f.end, f.strand, group)
             for group in groups for f, pieces in group.members
             if any(piece[0] == "exon" for piece in pieces) and not has_cds(pieces)]
        )  # fmt: skip

    def empty_gene_around(self, feature: Feature) -> Group | None:
        """The gene line without parts around a transcript, on its strand.

        Of several the one whose ID the transcript's begins with, else the shortest.
        """
        around = [
            (not feature.id.startswith(group.line.id), end - start, i, group)
            for i, (start, end, group) in enumerate(self._empty.over(feature))
            if start <= feature.start and feature.end <= end
        ]
        return min(around)[3] if around else None

    def has_exons_for(self, feature: Feature, pieces: list[Piece]) -> bool:
        """Whether CDS without exons lies over a transcript that has exons and no CDS."""
        return all(piece[0] == "cds" for piece in pieces) and any(self._exons.over(feature))


class _Spans:
    """Intervals with a strand and something else, to find those over others."""

    def __init__(self, spans: list[tuple[int, int, str, Group]]) -> None:
        self._spans = sorted(spans, key=lambda span: span[:3])
        self._starts = [span[0] for span in self._spans]
        self._longest = max((end - start for start, end, _, _ in spans), default=0)

    def over(self, feature: Feature) -> Iterator[tuple[int, int, Group]]:
        """Those on a feature's strand that share bases with it."""
        first = bisect_right(self._starts, feature.start - self._longest - 1)
        for start, end, strand, group in self._spans[first:]:
            if start >= feature.end:
                return
            if end > feature.start and strand == feature.strand:
                yield start, end, group


def has_cds(pieces: Iterable[Piece]) -> bool:
    """Whether one of the pieces is CDS."""
    return any(piece[0] == "cds" for piece in pieces)


def _implied(key: tuple[str, str], members: list[Member]) -> Iterator[Group]:
    """Yield the genes of transcripts without gene line that say the same of their gene.

    They are on one strand. Those of one gene are near one another, those of one name overlap.
    """
    kind, name = key
    apart = 0 if kind == "name" else _FAR
    by_strand: dict[str, list[tuple[Interval, Member]]] = {}
    for member in members:
        by_strand.setdefault(member[0].strand, []).append((_span(member), member))
    for strand, spans in by_strand.items():
        spans.sort(key=itemgetter(0))
        places = joined((span for span, _ in spans), gap=apart)
        ends = [end for _, end in places]
        for place, items in groupby(spans, key=lambda item: bisect_right(ends, item[0][0])):
            own = [member for _, member in items]
            line = min(feature.line for feature, _ in own)
            if kind != "gene" and len(own) == 1:
                yield Group(own[0][0], own)
            else:
                yield Group(Feature(name, "gene", line, *places[place], strand, ()), own)


def _span(member: Member) -> Interval:
    feature, pieces = member
    return hull([place[:2] for place in feature.places] + [piece[1:3] for piece in pieces])


def _circle(name: str, below: Mapping[str, str]) -> str:
    """Say which features are each the parent of the one before, from `name` back to it."""
    names = [name, below[name]]
    while names[-1] != name:
        names.append(below[names[-1]])
    return " < ".join(reversed(names))
