"""Simulated reads: where they lie, and which strand they speak for."""

import itertools
from collections import Counter

import pysam
import pytest

from helixer_ft.errors import InputError
from helixer_ft.simulate.genome import reverse_complement, simulate
from helixer_ft.simulate.reads import READ_LENGTH, write_reads
from helixer_ft.simulate.species import TARGET


@pytest.fixture(scope="module")
def genome():
    return simulate(TARGET, 2, 15_000, seed=5)


def read_all(path):
    with pysam.AlignmentFile(str(path)) as file:
        return list(file)


def test_reads_are_sorted_indexed_and_of_the_genome(genome, tmp_path):
    path = tmp_path / "reads.bam"
    count = write_reads(path, genome, 1)
    reads = read_all(path)
    assert len(reads) == count > 500
    places = [(read.reference_id, read.reference_start) for read in reads]
    assert places == sorted(places)
    with pysam.AlignmentFile(str(path)) as file:
        assert sum(1 for name in file.references for _ in file.fetch(name)) == count
    assert sorted(p.name for p in tmp_path.iterdir()) == ["reads.bam", "reads.bam.bai"]
    for read in reads:
        bases = genome.sequences[read.reference_name]
        assert read.query_sequence == "".join(bases[a:b] for a, b in read.get_blocks())
        assert len(read.query_sequence) == READ_LENGTH
    assert Counter(Counter(read.query_name for read in reads).values()) == {2: count // 2}


@pytest.mark.parametrize("stranded", [True, False])
def test_strands_and_introns(genome, tmp_path, stranded):
    path = tmp_path / "reads.bam"
    write_reads(path, genome, 1, stranded=stranded)
    agree, introns = Counter(), set()
    known = {(g.seqid, *intron) for g in genome.genes for intron in g.introns}
    for read in read_all(path):
        blocks = read.get_blocks()
        introns |= {(read.reference_name, a[1], b[0]) for a, b in itertools.pairwise(blocks)}
        inside = [
            g
            for g in genome.genes
            if g.seqid == read.reference_name and g.start <= blocks[0][0] < blocks[-1][1] <= g.end
        ]
        if len(inside) == 1:
            sense = read.is_reverse == (inside[0].strand == "-")
            agree[read.is_read2, sense] += 1
    assert introns
    assert introns <= known
    right = agree[True, True] + agree[False, False]
    share = right / sum(agree.values())
    if stranded:
        assert share > 0.98
    else:
        assert 0.4 < share < 0.6


def test_read_2_has_the_sequence_of_the_mrna(genome, tmp_path):
    path = tmp_path / "reads.bam"
    write_reads(path, genome, 1)
    gene = next(g for g in genome.genes if g.strand == "-")
    bases = genome.sequences[gene.seqid]
    mrna = reverse_complement("".join(bases[a:b] for a, b in gene.exons))
    own = [
        read.get_forward_sequence() in mrna
        for read in read_all(path)
        if read.is_read2
        and read.reference_name == gene.seqid
        and gene.start <= read.reference_start < read.reference_end <= gene.end
    ]
    assert sum(own) > 0.95 * len(own) > 5


def test_an_index_that_cannot_be_written_is_told_of_before_anything_is(genome, tmp_path):
    path = tmp_path / "reads.bam"
    (tmp_path / "reads.bam.bai").mkdir()
    with pytest.raises(InputError, match=r"reads\.bam\.bai: is a folder"):
        write_reads(path, genome, 1)
    assert [one.name for one in tmp_path.iterdir()] == ["reads.bam.bai"]


def test_depth_seed_and_existing_file(genome, tmp_path):
    counts = [
        write_reads(tmp_path / f"{depth}.bam", genome, 1, depth=depth) for depth in (5.0, 20.0)
    ]
    assert counts[1] == pytest.approx(4 * counts[0], rel=0.1)
    write_reads(tmp_path / "again.bam", genome, 1, depth=5.0)
    assert (tmp_path / "again.bam").read_bytes() == (tmp_path / "5.0.bam").read_bytes()
    write_reads(tmp_path / "other.bam", genome, 2, depth=5.0)
    assert (tmp_path / "other.bam").read_bytes() != (tmp_path / "5.0.bam").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        write_reads(tmp_path / "5.0.bam", genome, 1)
    with pytest.raises(InputError, match="depth must be above 0"):
        write_reads(tmp_path / "x.bam", genome, 1, depth=0)
