"""The lines of one sequence of an annotation, as read: genes, transcripts and what hangs on them.

Both dialects, GFF3 and GTF, end here; what follows does not know which one a file was.
"""

from dataclasses import dataclass, field
from operator import attrgetter

from helixer_ft.genome.feature_types import is_gene, is_transcript

Piece = tuple[str, int, int, int, str]
"""Part of a transcript as read: "exon", "cds", "utr" or "stop", start, end, phase, strand."""
Place = tuple[int, int, str]
"""Start, end, strand."""


@dataclass(slots=True)
class Feature:
    """A gene, a transcript, or anything else that is no part of a transcript.

    Attributes
    ----------
    id, type, line, start, end, strand
        As in the file; 0-based, half-open.
    parents
        IDs.
    gene, name
        What a transcript without parent says of its gene: the gene's ID, a name.
    in_parts
        Marked as trans-spliced, or as part of something.
    pseudo
        Marked as a pseudogene.
    elsewhere
        Its further lines, in the order of the file; None: there are none, as mostly.
    """

    id: str
    type: str
    line: int
    start: int
    end: int
    strand: str
    parents: tuple[str, ...]
    gene: str = ""
    name: str = ""
    in_parts: bool = False
    pseudo: bool = False
    elsewhere: dict[Place, None] | None = None

    @property
    def is_gene(self) -> bool:
        """Whether the type is that of a gene: gene, ncRNA_gene, pseudogene, ..."""
        return is_gene(self.type)

    @property
    def places(self) -> list[Place]:
        """Where its lines are."""
        return [(self.start, self.end, self.strand), *(self.elsewhere or ())]

    def same_as(self, other: "Feature") -> bool:
        """Whether two lines say the same."""
        says = attrgetter("type", "start", "end", "strand", "parents")
        return bool(says(self) == says(other))


@dataclass
class Records:
    """All that is read of one sequence.

    Attributes
    ----------
    length
        Of the sequence, in bp.
    genes, features
        ID -> genes, and all else that is no part. The two may share IDs.
    parts
        ID of the parent -> what hangs on it; of a part without parent, its own ID.
    beside
        ID of the parent -> all parents of its first part that has several.
    lines
        ID of the parent -> line of its first part, where that precedes the parent's own line.
    without_parent
        Those of `parts` that are no parents but the parts' own IDs.
    gene_of
        Transcript -> gene, where the parts tell it (GTF).
    pseudo
        Parents of CDS that is marked as that of a pseudogene.
    reversed
        IDs of features that end before they start, or have such a part -> line.
    turned
        ID of the parent -> CDS lines that end before they start, with their ends exchanged.
    beyond
        Line and end of the first feature beyond the end of the sequence.
    circular
        Whether features may go on at the beginning of the sequence.
    """

    length: int
    genes: dict[str, Feature] = field(default_factory=dict)
    features: dict[str, Feature] = field(default_factory=dict)
    parts: dict[str, list[Piece]] = field(default_factory=dict)
    beside: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    without_parent: set[str] = field(default_factory=set)
    gene_of: dict[str, str] = field(default_factory=dict)
    pseudo: set[str] = field(default_factory=set)
    reversed: dict[str, int] = field(default_factory=dict)
    turned: dict[str, list[Piece]] = field(default_factory=dict)
    beyond: list[tuple[int, int]] = field(default_factory=list)
    circular: bool = False

    def add(self, feature: Feature) -> bool:
        """Take in a gene, a transcript, or anything else; return False if it is there already.

        An ID means something for genes and transcripts alone: of others with the same ID the
        first, or the one that can be a transcript, stays.
        """
        table = self.genes if feature.is_gene else self.features
        other = table.setdefault(feature.id, feature)
        if other is feature:
            return True
        place, there = feature.places[0], other.elsewhere or {}
        if feature.same_as(other) or (feature.type == other.type and place in there):
            return False
        if feature.type == other.type or feature.is_gene:
            there[place] = None
            other.elsewhere = there
            other.in_parts |= feature.in_parts
            other.pseudo |= feature.pseudo
            other.parents = tuple(dict.fromkeys(other.parents + feature.parents))
        elif is_transcript(feature.type) and not is_transcript(other.type):
            table[feature.id] = feature
        return True

    def hang_turned(self) -> None:
        """Keep CDS that ends before it starts where there is no other: the gene remains coding."""
        for name, pieces in self.turned.items():
            if not any(piece[0] == "cds" for piece in self.parts.get(name, ())):
                self.parts.setdefault(name, []).extend(pieces)
                self.lines.setdefault(name, self.reversed[name])
