"""The labels against those Helixer's own tools made of real genes."""

import gzip
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import pytest

from helixer_ft.simulate.genome import Gene, reverse_complement
from helixer_ft.simulate.labels import encode_bases, label_strand

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
ANNOTATION = SHARED / "data/celegans/annotation.gff3.gz"
GENOME = SHARED / "data/celegans/genome.fa.gz"
ORACLE = SHARED / "oracles/prepare/celegans.h5"
MARGIN = 100  # bp to the next gene on the strand; half of it is compared too

pytestmark = pytest.mark.skipif(
    not all(path.exists() for path in (ANNOTATION, GENOME, ORACLE)),
    reason="needs C. elegans and Helixer's labels of it beside the checkout (../shared)",
)


def read_genes():
    """Return per gene the transcript Helixer labels by: the one with the longest coding part."""
    spans, transcripts, parts = {}, defaultdict(list), defaultdict(lambda: defaultdict(list))
    with gzip.open(ANNOTATION, "rt") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            seqid, _, kind, start, end, _, strand, _, attributes = line.rstrip("\n").split("\t")
            fields = dict(field.split("=") for field in attributes.split(";") if "=" in field)
            interval = (int(start) - 1, int(end))
            if kind == "gene":
                spans[fields["ID"]] = (seqid, strand, *interval)
            elif kind == "mRNA":
                transcripts[fields["Parent"]].append((fields["ID"], interval))
            else:
                parts[fields["Parent"]][kind].append(interval)
    genes = []
    for gene_id, (seqid, strand, *_) in spans.items():
        models = []
        for transcript, (start, end) in transcripts[gene_id]:
            exons = tuple(sorted(parts[transcript]["exon"]))
            cds = tuple(sorted(parts[transcript]["CDS"]))
            if cds:
                models.append(Gene(gene_id, seqid, strand, start, end, exons, cds))
        if models:
            genes.append(max(models, key=lambda gene: sum(e - s for s, e in gene.cds)))
    return spans, genes


def read_genome():
    sequences = defaultdict(str)
    with gzip.open(GENOME, "rt") as lines:
        for line in lines:
            if line.startswith(">"):
                name = line[1:].split()[0]
            else:
                sequences[name] += line.strip().upper()
    return sequences


def read_strands():
    """Return (seqid, strand) -> dataset -> the whole strand, first base 5'."""
    strands = {}
    with h5py.File(ORACLE) as file:
        data = file["data"]
        seqids, ends = data["seqids"][:], data["start_ends"][:]
        for seqid in set(seqids):
            for strand, sign in (("+", 1), ("-", -1)):
                rows = np.flatnonzero(
                    (seqids == seqid) & (np.sign(ends[:, 1] - ends[:, 0]) == sign)
                )
                lengths = np.abs(ends[rows, 1] - ends[rows, 0])
                strands[seqid.decode(), strand] = {
                    name: np.concatenate(
                        [data[name][row][:n] for row, n in zip(rows, lengths, strict=True)]
                    )
                    for name in (
                        "X",
                        "y",
                        "phases",
                        "transitions",
                        "gene_lengths",
                        "sample_weights",
                    )
                }
    return strands


def is_error_free(gene, sequence):
    """Whether Helixer masks nothing for this gene's sake."""
    spliced = "".join(sequence[start:end] for start, end in gene.cds)
    first, last = gene.cds[0], gene.cds[-1]
    ends = sequence[first[0] : first[0] + 3], sequence[last[1] - 3 : last[1]]
    if gene.strand == "-":
        spliced = reverse_complement(spliced)
        ends = reverse_complement(ends[1]), reverse_complement(ends[0])
    return (
        gene.start < first[0]
        and last[1] < gene.end
        and ends[0] == "ATG"
        and ends[1] in ("TAA", "TAG", "TGA")
        and len(spliced) % 3 == 0
        and all(end - start >= 20 for start, end in gene.introns)
        and min(first[1] - first[0], last[1] - last[0]) >= 3
    )


@pytest.fixture(scope="module")
def comparable():
    """Return the isolated, error-free genes by sequence and strand, and the genome."""
    spans, genes = read_genes()
    sequences = read_genome()
    chosen = defaultdict(list)
    for gene in genes:
        others = [
            span
            for other, span in spans.items()
            if other != gene.gene_id and span[:2] == (gene.seqid, gene.strand)
        ]
        _, _, start, end = spans[gene.gene_id]
        isolated = all(s >= end + MARGIN or e <= start - MARGIN for _, _, s, e in others)
        if isolated and is_error_free(gene, sequences[gene.seqid]):
            chosen[gene.seqid, gene.strand].append(gene)
    return chosen, sequences


def test_labels_of_real_genes_equal_helixers_bit_for_bit(comparable):
    chosen, sequences = comparable
    oracle = read_strands()
    n_genes = n_bases = 0
    for (seqid, strand), genes in chosen.items():
        length = len(sequences[seqid])
        ours = label_strand(genes, length, strand)
        theirs = oracle[seqid, strand]
        for gene in genes:
            inner = gene.start, gene.end
            if strand == "-":
                inner = length - gene.end, length - gene.start
            start, end = max(inner[0] - MARGIN // 2, 0), min(inner[1] + MARGIN // 2, length)
            for name in ("y", "phases", "transitions", "gene_lengths"):
                mine, other = getattr(ours, name), theirs[name]
                assert mine.dtype == other.dtype
                np.testing.assert_array_equal(
                    mine[start:end], other[start:end], err_msg=f"{gene.gene_id} {name}"
                )
            assert theirs["sample_weights"][slice(*inner)].all()
            n_genes += 1
            n_bases += end - start
    assert n_genes >= 90
    assert n_bases >= 350_000
    assert {strand for _, strand in chosen} == {"+", "-"}


def test_bases_of_real_sequence_equal_helixers(comparable):
    _, sequences = comparable
    for (seqid, strand), theirs in read_strands().items():
        x = encode_bases(sequences[seqid])
        expected = x if strand == "+" else x[::-1, ::-1]
        np.testing.assert_array_equal(theirs["X"], expected)
