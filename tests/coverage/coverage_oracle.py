"""Coverage counted read by read and base by base, with nothing of the package."""

import numpy as np


def strand_of(flag: int, strandedness: str) -> str:
    """ "+" or "-": reverse flips read 1 and single reads, forward flips read 2."""
    strand = "-" if flag & 16 else "+"
    is_second = bool(flag & 1 and flag & 128 and not flag & 64)
    flips = {"reverse": not is_second, "forward": is_second, "unstranded": False}[strandedness]
    return {"+": "-", "-": "+"}[strand] if flips else strand


def count(reads, lengths: dict[str, int], strandedness: str):
    """seqid -> strand -> (coverage, spliced), lists of counts.

    `reads` are (flag, seqid, position, [(operation letter, length)]).
    """
    counts = {
        name: {strand: ([0] * length, [0] * length) for strand in "+-"}
        for name, length in lengths.items()
    }
    for flag, seqid, position, cigar in reads:
        if flag & 4 or flag & 256 or flag & 512:
            continue
        covered, skipped = counts[seqid][strand_of(flag, strandedness)]
        for operation, size in cigar:
            if operation in "M=XND":
                for base in range(position, position + size):
                    (covered if operation in "M=X" else skipped)[base] += 1
                position += size
    return counts


def rows(counts, seqids, start_ends, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, length) coverage and spliced coverage; minus rows reversed, padding -1 at the end."""
    result = np.full((2, len(seqids), length), -1, np.int64)
    for row, (name, (start, end)) in enumerate(zip(seqids, start_ends, strict=True)):
        strand = "+" if start < end else "-"
        for kind in range(2):
            values = counts[name.decode()][strand][kind][min(start, end) : max(start, end)]
            values = values if strand == "+" else values[::-1]
            for i, value in enumerate(values):
                result[kind, row, i] = value
    return result[0], result[1]
