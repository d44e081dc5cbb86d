"""One annotation in every dialect: labels, phases and masks the same at every base."""

import gzip
from functools import cache
from pathlib import Path

import pysam
import pytest
from conftest import SHARED

from helixer_ft.genome.codons import has_stop_inside, spliced
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.genome.mending import read_genes
from tests.dialects.labelled import assert_same_labels, labels_of
from tests.dialects.rewriting import DIALECTS, Style, as_told, write

SPECIES = ("athaliana", "celegans", "cneoformans", "spombe")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_of_a_simulated_genome(simulated, tmp_path, dialect):
    fasta_path, bases, genes, expected = simulated
    path = tmp_path / "genes.txt"
    text = write(genes, bases, DIALECTS[dialect])
    assert text != write(genes, bases, Style(gtf=False))
    path.write_text(text)
    with open_fasta(fasta_path) as fasta:
        found = read_genes(path, fasta, strict=True)
    if not DIALECTS[dialect].exons:
        expected = labels_of(as_told(genes, DIALECTS[dialect]), bases)
    assert_same_labels(labels_of(found.genes, bases), expected)
    counts = {name: len(there) for name, there in found.genes.items()}
    assert counts == {name: len(there) for name, there in genes.items()}
    if not DIALECTS[dialect].one_id and DIALECTS[dialect].stated != "Name":
        for name, there in genes.items():
            assert [gene.id for gene in found.genes[name]] == [gene.id for gene in there]


@pytest.mark.parametrize("pack", ["gzip", "bgzip"])
def test_compressed_gtf(simulated, tmp_path, pack):
    fasta_path, bases, genes, expected = simulated
    text = write(genes, bases, DIALECTS["Ensembl (GTF)"]).encode()
    path = tmp_path / "genes.gtf.gz"
    if pack == "gzip":
        path.write_bytes(gzip.compress(text))
    else:
        with pysam.BGZFile(str(path), "wb") as file:
            file.write(text)
    with open_fasta(fasta_path) as fasta:
        found = read_genes(path, fasta)
    assert_same_labels(labels_of(found.genes, bases), expected)


def test_a_file_of_two_writers(simulated, tmp_path):
    """Stop codons inside and outside, in one file, with and without lines that name them."""
    fasta_path, bases, genes, expected = simulated
    styles = [Style(gtf=False), Style(gtf=False, stop="outside"), Style(gtf=False, stop="unsaid")]
    lines = []
    pairs = [(name, gene) for name, there in genes.items() for gene in there]
    for i, (name, gene) in enumerate(pairs):
        lines.append(write({name: [gene]}, bases, styles[i % 3]))
    path = tmp_path / "genes.gff3"
    path.write_text("".join(lines))
    with open_fasta(fasta_path) as fasta:
        found = read_genes(path, fasta)
    assert_same_labels(labels_of(found.genes, bases), expected)
    counts = {notice.kind: notice.count for notice in found.notices}
    taken = [counts[kind] for kind in counts if kind.endswith("taken in")]
    transcripts = [len(gene.transcripts) for there in genes.values() for gene in there]
    assert len(taken) == 2
    assert sum(taken) <= sum(transcripts[1::3]) + sum(transcripts[2::3])
    assert min(taken) > 5


# ---------------------------------------------------------------- real species


@cache
def real(species: str):
    folder = SHARED / "data" / species
    with open_fasta(folder / "genome.fa.gz") as fasta:
        annotation = read_genes(folder / "annotation.gff3.gz", fasta)
        bases = {name: fasta.read(name) for name in fasta.lengths}
    return folder / "genome.fa.gz", bases, annotation.genes, labels_of(annotation.genes, bases)


def check_real(species: str, dialect: str, tmp_path: Path) -> None:
    if not (SHARED / "data" / species).is_dir():
        pytest.skip("needs the genomes that are not part of the repository")
    fasta_path, bases, genes, expected = real(species)
    path = tmp_path / "genes.txt"
    path.write_text(write(genes, bases, DIALECTS[dialect]))
    with open_fasta(fasta_path) as fasta:
        found = read_genes(path, fasta)
    if not DIALECTS[dialect].exons:
        expected = labels_of(as_told(genes, DIALECTS[dialect]), bases)
    untold = []
    if DIALECTS[dialect].phases in (".", "1"):
        untold = without_frame(genes, bases)
        assert len(untold) == (6 if species == "spombe" else 0)
        for seqid, strand, start, end in untold:
            for one in (found.genes, genes):
                there = [gene for gene in one[seqid] if gene.strand == strand]
                assert any(gene.start <= start and end <= gene.end for gene in there)
    assert_same_labels(labels_of(found.genes, bases), expected, untold)


def without_frame(genes, bases) -> list[tuple[str, str, int, int]]:
    """Coding ranges whose stated frame has stop codons, and no start codon to count from.

    Nothing tells such a frame where the file does not.
    """
    found = []
    for seqid, there in genes.items():
        for gene in there:
            for transcript in gene.transcripts:
                coding = spliced(bases[seqid], gene.strand, transcript.cds)
                anchored = coding[:3].tobytes() == b"ATG" or not has_stop_inside(coding, 0)
                if not anchored:
                    span = transcript.cds[0][0], transcript.cds[-1][1]
                    found.append((seqid, gene.strand, *span))
    return found


@pytest.mark.parametrize("dialect", ["BRAKER, TSEBRA (GTF)", "phases all 0 (GFF3)"])
def test_a_real_species(tmp_path, dialect):
    check_real("athaliana", dialect, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_of_real_species(tmp_path, species, dialect):
    check_real(species, dialect, tmp_path)
