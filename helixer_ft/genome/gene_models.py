"""Groups of features and parts -> genes; those that cannot be trusted, and why."""

import sys
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

from helixer_ft.genome.annotation import UNKNOWN_PHASE, Gene, Interval, Strand, Transcript
from helixer_ft.genome.grouping import Group, Grouping, has_cds
from helixer_ft.genome.intervals import hull, joined
from helixer_ft.genome.notices import TrustedIds
from helixer_ft.genome.oddities import Oddities
from helixer_ft.genome.records import Feature, Piece, Records
from helixer_ft.genome.stop_codons import with_stop_codon

_FAR = 100_000
"""bp between two lines of one ID from which on they are two features."""
STOP_LINES = "transcripts whose stop_codon lines are outside the CDS, taken in"

_Ranges = list[tuple[str, Interval]]
"""Strand and range of each place of a gene, the gene line's first."""


@dataclass(frozen=True)
class GeneBuilder:
    """Makes the genes of one sequence.

    What cannot be labelled without guessing becomes a gene that is not trusted.

    Attributes
    ----------
    records
        What the file has on the sequence.
    trusted
        IDs of genes and transcripts; None: all.
    oddities
        Counts what is corrected, left out or masked.
    """

    records: Records
    trusted: TrustedIds | None
    oddities: Oddities

    def genes(self) -> list[Gene]:
        """The genes, in the order of the file.

        Raises
        ------
        InputError
            Parents in a circle; with `strict`, a gene that would be masked.
        """
        groups = Grouping(self.records, self.oddities.notices, self.oddities.path).groups()
        groups.sort(key=lambda group: sys.maxsize if group.unlinked else group.line.line)
        found = [one for group in groups for one in self._split(group)]
        return [part for group in found for gene in self._gene(group) for part in self._cut(gene)]

    def _split(self, group: Group) -> list[Group]:
        """Return the genes that have one ID."""
        genes = group.by_line()
        if len(genes) > 1:
            self.oddities.notices.add("gene IDs that several genes have", group.line.id)
        return genes

    def _gene(self, group: Group) -> list[Gene]:
        """Return a gene; one for each of its places if it cannot be told which is right."""
        line = group.line
        pairs = sorted(group.members, key=lambda member: member[0].line)
        if group.direct:
            pairs = self._with_direct(line, group.direct, pairs)
        features = [line, *(feature for feature, _ in pairs)]
        pieces = [piece for _, own in pairs for piece in own]
        several = (
            group.united
            or _in_several_places(line, pieces)
            or any(_in_several_places(feature, own) for feature, own in pairs)
        )
        crosses = any(self._crosses_origin(feature) for feature in features)
        ranges = _ranges(features, pieces, each=several or crosses)
        if not line.elsewhere and ranges[0][1] != (line.start, line.end):
            self.oddities.notices.add("genes shorter than their transcripts, extended", line.id)
        transcripts = self._without_pseudo(
            [self._transcript(feature, own) for feature, own in pairs], pairs
        )
        problem = self._problem(group, transcripts, ranges, several=several, crosses=crosses)
        return self._emit(line, transcripts, ranges, problem)

    def _crosses_origin(self, feature: Feature) -> bool:
        """Whether a feature of a circular sequence has a line at its end and one at its start."""
        if not (self.records.circular and feature.elsewhere):
            return False
        starts, ends, _ = zip(*feature.places, strict=True)
        return min(starts) == 0 and max(ends) == self.records.length

    def _with_direct(
        self, line: Feature, direct: list[Piece], pairs: list[tuple[Feature, list[Piece]]]
    ) -> list[tuple[Feature, list[Piece]]]:
        """Find the transcript of parts that hang on the gene itself."""
        coding = has_cds(direct)
        if any(has_cds(pieces) for _, pieces in pairs):
            if coding:
                self.oddities.notices.add(
                    "genes with CDS of their own in addition to that of their transcripts, the "
                    "genes' left out",
                    line.id,
                )
        elif coding and len(pairs) == 1:
            return [(pairs[0][0], pairs[0][1] + direct)]
        elif coding or not pairs:
            return [*pairs, (line, direct)]
        return pairs

    def _transcript(self, feature: Feature, pieces: list[Piece]) -> Transcript:
        add = self.oddities.notices.add
        cds = _coding(pieces)
        exons, utrs = _intervals(pieces, "exon"), _intervals(pieces, "utr")
        kinds = {piece[0] for piece in pieces}
        stops = _intervals(pieces, "stop") if "stop" in kinds else []
        repeated = len(pieces) - len(cds) - len(exons) - len(utrs) - len(stops)
        add("duplicate exon, CDS or UTR lines", *[feature.id] * repeated)
        unknown = sum(phase == UNKNOWN_PHASE for _, _, phase in cds)
        add("CDS pieces without phase ('.')", *[feature.id] * unknown)
        own = feature.start, feature.end
        if feature.elsewhere:
            own = hull(place[:2] for place in feature.places)
        start, end = hull([own, *(piece[1:3] for piece in pieces)])
        if (start, end) != own and not feature.elsewhere:
            add("transcripts shorter than their parts, extended", feature.id)
        outside = [utr for utr in utrs if exons and not _within(exons, utr)]
        add("UTR pieces outside the exons of their transcript", *[feature.id] * len(outside))
        if not exons:
            exons = joined(piece[1:3] for piece in pieces) or [(start, end)]
            if cds:
                add("coding transcripts without exons, made from CDS and UTR", feature.id)
                if not utrs:  # all we know of the UTRs is where the transcript ends
                    exons[0] = (start, exons[0][1])
                    exons[-1] = (exons[-1][0], end)
        result = Transcript(
            *(feature.id, start, end, tuple(exons), tuple(cds), feature.type),
            utr_outside=tuple(outside),
        )
        if cds and stops:
            strand = next(piece[4] for piece in pieces if piece[0] == "stop")
            complete = with_stop_codon(result, strand, stops)
            if complete is not result:
                add(STOP_LINES, feature.id)
            result = complete
        return result

    def _without_pseudo(
        self,
        transcripts: list[Transcript],
        pairs: list[tuple[Feature, list[Piece]]],
    ) -> list[Transcript]:
        """Take the CDS from pseudogenic transcripts of a gene that has others."""
        marked = [feature.pseudo or feature.id in self.records.pseudo for feature, _ in pairs]
        if len({pseudo for pseudo, t in zip(marked, transcripts, strict=True) if t.cds}) < 2:
            return transcripts
        result = []
        for pseudo, transcript in zip(marked, transcripts, strict=True):
            if pseudo and transcript.cds:
                self.oddities.notices.add(
                    "pseudogenic transcripts of coding genes, their CDS left out", transcript.id
                )
                transcript = replace(transcript, cds=())
            result.append(transcript)
        return result

    def _problem(
        self,
        group: Group,
        transcripts: list[Transcript],
        ranges: _Ranges,
        *,
        several: bool,
        crosses: bool,
    ) -> str:
        """Return why a coding gene cannot be trusted; empty if it can."""
        coding = [transcript for transcript in transcripts if transcript.cds]
        strands = {strand for strand, _ in ranges} & {"+", "-"}
        if not coding:
            return ""
        if group.unlinked:
            return "unknown_parent"
        if not strands:
            return "no_strand"
        if crosses:
            return "crosses_origin"
        if several or len(strands) > 1:
            return "mixed_strands"
        names = (group.line.id, *(transcript.id for transcript in transcripts))
        if self.records.reversed and any(name in self.records.reversed for name in names):
            return "end_before_start"
        if _is_pseudogene(group.line) or self._all_pseudo(group, coding):
            return "pseudogene"
        if any(_cds_outside_exons(transcript) for transcript in coding):
            return "cds_outside_exons"
        return ""

    def _all_pseudo(self, group: Group, coding: list[Transcript]) -> bool:
        marked = {feature.id for feature, _ in group.members if feature.pseudo}
        return all(t.id in marked or t.id in self.records.pseudo for t in coding)

    def _emit(
        self, line: Feature, transcripts: list[Transcript], ranges: _Ranges, problem: str
    ) -> list[Gene]:
        """Return the gene in its place; in each, not trusted, if that is not clear."""
        coding = any(transcript.cds for transcript in transcripts)
        places = [(cast(Strand, strand), span) for strand, span in ranges if strand in ("+", "-")]
        if not coding and not line.elsewhere:
            places = places[:1]
        elif coding and not places:
            everywhere = hull(span for _, span in ranges)
            places = [("+", everywhere), ("-", everywhere)]
        if problem:
            self.oddities.masked(problem, line.id, line.line)
        if self.trusted is not None:
            named = [transcript for transcript in transcripts if transcript.id in self.trusted]
            if line.id not in self.trusted:
                problem = problem or ("" if named or not coding else "untrusted")
                transcripts = named or transcripts
        return [
            # one of them has the transcripts, so that a gene in several places counts once
            Gene(
                *(line.id, strand, *span),
                tuple(transcripts) if i == 0 else (),
                trusted=not problem,
                problem=problem,
                line=line.line,
            )
            for i, (strand, span) in enumerate(places)
        ]

    def _cut(self, gene: Gene) -> Iterable[Gene]:
        """Cut a gene at the end of its sequence; the parts of a coding one are not trusted."""
        length = self.records.length
        if gene.end <= length:
            return [gene]
        parts = [(gene.start, length)]
        problem = "beyond_end"
        if self.records.circular:
            problem = "crosses_origin"
            parts.append((0, gene.end - length))
            if gene.start >= length:
                parts = [(gene.start - length, gene.end - length)]
        elif gene.coding:
            self.oddities.gene_beyond(gene.id)
            if gene.trusted:
                self.oddities.masked(problem, gene.id, gene.line)
        return [
            replace(
                gene,
                start=start,
                end=min(end, length),
                transcripts=gene.transcripts if i == 0 else (),
                trusted=gene.trusted and not gene.coding,
                problem=problem if gene.coding else gene.problem,
            )
            for i, (start, end) in enumerate(parts)
            if start < min(end, length)
        ]


def _is_pseudogene(line: Feature) -> bool:
    return line.pseudo or (line.is_gene and "pseudo" in line.type.lower())


def _in_several_places(feature: Feature, pieces: Iterable[Piece]) -> bool:
    """Whether the lines of one ID are more than one stretch of a gene.

    Features of any type may stand on several lines, one for each exon; such lines are on one
    strand, do not overlap, and each has one stretch of exons or CDS at most. All else with several
    lines is trans-spliced, or several features that have one ID.
    """
    if not feature.elsewhere:
        return False
    lines = sorted(feature.places)
    if feature.in_parts or len({strand for _, _, strand in lines}) > 1:
        return True
    if any(start < last or start - last >= _FAR for (_, last, _), (start, _, _) in pairwise(lines)):
        return True
    stretches = [start for start, _ in joined(piece[1:3] for piece in pieces)]
    return any(
        bisect_right(stretches, end - 1) - bisect_right(stretches, start - 1) > 1
        for start, end, _ in lines
    )


def _within(exons: list[Interval], piece: Interval) -> bool:
    """Whether one of the exons, sorted, holds a piece."""
    at = bisect_right(exons, (piece[0], sys.maxsize))
    return at > 0 and piece[1] <= exons[at - 1][1]


def _cds_outside_exons(transcript: Transcript) -> bool:
    exons = joined(transcript.exons)
    return not all(_within(exons, (start, end)) for start, end, _ in transcript.cds)


def _coding(pieces: Iterable[Piece]) -> list[tuple[int, int, int]]:
    """Return the CDS, sorted, each interval once: with the first phase that is known, if any is."""
    phases: dict[Interval, int] = {}
    for kind, start, end, phase, _ in pieces:
        if kind == "cds" and phases.get((start, end), UNKNOWN_PHASE) == UNKNOWN_PHASE:
            phases[start, end] = phase
    return sorted((*interval, phase) for interval, phase in phases.items())


def _intervals(pieces: Iterable[Piece], category: str) -> list[Interval]:
    """Return what is of a category, sorted, each interval once."""
    return sorted({(start, end) for kind, start, end, _, _ in pieces if kind == category})


def _ranges(features: Iterable[Feature], pieces: Iterable[Piece], *, each: bool) -> _Ranges:
    """Return what features and pieces cover per strand, the first feature's strand first.

    `each`: every stretch; otherwise one range per strand.
    """
    found: dict[str, list[Interval]] = {}
    for feature in features:
        for start, end, strand in feature.places:
            found.setdefault(strand, []).append((start, end))
    for strand, piece in {(piece[4], piece[1:3]) for piece in pieces}:
        found.setdefault(strand, []).append(piece)
    return [
        (strand, span)
        for strand, own in found.items()
        for span in (joined(own) if each else [hull(own)])
    ]
