"""The parameters, and that the two species differ in what a model can see."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.simulate.genome import reverse_complement, simulate
from helixer_ft.simulate.species import (
    AMINO_ACID_WEIGHTS,
    GENETIC_CODE,
    SOURCE,
    TARGET,
    LengthRange,
    composition,
    consensus,
)

SPECIES = pytest.mark.parametrize("species", [SOURCE, TARGET], ids=lambda species: species.name)


@SPECIES
def test_codon_usage_is_a_distribution_over_sense_codons_that_keeps_amino_acids(species):
    usage = species.codon_usage()
    assert set(usage) == {codon for codon, aa in GENETIC_CODE.items() if aa != "*"}
    assert sum(usage.values()) == pytest.approx(1)
    amino_acids = Counter()
    for codon, probability in usage.items():
        amino_acids[GENETIC_CODE[codon]] += probability
    total = sum(AMINO_ACID_WEIGHTS.values())
    assert amino_acids == pytest.approx({aa: w / total for aa, w in AMINO_ACID_WEIGHTS.items()})


@SPECIES
def test_preferred_codons_are_at_most_one_per_amino_acid_and_favoured(species):
    preferred = species.preferred_codons.split()
    amino_acids = [GENETIC_CODE[codon] for codon in preferred]
    assert len(set(amino_acids)) == len(amino_acids)
    usage = species.codon_usage()
    # AAG against AAA: third base and preference both count.
    gc3, factor = species.gc3, species.codon_preference
    assert "AAG" in preferred
    assert usage["AAG"] / usage["AAA"] == pytest.approx(factor * gc3 / (1 - gc3))


def test_genetic_code():
    code = GENETIC_CODE
    assert [code[c] for c in ("ATG", "TGG", "TAA", "TAG", "TGA", "AAA", "GGC", "CTG", "CGT")] == [
        *"MW***KGLR"
    ]
    assert Counter(code.values())["*"] == 3


def test_consensus_and_composition():
    assert consensus("AY", 0.7) == (
        pytest.approx((0.7, 0.1, 0.1, 0.1)),
        pytest.approx((0.15, 0.35, 0.15, 0.35)),
    )
    assert consensus("GT") == ((0, 0, 1, 0), (0, 0, 0, 1))
    assert consensus("N", 0.3) == ((0.25, 0.25, 0.25, 0.25),)
    assert composition(0.4) == pytest.approx((0.3, 0.2, 0.2, 0.3))


def gc(text):
    counts = Counter(text)
    return (counts["G"] + counts["C"]) / sum(counts[base] for base in "ACGT")


def statistics(species):
    """Measure a simulated genome, not its parameters."""
    genome = simulate(species, 4, 50_000, seed=5)
    coding, introns, starts, donors, acceptors, utr5 = [], [], [], [], [], []
    masked = {seqid: bytearray(s.encode()) for seqid, s in genome.sequences.items()}
    for gene in genome.genes:
        sequence = genome.sequences[gene.seqid]
        masked[gene.seqid][gene.start : gene.end] = b"N" * (gene.end - gene.start)

        def read(start, end, gene=gene, sequence=sequence):
            piece = sequence[start:end]
            return piece if gene.strand == "+" else reverse_complement(piece)

        pieces = [read(*piece) for piece in gene.cds]
        coding.append("".join(pieces if gene.strand == "+" else pieces[::-1]))
        on_gene = [read(*intron) for intron in gene.introns]
        introns += on_gene
        acceptors += [intron[-16:-4] for intron in on_gene]
        if gene.strand == "+":
            starts.append(read(gene.cds[0][0] - 6, gene.cds[0][0]))
            utr5.append(gene.cds[0][0] - gene.start)
        else:
            starts.append(read(gene.cds[-1][1], gene.cds[-1][1] + 6))
            utr5.append(gene.end - gene.cds[-1][1])
        donors += [
            read(s - 1, s) if gene.strand == "+" else read(e, e + 1) for s, e in gene.introns
        ]
    return {
        "gc3": gc("".join(text[2::3] for text in coding)),
        "intron gc": gc("".join(introns)),
        "intron length": np.mean([len(intron) for intron in introns]),
        "intergenic gc": gc("".join(text.decode() for text in masked.values())),
        "utr5 length": np.mean(utr5),
        "kozak C at -1": np.mean([text[-1] == "C" for text in starts]),
        "G before donor": np.mean([base == "G" for base in donors]),
        "C in tract": np.mean([text.count("C") / len(text) for text in acceptors]),
        "TGA": np.mean([text.endswith("TGA") for text in coding]),
        "introns per gene": len(introns) / len(coding),
    }


def test_the_two_species_differ_where_a_model_looks():
    source, target = statistics(SOURCE), statistics(TARGET)
    assert target["gc3"] - source["gc3"] > 0.25
    assert target["intron gc"] - source["intron gc"] > 0.03
    assert target["intron length"] > 1.3 * source["intron length"]
    assert target["intergenic gc"] - source["intergenic gc"] > 0.03
    assert target["utr5 length"] > 1.5 * source["utr5 length"]
    assert target["kozak C at -1"] - source["kozak C at -1"] > 0.3
    assert target["C in tract"] - source["C in tract"] > 0.15
    assert target["TGA"] - source["TGA"] > 0.15
    # What they share: G before the donor is favoured, genes have introns.
    for species in (source, target):
        assert species["G before donor"] > 0.35
        assert 1 < species["introns per gene"] < 4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 26),
        ("gap_length", LengthRange(99, 400, 2000, 0.5)),
        ("exon_length", LengthRange(29, 200, 900, 0.5)),
        ("intron_length", LengthRange(59, 80, 400, 0.5)),
        ("pyrimidine_tract_length", LengthRange(5, 9, 26, 0.5)),
        ("utr5_length", LengthRange(5, 70, 300, 0.5)),
        ("utr3_length", LengthRange(30, 70, 300, 0.5)),
    ],
)
def test_species_whose_parts_cannot_hold_their_signals_are_refused(field, value):
    with pytest.raises(InputError, match=f"{SOURCE.name if field != 'name' else 'xx'}.* {field}:"):
        replace(SOURCE, **{field: value})


def test_species_at_the_limits_still_has_whole_genes():
    tight = replace(
        SOURCE,
        exon_counts=(0, 0, 0, 0, 0, 0, 0, 1),
        exon_length=LengthRange(30, 32, 36, 0.1),
        intron_length=LengthRange(60, 80, 120, 0.1),
        pyrimidine_tract_length=LengthRange(25, 25, 25, 0.0),
        gap_length=LengthRange(100, 100, 110, 0.1),
    )
    genome = simulate(tight, 1, 20_000, seed=0)
    assert len(genome.genes) > 10
    for gene in genome.genes:
        assert len(gene.exons) in (8, 9)
        assert min(end - start for start, end in gene.cds) >= 3
        assert min(gene.cds[0][1] - gene.cds[0][0], gene.cds[-1][1] - gene.cds[-1][0]) >= 15
