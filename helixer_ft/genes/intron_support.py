"""Introns that spliced RNA-seq reads support: canonical ones, on the strand that this tells."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from helixer_ft.coverage.alignments import (
    AlignmentSource,
    open_alignments,
    read_introns,
    sequence_lengths,
    usable_index,
)
from helixer_ft.coverage.protocol import Tell, compare
from helixer_ft.coverage.request import AUTO, UNSTRANDED
from helixer_ft.coverage.strandedness import (
    ENOUGH_READS,
    LARGEST_FLAG,
    SKIP,
    Evidence,
    mate_of,
    strand_of_flags,
)
from helixer_ft.coverage.tracks import MISSING_SHARE
from helixer_ft.errors import InputError
from helixer_ft.genes.label_free_request import LabelFreeRequest
from helixer_ft.genes.structures import MIN_INTRON
from helixer_ft.genes.tallies import STRANDS, Introns
from helixer_ft.genome.annotation import Interval
from helixer_ft.genome.fasta import Fasta
from helixer_ft.genome.notices import some
from helixer_ft.genome.splice_sites import CANONICAL, NOT_CANONICAL, intron_kinds
from helixer_ft.progress import Progress

_READS_WANTED = 20_000
"""Spliced reads that decide about the strandedness."""

Counts = Mapping[str, np.ndarray]
"""Sequence -> (n, 4) int64: start, end, strand (place in `STRANDS`) and reads of introns."""


@dataclass(frozen=True)
class SplicedReads:
    """What was counted of a file of reads.

    Attributes
    ----------
    path
        The file.
    strandedness
        By which it was counted.
    evidence
        What its introns show of that.
    introns, reads
        Distinct canonical introns, and the reads across them, each as often as introns.
    """

    path: Path
    strandedness: str
    evidence: Evidence
    introns: int
    reads: int

    def to_dict(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "path": str(self.path),
            "strandedness": self.strandedness,
            "canonical_introns": self.introns,
            "reads_across_them": self.reads,
        }


@dataclass(frozen=True)
class IntronSupport:
    """Introns that reads support.

    Attributes
    ----------
    introns
        Sequence -> them.
    files
        What each file of reads holds.
    """

    introns: Mapping[str, Introns]
    files: tuple[SplicedReads, ...]

    @property
    def total(self) -> int:
        """How many introns."""
        return sum(len(own) for there in self.introns.values() for own in there.values())


def spliced_reads(
    request: LabelFreeRequest, genome: Fasta, seqids: Sequence[str], progress: Progress, warn: Tell
) -> tuple[list[Counts], tuple[SplicedReads, ...]]:
    """The canonical introns of each file of reads, and what each file holds; see `read_table`.

    Raises
    ------
    InputError
        As `supported_introns`.
    """
    found = [_check(path, genome, seqids, progress) for path in request.bams]
    counts: list[Counts] = []
    files = []
    with tempfile.TemporaryDirectory(prefix="helixer-ft-") as scratch:
        for path, there in zip(request.bams, found, strict=True):
            source = usable_index(path, Path(scratch))
            evidence = _evidence(path, source, genome, there)
            protocol = _decide(path, request.strandedness, evidence, progress.notice, warn)
            reads = AlignmentSource(path, source, protocol)
            counts.append(_count(reads, genome, there, request.min_overhang, progress))
            tables = counts[-1].values()
            number, total = sum(map(len, tables)), sum(int(t[:, 3].sum()) for t in tables)
            files.append(SplicedReads(path, protocol, evidence, number, total))
    return counts, tuple(files)


def supported_introns(
    request: LabelFreeRequest, genome: Fasta, seqids: Sequence[str], progress: Progress, warn: Tell
) -> IntronSupport:
    """Read all files of reads, one sequence at a time.

    Raises
    ------
    InputError
        Reads that are not sorted, or of another genome or assembly.
    """
    counts, files = spliced_reads(request, genome, seqids, progress, warn)
    introns = {seqid: _enough(counts, seqid, request.min_reads) for seqid in seqids}
    support = IntronSupport(introns, files)
    if not support.total:
        warn(no_intron(request))
    return support


def no_intron(request: LabelFreeRequest) -> str:
    """The warning that reads support no intron at all."""
    names = ", ".join(path.name for path in request.bams)
    return (
        f"{names}: no canonical intron has {request.min_reads} reads with "
        f"{request.min_overhang} aligned bases on either side. Are these RNA-seq reads, mapped "
        "by a program that splices (STAR, HISAT2, minimap2 -x splice)?"
    )


def _check(path: Path, genome: Fasta, seqids: Sequence[str], progress: Progress) -> list[str]:
    """Refuse reads of another genome; returns the sequences that they may be on."""
    lengths = sequence_lengths(path)
    there = [name for name in seqids if name in lengths]
    if not there:
        raise InputError(
            f"{path}: has none of the {len(seqids)} sequences to look at ({some(seqids)}). It has "
            f"{some(lengths)}. Give reads aligned to {genome.path}, under the same names."
        )
    other = [name for name in there if lengths[name] != genome.lengths[name]]
    if other:
        raise InputError(
            f"{path}: is of another assembly than {genome.path}: {len(other)} of {len(there)} "
            f"sequences have another length; {other[0]} has {lengths[other[0]]:,} bp, in the "
            f"genome {genome.lengths[other[0]]:,} bp. Give reads aligned to this genome."
        )
    missing = [name for name in seqids if name not in lengths]
    lacking, total = (sum(genome.lengths[name] for name in names) for names in (missing, seqids))
    share = lacking / total
    if share > MISSING_SHARE:
        raise InputError(
            f"{path}: lacks {len(missing)} of the {len(seqids)} sequences to look at, "
            f"{share:.1%} of their bases, expected at most {MISSING_SHARE:.0%} ({some(missing)}). "
            "Leave them out (pseudo-label: --exclude; evaluate-genes: --seqids names the others), "
            "or give reads aligned to the whole genome."
        )
    if missing:
        progress.notice(
            f"{path.name}: lacks {len(missing)} of the {len(seqids)} sequences to look at "
            f"({some(missing)}), {share:.2%} of their bases; no intron has reads there"
        )
    return there


def _evidence(path: Path, index: Path, genome: Fasta, seqids: Iterable[str]) -> Evidence:
    """What the strands of GT-AG introns say of those of the reads across them."""
    evidence = Evidence(where="across GT-AG introns")
    with open_alignments(path, index) as file:
        for seqid in sorted(seqids, key=genome.lengths.__getitem__, reverse=True):
            found = read_introns(file, seqid, genome.lengths[seqid], MIN_INTRON)
            pairs = ((flag, *intron) for flag, introns in found for intron in introns)
            table = np.array(list(islice(pairs, _READS_WANTED)), np.int64).reshape(-1, 3)
            _compare_strands(evidence, table, genome.read(seqid))
            if evidence.reads >= _READS_WANTED:
                break
    return evidence


def _compare_strands(evidence: Evidence, table: np.ndarray, bases: np.ndarray) -> None:
    """Count (n, 3) flag, start and end of introns of reads."""
    flags, introns = table[:, 0] & LARGEST_FLAG, table[:, 1:]
    own = np.array(strand_of_flags(UNSTRANDED))[flags]
    counted = (own != SKIP) & _fits(introns, bases)
    flags, introns, own = flags[counted], introns[counted], own[counted]
    mates = np.array([mate_of(flag) for flag in flags.tolist()], np.int64)
    for place, strand in enumerate(STRANDS):
        known = intron_kinds(bases, introns, strand) == CANONICAL.index("GT-AG")
        antisense = own != place
        np.add.at(evidence.counts, (mates[known], antisense[known].astype(np.int64)), 1)


def _decide(path: Path, asked: str, evidence: Evidence, notice: Tell, warn: Tell) -> str:
    """The protocol to count by."""
    few = evidence.reads < ENOUGH_READS
    if few:
        protocol = UNSTRANDED if asked == AUTO else asked
        notice(
            f"{path.name}: counted as {protocol}; only {evidence.reads} reads {evidence.where}, "
            "too few to tell"
        )
        return protocol
    if asked == AUTO:
        notice(f"{path.name}: {evidence.protocol} ({evidence.text()})")
        return evidence.protocol
    compare(path, asked, evidence, notice, warn)
    return asked


def _count(
    source: AlignmentSource,
    genome: Fasta,
    seqids: Sequence[str],
    min_overhang: int,
    progress: Progress,
) -> Counts:
    """Canonical introns of a file, and the reads across them."""
    strands = strand_of_flags(source.strandedness)
    result = {}
    task = f"introns of {source.path.name}"
    total = sum(genome.lengths[seqid] for seqid in seqids)
    with open_alignments(source.path, source.index) as file:
        for seqid in progress.track(task, total, seqids, "bases", genome.lengths.__getitem__):
            reads: dict[Interval, list[int]] = {}
            for flag, introns in read_introns(file, seqid, genome.lengths[seqid], min_overhang):
                strand = strands[flag & LARGEST_FLAG]
                if strand != SKIP:
                    for intron in introns:
                        reads.setdefault(intron, [0, 0])[strand] += 1
            if reads:
                unstranded = source.strandedness == UNSTRANDED
                result[seqid] = _canonical(reads, genome.read(seqid), unstranded=unstranded)
    return result


def _canonical(
    reads: Mapping[Interval, list[int]], bases: np.ndarray, *, unstranded: bool
) -> np.ndarray:
    """(n, 4): start, end, strand, reads of the introns that are canonical on the strand of their
    reads, or on whichever strand.
    """
    introns = np.array(list(reads), np.int64)
    per_strand = np.array(list(reads.values()), np.int64)
    fits = _fits(introns, bases)
    introns, per_strand = introns[fits], per_strand[fits]
    tables = []
    for place, strand in enumerate(STRANDS):
        number = per_strand.sum(axis=1) if unstranded else per_strand[:, place]
        kept = (intron_kinds(bases, introns, strand) != NOT_CANONICAL) & (number > 0)
        strands = np.full(kept.sum(), place)
        tables.append(np.column_stack([introns[kept], strands, number[kept]]))
    return np.concatenate(tables)


def _fits(introns: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """(n,) bool: which are introns, and within the sequence."""
    return (introns[:, 1] - introns[:, 0] >= MIN_INTRON) & (introns[:, 1] <= len(bases))


def read_table(counts: Sequence[Counts], seqid: str) -> np.ndarray:
    """(n, 4) int64: start, end, strand (place in `STRANDS`) of the introns of a sequence, sorted,
    and the reads across them in all files together.
    """
    tables = [own[seqid] for own in counts if seqid in own]
    table = np.concatenate(tables) if tables else np.zeros((0, 4), np.int64)
    introns, which = np.unique(table[:, :3], axis=0, return_inverse=True)
    reads = np.bincount(which.reshape(-1), weights=table[:, 3], minlength=len(introns))
    return np.column_stack([introns, reads.astype(np.int64)])


def _enough(counts: Sequence[Counts], seqid: str, min_reads: int) -> Introns:
    """The introns of a sequence for which all files together have enough reads."""
    table = read_table(counts, seqid)
    kept = table[table[:, 3] >= min_reads]
    return {strand: kept[kept[:, 2] == place, :2] for place, strand in enumerate(STRANDS)}
