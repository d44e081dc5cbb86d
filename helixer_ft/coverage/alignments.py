"""Aligned reads (BAM, CRAM) -> coverage of a region, by strand."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pysam

from helixer_ft.coverage.strandedness import LARGEST_FLAG, SKIP, strand_of_flags
from helixer_ft.errors import InputError, first_line
from helixer_ft.formats.input_file import check_input_file

WHAT = "aligned reads (BAM or CRAM, sorted by coordinate)"
_FIELDS = "required_fields=0x2e"  # flag, sequence, position, CIGAR: no bases, no reference
_INDEX_SUFFIXES = (".csi", ".bai", ".crai")
_ALIGNED = (pysam.CMATCH, pysam.CEQUAL, pysam.CDIFF)
_SKIPPED = (pysam.CREF_SKIP, pysam.CDEL)
_READS_AT_ONCE = 1 << 18
"""Whose intervals are collected before they are counted."""


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
    check_input_file(path, WHAT)
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
    except (OSError, ValueError, UnicodeError, OverflowError) as error:
        raise InputError(
            f"{path}: cannot be read ({first_line(error)}), expected {WHAT}. If it is one, "
            "it is damaged or truncated: copy it again (samtools quickcheck tells)."
        ) from error
    finally:
        pysam.set_verbosity(verbosity)


def sequence_lengths(path: Path) -> dict[str, int]:
    """Sequence -> bp, as the header says.

    What the header says of the order is often wrong (samtools 0.1 and pysam leave "unsorted" in
    sorted files), so only order by read name is taken at its word: an index decides.

    Raises
    ------
    InputError
        Not BAM or CRAM, truncated, unaligned reads only, sorted by read name.
    """
    with open_alignments(path) as file:
        lengths = dict(zip(file.references, file.lengths, strict=True))
        if not (file.is_bam or file.is_cram):
            raise InputError(_is_text(path, with_header=bool(lengths)))
        order = file.header.to_dict().get("HD", {}).get("SO")
    if not lengths:
        raise InputError(f"{path}: names no sequence, expected {WHAT}; are its reads aligned?")
    if order == "queryname":
        raise InputError(_unsorted(path, "its header says 'queryname'"))
    return lengths


def usable_index(path: Path, folder: Path) -> Path:
    """The index of a file: the one next to it unless that is older or of no use (damaged, or that
    of another file), else a new one in `folder`.

    That is made without further threads, with which htslib may wait for ever on a damaged file.

    Raises
    ------
    InputError
        The file is not sorted, or damaged.
    """
    for suffix in _INDEX_SUFFIXES:
        for index in (Path(f"{path}{suffix}"), path.with_suffix(suffix)):
            if (
                index.is_file()
                and index.stat().st_mtime >= path.stat().st_mtime
                and _can_be_read(path, index)
            ):
                return index
    index = folder / f"{len(list(folder.iterdir()))}.index"
    verbosity = pysam.set_verbosity(0)
    try:
        pysam.index("-c", "-o", str(index), str(path))
    except pysam.SamtoolsError as error:
        raise InputError(_unsorted(path, "samtools index fails")) from error
    finally:
        pysam.set_verbosity(verbosity)
    return index


def _can_be_read(path: Path, index: Path) -> bool:
    """Whether a file can be read by an index."""
    try:
        with open_alignments(path, index) as file:
            return file.is_cram == (index.suffix == ".crai") and file.check_index()
    except InputError:  # with a new one, the file itself may prove to be broken
        return False


def read_blocks(
    file: pysam.AlignmentFile, seqid: str, start: int, end: int
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Flag and aligned blocks (bp) of each alignment that overlaps a region."""
    for read in _reads(file, seqid, start, end):
        yield read.flag, read.get_blocks()


def read_introns(
    file: pysam.AlignmentFile, seqid: str, length: int, min_overhang: int
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Flag and introns (CIGAR N, in bp) of each alignment to a sequence that has some.

    Parameters
    ----------
    file, seqid, length
        A file, a sequence, and its bp.
    min_overhang
        Aligned bases on either side of an intron, up to the next one or the end of the read, from
        which on it is given.

    Raises
    ------
    InputError
        Reads are not sorted.
    """
    last = -1
    for read in _reads(file, seqid, 0, length):
        at = read.reference_start
        if at < last:
            raise _out_of_order(file, seqid, at, last)
        last = at
        introns, overhangs = [], [0]
        for operation, size in read.cigartuples or ():
            if operation in _ALIGNED:
                overhangs[-1] += size
                at += size
            elif operation in _SKIPPED:
                if operation == pysam.CREF_SKIP:
                    introns.append((at, at + size))
                    overhangs.append(0)
                at += size
        sides = zip(introns, overhangs, overhangs[1:], strict=False)
        if kept := [intron for intron, *both in sides if min(both) >= min_overhang]:
            yield read.flag, kept


def count_region(
    file: pysam.AlignmentFile, strandedness: str, seqid: str, start: int, end: int
) -> RegionCounts:
    """Count the reads over a region as Helixer does.

    CIGAR M, = and X add to the coverage, N and D to the spliced coverage. A sequence that the file
    lacks has no reads.

    Raises
    ------
    InputError
        Reads are not sorted: samtools makes an index of such a CRAM file too, by which reads would
        be missed.
    """
    aligned, skipped = ((_Counter(start, end), _Counter(start, end)) for _ in range(2))
    strands = strand_of_flags(strandedness)
    edges = [(*one.edges, *other.edges) for one, other in zip(aligned, skipped, strict=True)]
    reads, count, seen, last = _reads(file, seqid, start, end), 0, -1, -1
    while seen:
        seen = 0
        for seen, read in enumerate(islice(reads, _READS_AT_ONCE), start=1):  # noqa: B007
            strand = strands[read.flag & LARGEST_FLAG]
            if strand == SKIP:
                continue
            starts, ends, skip_starts, skip_ends = edges[strand]
            at = read.reference_start
            if at < last:
                raise _out_of_order(file, seqid, at, last)
            last = at
            count += at >= start
            for operation, size in read.cigartuples or ():
                if operation in _ALIGNED:
                    starts.append(at)
                    at += size
                    ends.append(at)
                elif operation in _SKIPPED:
                    skip_starts.append(at)
                    at += size
                    skip_ends.append(at)
        for counter in (*aligned, *skipped):
            counter.flush()
    return RegionCounts(
        (aligned[0].steps(), aligned[1].steps()), (skipped[0].steps(), skipped[1].steps()), count
    )


class _Counter:
    """Adds intervals to the changes of a region, many at a time.

    Attributes
    ----------
    edges
        Starts and ends, in bp, of the intervals to add next; they may be empty, or reach beyond
        the region.
    """

    def __init__(self, start: int, end: int) -> None:
        self._start, self._length = start, end - start
        self._changes = np.zeros(self._length + 1, np.int64)
        self.edges: tuple[list[int], list[int]] = ([], [])

    def flush(self) -> None:
        for edges, add in zip(self.edges, (np.add, np.subtract), strict=True):
            if edges:
                offsets = np.clip(np.array(edges, np.int64) - self._start, 0, self._length)
                add(self._changes, np.bincount(offsets, minlength=self._length + 1), self._changes)
                edges.clear()

    def steps(self) -> Steps:
        positions = np.flatnonzero(self._changes).astype(np.int32)
        return Steps(self._length, positions, self._changes[positions].astype(np.int32))


def _reads(
    file: pysam.AlignmentFile, seqid: str, start: int, end: int
) -> Iterator[pysam.AlignedSegment]:
    """The alignments that overlap a region; none of a sequence that the file lacks."""
    if file.get_tid(seqid) < 0:
        return iter(())
    return file.fetch(seqid, start, end)


def _out_of_order(file: pysam.AlignmentFile, seqid: str, at: int, last: int) -> InputError:
    found = f"a read at {seqid}:{at + 1:,} follows one at {last + 1:,}"
    return InputError(_unsorted(Path(os.fsdecode(file.filename)), found))


def _unsorted(path: Path, found: str) -> str:
    # samtools writes BAM whatever it reads; of CRAM it needs the genome
    reference = "--reference genome.fa " if path.suffix.lower() == ".cram" else ""
    return (
        f"{path}: is not sorted by coordinate ({found}), or damaged. Sort it: "
        f"samtools sort {reference}-o {_sorted_name(path)} {shlex.quote(path.name)}"
    )


def _is_text(path: Path, *, with_header: bool) -> str:
    name = shlex.quote(path.name)
    if with_header:
        return (
            f"{path}: is SAM text, expected {WHAT}. Convert it: "
            f"samtools sort -o {_sorted_name(path)} {name}"
        )
    return (
        f"{path}: is SAM text without a header: no @SQ line says which sequences its reads are "
        f"aligned to; expected {WHAT}. Convert it with the genome that they were aligned to: "
        f"samtools view -b -T genome.fa {name} | samtools sort -o {_sorted_name(path)} -"
    )


def _sorted_name(path: Path) -> str:
    """A file that is not the one to be sorted."""
    return "sorted.bam" if path.name != "sorted.bam" else "sorted_by_coordinate.bam"
