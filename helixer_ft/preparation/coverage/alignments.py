"""Aligned reads (BAM, CRAM) -> coverage of a region, by strand."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam

from helixer_ft.errors import InputError
from helixer_ft.preparation.coverage.strandedness import strand_of_flags

WHAT = "aligned reads (BAM or CRAM, sorted by coordinate)"
_FIELDS = "required_fields=0x2e"  # flag, sequence, position, CIGAR: no bases, no reference
_INDEX_SUFFIXES = (".csi", ".bai", ".crai")
_FLUSH = 1 << 18
"""Intervals that are collected before they are counted."""


@dataclass(frozen=True)
class AlignmentSource:
    """A BAM or CRAM file to be read region by region.

    Attributes
    ----------
    path, index
        The file and its index.
    strandedness
        "reverse", "forward" or "unstranded".
    """

    path: Path
    index: Path
    strandedness: str


@dataclass(frozen=True)
class Steps:
    """Counts along a region, as the places where they change.

    Attributes
    ----------
    length
        Of the region, in bp.
    positions, changes
        (k,) int32: offsets in the region, and by how much the count changes there.
    """

    length: int
    positions: np.ndarray
    changes: np.ndarray

    @classmethod
    def of(cls, differences: np.ndarray) -> "Steps":
        """From a dense array of changes, one longer than the region."""
        positions = np.flatnonzero(differences).astype(np.int32)
        return cls(len(differences) - 1, positions, differences[positions])

    def values(self) -> np.ndarray:
        """(length,) int32: the counts."""
        dense = np.zeros(self.length + 1, np.int32)
        dense[self.positions] = self.changes
        return np.cumsum(dense[:-1], dtype=np.int32)


@dataclass(frozen=True)
class RegionCounts:
    """Reads over a region.

    Attributes
    ----------
    coverage, spliced
        For plus and for minus: reads with the base aligned, and reads that skip it (CIGAR N, D).
    reads
        That begin in the region.
    """

    coverage: tuple[Steps, Steps]
    spliced: tuple[Steps, Steps]
    reads: int


@contextmanager
def open_alignments(path: Path, index: Path | None = None) -> Iterator[pysam.AlignmentFile]:
    """Open a BAM or CRAM file; whatever htslib finds broken, now or later, is an `InputError`.

    Reads have flag, sequence, position and CIGAR only, so that CRAM needs no reference.
    """
    verbosity = pysam.set_verbosity(0)
    try:
        file = pysam.AlignmentFile(
            str(path),
            index_filename=str(index) if index else None,
            format_options=[_FIELDS],
            check_sq=False,
        )
        try:
            yield file
        finally:
            with suppress(OSError):
                file.close()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected {WHAT}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder, expected {WHAT}.") from error
    except (OSError, ValueError, UnicodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}), expected {WHAT}. If it is one "
            "it is damaged or truncated: copy it again (samtools quickcheck tells)."
        ) from error
    finally:
        pysam.set_verbosity(verbosity)


def sequence_lengths(path: Path) -> dict[str, int]:
    """Sequence -> bp, as the header says.

    Raises
    ------
    InputError
        Not BAM or CRAM, truncated, unaligned reads only.
    """
    with open_alignments(path) as file:
        if not (file.is_bam or file.is_cram):
            raise InputError(
                f"{path}: is SAM text, expected {WHAT}. Make it so: samtools sort -o "
                f"{path.with_suffix('.bam').name} {path.name}"
            )
        lengths = dict(zip(file.references, file.lengths, strict=True))
        order = file.header.to_dict().get("HD", {}).get("SO", "unknown")
    if not lengths:
        raise InputError(f"{path}: names no sequence, expected {WHAT}; are its reads aligned?")
    if order not in ("coordinate", "unknown"):
        raise InputError(_unsorted(path, f"its header says '{order}'"))
    return lengths


def usable_index(path: Path, folder: Path, threads: int) -> Path:
    """The index of a file: the one beside it unless that is older, else a new one in `folder`.

    Raises
    ------
    InputError
        The file is not sorted, or damaged.
    """
    for suffix in _INDEX_SUFFIXES:
        for index in (Path(f"{path}{suffix}"), path.with_suffix(suffix)):
            if index.is_file() and index.stat().st_mtime >= path.stat().st_mtime:
                return index
    index = folder / f"{len(list(folder.iterdir()))}.index"
    verbosity = pysam.set_verbosity(0)
    try:
        pysam.index("-c", "-@", str(threads), "-o", str(index), str(path))
    except pysam.SamtoolsError as error:
        raise InputError(_unsorted(path, "samtools index fails")) from error
    finally:
        pysam.set_verbosity(verbosity)
    return index


def read_blocks(
    file: pysam.AlignmentFile, seqid: str, start: int, end: int
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Flag and aligned blocks (bp) of each alignment that overlaps a region."""
    for read in file.fetch(seqid, start, end):
        yield read.flag, read.get_blocks()


def count_region(
    file: pysam.AlignmentFile, strandedness: str, seqid: str, start: int, end: int
) -> RegionCounts:
    """Count the reads over a region as Helixer does.

    CIGAR M, = and X add to the coverage, N and D to the spliced coverage. Where a read's span
    counts +1 and its aligned blocks -1, what remains is what it skips.
    """
    coverage, spliced = ([_Counter(start, end), _Counter(start, end)] for _ in range(2))
    strands = strand_of_flags(strandedness)
    begin = [0, 0]
    for read in file.fetch(seqid, start, end):
        strand = strands[read.flag & 0xFFF]
        if strand < 0:
            continue
        blocks = read.get_blocks()
        first, last = read.reference_start, read.reference_end
        begin[strand] += first >= start
        coverage[strand].add(blocks)
        if len(blocks) != 1 or blocks[0] != (first, last):
            spliced[strand].add_skipped(first, last, blocks)
    plus, minus = ((c.steps(), s.steps()) for c, s in zip(coverage, spliced, strict=True))
    return RegionCounts((plus[0], minus[0]), (plus[1], minus[1]), sum(begin))


class _Counter:
    """Adds intervals to the changes of a region, many at a time."""

    def __init__(self, start: int, end: int) -> None:
        self._start, self._length = start, end - start
        self._changes = np.zeros(self._length + 1, np.int32)
        self._intervals: list[tuple[int, int]] = []

    def add(self, intervals: Iterable[tuple[int, int]]) -> None:
        self._intervals += intervals
        if len(self._intervals) >= _FLUSH:
            self._flush()

    def add_skipped(self, start: int, end: int | None, blocks: list[tuple[int, int]]) -> None:
        """The parts of [start, end) between the blocks."""
        if end is None:  # no CIGAR
            return
        edges = [start, *(edge for block in blocks for edge in block), end]
        self.add(
            (left, right)
            for left, right in zip(edges[::2], edges[1::2], strict=True)
            if left < right
        )

    def steps(self) -> Steps:
        self._flush()
        return Steps.of(self._changes)

    def _flush(self) -> None:
        if self._intervals:
            bounds = np.array(self._intervals, np.int64) - self._start
            np.clip(bounds, 0, self._length, out=bounds)
            np.add.at(self._changes, bounds[:, 0], 1)
            np.add.at(self._changes, bounds[:, 1], -1)
            self._intervals.clear()


def _unsorted(path: Path, found: str) -> str:
    return (
        f"{path}: is not sorted by coordinate ({found}), or damaged. Sort it: "
        f"samtools sort -o sorted{path.suffix} {path.name}"
    )
