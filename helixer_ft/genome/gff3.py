"""Reads GFF3 files of any writer: lines to features, which `gene_models` turns into genes.

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
from helixer_ft.genome.gene_models import (
    Feature,
    Notices,
    Records,
    TrustedIds,
    build_genes,
)
from helixer_ft.genome.packed_text import PackedText, open_text
from helixer_ft.progress import Progress

WHAT = "gene models in GFF3, plain or gzip"

_EXONS = {"exon", "pseudogenic_exon", "coding_exon"}
_CDS = {"cds"}
_UTRS = {
    *("five_prime_utr", "three_prime_utr", "utr", "5utr", "3utr", "5'-utr", "3'-utr"),
    *("5'utr", "3'utr", "utr5", "utr3", "noncoding_exon"),
}
_IGNORED = re.compile(
    r"match|match_part|.*_match|.*_repeat|repeat_region|similarity|intron|.*_intron"
    r"|start_codon|stop_codon|.*splice_site|tss|tts|transcription_.*_site|biological_region"
)
"""Types that are neither genes, nor transcripts, nor parts of them; some come by the million."""

_ID = re.compile(r"(?:^|;)\s*ID=([^;]+)")
_PARENT = re.compile(r"(?:^|;)\s*Parent=([^;]+)")
_DISCONTINUOUS = re.compile(r"(?:^|;)\s*part=|trans[-_]splic")
_CIRCULAR = re.compile(r"(?:^|;)\s*Is_circular=true", re.IGNORECASE)
_GTF = re.compile(r'\s*[\w.-]+ +"')

_PHASES = {"0": 0, "1": 1, "2": 2, ".": UNKNOWN_PHASE}
_MAX_DIGITS = 18
"""Of a coordinate: any that is longer lies behind every sequence's end."""
_LINES_PER_STEP = 2**15


def read_annotation(
    path: Path,
    sequence_lengths: Mapping[str, int],
    *,
    exclude: Collection[str] = (),
    trusted: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Annotation:
    """Read the genes of a genome; links between features go by ID and Parent, never by order.

    Parameters
    ----------
    path
        GFF3, plain, gzip or bgzip.
    sequence_lengths
        Name -> bp of all sequences of the genome.
    exclude
        Names of sequences to pass over.
    trusted
        IDs of the genes or transcripts to trust, with or without a prefix as in "gene:"; a gene
        of which only transcripts are named keeps these alone. None: all are trusted.
    progress
        Told how much of the file is read.

    Raises
    ------
    InputError
        Not GFF3, damaged, empty; start after end; features beyond a sequence's end; two different
        genes or transcripts with one ID; parents in a circle; no sequence of the genome in it; no
        coding gene on them; none of the trusted IDs in it.
    """
    reader = _Reader(Path(path), sequence_lengths, exclude)
    reader.read(progress or Progress())
    ids = None if trusted is None else TrustedIds(trusted)
    genes = {}
    for name in sequence_lengths:
        if name not in exclude:
            records = reader.records.pop(name, None)
            genes[name] = build_genes(records, ids, reader.notices, path) if records else []
    reader.check_genes(any(gene.coding for found in genes.values() for gene in found))
    without = [name for name, found in genes.items() if not found]
    reader.notices.add("sequences of the genome without genes", *without)
    if ids is not None:
        ids.check(path)
        reader.notices.add("trusted IDs that the annotation does not have", *ids.missing)
    return Annotation(genes, reader.notices.as_tuple())


@dataclass
class _Reader:
    """Takes a file apart, line by line."""

    path: Path
    lengths: Mapping[str, int]
    exclude: Collection[str]
    records: dict[str, Records] = field(default_factory=dict)
    notices: Notices = field(default_factory=Notices)
    types: Counter[str] = field(default_factory=Counter)
    line: int = 0
    _found: dict[str, Records | None] = field(default_factory=dict)
    _categories: dict[str, str] = field(default_factory=dict)
    _absent: dict[str, None] = field(default_factory=dict)
    _known: bool = False
    _last_parent: tuple[str, tuple[str, ...]] = ("", ())

    def read(self, progress: Progress) -> None:
        """Read all features into `records`."""
        for text in self._lines(progress):
            if text[0] == "#":
                if text.startswith("##FASTA"):
                    break
                if text.startswith("##sequence-region"):
                    self._compare_length(text)
            elif text[0] == ">":
                if not self.types:
                    self._fail("begins a FASTA sequence, expected GFF3. Give the annotation.")
                break
            else:
                self._feature(text)
        if not self.types:
            raise InputError(
                f"{self.path}: has no features, expected a GFF3 file with genes. "
                "Check that it is complete and the right file."
            )
        if not self._known:
            raise InputError(
                f"{self.path}: none of its sequences is in the genome. It has "
                f"{_some(self._absent)}, the genome {_some(self.lengths)}. Give files with the "
                "same names of sequences, or rename them in one of the two."
            )
        self.notices.add("sequences that are not in the genome, left out", *self._absent)
        for name, records in self.records.items():
            if records.beyond and not records.circular:
                line, end = records.beyond
                raise InputError(
                    f"{self.path}, line {line}: the feature ends at {end:,}, behind the end of "
                    f"{name} ({records.length:,} bp). Are genome and annotation the same "
                    "version?"
                )

    def check_genes(self, coding: bool) -> None:
        """Refuse an annotation without coding genes."""
        if not coding:
            found = ", ".join(f"{n:,} {kind}" for kind, n in self.types.most_common(5))
            raise InputError(
                f"{self.path}: has no coding gene (a gene with CDS) on the sequences of the "
                f"genome. It has {found}. Give an annotation with gene, mRNA, exon and CDS lines."
            )

    def _lines(self, progress: Progress) -> Iterator[str]:
        """Yield lines that are not empty, without their ends."""
        with open_text(self.path, WHAT) as file:
            progress.start(f"reading {self.path.name}", file.size, "bytes")
            try:
                yield from self._texts(file, progress)
            finally:
                progress.finish()

    def _texts(self, file: PackedText, progress: Progress) -> Iterator[str]:
        done = 0
        for raw in file.lines():
            self.line += 1
            if self.line % _LINES_PER_STEP == 0:
                progress.advance(file.position - done)
                done = file.position
            text = raw.decode("utf-8-sig" if self.line == 1 else "utf-8", "replace").rstrip("\r")
            if text and not text.isspace():
                yield text

    def _feature(self, text: str) -> None:
        columns = text.split("\t")
        if len(columns) != 9:
            self._fail(
                f"has {len(columns)} column(s), expected the 9 of GFF3, separated by tabs. "
                "Give a GFF3 file, complete and not edited by a spreadsheet or word processor."
            )
        seqid, _, kind, first, last, _, strand, phase, attributes = columns
        if not (_is_coordinate(first) and _is_coordinate(last)):
            self._fail(
                f"has start {first[:30]!r} and end {last[:30]!r}, expected whole numbers from 1 on."
            )
        start, end = int(first) - 1, int(last)
        if not 0 <= start < end:
            self._fail(
                f"has start {first} and end {last}, expected 1 ≤ start ≤ end. GFF3 counts from 1, "
                "the lower coordinate first on both strands."
            )
        self.types[kind] += 1
        category = self._categories.get(kind) or self._category(kind)
        parents = self._parents(attributes)
        identifier = None
        if category == "feature" or not parents:
            identifier = _ID.search(attributes)
            if identifier is None and not parents:
                self._check_dialect(attributes)
        records = self._found[seqid] if seqid in self._found else self._find(seqid)
        if records is None or category == "ignored":
            return
        if end > records.length and records.beyond is None:
            records.beyond = self.line, end
        own = _decoded(identifier[1]) if identifier else f"line {self.line}"
        if category == "feature":
            if _CIRCULAR.search(attributes):
                records.circular = True
            feature = Feature(own, kind, self.line, start, end, strand, parents)
            if identifier or feature.is_gene:
                self._add(records, feature, _DISCONTINUOUS.search(attributes) is not None)
        else:
            if category == "cds" and phase not in _PHASES:
                self._fail(f"is CDS with phase {phase!r}, expected 0, 1, 2 or '.'.")
            piece = (category, start, end, _PHASES.get(phase, UNKNOWN_PHASE), strand)
            for above in parents or (own,):
                records.parts.setdefault(above, []).append(piece)

    def _parents(self, attributes: str) -> tuple[str, ...]:
        """Return the parents; mostly they are those of the line before."""
        found = _PARENT.search(attributes)
        if found is None:
            return ()
        value = found[1]
        if value != self._last_parent[0]:
            names = tuple(_decoded(part) for part in value.split(",") if part.strip())
            self._last_parent = value, names
        return self._last_parent[1]

    def _add(self, records: Records, feature: Feature, discontinuous: bool) -> None:
        other = records.features.setdefault(feature.id, feature)
        if other is feature:
            return
        if feature.same_as(other):
            self.notices.add("genes or transcripts that stand twice", feature.id)
        elif discontinuous and feature.type == other.type:
            other.elsewhere.append((feature.start, feature.end, feature.strand))
        else:
            self._fail(
                f"is another {feature.type} with the ID {feature.id!r} of line {other.line}; "
                "expected one ID per gene and transcript. Was one file appended to another? Make "
                "the IDs unique, or leave one of the two out."
            )

    def _check_dialect(self, attributes: str) -> None:
        if _GTF.match(attributes) or (attributes not in ("", ".") and "=" not in attributes):
            self._fail(
                f"has the attributes {attributes[:60]!r}, expected key=value pairs as in "
                "ID=gene1;Name=abc. If this is a GTF or GFF2 file, convert it: "
                f"gffread {self.path.name} -o {self.path.name.split('.')[0]}.gff3"
            )

    def _find(self, seqid: str) -> Records | None:
        """Return where the features of a sequence go; None if it is excluded or not there."""
        decoded = unquote(seqid)
        name: str | None = decoded
        if decoded not in self.lengths:
            name = self._by_first_word.get(_first_word(decoded))
            if name is not None:
                self.notices.add(
                    "names of sequences that match the genome's up to the first blank", decoded
                )
        if name is None and decoded not in self.exclude:
            self._absent[decoded] = None
        else:
            self._known = True
        records = None
        if name is not None and name not in self.exclude:
            records = self.records.setdefault(name, Records(self.lengths[name]))
        self._found[seqid] = records
        return records

    @cached_property
    def _by_first_word(self) -> dict[str, str]:
        return {_first_word(name): name for name in self.lengths}

    def _category(self, kind: str) -> str:
        lower = kind.lower()
        category = "feature"
        for found, types in (("exon", _EXONS), ("cds", _CDS), ("utr", _UTRS)):
            if lower in types:
                category = found
        if category == "feature" and _IGNORED.fullmatch(lower):
            category = "ignored"
        self._categories[kind] = category
        return category

    def _compare_length(self, text: str) -> None:
        """Count the sequences whose length in the annotation is not that in the genome."""
        words = text.split()
        if len(words) == 4 and _is_coordinate(words[3]):
            name = unquote(words[1])
            if name in self.lengths and name not in self.exclude:
                stated, length = int(words[3]), self.lengths[name]
                if stated != length:
                    self.notices.add(
                        "sequences of another length in the annotation (##sequence-region)",
                        f"{name}: {stated:,} bp, in the genome {length:,} bp",
                    )

    def _fail(self, what: str) -> NoReturn:
        raise InputError(f"{self.path}, line {self.line}: {what}")


def _is_coordinate(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MAX_DIGITS


def _decoded(value: str) -> str:
    value = value.strip()
    return unquote(value) if "%" in value else value


def _first_word(name: str) -> str:
    return name.split(maxsplit=1)[0] if name.strip() else name


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:3])
    return shown if len(names) <= 3 else f"{shown}, ... ({len(names):,} in all)"
