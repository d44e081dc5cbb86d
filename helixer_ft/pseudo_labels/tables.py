"""Tables and gene models that `pseudo-label` writes; see docs/formats.md."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import damaged_line, read_text_file
from helixer_ft.genes.tallies import STRANDS
from helixer_ft.genome import filters
from helixer_ft.genome.annotation import Interval
from helixer_ft.preparation.genome import Survey
from helixer_ft.preparation.pieces import Piece
from helixer_ft.pseudo_labels.candidates import Candidate
from helixer_ft.pseudo_labels.evidence import Junctions

GENES_FILE, KEPT_FILE = "genes.tsv", "kept.gff3"
_COLUMNS = (
    *("gene", "seqid", "start", "end", "strand", "exons", "introns", "cds_length", "confidence"),
    *("family", "copies", "set", "supported_introns", "contradicting_reads", "faults"),
    *("outcome", "cds"),
)


def filter_names(*, with_reads: bool, every: bool = False) -> tuple[str, ...]:
    """What kept genes are selected by; `every`: they are all that reads do not contradict."""
    own = ("coding_exon_length", "intron_length", "min_cds", "max_copies", "confidence")
    scored = (filters.COMPLETE_ORF, filters.CANONICAL_INTRONS, filters.STRAND_OVERLAP)
    reads = (filters.SUPPORTED_INTRONS,) if with_reads else ()
    if every:
        return reads
    # shares are kept within strata of the number of exons
    return (*scored, filters.SINGLE_EXON, *reads, *own)


def genes_table(candidates: Sequence[Candidate]) -> str:
    """Every candidate, one line each; 1-based, closed, as in GFF3."""
    lines = ["\t".join(_COLUMNS)]
    for one in candidates:
        gene = one.gene
        cells: Sequence[object] = (
            *(_cell(gene.id), one.seqid, gene.start + 1, gene.end, gene.strand),
            *(len(one.exons), len(one.introns), one.coding_length, f"{one.confidence:.4f}"),
            *(one.family, one.copies, one.part),
            *("" if one.supported is None else one.supported, one.contradicted),
            *(",".join(one.faults), one.outcome),
            ",".join(f"{start + 1}-{end}" for start, end in one.cds),
        )
        lines.append("\t".join(map(str, cells)))
    return "\n".join(lines) + "\n"


def read_structures(path: Path) -> Iterator[tuple[str, str, tuple[Interval, ...]]]:
    """Sequence, strand and coding exons of each gene of such a table, as `Candidate.structure`.

    Raises
    ------
    InputError
        It is not there, or no such table.
    """
    what = "the table of genes that helixer-ft pseudo-label writes"
    header, *lines = read_text_file(path, what).splitlines() or [""]
    if tuple(header.split("\t")) != _COLUMNS:
        raise InputError(f"{path}: begins with {header[:60]!r}, expected {what}.")
    for number, line in enumerate(lines, start=2):
        cells = dict(zip(_COLUMNS, line.split("\t"), strict=False))
        try:
            pieces = [piece.split("-") for piece in cells["cds"].split(",")]
            cds = tuple((int(start) - 1, int(end)) for start, end in pieces)
        except (KeyError, ValueError) as error:
            raise damaged_line(path, number, what) from error
        yield cells["seqid"], cells["strand"], cds


def kept_gff3(genes: Path, candidates: Sequence[Candidate], names: Sequence[str]) -> Iterator[str]:
    """Lines of HelixerPost's file that belong to kept genes, and a line that names the filters.

    Parameters
    ----------
    genes
        HelixerPost's file: each gene line is followed by what belongs to it.
    candidates
        All; the number of the gene's line is known.
    names
        Of the filters.
    """
    kept = {one.gene.line for one in candidates if one.is_kept}
    own = False
    with open(genes, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("#"):
                yield line
                if number == 1 and names:
                    yield filters.filters_line(names) + "\n"
                continue
            if line.split("\t", 3)[2] == "gene":
                own = number in kept
            if own:
                yield line


def with_reasons(survey: Survey, candidates: Sequence[Candidate]) -> Survey:
    """The survey with what `prepare` calls untrusted named by its reason."""
    reasons = {(one.seqid, one.gene.id): one.outcome for one in candidates}
    sequences = {
        seqid: replace(
            found,
            masked=tuple(
                replace(mask, error=reasons.get((seqid, mask.gene), mask.error))
                if mask.error == "untrusted"
                else mask
                for mask in found.masked
            ),
        )
        for seqid, found in survey.sequences.items()
    }
    return replace(survey, sequences=sequences)


def junctions_table(junctions: Junctions, pieces: Sequence[Piece]) -> str:
    """Introns of reads on some stretches, one line each; 1-based, closed, as in GFF3."""
    lines = ["seqid\tstart\tend\tstrand\treads"]
    for piece in pieces:
        for start, end, place, reads in junctions.supported(piece.seqid).tolist():
            if piece.start <= start and end <= piece.end:
                lines.append(f"{piece.seqid}\t{start + 1}\t{end}\t{STRANDS[place]}\t{reads}")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
