"""A simulated genome whose genes have isoforms."""

import pytest

from helixer_ft.genome.annotation import Annotation, Gene, Transcript
from helixer_ft.genome.codons import running_phases
from helixer_ft.genome.fasta import open_fasta
from helixer_ft.genome.mending import read_genes
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import simulate
from helixer_ft.simulate.species import TARGET
from tests.dialects.labelled import labels_of
from tests.dialects.rewriting import Style, write


def with_isoforms(annotation: Annotation) -> dict[str, list[Gene]]:
    """Genes of three coding pieces or more get a second transcript, without the second of them."""
    result = {}
    for seqid, genes in annotation.genes.items():
        result[seqid] = []
        for gene in genes:
            (first,) = gene.transcripts
            own = gene.transcripts
            if len(first.cds) > 2:
                skipped = first.cds[1][:2]
                exons = tuple(exon for exon in first.exons if exon != skipped)
                cds = running_phases((first.cds[0], *first.cds[2:]), gene.strand, 0)
                own += (Transcript(f"{gene.id}.t2", first.start, first.end, exons, cds),)
            result[seqid].append(Gene(gene.id, gene.strand, gene.start, gene.end, own))
    return result


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A genome's FASTA, bases, genes with isoforms, and labels."""
    folder = tmp_path_factory.mktemp("simulated")
    genome = simulate(TARGET, 3, 30_000, seed=5)
    (folder / "genome.fa").write_bytes(to_fasta(genome))
    (folder / "genes.gff3").write_bytes(to_gff3(genome))
    with open_fasta(folder / "genome.fa") as fasta:
        genes = with_isoforms(read_genes(folder / "genes.gff3", fasta))
        bases = {name: fasta.read(name) for name in fasta.lengths}
        path = folder / "original.gff3"
        path.write_text(write(genes, bases, Style(gtf=False)))
        original = read_genes(path, fasta)
    assert original.genes == genes
    assert sum(len(gene.transcripts) > 1 for there in genes.values() for gene in there) > 5
    return folder / "genome.fa", bases, genes, labels_of(genes, bases)
