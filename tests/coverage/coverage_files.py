"""Small data files and alignments that the tests of coverage share."""

from pathlib import Path

import h5py
import numpy as np
import pysam

from tests.data_files import write_data_file

LENGTHS = {"chr1": 1000, "chr2": 270, "chr3": 91}
LENGTH = 90
OPERATIONS = "MIDNSHP=X"


def data_rows(
    lengths: dict[str, int], *, length: int = LENGTH, genes: dict[str, list] | None = None
) -> dict[str, np.ndarray]:
    """Datasets of all windows of some sequences, both strands.

    `genes`: seqid -> (strand, start, end), all CDS.
    """
    names, start_ends = [], []
    for name, size in lengths.items():
        windows = [(a, min(a + length, size)) for a in range(0, size, length)]
        start_ends += windows + [(b, a) for a, b in windows[::-1]]
        names += [name] * (2 * len(windows))
    n = len(names)
    y = np.zeros((n, length, 4), np.int8)
    y[..., 0] = 1
    for row, (name, (start, end)) in enumerate(zip(names, start_ends, strict=True)):
        strand, size, low = "+" if start < end else "-", abs(start - end), min(start, end)
        y[row, size:] = 0
        for gene_strand, first, last in (genes or {}).get(name, []):
            for base in range(max(first, low), min(last, low + size)):
                place = base - low if strand == "+" else size - 1 - (base - low)
                if gene_strand == strand:
                    y[row, place] = (0, 0, 1, 0)
    return {
        "X": np.full((n, length, 4), 0.25, np.float16),
        "y": y,
        "seqids": np.array(names, "S50"),
        "species": np.full(n, "sim", "S25"),
        "start_ends": np.array(start_ends, np.int64),
        "fully_intergenic_samples": y[..., 0].all(axis=1),
    }


def write_data(path: Path, *seqids: str, genes: dict[str, list] | None = None) -> Path:
    """A data file of some of the sequences."""
    lengths = {name: LENGTHS[name] for name in seqids or LENGTHS}
    write_data_file(path, data_rows(lengths, genes=genes))
    return path


def header(
    lengths: dict[str, int] = LENGTHS, order: str | None = "coordinate"
) -> pysam.AlignmentHeader:
    sequences = [{"SN": name, "LN": length} for name, length in lengths.items()]
    first = {"VN": "1.6"} | ({} if order is None else {"SO": order})
    return pysam.AlignmentHeader.from_dict({"HD": first, "SQ": sequences})


def write_bam(
    path: Path,
    reads,
    *,
    index: bool = True,
    lengths=LENGTHS,
    sort: bool = True,
    order: str | None = "coordinate",
) -> Path:
    """Reads as (flag, seqid, position, [(operation letter, length)])."""
    head, names = header(lengths, order), list(lengths)
    if sort:
        reads = sorted(reads, key=lambda read: (names.index(read[1]), read[2]))
    with pysam.AlignmentFile(str(path), "wb", header=head) as file:
        for number, (flag, seqid, position, cigar) in enumerate(reads):
            read = pysam.AlignedSegment(head)
            read.query_name = f"r{number}"
            read.flag = flag
            read.reference_id, read.reference_start = names.index(seqid), position
            read.next_reference_id, read.next_reference_start = read.reference_id, position
            read.cigartuples = [(OPERATIONS.index(name), size) for name, size in cigar]
            read.query_sequence = "A" * sum(size for name, size in cigar if name in "MIS=X")
            read.query_qualities = pysam.qualitystring_to_array(
                "I" * len(read.query_sequence or "")
            )
            read.mapping_quality = number % 3 * 20
            file.write(read)
    if index:
        pysam.index(str(path))
    return path


def random_reads(count: int, seed: int, lengths: dict[str, int] = LENGTHS):
    """Reads with any flag and all CIGAR operations, up to the very ends of the sequences."""
    rng = np.random.default_rng(seed)
    reads = []
    while len(reads) < count:
        name = str(rng.choice(list(lengths)))
        flag = int(rng.integers(0, 1 << 12))
        middle = [
            (str(rng.choice(list("MMMIDN=XP"))), int(rng.integers(1, 40)))
            for _ in range(rng.integers(1, 7))
        ]
        cigar = [("H", 2)] * (flag % 5 == 0) + [("S", 3)] * (flag % 3 == 0) + middle
        cigar += [("S", 1)] * (flag % 7 == 0)
        span = sum(size for operation, size in middle if operation in "MDN=X")
        if span and span <= lengths[name]:
            room = lengths[name] - span
            position = int(rng.choice([0, room, rng.integers(0, room + 1)]))
            reads.append((flag, name, position, cigar))
    return reads


def coverage_of(path: Path, prefix: str = "rnaseq") -> tuple[np.ndarray, np.ndarray]:
    """Both datasets, (rows, length, tracks)."""
    with h5py.File(path) as file:
        group = file["evaluation"]
        return group[f"{prefix}_coverage"][()], group[f"{prefix}_spliced_coverage"][()]
