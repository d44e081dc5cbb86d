"""Reads annotations of any writer, GFF3 or GTF: lines to records, which `gene_models` makes genes.

The lines are taken apart here and not by a library: pysam's GFF3 iterator takes 2.4 times as long,
stops at letters beyond ASCII, reads a coordinate "x" as 0 and names no line in its errors;
gffutils builds a database first.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import UNKNOWN_PHASE, Annotation
from helixer_ft.genome.attributes import (
    Names,
    decoded,
    is_gtf,
    is_pseudo,
    split_names,
    stated_gene,
    unusual_names,
)
from helixer_ft.genome.feature_types import category_of, is_gene, is_transcript
from helixer_ft.genome.gene_models import GeneBuilder
from helixer_ft.genome.notices import Notices, TrustedIds, some
from helixer_ft.genome.oddities import Oddities
from helixer_ft.genome.packed_text import open_text
from helixer_ft.genome.records import Feature, Records
from helixer_ft.progress import Progress
from helixer_ft.runtime.heap import all_that_is_made_stays

WHAT = "gene models in GFF3 or GTF, plain or gzip"
SHARED_TRANSCRIPTS = "transcript IDs that several genes have, taken as a transcript of each"
OTHER_LENGTH = "sequences whose length in the annotation (##sequence-region) differs"

_ID = re.compile(r"(?:^|;)\s*ID\s*=\s*([^;]+)")
_PARENT = re.compile(r"(?:^|;)\s*Parent\s*=\s*([^;]+)")
_IN_PARTS = re.compile(r"(?:^|;)\s*part=|trans[-_]splic")
_CIRCULAR = re.compile(r"(?:^|;)\s*Is_circular=true", re.IGNORECASE)

_PHASES = {"0": 0, "1": 1, "2": 2, ".": UNKNOWN_PHASE}
_MAX_DIGITS = 18
"""Of a coordinate: any that is longer lies behind every sequence's end."""
_LONGEST_REVERSED = 10_000
"""bp up to which a part that ends before it starts still shows where its gene is."""


@all_that_is_made_stays()
def read_annotation(
    path: Path,
    sequence_lengths: Mapping[str, int],
    *,
    exclude: Collection[str] = (),
    trusted: Collection[str] | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Annotation:
    """Read the genes of a genome; links between features go by IDs, never by order.

    Parameters
    ----------
    path
        GFF3 or GTF, plain, gzip or bgzip.
    sequence_lengths
        Name -> bp of all sequences of the genome.
    exclude
        Names of sequences to pass over.
    trusted
        IDs of the genes or transcripts to trust, with or without a prefix as in "gene:"; a gene
        of which only transcripts are named keeps these alone. None: all are trusted.
    strict
        Refuse the first line that would be passed over, and the first gene that would be masked
        because of its lines.
    progress
        Reports how much of the file is read.

    Raises
    ------
    InputError
        Neither GFF3 nor GTF, damaged, empty; many features that end before they start or beyond
        their sequence's end; parents in a circle; no sequence of the genome in it; no coding gene
        on them; none of the trusted IDs in it.
    """
    path = Path(path)
    oddities = Oddities(path, Notices(), strict)
    reader = _Reader(path, sequence_lengths, exclude, oddities)
    reader.read(progress or Progress())
    ids = None if trusted is None else TrustedIds(trusted)
    genes = {}
    for name in sequence_lengths:
        if name not in exclude:
            records = reader.records.pop(name, None)
            genes[name] = GeneBuilder(records, ids, oddities).genes() if records else []
    found = [gene for there in genes.values() for gene in there]
    oddities.refuse_many_beyond(found)
    reader.check_genes(any(gene.coding for gene in found))
    without = [name for name, there in genes.items() if not there]
    oddities.notices.add("sequences of the genome without genes", *without)
    if ids is not None:
        ids.check(path)
        oddities.notices.add("trusted IDs that the annotation does not have", *ids.missing)
    return Annotation(genes, oddities.notices.as_tuple())


@dataclass
class _Reader:
    """Takes a file apart, line by line."""

    path: Path
    lengths: Mapping[str, int]
    exclude: Collection[str]
    oddities: Oddities
    records: dict[str, Records] = field(default_factory=dict)
    types: Counter[str] = field(default_factory=Counter)
    line: int = 0
    _found: dict[str, Records | None] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    """Name of a sequence in the file -> in the genome."""
    _absent: dict[str, None] = field(default_factory=dict)
    _known: bool = False
    _again: bool = False

    def read(self, progress: Progress) -> None:
        """Read all features into `records`."""
        for columns in self._rows(progress):
            self._feature(columns)
        n = self.types.total()
        if not n:
            raise InputError(
                f"{self.path}: has no features, expected a GFF3 or GTF file with genes. "
                "Check that it is complete and the right file."
            )
        if not self._known:
            raise InputError(
                f"{self.path}: none of its sequences is in the genome. It has "
                f"{some(self._absent)}, the genome {some(self.lengths)}. Give files with the "
                "same sequence names, or rename the sequences in one of the two."
            )
        self.oddities.notices.add("sequences that are not in the genome, left out", *self._absent)
        for records in self.records.values():
            records.hang_turned()
        self.oddities.after_reading(self.records, n)
        self._hang_on_transcripts(progress)

    def check_genes(self, coding: bool) -> None:
        """Refuse an annotation without coding genes."""
        if not coding:
            found = ", ".join(f"{n:,} {kind}" for kind, n in self.types.most_common(5))
            raise InputError(
                f"{self.path}: has no coding gene (a gene with CDS) on the sequences of the "
                f"genome. It has {found}. Give an annotation with gene, mRNA, exon and CDS lines."
            )

    def _rows(self, progress: Progress) -> Iterator[list[str]]:
        """Yield the columns of each feature; `line` is its number."""
        self.line = 0
        for text in self._lines(progress):
            if text[0] == "#":
                if text.startswith("##FASTA"):
                    return
                if text.startswith("##sequence-region") and not self._again:
                    self._compare_length(text)
            elif text[0] == ">":
                if not self.types:
                    self._fail(
                        "begins a FASTA sequence, expected GFF3 or GTF. Give the annotation."
                    )
                return
            else:
                columns = text.split("\t")
                yield columns if len(columns) == 9 else self._nine(columns)

    def _lines(self, progress: Progress) -> Iterator[str]:
        """Yield lines that are not empty, without their ends."""
        with open_text(self.path, WHAT, progress) as file:
            for raw in file.lines():
                self.line += 1
                code = "utf-8-sig" if self.line == 1 else "utf-8"
                text = raw.decode(code, "replace").rstrip("\r")
                if text and not text.isspace():
                    yield text

    def _nine(self, columns: list[str]) -> list[str]:
        """Return the columns without empty ones at the end."""
        if len(columns) < 9 or any(text.strip() for text in columns[9:]):
            self._fail(
                f"has {len(columns)} column(s), expected the 9 of GFF3 and GTF, separated by tabs. "
                "Give a file that is complete and not edited by a spreadsheet or word processor."
            )
        if not self._again:
            self.oddities.trailing_tab(self.line)
        return columns[:9]

    def _feature(self, columns: list[str]) -> None:
        seqid, _, kind, first, last, _, strand, phase, attributes = columns
        if not (_is_coordinate(first) and _is_coordinate(last)):
            self._fail(
                f"has start {first[:30]!r} and end {last[:30]!r}, expected whole numbers from 1 on."
            )
        start, end = int(first) - 1, int(last)
        self.types[kind] += 1
        category = category_of(kind)
        parents, gene = _parents(attributes), ""
        identifier = ""
        if category != "ignored" and (category == "feature" or not parents):
            if found := _ID.search(attributes):
                identifier = decoded(found[1])
            elif not parents:
                identifier, parents, gene = self._unusual(attributes, category, kind)
                if gene and category == "feature" and not is_transcript(kind):
                    category = "ignored"  # GTF puts the transcript's ID on every line
        records = self._found[seqid] if seqid in self._found else self._find(seqid)
        if records is None or category == "ignored":
            return
        if not 0 <= start < end:
            named = (identifier,) if category == "feature" else parents or (identifier,)
            self.oddities.reversed(records, named, self.line, first, last)
            start, end = max(0, min(start, end - 1)), max(start + 1, end)
            if category != "feature":
                if category == "cds" and end - start <= _LONGEST_REVERSED:
                    piece = (category, start, end, UNKNOWN_PHASE, strand)
                    for name in named:
                        records.turned.setdefault(name, []).append(piece)
                return
        if end > records.length:
            records.beyond.append((self.line, end))
        if category == "feature":
            self._add(records, columns, (start, end), (identifier, parents, gene))
            return
        if category == "cds" and phase not in _PHASES:
            self._fail(f"is CDS with phase {phase!r}, expected 0, 1, 2 or '.'.")
        piece = (category, start, end, _PHASES.get(phase, UNKNOWN_PHASE), strand)
        if gene or not parents:
            parents = self._linked(records, category, Names(identifier, parents, gene))
        parts = records.parts
        if len(parents) > 1:
            for above in parents:
                records.beside.setdefault(above, parents)
        for above in parents:
            hung = parts.get(above)
            if hung is None:
                parts[above] = [piece]
                if above not in records.features:
                    records.lines[above] = self.line
            else:
                hung.append(piece)
        if category == "cds" and "seudo" in attributes and is_pseudo(attributes):
            records.pseudo.update(parents)

    def _linked(self, records: Records, category: str, names: Names) -> tuple[str, ...]:
        """Return what a part of GTF, or one without Parent, hangs on: perhaps its own ID."""
        own, parents, gene = names
        if not parents and category != "stop":
            parents = (own or f"line {self.line}",)
            records.without_parent.update(parents)
        if gene:
            name = self._of_its_gene(records, parents[0], gene)
            records.gene_of.setdefault(name, gene)
            parents = (name,)
        return parents

    def _of_its_gene(self, records: Records, transcript: str, gene: str) -> str:
        """Return the ID of GTF's transcript, or one that is made, where another gene has that too
        (NCBI's "unknown_transcript_1").
        """
        feature = records.features.get(transcript)
        known = feature.gene if feature else records.gene_of.get(transcript, "")
        if not known or known == gene:
            return transcript
        self.oddities.notices.add(SHARED_TRANSCRIPTS, transcript)
        return f"{transcript} of {gene}"

    def _unusual(self, attributes: str, category: str, kind: str) -> Names:
        names = unusual_names(attributes, category, gene=is_gene(kind))
        if names is None:
            self._fail(
                f"has the attributes {attributes[:60]!r}, expected key=value pairs as in "
                'ID=gene1;Name=abc (GFF3), or key "value" as in gene_id "gene1"; (GTF).'
            )
        return names

    def _add(
        self,
        records: Records,
        columns: list[str],
        span: tuple[int, int],
        names: tuple[str, tuple[str, ...], str],
    ) -> None:
        """Take in a gene, a transcript, or whatever it is."""
        kind, strand, attributes = columns[2], columns[6], columns[8]
        identifier, parents, gene = names
        if _CIRCULAR.search(attributes):
            records.circular = True
        if gene and identifier:
            identifier = self._of_its_gene(records, identifier, gene)
        if not identifier and not is_gene(kind):
            return
        feature = Feature(
            *(identifier or f"line {self.line}", kind, self.line, *span, strand, parents),
            gene=gene,
            in_parts=_IN_PARTS.search(attributes) is not None,
            pseudo=is_pseudo(attributes),
        )
        if not parents and not gene and is_transcript(kind) and not is_gtf(attributes):
            feature.gene, feature.name = stated_gene(attributes)
        if not records.add(feature):
            self.oddities.notices.add("duplicate gene or transcript lines", feature.id)

    def _hang_on_transcripts(self, progress: Progress) -> None:
        """Hang what hangs on exons on the exons' transcripts; such files are read once more."""
        lost = {
            (name, parent)
            for name, records in self.records.items()
            for parent in records.parts
            if parent not in records.features
            and parent not in records.genes
            and parent not in records.gene_of
            and parent not in records.without_parent
        }
        if not lost:
            return
        self._again = True
        above: dict[tuple[str, str], tuple[str, ...]] = {}
        for columns in self._rows(progress):
            if category_of(columns[2]) == "exon" and (found := _ID.search(columns[8])):
                name = self._names.get(columns[0], "")
                if (name, decoded(found[1])) in lost and (parents := _parents(columns[8])):
                    above[name, decoded(found[1])] = parents
        for (name, exon), parents in above.items():
            records = self.records[name]
            self.oddities.notices.add("exons with CDS below them", exon)
            line = records.lines.pop(exon)
            pieces = records.parts.pop(exon)
            for parent in parents:
                records.parts.setdefault(parent, []).extend(pieces)
                records.lines.setdefault(parent, line)

    def _find(self, seqid: str) -> Records | None:
        """Return where the features of a sequence go; None if it is excluded or not there."""
        stated = self._stated(seqid)
        name = stated if stated in self.lengths else self._by_first_word.get(_first_word(stated))
        if name not in (None, stated):
            self.oddities.notices.add(
                "names of sequences that match the genome's up to the first blank", stated
            )
        if name is None and stated not in self.exclude:
            self._absent[stated] = None
        else:
            self._known = True
        records = None
        if name is not None and name not in self.exclude:
            records = self.records.setdefault(name, Records(self.lengths[name]))
            self._names[seqid] = name
        self._found[seqid] = records
        return records

    def _stated(self, seqid: str) -> str:
        """Return a name without percent codes, unless the genome has it with them."""
        return seqid if seqid in self.lengths else unquote(seqid)

    @cached_property
    def _by_first_word(self) -> dict[str, str]:
        return {_first_word(name): name for name in self.lengths}

    def _compare_length(self, text: str) -> None:
        """Count the sequences whose length in the annotation is not that in the genome."""
        words = text.split()
        if len(words) == 4 and _is_coordinate(words[3]):
            name, stated = self._stated(words[1]), int(words[3])
            length = self.lengths.get(name, stated)
            if length != stated and name not in self.exclude:
                self.oddities.notices.add(
                    OTHER_LENGTH,
                    f"{name}: {stated:,} bp, in the genome {length:,} bp",
                )

    def _fail(self, what: str) -> NoReturn:
        raise InputError(f"{self.path}, line {self.line}: {what}")


def _parents(attributes: str) -> tuple[str, ...]:
    found = _PARENT.search(attributes)
    return split_names(found[1]) if found else ()


def _is_coordinate(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MAX_DIGITS


def _first_word(name: str) -> str:
    return name.split(maxsplit=1)[0] if name.strip() else name
