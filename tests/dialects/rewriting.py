"""Gene models written anew, as the field's programs write them.

Each writer of `DIALECTS` takes genes as values and gives the text of a file. Stop codons go outside
the CDS where the program puts them there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from helixer_ft.genome.annotation import Gene, Transcript
from helixer_ft.genome.intervals import joined

Sequences = Mapping[str, np.ndarray]
Genes = Mapping[str, Sequence[Gene]]
STOPS = {b"TAA", b"TAG", b"TGA"}
COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")


@dataclass(frozen=True)
class Style:
    """What a writer does.

    Attributes
    ----------
    gtf
        GTF; otherwise GFF3.
    genes, transcripts, exons
        Whether there are such lines.
    stop
        "inside", "outside" (with stop_codon lines), or "unsaid" (outside, without such lines).
    trim_exons
        An exon that ends with the stop codon ends before it, too.
    phases
        "true", or what stands on every CDS line.
    one_id
        Genes with one transcript share its ID.
    bare
        A gene or transcript line has its ID and nothing else (AUGUSTUS's GTF).
    stated
        Attribute by which transcripts without Parent name their gene (gffread: geneID).
    extra
        Further attributes of GTF, "{gene}" and "{transcript}" put in.
    """

    gtf: bool = True
    genes: bool = True
    transcripts: bool = True
    exons: bool = True
    stop: str = "inside"
    trim_exons: bool = False
    phases: str = "true"
    one_id: bool = False
    bare: bool = False
    stated: str = ""
    extra: str = ""


DIALECTS = {
    "BRAKER, TSEBRA (GTF)": Style(bare=True, stop="outside", trim_exons=True),
    "AUGUSTUS (GTF, stop codon in the CDS)": Style(bare=True),
    "GeneMark (GTF)": Style(exons=False, extra=' gene_type "{gene}";'),
    "Ensembl (GTF)": Style(
        stop="outside",
        extra=' gene_biotype "protein_coding"; tag "basic"; note "a=b; Parent of none";',
    ),
    "GENCODE (GTF)": Style(stop="outside", extra=' gene_type "protein_coding"; level 2;'),
    "StringTie, TransDecoder (GTF)": Style(genes=False, extra=' exon_number "1"; FPKM "0.1";'),
    "gffread -T (GTF)": Style(genes=False, transcripts=True),
    "UCSC genePredToGtf (GTF)": Style(genes=False, transcripts=False, stop="outside"),
    "GTF of CDS lines alone": Style(genes=False, transcripts=False, exons=False),
    "one ID for gene and transcript (GTF)": Style(one_id=True, genes=False, transcripts=False),
    "gffread (GFF3, geneID)": Style(gtf=False, genes=False, stated="geneID"),
    "Liftoff, StringTie (GFF3, gene_id)": Style(gtf=False, genes=False, stated="gene_id"),
    "Name of the gene (GFF3)": Style(gtf=False, genes=False, stated="Name"),
    "gffread --keep-genes, Ensembl yeast (GFF3, one ID)": Style(gtf=False, one_id=True),
    "without transcript lines (GFF3)": Style(gtf=False, transcripts=False),
    "AUGUSTUS, MAKER (GFF3, stop_codon lines)": Style(gtf=False, stop="outside", trim_exons=True),
    "stop codon outside, unsaid (GFF3)": Style(gtf=False, stop="unsaid"),
    "phases all 0 (GFF3)": Style(gtf=False, phases="0"),
    "phases all 1 (GFF3)": Style(gtf=False, phases="1"),
    "phases '.' (GFF3)": Style(gtf=False, phases="."),
}
"""What docs/formats.md lists as dialects of whole files -> how they are written."""


def write(genes: Genes, bases: Sequences, style: Style) -> str:
    """The text of a file."""
    genes = as_told(genes, style)
    lines = [] if style.gtf else ["##gff-version 3"]
    for seqid, there in genes.items():
        for gene in there:
            lines += _lines(seqid, gene, bases[seqid], style)
    return "\n".join(lines) + "\n"


def as_told(genes: Genes, style: Style) -> Genes:
    """The genes as far as a style can tell them: without exon lines, they are cut to their CDS."""
    return genes if style.exons else {name: list(map(_cut, there)) for name, there in genes.items()}


def _cut(gene: Gene) -> Gene:
    own = []
    for transcript in gene.transcripts:
        if transcript.cds:
            exons = joined(piece[:2] for piece in transcript.cds)
            own.append(replace(transcript, start=exons[0][0], end=exons[-1][1], exons=exons))
    if not own:
        return gene
    start, end = min(t.start for t in own), max(t.end for t in own)
    return replace(gene, start=start, end=end, transcripts=tuple(own))


def _lines(seqid: str, gene: Gene, bases: np.ndarray, style: Style) -> Iterator[str]:
    single = style.one_id and len(gene.transcripts) == 1
    name = gene.transcripts[0].id if single else gene.id

    def line(kind: str, start: int, end: int, attributes: str, phase: object = ".") -> str:
        columns = (seqid, "x", kind, start + 1, end, ".", gene.strand, phase, attributes)
        return "\t".join(map(str, columns))

    if style.genes:
        yield line("gene", gene.start, gene.end, _gene(name, style))
    for original in gene.transcripts:
        stops, transcript = [], original
        if style.stop != "inside" and original.cds:
            stops, transcript = without_stop(original, gene.strand, bases)
        exons = _trimmed(transcript, stops) if style.trim_exons else transcript.exons
        named = transcript.id
        if style.transcripts:
            kind = "transcript" if style.gtf else "mRNA"
            yield line(kind, transcript.start, transcript.end, _transcript(name, named, style))
        part = _part(name, named, style)
        if style.exons:
            for start, end in exons:
                yield line("exon", start, end, part)
        for start, end, phase in transcript.cds:
            yield line("CDS", start, end, part, phase if style.phases == "true" else style.phases)
        if style.stop == "outside":
            for start, end in stops:
                yield line("stop_codon", start, end, part, 0)


def _gene(gene: str, style: Style) -> str:
    if style.bare:
        return gene
    return f'gene_id "{gene}";{_extra(gene, "", style)}' if style.gtf else f"ID={gene}"


def _transcript(gene: str, name: str, style: Style) -> str:
    if style.bare:
        return name
    if style.gtf:
        return f'gene_id "{gene}"; transcript_id "{name}";{_extra(gene, name, style)}'
    if style.stated:
        return f"ID={name};{style.stated}={gene}"
    return f"ID={name};Parent={gene}"


def _part(gene: str, name: str, style: Style) -> str:
    if style.gtf:
        return f'transcript_id "{name}"; gene_id "{gene}";{_extra(gene, name, style)}'
    return f"Parent={name}"


def _extra(gene: str, transcript: str, style: Style) -> str:
    return style.extra.format(gene=gene, transcript=transcript)


def without_stop(
    transcript: Transcript, strand: str, bases: np.ndarray
) -> tuple[list[tuple[int, int]], Transcript]:
    """(start, end) of a stop codon that a CDS ends with, and the transcript with the CDS before it.

    Without stop codon: nothing, and the transcript as it was.
    """
    pieces = list(transcript.cds if strand == "+" else transcript.cds[::-1])
    coding = [b for s, e, _ in transcript.cds for b in range(s, e)]
    last = coding[-3:] if strand == "+" else coding[:3]
    codon = bytes(bases[last])
    if strand == "-":
        codon = codon.translate(COMPLEMENT)[::-1]
    if codon not in STOPS or len(coding) <= 3:
        return [], transcript
    gone = set(last)
    kept = []
    for start, end, phase in pieces:
        rest = [b for b in range(start, end) if b not in gone]
        if rest:
            kept.append((rest[0], rest[-1] + 1, phase))
    return list(_runs(last)), replace(transcript, cds=tuple(sorted(kept)))


def _trimmed(transcript: Transcript, stops: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The exons without the stop codon, where they end with it."""
    for start, end in transcript.exons:
        for first, last in stops:
            if last == end:
                end = max(start, first)
            elif first == start:
                start = min(end, last)
        if start < end:
            yield start, end


def _runs(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    run: list[int] = []
    for position in sorted(positions):
        if run and position != run[-1] + 1:
            yield run[0], run[-1] + 1
            run = []
        run.append(position)
    if run:
        yield run[0], run[-1] + 1


Writer = Callable[[Genes, Sequences], str]
