"""The data of a simulated genome from its genes alone, with nothing of the package.

Its genes are complete and apart from each other, so nothing is masked.
"""

from collections import defaultdict
from itertools import pairwise

import numpy as np


def expected_rows(genome, length):
    """Dataset -> array, all sequences in the order of Helixer's files."""
    annotated = {gene.seqid for gene in genome.genes}
    rows = defaultdict(list)
    for seqid in sorted(
        genome.sequences, key=lambda name: (-len(genome.sequences[name]), name not in annotated)
    ):
        n = len(genome.sequences[seqid])
        windows = [(start, min(start + length, n)) for start in range(0, n, length)]
        for strand in "+-":
            values = expected_strand(genome, seqid, strand)
            for start, end in windows if strand == "+" else windows[::-1]:
                own = slice(start, end) if strand == "+" else slice(n - end, n - start)
                for name, array in values.items():
                    row = np.zeros((length, *array.shape[1:]), array.dtype)
                    row[: end - start] = array[own]
                    rows[name].append(row)
                rows["start_ends"].append((start, end) if strand == "+" else (end, start))
                rows["seqids"].append(seqid)
                rows["is_annotated"].append(seqid in annotated)
                rows["fully_intergenic_samples"].append(rows["y"][-1][:, 0].all())
    rows["species"] = [genome.species] * len(rows["seqids"])
    rows["err_samples"] = [True] * len(rows["seqids"])
    widths = {"seqids": "S50", "species": "S25"}
    return {name: np.array(values, widths.get(name)) for name, values in rows.items()}


def expected_strand(genome, seqid, strand):
    """Dataset -> (n, ...), first base 5'."""
    letters = np.array([*genome.sequences[seqid]])
    n = len(letters)
    genic, phase = np.zeros(n, int), np.zeros(n, int)
    transitions, gene_lengths = np.zeros((n, 6), np.int8), np.zeros(n, np.uint32)
    for gene in genome.genes:
        if (gene.seqid, gene.strand) != (seqid, strand):
            continue
        assert not genic[gene.start - 1 : gene.end + 1].any()
        introns = [(left[1], right[0]) for left, right in pairwise(gene.exons)]
        coding = [position for piece in gene.cds for position in range(*piece)]
        genic[gene.start : gene.end] = 1
        genic[coding] = 2
        for intron in introns:
            genic[slice(*intron)] = 3
        for before, position in enumerate(coding if strand == "+" else coding[::-1]):
            phase[position] = {0: 1, 1: 3, 2: 2}[before % 3]
        spans = [(0, gene.start, gene.end), (1, gene.cds[0][0], gene.cds[-1][1])]
        for column, start, end in spans + [(2, *intron) for intron in introns]:
            transitions[start - 1 : start + 1, column] = 1
            transitions[end - 1 : end + 1, column + 3] = 1
        gene_lengths[gene.start : gene.end] = gene.end - gene.start
    x = np.where(letters[:, None] == "N", 0.25, letters[:, None] == [*"CATG"])
    values = {
        "X": x if strand == "+" else x[:, ::-1],
        "y": np.eye(4)[genic],
        "phases": np.eye(4)[phase],
        "transitions": transitions,
        "sample_weights": np.ones(n),
        "gene_lengths": gene_lengths,
    }
    dtypes = defaultdict(lambda: np.int8, X=np.float16, gene_lengths=np.uint32)
    step = 1 if strand == "+" else -1
    return {name: array[::step].astype(dtypes[name]) for name, array in values.items()}
