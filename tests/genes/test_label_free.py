"""Scores without a reference, against an independent slow implementation and by hand."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from helixer_ft.errors import InputError
from helixer_ft.genes import tallies
from helixer_ft.genes.label_free import score_without_reference
from helixer_ft.genes.label_free_request import LabelFreeRequest
from helixer_ft.genes.label_free_scores import COUNTS, SCORES, estimates, values
from helixer_ft.genes.tallies import Blocks, as_array
from helixer_ft.genome.filters import FILTERS, filters_line
from helixer_ft.metrics import PairedBootstrap
from helixer_ft.simulate.files import to_fasta, to_gff3
from helixer_ft.simulate.genome import reverse_complement, simulate
from helixer_ft.simulate.species import TARGET

NAMES = [score.name for score in SCORES]


@pytest.fixture(scope="module")
def species(tmp_path_factory):
    """(folder, genome): genome.fa, all.gff3, and damaged.gff3, whose genes end at odd places."""
    folder = tmp_path_factory.mktemp("species")
    genome = simulate(TARGET, 4, 30_000, seed=5)
    (folder / "genome.fa").write_bytes(to_fasta(genome))
    (folder / "all.gff3").write_bytes(to_gff3(genome))
    rng = np.random.default_rng(1)
    damaged = []
    for gene in genome.genes:
        exons, cds = [list(e) for e in gene.exons], [list(c) for c in gene.cds]
        if len(cds) > 1 and rng.random() < 0.5:
            shift = int(rng.integers(-4, 5))
            cds[0][1] += shift
            exons[[e[0] <= cds[0][0] < e[1] for e in gene.exons].index(True)][1] += shift
        strand = gene.strand if rng.random() < 0.8 else {"+": "-", "-": "+"}[gene.strand]
        pieces = {"exons": tuple(map(tuple, exons)), "cds": tuple(map(tuple, cds))}
        damaged.append(replace(gene, strand=strand, **pieces))
        if rng.random() < 0.3:  # the same once more, on the other strand
            other = {"+": "-", "-": "+"}[strand]
            damaged.append(replace(gene, gene_id=f"{gene.gene_id}x", strand=other))
    genes = replace(genome, genes=tuple(damaged))
    (folder / "damaged.gff3").write_bytes(to_gff3(genes))
    return folder, genome, genes


def scored(folder: Path, *names: str, **options):
    predicted = tuple(folder / name for name in names)
    return score_without_reference(LabelFreeRequest(predicted, folder / "genome.fa", **options))


def expected(genome, genes):
    """Counts, base by base and gene by gene."""
    counts = dict.fromkeys(COUNTS, 0)
    coding = {(seqid, strand): set() for seqid in genome.sequences for strand in "+-"}
    introns, coding_introns = set(), set()
    for gene in genes:
        counts["genes"] += 1
        counts["transcripts"] += 1
        counts["single_exon_genes"] += len(gene.exons) == 1
        bases = genome.sequences[gene.seqid]
        spliced = "".join(bases[a:b] for a, b in gene.cds)
        spliced = reverse_complement(spliced) if gene.strand == "-" else spliced
        codons = [spliced[i : i + 3] for i in range(0, len(spliced), 3)]
        stops = [codon in ("TAA", "TAG", "TGA") for codon in codons]
        whole = len(spliced) % 3 == 0 and codons[0] == "ATG" and stops[-1] and sum(stops) == 1
        counts["complete_transcripts"] += whole
        for a, b in gene.cds:
            coding[gene.seqid, gene.strand] |= set(range(a, b))
        for which, pieces in ((introns, gene.exons), (coding_introns, gene.cds)):
            for (_, a), (b, _) in pairwise(pieces):
                which.add((gene.seqid, gene.strand, a, b))
    for seqid, strand, a, b in introns:
        intron = genome.sequences[seqid][a:b]
        intron = reverse_complement(intron) if strand == "-" else intron
        kind = f"{intron[:2]}-{intron[-2:]}"
        counts["introns"] += 1
        if kind in ("GT-AG", "GC-AG", "AT-AC"):
            counts[kind] += 1
            counts["canonical_introns"] += 1
    for _, _, a, b in coding_introns:
        counts["coding_introns"] += 1
        counts[("3n", "3n+1", "3n+2")[(b - a) % 3]] += 1
    for seqid, sequence in genome.sequences.items():
        counts["bases"] += len(sequence)
        counts["coding_bases"] += len(coding[seqid, "+"] | coding[seqid, "-"])
        counts["coding_on_both_strands"] += len(coding[seqid, "+"] & coding[seqid, "-"])
    return counts


def test_counts(species):
    folder, genome, damaged = species
    outcome = scored(folder, "all.gff3", "damaged.gff3")
    assert dict(outcome.sets[0].counts) == expected(genome, genome.genes)
    assert dict(outcome.sets[1].counts) == expected(genome, damaged.genes)
    assert outcome.sets[1].counts["coding_on_both_strands"] > 0
    assert 0 < outcome.sets[1].counts["complete_transcripts"] < outcome.sets[1].counts["genes"]
    assert outcome.sets[1].frames.complete == outcome.sets[1].counts["complete_transcripts"]
    assert outcome.seqids == tuple(genome.sequences)


def test_scores_and_differences(species, monkeypatch):
    monkeypatch.setattr(tallies, "BLOCK_BASES", 4_000)
    folder, genome, damaged = species
    outcome = scored(folder, "all.gff3", "damaged.gff3")
    one, other = (expected(genome, genes) for genes in (genome.genes, damaged.genes))
    first, second = outcome.sets
    assert first.scores["complete_orf"].value == 1
    value = other["complete_transcripts"] / other["transcripts"]
    assert second.scores["complete_orf"].value == pytest.approx(value)
    assert second.differences["complete_orf"].value == pytest.approx(value - 1)
    assert second.differences["complete_orf"].high < 0
    density = first.scores["genes_per_mb"]
    assert density.value == pytest.approx(1e6 * one["genes"] / one["bases"])
    assert density.low < density.value < density.high
    thirds = [first.scores[f"intron_length_{kind}"].value for kind in ("3n", "3n+1", "3n+2")]
    assert sum(thirds) == pytest.approx(1)
    assert not first.differences
    assert outcome.blocks == -(-one["bases"] // 4_000)
    assert {score.name for score in outcome.scores} == {s.name for s in SCORES if not s.reads}
    same = scored(folder, "all.gff3", "all.gff3").sets[1]
    assert all(d.low == d.value == d.high == 0 for d in same.differences.values() if d.value == 0)
    assert same.differences["genes_per_mb"].value == 0


def test_seqids(species):
    folder, genome, _ = species
    name = list(genome.sequences)[2]
    outcome = scored(folder, "all.gff3", seqids=(name,))
    genes = [gene for gene in genome.genes if gene.seqid == name]
    assert outcome.sets[0].counts["genes"] == len(genes)
    assert outcome.bases == len(genome.sequences[name])
    assert outcome.seqids == (name,)


def test_blocks():
    blocks = Blocks.of({"a": 120_000, "b": 10_000, "c": 1})
    assert (blocks.size, blocks.n, blocks.total) == (50_000, 3, 130_001)
    assert blocks.bases().tolist() == [50_000, 50_000, 30_001]
    assert blocks.offsets == {"a": 0, "b": 120_000, "c": 130_000}
    large = Blocks.of({"a": 3_000_000_007})
    assert large.n <= tallies.MOST_BLOCKS
    assert large.bases().sum() == 3_000_000_007


def test_intervals_follow_the_spread_of_the_blocks():
    """Half of the transcripts complete: the same in every block, or all in half of the blocks."""
    counts = np.zeros((2, 100, len(COUNTS)))
    counts[:, :, COUNTS.index("bases")] = 1
    counts[:, :, COUNTS.index("transcripts")] = 10
    counts[0, :, COUNTS.index("complete_transcripts")] = 5
    counts[1, ::2, COUNTS.index("complete_transcripts")] = 10
    drawn = PairedBootstrap(list(counts), range(100))
    even, uneven = (estimates(drawn, SCORES, i)["complete_orf"] for i in range(2))
    assert (even.low, even.value, even.high) == (0.5, 0.5, 0.5)
    # binomial: 0.5 +- 1.96 * sqrt(0.25 / 100)
    assert (uneven.low, uneven.high) == (
        pytest.approx(0.402, abs=0.02),
        pytest.approx(0.598, abs=0.02),
    )
    assert estimates(drawn, SCORES, 1, baseline=0)["complete_orf"].value == 0
    assert estimates(drawn, SCORES, 0)["intron_recall"].value is None
    assert np.isnan(values(counts[0].sum(axis=0), SCORES)[NAMES.index("canonical_introns")])


@pytest.mark.parametrize("name", FILTERS)
def test_a_score_that_was_a_filter_is_marked(species, tmp_path, name):
    folder, *_ = species
    text = (folder / "all.gff3").read_text().split("\n", 1)[1]
    header = f"##gff-version 3\n{filters_line([name])}\n"
    (tmp_path / "filtered.gff3").write_text(header + text)
    predicted = (folder / "all.gff3", tmp_path / "filtered.gff3")
    outcome = score_without_reference(LabelFreeRequest(predicted, folder / "genome.fa"))
    plain, filtered = outcome.to_dict()["predicted"]
    assert (plain["filters"], filtered["filters"]) == ([], [name])
    assert not any(score["was_filter"] for score in plain["scores"].values())
    marked = {own for own, score in filtered["scores"].items() if score["was_filter"]}
    of_name = {s.name for s in SCORES if name in s.filters and not s.reads}
    # fewer genes are left, whatever they were selected by
    assert marked == of_name | {"genes_per_mb", "coding_share"}


def test_every_filter_spoils_a_score_and_an_unknown_one_spoils_those_of_number():
    assert all(any(name in score.filters for score in SCORES) for name in FILTERS)
    spoilt = {score.name for score in SCORES if score.spoilt_by(["confidence"])}
    assert spoilt == {"genes_per_mb", "coding_share", "intron_recall"}
    assert not any(score.spoilt_by([]) for score in SCORES)


def test_genes_of_another_assembly_are_suspected(species, tmp_path):
    folder, genome, _ = species
    shifted = {name: "A" * 101 + sequence for name, sequence in genome.sequences.items()}
    (tmp_path / "genome.fa").write_bytes(to_fasta(replace(genome, sequences=shifted)))
    request = LabelFreeRequest((folder / "all.gff3",), tmp_path / "genome.fa")
    lengths, complete = score_without_reference(request).warnings
    n = len(genome.genes)
    assert "is it of this genome? 4 sequence(s) have another length there" in lengths
    assert f"Only 0 of {n} transcripts have a complete open reading frame" in complete


def test_other_names_no_genes_there_and_nothing_given(species):
    folder, genome, _ = species
    names = list(genome.sequences)
    lines = (folder / "all.gff3").read_text().splitlines()
    first = [line for line in lines if line.startswith(names[0])]
    (folder / "first.gff3").write_text("\n".join(first) + "\n")
    with pytest.raises(InputError, match=f"no coding gene on {names[1]}, expected some"):
        scored(folder, "first.gff3", seqids=(names[1],))
    outcome = scored(folder, "all.gff3", "first.gff3", seqids=(names[1],))
    assert any("first.gff3: has no coding gene on" in text for text in outcome.warnings)
    assert outcome.sets[1].scores["complete_orf"].value is None
    assert outcome.sets[1].differences["complete_orf"].value is None
    assert outcome.sets[1].scores["genes_per_mb"].value == 0
    renamed = (folder / "all.gff3").read_text().replace("chr", "scaffold")
    (folder / "renamed.gff3").write_text(renamed)
    with pytest.raises(InputError, match="none of its sequences is in the genome"):
        scored(folder, "renamed.gff3")
    with pytest.raises(InputError, match="has no sequence chrX"):
        scored(folder, "all.gff3", seqids=("chrX",))
    with pytest.raises(InputError, match="no predicted genes are given"):
        scored(folder)


def test_distinct_introns_sorted():
    assert as_array([(5, 9), (1, 3), (5, 9)]).tolist() == [[1, 3], [5, 9]]
    assert as_array([]).shape == (0, 2)
