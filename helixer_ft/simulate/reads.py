"""Simulated RNA-seq reads of the genes of a genome, aligned: a sorted BAM file with its index."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam

from helixer_ft.errors import HelixerFtError, InputError
from helixer_ft.formats.atomic import check_writable, partial_path
from helixer_ft.genome.annotation import Interval
from helixer_ft.genome.intervals import span
from helixer_ft.simulate.genome import SimulatedGene, SimulatedGenome

READ_LENGTH = 75
FRAGMENT_LENGTH = 250
"""Bases of an mRNA between the outer ends of two mates."""
DEFAULT_DEPTH = 20.0
EXPRESSION_SPREAD = 1.0
"""Standard deviation of the logarithm of a gene's expression."""
INTERGENIC_SHARE = 0.01
"""Pairs from anywhere in the genome, on either strand, as a share of those from genes."""

_FLAGS = {"+": (163, 83), "-": (99, 147)}
"""Flags of the left and the right read of a dUTP pair from a gene on this strand."""
_QUALITY = 37

Blocks = list[Interval]
Record = tuple[str, int, Blocks, int]
"""Sequence, flag, aligned blocks, start of the mate."""


def write_reads(
    path: Path,
    genome: SimulatedGenome,
    seed: int,
    *,
    stranded: bool = True,
    depth: float = DEFAULT_DEPTH,
    force: bool = False,
) -> int:
    """Write paired reads, without errors, sorted by coordinate, and their index.

    Parameters
    ----------
    path : Path
        The BAM file; the index is ``path`` with ``.bai`` after it.
    genome : SimulatedGenome
        Its genes are expressed, each at a level of its own.
    seed : int
        The same arguments give the same reads.
    stranded : bool
        True: dUTP, read 2 has the sequence of the mRNA. False: either read of a pair may have it.
    depth : float
        Mean number of reads over a base of an mRNA of average expression.
    force : bool
        Overwrite.

    Returns
    -------
    int
        Number of reads, both mates counted.

    Raises
    ------
    InputError
        If the depth is not positive, the path exists (without ``force``) or cannot be written.
    """
    if not 0 < depth < np.inf:
        raise InputError(f"the depth must be above 0, not {depth}")
    index = path.with_name(f"{path.name}.bai")
    for one in (path, index):
        check_writable(one, force=force)
    rng = np.random.default_rng([seed, len(genome.genes)])
    records = [
        record
        for gene in genome.genes
        for pair in _pairs(gene, rng, depth)
        for record in _records(gene.seqid, gene.strand, pair, rng, stranded)
    ]
    records += _intergenic(genome, round(len(records) / 2 * INTERGENIC_SHARE), rng)
    partial, partial_index = partial_path(path), partial_path(index)
    try:
        _write_sorted(partial, genome, records)
        pysam.index("-o", str(partial_index), str(partial))
        os.replace(partial, path)
        os.utime(partial_index)  # not older than the reads
        os.replace(partial_index, index)
    except pysam.SamtoolsError as error:
        raise HelixerFtError(f"{index}: could not be written ({error}).") from error
    finally:
        for one in (partial, partial_index):
            one.unlink(missing_ok=True)
    return len(records)


def _write_sorted(path: Path, genome: SimulatedGenome, records: list[Record]) -> None:
    order = {seqid: number for number, seqid in enumerate(genome.sequences)}
    numbered = sorted(
        enumerate(records), key=lambda item: (order[item[1][0]], item[1][2][0][0], item[0])
    )
    header = pysam.AlignmentHeader.from_dict(
        {
            "HD": {"VN": "1.6", "SO": "coordinate"},
            "SQ": [{"SN": name, "LN": len(bases)} for name, bases in genome.sequences.items()],
        }
    )
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for number, (seqid, flag, blocks, mate_start) in numbered:
            read = pysam.AlignedSegment(header)
            read.query_name = f"pair{number // 2}"
            read.flag = flag
            read.reference_id = read.next_reference_id = order[seqid]
            read.reference_start, read.next_reference_start = blocks[0][0], mate_start
            read.mapping_quality = 60
            read.cigartuples = _cigar(blocks)
            bases = genome.sequences[seqid]
            read.query_sequence = "".join(bases[start:end] for start, end in blocks)
            read.query_qualities = pysam.qualitystring_to_array(
                chr(33 + _QUALITY) * len(read.query_sequence)
            )
            file.write(read)


def _pairs(
    gene: SimulatedGene, rng: np.random.Generator, depth: float
) -> Iterator[tuple[Blocks, Blocks]]:
    """Yield the blocks of the left and the right read of each pair from a gene's mRNA."""
    length = span(gene.exons)
    expression = rng.lognormal(-(EXPRESSION_SPREAD**2) / 2, EXPRESSION_SPREAD)
    n_pairs = rng.poisson(depth * expression * length / (2 * READ_LENGTH))
    fragment = min(FRAGMENT_LENGTH, length)
    size = min(READ_LENGTH, fragment)
    for start in rng.integers(0, length - fragment + 1, n_pairs).tolist():
        right = start + fragment - size
        yield _place(gene.exons, start, size), _place(gene.exons, right, size)


def _place(exons: tuple[Interval, ...], start: int, length: int) -> Blocks:
    """Return the blocks of the sequence under a stretch of an mRNA, counted from its lower end."""
    blocks = []
    for left, right in exons:
        size = right - left
        if start < size and length:
            taken = min(size - start, length)
            blocks.append((left + start, left + start + taken))
            start, length = 0, length - taken
        else:
            start = max(0, start - size)
    return blocks


def _records(
    seqid: str,
    strand: str,
    pair: tuple[Blocks, Blocks],
    rng: np.random.Generator,
    stranded: bool,
) -> Iterator[Record]:
    """Yield the two reads of a pair; the left one aligns forwards, the right one backwards."""
    if not stranded and rng.random() < 0.5:
        strand = {"+": "-", "-": "+"}[strand]
    for flag, own, mate in zip(_FLAGS[strand], pair, pair[::-1], strict=True):
        yield seqid, flag, own, mate[0][0]


def _intergenic(genome: SimulatedGenome, n_pairs: int, rng: np.random.Generator) -> list[Record]:
    lengths = np.array([len(bases) for bases in genome.sequences.values()])
    names = list(genome.sequences)
    records: list[Record] = []
    for which in rng.choice(len(names), n_pairs, p=lengths / lengths.sum()).tolist():
        start = int(rng.integers(0, lengths[which] - FRAGMENT_LENGTH))
        end = start + FRAGMENT_LENGTH
        pair = ([(start, start + READ_LENGTH)], [(end - READ_LENGTH, end)])
        strand = "+" if rng.random() < 0.5 else "-"
        records += _records(names[which], strand, pair, rng, True)
    return records


def _cigar(blocks: Blocks) -> list[tuple[int, int]]:
    result = []
    for i, (start, end) in enumerate(blocks):
        if i:
            result.append((pysam.CREF_SKIP, start - blocks[i - 1][1]))
        result.append((pysam.CMATCH, end - start))
    return result
