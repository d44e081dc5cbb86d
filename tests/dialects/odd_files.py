"""Files with something odd in them, made from sound ones; each stands for a kind that people have.

Each maker of `ODD` takes genes and bases, and gives the text of a file with the genes it means, as
far as they can be told from it.
"""

from collections.abc import Callable
from dataclasses import replace

from helixer_ft.genome.annotation import Gene
from tests.dialects.rewriting import Genes, Sequences, Style, as_told, write

Made = tuple[str, Genes]
PLAIN = Style(gtf=False)
CUT = Style(gtf=False, exons=False)


def _plain(genes: Genes, bases: Sequences) -> list[str]:
    return write(genes, bases, PLAIN).splitlines()


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _first(genes: Genes) -> tuple[str, int]:
    """Where the first gene of one transcript with three exons or more is."""
    return next(
        (seqid, i)
        for seqid, there in genes.items()
        for i, gene in enumerate(there)
        if len(gene.transcripts) == 1 and len(gene.transcripts[0].exons) > 2
    )


def _masked(genes: Genes, problem: str) -> Genes:
    """The genes with the first one not trusted."""
    seqid, i = _first(genes)
    result = {name: list(there) for name, there in genes.items()}
    result[seqid][i] = replace(result[seqid][i], trusted=False, problem=problem)
    return result


def _edited(genes: Genes, bases: Sequences, edit: Callable[[list[str]], list[str]]) -> str:
    """The plain file, with the first gene's lines edited."""
    seqid, i = _first(genes)
    gene = genes[seqid][i]
    own = write({seqid: [gene]}, bases, PLAIN).splitlines()[1:]
    lines = _plain(genes, bases)
    at = lines.index(own[0])
    columns = edit([list(line.split("\t")) for line in own])
    return _text([*lines[:at], *map("\t".join, columns), *lines[at + len(own) :]])


def _with_attribute(attribute: str, kind: str = "") -> Callable:
    def edit(lines):
        lines[0][8] += f";{attribute}"
        lines[0][2] = kind or lines[0][2]
        return lines

    return lambda genes, bases: (_edited(genes, bases, edit), _masked(genes, "pseudogene"))


def other_features(genes: Genes, bases: Sequences) -> Made:
    lines = _plain(genes, bases)
    seqid = lines[1].split("\t")[0]
    for kind, name in (
        ("sequence_feature", "id-1"),
        ("cDNA_match", "aln1"),
        ("signal_peptide", "sp1"),
        ("dispersed_repeat", "rep1"),
    ):
        for start in (101, 301):
            place = f"{start}\t{start + 50}\t.\t+\t."
            lines.insert(2, f"{seqid}\tRefSeq\t{kind}\t{place}\tID={name};part={start}")
    return _text(lines), genes


def gene_on_several_lines(genes: Genes, bases: Sequences) -> Made:
    def edit(lines):
        exons = [line for line in lines if line[2] == "exon"]
        head = [[*line[:2], "gene", *line[3:8], f"{lines[0][8]};is_ordered=true"] for line in exons]
        return [*head, *lines[1:]]

    return _edited(genes, bases, edit), genes


def transcript_on_several_lines(genes: Genes, bases: Sequences) -> Made:
    def edit(lines):
        exons = [line for line in lines if line[2] == "exon"]
        return [
            lines[0],
            *([*line[:2], "mRNA", *line[3:8], lines[1][8]] for line in exons),
            *lines[2:],
        ]

    return _edited(genes, bases, edit), genes


def trans_spliced(genes: Genes, bases: Sequences) -> Made:
    """Two genes and one mRNA, which is on two lines."""

    def edit(lines):
        exons = [line for line in lines if line[2] == "exon"]
        first, last = exons[0], exons[-1]
        ids = [lines[0][8], f"{lines[0][8]}_2"]
        mrna = lines[1][8].split(";")[0]
        parents = ",".join(name.removeprefix("ID=") for name in ids)
        marked = ";exception=trans-splicing"
        result = [
            [*place[:2], "gene", *place[3:8], name + marked]
            for place, name in zip((first, last), ids, strict=True)
        ]
        shared = f"{mrna};Parent={parents}{marked}"
        result += [[*place[:2], "mRNA", *place[3:8], shared] for place in (first, last)]
        inside = {tuple(first[3:5]), tuple(last[3:5])}
        result += [line for line in lines[2:] if line[2] == "exon" and tuple(line[3:5]) in inside]
        span = [range(int(a), int(b) + 1) for a, b in inside]
        result += [
            line for line in lines[2:] if line[2] == "CDS" and any(int(line[3]) in s for s in span)
        ]
        return result

    seqid, i = _first(genes)
    gene = genes[seqid][i]
    result = {name: list(there) for name, there in genes.items()}
    places = [
        replace(gene, start=start, end=end, trusted=False, problem="mixed_strands", transcripts=())
        for start, end in (gene.transcripts[0].exons[0], gene.transcripts[0].exons[-1])
    ]
    result[seqid][i : i + 1] = [replace(places[0], transcripts=gene.transcripts), places[1]]
    return _edited(genes, bases, edit), result


def end_before_start(genes: Genes, bases: Sequences) -> Made:
    def edit(lines):
        lines.append([*lines[-1]])
        lines[-1][3:5] = lines[-1][4], str(int(lines[-1][4]) - 1)
        return lines

    return _edited(genes, bases, edit), _masked(genes, "end_before_start")


def noncoding_beyond_the_end(genes: Genes, bases: Sequences) -> Made:
    seqid = next(iter(genes))
    n = len(bases[seqid])
    lines = _plain(genes, bases)
    lines.append(f"{seqid}\tx\ttmRNA\t{n - 100}\t{n + 72}\t.\t+\t.\tID=tm1")
    return _text(lines), genes


def gene_beyond_the_end(genes: Genes, bases: Sequences) -> Made:
    """The last gene goes on beyond its sequence."""
    seqid = next(iter(genes))
    n = len(bases[seqid])
    lines = _plain(genes, bases)
    lines += [
        f"{seqid}\tx\tgene\t{n - 40}\t{n + 20}\t.\t+\t.\tID=over",
        f"{seqid}\tx\tmRNA\t{n - 40}\t{n + 20}\t.\t+\t.\tID=over.t1;Parent=over",
        f"{seqid}\tx\tCDS\t{n - 40}\t{n + 20}\t.\t+\t0\tParent=over.t1",
    ]
    over = Gene("over", "+", n - 41, n, (), trusted=False, problem="beyond_end")
    result = {name: list(there) for name, there in genes.items()}
    result[seqid].append(over)
    return _text(lines), result


def trailing_tabs(genes: Genes, bases: Sequences) -> Made:
    return _text([line + "\t" for line in _plain(genes, bases)[1:]]), genes


def cds_without_parent(genes: Genes, bases: Sequences) -> Made:
    """One CDS per gene, of the transcript that is labelled."""
    told = as_told(_first_transcripts(genes), CUT)
    lines = [line for line in write(told, bases, CUT).splitlines() if "\tCDS\t" in line]
    return _text([line.replace("Parent=", "ID=") for line in lines]), told


def cds_below_the_gene(genes: Genes, bases: Sequences) -> Made:
    told = as_told(_first_transcripts(genes), CUT)
    own = Style(gtf=False, exons=False, one_id=True)
    lines = [line for line in write(told, bases, own).splitlines() if "\tmRNA\t" not in line]
    return _text(lines), told


def cds_below_exons(genes: Genes, bases: Sequences) -> Made:
    lines, exons = [], []
    for n, line in enumerate(_plain(genes, bases)):
        columns = line.split("\t")
        if len(columns) == 9 and columns[2] == "mRNA":
            exons = []
        if len(columns) == 9 and columns[2] == "exon":
            exons.append((int(columns[3]), int(columns[4]), f"exon{n}"))
            columns[8] = f"ID=exon{n};{columns[8]}"
        if len(columns) == 9 and columns[2] == "CDS":
            above = next(name for start, end, name in exons if start <= int(columns[3]) <= end)
            columns[8] = f"Parent={above}"
        lines.append("\t".join(columns))
    return _text(lines), genes


def own_parent(genes: Genes, bases: Sequences) -> Made:
    told = _first_transcripts(genes)
    lines = [line for line in _plain(told, bases) if "\tgene\t" not in line]
    result = []
    for line in lines:
        head, _, name = line.partition("\tID=")
        result.append(f"{head}\tID={name.split(';')[0]};Parent={name.split(';')[0]}"
                      if name else line)  # fmt: skip
    return _text(result), told


def lower_case(genes: Genes, bases: Sequences) -> Made:
    text = _text(_plain(genes, bases))
    return text.replace("ID=", "id=").replace("Parent=", "parent="), genes


def jgi_gff2(genes: Genes, bases: Sequences) -> Made:
    told = _first_transcripts(genes)
    lines = [line for line in _plain(told, bases) if "\texon\t" in line or "\tCDS\t" in line]
    result = []
    for line in lines:
        head, _, name = line.partition("\tParent=")
        number = "transcriptId 7" if "\texon\t" in line else "proteinId 7; exonNumber 1"
        result.append(f'{head}\tname "{name}"; {number}')
    return _text(result), told


def cds_of_a_missing_transcript(genes: Genes, bases: Sequences) -> Made:
    """The exons name a transcript, the CDS another one that is not there."""

    def edit(lines):
        for line in lines:
            if line[2] == "CDS":
                line[8] += ".old"
        return lines

    seqid, i = _first(genes)
    gene = genes[seqid][i]
    (transcript,) = gene.transcripts
    start, end = transcript.cds[0][0], transcript.cds[-1][1]
    result = {name: list(there) for name, there in genes.items()}
    result[seqid][i] = replace(gene, transcripts=(replace(transcript, cds=()),))
    stray = replace(gene, id="old", start=start, end=end, trusted=False, problem="unknown_parent")
    result[seqid].append(stray)
    return _edited(genes, bases, edit), result


def _first_transcripts(genes: Genes) -> Genes:
    return {
        name: [replace(gene, transcripts=gene.transcripts[:1]) for gene in there]
        for name, there in genes.items()
    }


ODD: dict[str, Callable[[Genes, Sequences], Made]] = {
    "other features on several lines": other_features,
    "gene on several lines": gene_on_several_lines,
    "transcript on several lines": transcript_on_several_lines,
    "trans-splicing": trans_spliced,
    "pseudogene with CDS": _with_attribute("gene_biotype=pseudogene", "pseudogene"),
    "`pseudo=true`": _with_attribute("pseudo=true"),
    "`gene_biotype=processed_pseudogene`": _with_attribute("gene_biotype=processed_pseudogene"),
    "end before start": end_before_start,
    "non-coding feature beyond the end": noncoding_beyond_the_end,
    "coding gene beyond the end": gene_beyond_the_end,
    "empty columns at the end": trailing_tabs,
    "CDS without Parent": cds_without_parent,
    "CDS below the gene": cds_below_the_gene,
    "CDS below exons": cds_below_exons,
    "transcript its own parent": own_parent,
    "`id=`, `parent=`": lower_case,
    'GFF2 with `name "..."`': jgi_gff2,
    "CDS of a transcript that is not there": cds_of_a_missing_transcript,
}
"""What docs/formats.md lists as odd -> how such a file is made."""
