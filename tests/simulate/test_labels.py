"""The labels, against a slow labeller written apart from them, and on their own terms."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helixer_ft.errors import InputError
from helixer_ft.simulate.genome import Gene, Genome, reverse_complement, simulate
from helixer_ft.simulate.labels import cds_phases, encode_bases, label_genome
from helixer_ft.simulate.species import SOURCE, STOP_CODONS, TARGET

PER_BASE = {"X": 4, "y": 4, "phases": 4, "transitions": 6, "sample_weights": 0, "gene_lengths": 0}
DTYPES = {
    "X": "float16", "y": "int8", "phases": "int8", "transitions": "int8",
    "sample_weights": "int8", "gene_lengths": "uint32", "err_samples": "bool",
    "fully_intergenic_samples": "bool", "is_annotated": "bool", "seqids": "S50",
    "species": "S25", "start_ends": "int64",
}  # fmt: skip


def inside(position, intervals):
    return any(start <= position < end for start, end in intervals)


def slow_base(genome, seqid, strand, position):
    """Label one base from the definitions, one question at a time."""
    length = len(genome.sequences[seqid])
    base = genome.sequences[seqid][position]
    if strand == "-":
        base = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}[base]
    out = {
        "X": [0.25] * 4 if base == "N" else [float(base == other) for other in "CATG"],
        "y": [1, 0, 0, 0],
        "phases": [1, 0, 0, 0],
        "transitions": [0] * 6,
        "sample_weights": 1,
        "gene_lengths": 0,
    }
    for gene in genome.genes:
        if (gene.seqid, gene.strand) != (seqid, strand):
            continue
        if not gene.start - 1 <= position <= gene.end:
            continue  # only for speed: such a gene reaches no further
        introns = [(left[1], right[0]) for left, right in pairwise(gene.exons)]
        if gene.start <= position < gene.end:
            out["gene_lengths"] = gene.end - gene.start
            column = 3 if inside(position, introns) else 2 if inside(position, gene.cds) else 1
            out["y"] = [int(c == column) for c in range(4)]
            if column == 2:
                if strand == "+":
                    before = sum(inside(p, gene.cds) for p in range(gene.start, position))
                else:
                    before = sum(inside(p, gene.cds) for p in range(position + 1, gene.end))
                to_next_codon = {0: 0, 1: 2, 2: 1}[before % 3]
                out["phases"] = [0, *(int(to_next_codon == p) for p in range(3))]
        features = [(0, gene.start, gene.end), (1, gene.cds[0][0], gene.cds[-1][1])]
        for column, start, end in features + [(2, *intron) for intron in introns]:
            if start > 0 and position in (start - 1, start):
                out["transitions"][column] = 1
            if end < length and position in (end - 1, end):
                out["transitions"][column + 3] = 1
    return out


def slow_rows(genome, subsequence_length):
    """Yield (seqid, start, end, per-base values) of every row in Helixer's order."""

    def rank(seqid):
        has_genes = any(gene.seqid == seqid for gene in genome.genes)
        return (-len(genome.sequences[seqid]), 0 if has_genes else 1)

    for seqid in sorted(genome.sequences, key=rank):
        length = len(genome.sequences[seqid])
        starts = range(0, length, subsequence_length)
        windows = [(start, min(length, start + subsequence_length)) for start in starts]
        for start, end in windows:
            yield seqid, start, end, [slow_base(genome, seqid, "+", p) for p in range(start, end)]
        for start, end in windows[::-1]:
            positions = range(end - 1, start - 1, -1)
            yield seqid, end, start, [slow_base(genome, seqid, "-", p) for p in positions]


def assert_equal_to_slow(genome, subsequence_length):
    fast = label_genome(genome, subsequence_length)
    annotated = {gene.seqid for gene in genome.genes}
    n_rows = 0
    for row, (seqid, start, end, bases) in enumerate(slow_rows(genome, subsequence_length)):
        n_rows += 1
        for name, width in PER_BASE.items():
            empty = [0] * width if width else 0
            padding = [empty] * (subsequence_length - len(bases))
            expected = np.array([base[name] for base in bases] + padding)
            np.testing.assert_array_equal(fast[name][row], expected, err_msg=f"{name} {row}")
        assert fast["start_ends"][row].tolist() == [start, end]
        assert fast["seqids"][row] == seqid.encode()
        assert fast["species"][row] == genome.species.encode()
        assert fast["is_annotated"][row] == (seqid in annotated)
        assert fast["err_samples"][row]
        intergenic = [base["y"] == [1, 0, 0, 0] for base in bases]
        whole = len(bases) == subsequence_length
        assert fast["fully_intergenic_samples"][row] == (whole and all(intergenic))
    assert all(len(array) == n_rows for array in fast.values())


@st.composite
def small_genomes(draw):
    """Genomes of short sequences, with genes up to a sequence's very ends."""
    sequences, genes = {}, []
    for number in range(draw(st.integers(1, 3))):
        seqid = f"s{number}"
        length = draw(st.sampled_from([36, 54, 61, 90, 107]))
        sequences[seqid] = "".join(draw(st.sampled_from("ACGTN")) for _ in range(length))
        for strand in "+-":
            position = draw(st.integers(0, 30))
            while position + 12 <= length and draw(st.booleans()):
                n_exons = draw(st.integers(1, 3))
                steps = [draw(st.integers(1, 9)) for _ in range(2 * n_exons - 1)]
                edges = [position]
                for step in steps:
                    edges.append(edges[-1] + step)
                if edges[-1] > length:
                    break
                exons = tuple(zip(edges[::2], edges[1::2], strict=True))
                exonic = [p for start, end in exons for p in range(start, end)]
                low, high = sorted(draw(st.tuples(*[st.sampled_from(exonic)] * 2)))
                clipped = ((max(s, low), min(e, high + 1)) for s, e in exons)
                cds = tuple((s, e) for s, e in clipped if s < e)
                gene_id = f"g{len(genes)}"
                genes.append(Gene(gene_id, seqid, strand, position, edges[-1], exons, cds))
                position = edges[-1] + draw(st.integers(1, 20))
    return Genome("tiny", sequences, tuple(genes))


@settings(max_examples=40, deadline=None)
@given(small_genomes(), st.sampled_from([9, 18, 27, 54]))
def test_random_genomes_equal_the_slow_labeller(genome, subsequence_length):
    assert_equal_to_slow(genome, subsequence_length)


@pytest.mark.parametrize("species", [SOURCE, TARGET], ids=lambda species: species.name)
def test_simulated_genome_equals_the_slow_labeller(species):
    genome = simulate(species, 1, 10_000, seed=4)
    length = genome.genes[2].start - 20
    cut = Genome("cut", {"chr01": genome.sequences["chr01"][:length]}, genome.genes[:2])
    assert_equal_to_slow(cut, 1008)


@pytest.fixture(scope="module")
def labelled():
    genome = simulate(TARGET, 3, 25_000, seed=8)
    return genome, label_genome(genome, 2016)


def strand_values(rows, seqid, strand, name):
    """Put a strand together again from its windows, first base 5'."""
    pieces = []
    for row, (start, end) in enumerate(rows["start_ends"]):
        if rows["seqids"][row] == seqid.encode() and (start < end) == (strand == "+"):
            pieces.append(rows[name][row][: abs(end - start)])
    return np.concatenate(pieces)


def test_dtypes_and_shapes(labelled):
    _, rows = labelled
    assert {name: array.dtype for name, array in rows.items()} == DTYPES
    n_rows = len(rows["X"])
    for name, width in PER_BASE.items():
        assert rows[name].shape == (n_rows, 2016, *([width] if width else []))
    assert rows["start_ends"].shape == (n_rows, 2)


def test_bases_of_windows_give_the_sequence_back(labelled):
    genome, rows = labelled
    for seqid, sequence in genome.sequences.items():
        for strand in "+-":
            x = strand_values(rows, seqid, strand, "X")
            letters = np.array([*"CATG"])[x.argmax(axis=1)]
            letters[x.max(axis=1) == 0.25] = "N"
            expected = sequence if strand == "+" else reverse_complement(sequence)
            assert "".join(letters) == expected
            np.testing.assert_array_equal(x, encode_bases(expected))


def test_coding_sequences_translate_from_the_labels_alone(labelled):
    genome, rows = labelled
    n_genes = 0
    for seqid in genome.sequences:
        for strand in "+-":
            letters = np.array([*"CATG"])[strand_values(rows, seqid, strand, "X").argmax(axis=1)]
            classes = strand_values(rows, seqid, strand, "y").argmax(axis=1)
            phases = strand_values(rows, seqid, strand, "phases").argmax(axis=1) - 1
            assert ((phases >= 0) == (classes == 2)).all()
            # A gene is a run of bases that are not intergenic; its codons start at phase 0.
            codons, codon, in_gene = [], "", False
            for letter, label, phase in zip(letters, classes, phases, strict=True):
                if label == 2:
                    assert phase == -len(codon) % 3
                    codon += letter
                    if len(codon) == 3:
                        codons.append(codon)
                        codon = ""
                if in_gene and label == 0:
                    assert codon == ""
                    assert codons[0] == "ATG"
                    assert codons[-1] in STOP_CODONS
                    assert not set(codons[:-1]) & set(STOP_CODONS)
                    codons = []
                    n_genes += 1
                in_gene = label != 0
    assert n_genes == len(genome.genes) > 20


def test_padding_stands_at_the_end_of_the_row_on_both_strands(labelled):
    genome, rows = labelled
    padded = 0
    for row, (start, end) in enumerate(rows["start_ends"]):
        n = abs(end - start)
        for name in PER_BASE:
            assert not rows[name][row][n:].any()
        assert (rows["sample_weights"][row][:n] == 1).all()
        for name in ("X", "y", "phases"):
            assert (rows[name][row][:n].sum(axis=-1) == 1).all()
        padded += n < 2016
    assert padded == 2 * len(genome.sequences)
    # The padded window is the last of the plus strand and the first of the minus strand.
    longest = max(genome.sequences, key=lambda seqid: len(genome.sequences[seqid]))
    n_windows = -(-len(genome.sequences[longest]) // 2016)
    length = len(genome.sequences[longest])
    assert rows["start_ends"][n_windows - 1].tolist() == [2016 * (n_windows - 1), length]
    assert rows["start_ends"][n_windows].tolist() == [length, 2016 * (n_windows - 1)]
    assert rows["start_ends"][2 * n_windows - 1].tolist() == [2016, 0]


def test_mirrored_genome_has_the_strands_exchanged(labelled):
    """Turning every sequence round turns strands round, and begins into ends."""
    genome, rows = labelled

    def mirror(intervals, length):
        return tuple((length - end, length - start) for start, end in reversed(intervals))

    turned = []
    for gene in genome.genes:
        n = len(genome.sequences[gene.seqid])
        strand = "-" if gene.strand == "+" else "+"
        exons, cds = mirror(gene.exons, n), mirror(gene.cds, n)
        span = n - gene.end, n - gene.start
        turned.append(Gene(gene.gene_id, gene.seqid, strand, *span, exons, cds))
    sequences = {name: reverse_complement(text) for name, text in genome.sequences.items()}
    other = label_genome(Genome(genome.species, sequences, tuple(turned)), 2016)
    for seqid in sequences:
        for strand, opposite in (("+", "-"), ("-", "+")):
            for name in PER_BASE:
                values = strand_values(rows, seqid, strand, name)
                if name == "transitions":
                    values = values[:, [3, 4, 5, 0, 1, 2]]
                expected = strand_values(other, seqid, opposite, name)
                np.testing.assert_array_equal(values, expected)


def test_transitions_and_phases_of_one_gene_by_hand():
    """A minus-strand gene: begin columns mark its biological ends, positions run backwards."""
    gene = Gene("g", "s", "-", 3, 24, ((3, 9), (13, 24)), ((5, 9), (13, 18)))
    rows = label_genome(Genome("tiny", {"s": "A" * 27}, (gene,)), 27)
    minus = {name: rows[name][1][::-1] for name in PER_BASE}  # back to genomic order
    marked = [np.flatnonzero(minus["transitions"][:, column]).tolist() for column in range(6)]
    assert marked == [[2, 3], [4, 5], [8, 9], [23, 24], [17, 18], [12, 13]]
    classes = "".join("IUCN"[c] for c in minus["y"].argmax(axis=1))
    assert classes == "III" + "UU" + "CCCC" + "NNNN" + "CCCCC" + "UUUUUU" + "III"
    phases = "".join("-012"[c] for c in minus["phases"].argmax(axis=1))
    assert phases == "-" * 5 + "1201" + "-" * 4 + "20120" + "-" * 9
    assert cds_phases(gene) == (1, 0)
    assert not rows["transitions"][0].any()
    assert rows["y"][0, :, 0].all()


@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_gene_that_fills_its_sequence_has_no_transitions_at_the_ends(strand):
    gene = Gene("g", "s", strand, 0, 27, ((0, 27),), ((0, 21),))
    rows = label_genome(Genome("tiny", {"s": "A" * 27}, (gene,)), 27)
    marks = rows["transitions"][0 if strand == "+" else 1][:: 1 if strand == "+" else -1]
    assert np.argwhere(marks).tolist() == [[20, 4], [21, 4]]


def test_sequences_of_equal_length_put_the_annotated_first():
    gene = Gene("g", "b", "+", 3, 15, ((3, 15),), ((6, 12),))
    genome = Genome("tiny", {"a": "A" * 18, "b": "C" * 18, "c": "G" * 36}, (gene,))
    rows = label_genome(genome, 18)
    assert rows["seqids"].tolist() == [b"c"] * 4 + [b"b"] * 2 + [b"a"] * 2
    assert rows["is_annotated"].tolist() == [False] * 4 + [True] * 2 + [False] * 2
    assert rows["fully_intergenic_samples"].tolist() == [True] * 4 + [False] + [True] * 3
    assert rows["sample_weights"].all()


def one_gene(start, end):
    return Gene(f"g{start}", "s", "+", start, end, ((start, end),), ((start + 1, end - 1),))


@pytest.mark.parametrize("genes", [((2, 8), (8, 12)), ((2, 8), (5, 12)), ((2, 19),)])
def test_genes_that_touch_overlap_or_leave_the_sequence_are_refused(genes):
    genome = Genome("tiny", {"s": "A" * 18}, tuple(one_gene(*span) for span in genes))
    with pytest.raises(InputError, match=f"g{genes[-1][0]}"):
        label_genome(genome, 9)


@pytest.mark.parametrize("length", [0, -9, 10, 100])
def test_subsequence_length_must_be_a_multiple_of_nine(length):
    with pytest.raises(InputError, match="multiple of 9"):
        label_genome(Genome("tiny", {"s": "A" * 18}, ()), length)


def test_names_too_long_and_an_empty_genome_are_refused():
    with pytest.raises(InputError, match="25 bytes"):
        label_genome(Genome("x" * 26, {"s": "A" * 18}, ()), 9)
    with pytest.raises(InputError, match="50 bytes"):
        label_genome(Genome("x", {"s" * 51: "A" * 18}, ()), 9)
    with pytest.raises(InputError, match="without sequences"):
        label_genome(Genome("x", {}, ()), 9)
