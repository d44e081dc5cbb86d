"""The gene models, read back from the sequence they stand on."""

from dataclasses import replace
from itertools import pairwise

import pytest

from helixer_ft.errors import InputError
from helixer_ft.simulate.genome import reverse_complement, simulate
from helixer_ft.simulate.species import SOURCE, STOP_CODONS, TARGET


@pytest.fixture(scope="module", params=[SOURCE, TARGET], ids=lambda species: species.name)
def genome(request):
    return simulate(request.param, 5, 40_000, seed=3)


def read(genome, gene, interval):
    piece = genome.sequences[gene.seqid][slice(*interval)]
    return piece if gene.strand == "+" else reverse_complement(piece)


def coding_sequence(genome, gene):
    pieces = [read(genome, gene, piece) for piece in gene.cds]
    return "".join(pieces if gene.strand == "+" else pieces[::-1])


def test_coding_sequences_are_whole(genome):
    for gene in genome.genes:
        coding = coding_sequence(genome, gene)
        codons = [coding[i : i + 3] for i in range(0, len(coding), 3)]
        assert codons[0] == "ATG"
        assert codons[-1] in STOP_CODONS
        assert not set(codons[:-1]) & set(STOP_CODONS)
        assert len(coding) % 3 == 0
        # Start and stop codon are not split by an intron: Helixer would mask them.
        assert min(gene.cds[0][1] - gene.cds[0][0], gene.cds[-1][1] - gene.cds[-1][0]) >= 3


def test_introns_have_their_signals_and_lengths(genome):
    introns = [(gene, intron) for gene in genome.genes for intron in gene.introns]
    assert len(introns) > len(genome.genes)
    for gene, intron in introns:
        text = read(genome, gene, intron)
        assert text.startswith("GT")
        assert text.endswith("AG")
        assert 60 <= len(text) <= 400


def test_exons_cds_and_span_agree(genome):
    for gene in genome.genes:
        assert gene.start == gene.exons[0][0] < gene.cds[0][0]  # both UTRs are there
        assert gene.cds[-1][1] < gene.exons[-1][1] == gene.end
        assert list(gene.exons) == sorted(gene.exons)
        assert len(gene.introns) == len(gene.exons) - 1
        low, high = gene.cds[0][0], gene.cds[-1][1]
        clipped = ((max(start, low), min(end, high)) for start, end in gene.exons)
        assert gene.cds == tuple((start, end) for start, end in clipped if start < end)
        assert 800 <= gene.end - gene.start <= 4000


def test_some_codons_are_split_and_some_5_prime_utrs_have_introns(genome):
    remainders = set()
    leaders = 0
    for gene in genome.genes:
        position = 0
        for start, end in gene.cds if gene.strand == "+" else gene.cds[::-1]:
            position += end - start
            remainders.add(position % 3)
        first = gene.exons[0] if gene.strand == "+" else gene.exons[-1]
        leaders += not any(first[0] < end and start < first[1] for start, end in gene.cds)
    assert remainders == {0, 1, 2}
    assert 0 < leaders < len(genome.genes) / 3


def test_genes_lie_apart_on_both_strands_of_sequences_of_varied_length(genome):
    lengths = [len(sequence) for sequence in genome.sequences.values()]
    assert len(set(lengths)) == len(lengths)
    assert all(36_000 <= length <= 44_000 for length in lengths)
    for seqid, sequence in genome.sequences.items():
        genes = [gene for gene in genome.genes if gene.seqid == seqid]
        edges = [0, *(edge for gene in genes for edge in (gene.start, gene.end)), len(sequence)]
        gaps = [right - left for left, right in list(pairwise(edges))[::2]]
        assert min(gaps) >= 120
        assert {gene.strand for gene in genes} == {"+", "-"}
    assert len({gene.gene_id for gene in genome.genes}) == len(genome.genes)


def test_runs_of_n_stand_between_genes_only():
    genome = simulate(replace(SOURCE, n_run_probability=0.2), 3, 40_000, seed=0)
    assert sum(sequence.count("N") for sequence in genome.sequences.values()) > 100
    for gene in genome.genes:
        assert set(genome.sequences[gene.seqid][gene.start - 50 : gene.end + 50]) <= set("ACGT")


def test_default_species_have_some_n():
    for species in (SOURCE, TARGET):
        genome = simulate(species, 4, 50_000, seed=0)
        share = "".join(genome.sequences.values()).count("N") / 200_000
        assert 0.0001 < share < 0.01


def test_everything_follows_from_the_seed():
    first = simulate(SOURCE, 2, 20_000, seed=1)
    assert simulate(SOURCE, 2, 20_000, seed=1) == first
    assert simulate(SOURCE, 2, 20_000, seed=2).sequences != first.sequences
    # More sequences leave the first ones as they are.
    more = simulate(SOURCE, 3, 20_000, seed=1)
    assert {name: more.sequences[name] for name in ("chr01", "chr02")} == first.sequences
    assert tuple(gene for gene in more.genes if gene.seqid != "chr03") == first.genes
    # Two species of one seed do not have their genes at the same places.
    lengths = [len(s) for s in first.sequences.values()]
    assert lengths != [len(s) for s in simulate(TARGET, 2, 20_000, seed=1).sequences.values()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((0, 20_000, 0), "at least 1"), ((1, 9_999, 0), "10000"), ((1, 20_000, -1), "-1")],
)
def test_numbers_out_of_range_are_refused(arguments, said):
    with pytest.raises(InputError, match=said):
        simulate(SOURCE, *arguments)
