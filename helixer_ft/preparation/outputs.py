"""Names and tables of what `prepare` writes; see docs/formats.md."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.atomic import refuse_existing
from helixer_ft.formats.data_folder import refuse_other_data
from helixer_ft.formats.data_names import SETS
from helixer_ft.formats.input_file import read_text_file, refuse_overwriting
from helixer_ft.formats.label_source import PREDICTIONS, LabelSource, SourceFile
from helixer_ft.genome.filters import read_filters
from helixer_ft.preparation.genome import Genome, Survey
from helixer_ft.preparation.pieces import Piece, whole
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.split import Split

ALL = "all"
"""The one set where nothing is split."""
SPLIT_FILE, REPORT_FILE = "split.tsv", "prepare.json"


def data_file(name: str, species: str, request: PrepareRequest) -> str:
    """File name of a set of a species; training takes all that begin alike."""
    if name == ALL:
        return f"{species}.h5"
    return f"{name}_data.{species}.h5" if len(request.samples) > 1 else f"{name}_data.h5"


def masked_file(species: str) -> str:
    """File name of the table of what is masked."""
    return f"{species}.masked.tsv"


def check_outputs(request: PrepareRequest) -> None:
    """Refuse, before any work, to overwrite files, or to mix data of two preparations.

    Raises
    ------
    InputError
        A file to be written is there (and `force` is false), is a folder, or is read; or there are
        other data files that training would read together with the new ones.
    """
    folder = request.out_dir
    sets = SETS if request.split and request.labelled else (ALL,)
    species = [sample.species for sample in request.samples]
    data = {data_file(name, one, request) for name in sets for one in species}
    others = {REPORT_FILE}
    if request.labelled:
        others |= {masked_file(one) for one in species}
        if request.split:
            others.add(SPLIT_FILE)
    read = [path for sample in request.samples for path in (sample.fasta, sample.gff3)]
    written = [folder / name for name in sorted(data | others)]
    refuse_overwriting([request.sheet, request.genes, *read], written, "--out-dir")
    for path in written:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, but a file of that name is to be written.")
        refuse_existing(path, force=request.force, other="--out-dir")
    if sets != (ALL,):
        refuse_other_data(folder, data)


def label_source(genome: Genome, survey: Survey) -> LabelSource | None:
    """Where the labels come from; None: an annotation, of which data files say nothing."""
    gff3 = genome.sample.gff3
    if gff3 is None or not genome.request.labels_are_predictions:
        return None
    content = survey.content(whole(genome.lengths))
    return LabelSource(
        PREDICTIONS,
        fasta=SourceFile.of(genome.sample.fasta),
        gff3=SourceFile.of(gff3),
        filters=read_filters(gff3),
        seed=genome.request.seed,
        counts={"genes": len(content.genes), "usable_genes": content.usable_genes},
    )


def masked_table(genome: Genome, survey: Survey) -> str:
    """What was masked, one line per gene and error; 1-based, closed, as in GFF3."""
    lines = ["gene\ttranscript\tseqid\tstrand\tstart\tend\terror"]
    for seqid in genome.lengths:
        masks = survey.sequences[seqid].masked
        lines += [
            f"{_cell(mask.gene)}\t{_cell(mask.transcript)}\t{seqid}\t{mask.strand}\t"
            f"{mask.start + 1}\t{mask.end}\t{mask.error}"
            for mask in sorted(masks, key=lambda mask: (mask.start, mask.end))
        ]
    return "\n".join(lines) + "\n"


def split_table(splits: Iterable[tuple[Genome, Survey, Split]]) -> str:
    """Which stretch went where, one line each; 1-based, closed, as in GFF3."""
    lines = ["species\tseqid\tstart\tend\tset\tgenes\tusable_genes\treason"]
    for genome, survey, split in splits:
        entries: list[tuple[Piece, str, str]] = [
            (piece, name, "") for name, pieces in split.sets.items() for piece in pieces
        ]
        entries += [(piece, "left out", reason) for piece, reason in split.left_out]
        order = {seqid: i for i, seqid in enumerate(genome.fasta.lengths)}
        for piece, name, reason in sorted(entries, key=lambda e: (order[e[0].seqid], e[0].start)):
            content = survey.content([piece] if piece.seqid in survey.sequences else [])
            cells: Sequence[object] = (
                genome.sample.species, piece.seqid, piece.start + 1, piece.end, name,
                len(content.genes), content.usable_genes, reason,
            )  # fmt: skip
            lines.append("\t".join(map(str, cells)))
    return "\n".join(lines) + "\n"


def read_gene_list(path: Path) -> frozenset[str]:
    """The IDs of the genes to trust, one a line.

    Raises
    ------
    InputError
        Not readable, not text, empty.
    """
    what = "a list of gene IDs, one a line"
    ids = frozenset(line.strip() for line in read_text_file(path, what).splitlines()) - {""}
    if not ids:
        raise InputError(f"{path}: is empty, expected {what}.")
    return ids


def _cell(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
