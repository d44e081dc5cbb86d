"""Complete open reading frames, on either strand, across introns."""

from dataclasses import asdict

import numpy as np
import pytest

from helixer_ft.genes.open_reading_frames import OpenReadingFrames, check_frame
from helixer_ft.simulate.genome import reverse_complement, simulate
from helixer_ft.simulate.species import TARGET


def faults(sequence, cds, strand="+"):
    counts = asdict(check_frame(np.frombuffer(sequence.encode(), np.uint8), strand, cds))
    assert counts.pop("transcripts") == 1
    return {name for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        ("ATGAAATAA", {"complete"}),
        ("ATGTAG", {"complete"}),
        ("ATGAAATGA", {"complete"}),
        ("CTGAAATAA", {"no_start"}),
        ("ATGAAAAAA", {"no_stop"}),
        ("ATGAATAA", {"no_triplets"}),
        ("ATGTGAAAATAA", {"stop_inside"}),
        ("ATGATAACCTAA", {"complete"}),  # TAA out of frame
        ("ATGNNNTAA", {"complete"}),
        ("AT", {"no_start", "no_stop", "no_triplets"}),
        ("A", {"no_start", "no_stop", "no_triplets"}),
    ],
)
def test_faults(coding, expected):
    assert faults(f"CC{coding}CC", [(2, 2 + len(coding), 0)]) == expected
    mirrored = reverse_complement(f"CC{coding}CCC")
    assert faults(mirrored, [(3, 3 + len(coding), 0)], "-") == expected


def test_codons_across_introns():
    sequence = "CCATGAAGTTTAGATAACC"  # ATG AA | A TAA with an intron of eight
    cds = [(2, 7, 0), (13, 17, 1)]
    assert faults(sequence, cds) == {"complete"}
    n = len(sequence)
    assert faults(reverse_complement(sequence), [(n - 17, n - 13, 1), (n - 7, n - 2, 0)], "-") == {
        "complete"
    }


def test_a_first_phase_other_than_0_is_no_start_and_sets_the_frame():
    assert faults("CATGAAATAA", [(0, 10, 1)]) == {"no_start"}
    assert faults("ATGTAAAAATAA", [(0, 12, 2)]) == {"no_start", "no_triplets"}
    assert faults("ATGAAATAA", [(0, 9, -1)]) == {"complete"}


@pytest.mark.parametrize("strand", "+-")
def test_a_stop_codon_behind_the_cds(strand):
    sequence, cds = "ATGAAATAGC", [(0, 6, 0)]
    if strand == "-":
        sequence, cds = reverse_complement(sequence), [(4, 10, 0)]
    assert faults(sequence, cds, strand) == {"no_stop", "stop_behind"}


def test_every_simulated_gene_is_complete_and_every_shifted_one_is_not():
    genome = simulate(TARGET, 3, 20_000, seed=5)
    total, shifted = OpenReadingFrames(), OpenReadingFrames()
    for gene in genome.genes:
        bases = np.frombuffer(genome.sequences[gene.seqid].encode(), np.uint8)
        total += check_frame(bases, gene.strand, [(*piece, -1) for piece in gene.cds])
        moved = [(start + 1, end + 1, -1) for start, end in gene.cds]
        shifted += check_frame(bases, gene.strand, moved)
    assert total.complete == total.transcripts == len(genome.genes) > 5
    assert total.complete_share == 1
    assert shifted.complete == 0
    assert OpenReadingFrames().complete_share is None
