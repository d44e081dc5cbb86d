"""Writes a simulated species to disk: FASTA, GFF3 and the data prepared from them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.atomic import PARTIAL, check_folder, staged_folder
from helixer_ft.formats.data_names import check_length
from helixer_ft.genome.annotation import UNKNOWN_PHASE
from helixer_ft.genome.codons import running_phases
from helixer_ft.preparation.prepare import prepare
from helixer_ft.preparation.report import SetReport
from helixer_ft.preparation.request import PrepareRequest
from helixer_ft.preparation.samples import Sample
from helixer_ft.simulate.genome import SimulatedGene, SimulatedGenome, simulate
from helixer_ft.simulate.sizes import (
    DEFAULT_SEQUENCE_LENGTH,
    DEFAULT_SEQUENCES,
    DEFAULT_SUBSEQUENCE_LENGTH,
    MINIMUM_SEQUENCES,
)
from helixer_ft.simulate.species import Species

GENOME_FILE, GENES_FILE, MODEL_FILE = "genome.fa", "genes.gff3", "source_model.h5"
SOURCE_MODEL = Path(__file__).with_name("source_model.h5")
"""The shipped model; `scripts/shipped_model.py` of the repository makes it."""
SOURCE_SEED = 1000
"""Seed of the genome that it was trained on; far from those that users are likely to give."""

_FASTA_WIDTH = 80


def write_species(
    out_dir: Path,
    species: Species,
    seed: int,
    *,
    subsequence_length: int = DEFAULT_SUBSEQUENCE_LENGTH,
    n_sequences: int = DEFAULT_SEQUENCES,
    sequence_length: int = DEFAULT_SEQUENCE_LENGTH,
    with_model: bool = True,
    force: bool = False,
) -> Mapping[str, SetReport]:
    """Simulate a species and write everything about it to a folder.

    Writes ``genome.fa``, ``genes.gff3``, and the data that `prepare` makes of them:
    ``training_data.h5``, ``validation_data.h5`` and ``test_data.h5``, which share no sequence.
    ``source_model.h5``, a small model trained on `SOURCE`, to be tuned, goes with them. The files
    appear together once all are complete.

    Parameters
    ----------
    out_dir : Path
        Folder to make; missing parents are made too.
    species : Species
        What to simulate.
    seed : int
        At least 0. The same arguments give the same files, byte for byte.
    subsequence_length : int
        Length of a row in bp, a positive multiple of 9.
    n_sequences : int
        At least 3. A sixth of them each, at least one, become validation and test data.
    sequence_length : int
        Mean length of the sequences in bp (see `simulate`).
    with_model : bool
        Add ``source_model.h5``.
    force : bool
        Write into a folder that is not empty. Its files of these names are replaced, all
        others are left as they are.

    Returns
    -------
    mapping of str to SetReport
        Of ``"training"``, ``"validation"`` and ``"test"``.

    Raises
    ------
    InputError
        If `out_dir` is a file, or a folder with something in it and not `force`, or a number is
        out of its range.
    HelixerFtError
        If writing fails; `out_dir` is then as it was.
    """
    check_length(subsequence_length)
    if n_sequences < MINIMUM_SEQUENCES:
        raise InputError(
            f"at least {MINIMUM_SEQUENCES} sequences are needed, one each for training, "
            f"validation and test; {n_sequences} is too few"
        )
    out_dir = Path(out_dir)
    _check_out_dir(out_dir, force)
    genome = simulate(species, n_sequences, sequence_length, seed)
    with staged_folder(out_dir) as folder:
        (folder / GENOME_FILE).write_bytes(to_fasta(genome))
        (folder / GENES_FILE).write_bytes(to_gff3(genome))
        sets = _prepare(genome, folder, subsequence_length, shown=out_dir)
        if with_model:
            shutil.copyfile(SOURCE_MODEL, folder / MODEL_FILE)
    return sets


def _prepare(
    genome: SimulatedGenome, folder: Path, subsequence_length: int, shown: Path
) -> Mapping[str, SetReport]:
    """Make data of the files of a genome in a folder, which messages call `shown`."""
    validation, test = held_out(genome)
    with TemporaryDirectory(dir=folder) as prepared:
        request = PrepareRequest(
            (Sample(genome.species, folder / GENOME_FILE, folder / GENES_FILE),),
            Path(prepared),
            subsequence_length=subsequence_length,
            validation_seqids=validation,
            test_seqids=test,
        )
        try:
            sets = prepare(request).sets
        except HelixerFtError as error:  # a full disk: the staging folder is nobody's business
            raise type(error)(str(error).replace(prepared, str(shown))) from error
        for path in Path(prepared).glob("*.h5"):
            os.replace(path, folder / path.name)
    return sets


def held_out(genome: SimulatedGenome) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the validation and of the test sequences: the last ones."""
    seqids = tuple(genome.sequences)
    share = max(1, len(seqids) // 6)
    return seqids[-2 * share : -share], seqids[-share:]


def to_fasta(genome: SimulatedGenome) -> bytes:
    """Return the genome as FASTA, in lines of 80 bases."""
    lines = []
    for seqid, sequence in genome.sequences.items():
        lines.append(f">{seqid}")
        lines += [sequence[i : i + _FASTA_WIDTH] for i in range(0, len(sequence), _FASTA_WIDTH)]
    return ("\n".join(lines) + "\n").encode("ascii")


def to_gff3(genome: SimulatedGenome) -> bytes:
    """Return the gene models as GFF3 (1-based, closed), parts of a transcript ascending."""
    lines = ["##gff-version 3"]
    lines += [f"##sequence-region {name} 1 {len(s)}" for name, s in genome.sequences.items()]
    for gene in genome.genes:
        lines += _gff3_lines(gene)
    return ("\n".join(lines) + "\n").encode("ascii")


def _gff3_lines(gene: SimulatedGene) -> Iterator[str]:
    """Yield the lines of one gene."""
    transcript = f"{gene.gene_id}.t1"

    def line(kind: str, start: int, end: int, attributes: str, phase: str = ".") -> str:
        columns = (gene.seqid, "helixer-ft", kind, start + 1, end, ".", gene.strand, phase)
        return "\t".join(map(str, (*columns, attributes)))

    yield line("gene", gene.start, gene.end, f"ID={gene.gene_id}")
    yield line("mRNA", gene.start, gene.end, f"ID={transcript};Parent={gene.gene_id}")
    utr_kinds = ("five_prime_UTR", "three_prime_UTR")
    left_kind, right_kind = utr_kinds if gene.strand == "+" else utr_kinds[::-1]
    cds_start, cds_end = gene.cds[0][0], gene.cds[-1][1]
    parts: list[tuple[int, int, str, str, str]] = []
    for number, (start, end) in enumerate(gene.exons, start=1):
        parts.append((start, end, "exon", f"exon{number}", "."))
        if start < cds_start:
            parts.append((start, min(end, cds_start), left_kind, left_kind, "."))
        if end > cds_end:
            parts.append((max(start, cds_end), end, right_kind, right_kind, "."))
    without_phase = [(start, end, UNKNOWN_PHASE) for start, end in gene.cds]
    for start, end, phase in running_phases(without_phase, gene.strand, first=0):
        parts.append((start, end, "CDS", "CDS", str(phase)))
    order = {"exon": 0, left_kind: 1, "CDS": 2, right_kind: 3}
    for start, end, kind, suffix, column in sorted(parts, key=lambda p: (p[0], order[p[2]])):
        yield line(kind, start, end, f"ID={transcript}.{suffix};Parent={transcript}", column)


def _check_out_dir(out_dir: Path, force: bool) -> None:
    """Raise InputError unless the folder may be written to."""
    check_folder(out_dir)
    if out_dir.is_dir() and not force and any(path.name != PARTIAL for path in out_dir.iterdir()):
        raise InputError(
            f"{out_dir}: exists already and is not empty. "
            "Give another folder, or --force to overwrite the simulated files in it."
        )
