"""What scoring genes without a reference is asked to do; its defaults live here alone."""

from dataclasses import dataclass
from pathlib import Path

from helixer_ft.coverage.request import AUTO, STRANDEDNESS
from helixer_ft.errors import InputError
from helixer_ft.formats.input_file import real_path


@dataclass(frozen=True)
class LabelFreeRequest:
    """Scores of predicted genes that need no reference.

    Attributes
    ----------
    predicted
        GFF3 or GTF files, plain or gzip. The first is what the others are compared with.
    fasta
        The genome of all, plain, gzip or bgzip.
    seqids
        Score on these sequences; none: on all.
    split
        Table of a split, of whose check stretches alone are scored; None: whole sequences are.
    bams
        BAM or CRAM files of spliced RNA-seq reads, taken together; none: introns are not compared
        with reads.
    strandedness
        Of all `bams`: "auto", "reverse", "forward" or "unstranded".
    min_reads
        From so many on, reads support an intron.
    min_overhang
        Aligned bases that a read must have on either side of the intron.
    """

    predicted: tuple[Path, ...]
    fasta: Path
    seqids: tuple[str, ...] = ()
    split: Path | None = None
    bams: tuple[Path, ...] = ()
    strandedness: str = AUTO
    min_reads: int = 3
    min_overhang: int = 8

    def __post_init__(self) -> None:
        if not self.predicted:
            raise InputError("no predicted genes are given, expected --predicted at least once.")
        if self.seqids and self.split is not None:
            raise InputError(
                "--seqids and --split both say where to score. Leave one of the two out."
            )
        if self.strandedness not in (AUTO, *STRANDEDNESS):
            raise InputError(
                f"--strandedness is '{self.strandedness}', expected {AUTO}, "
                f"{', '.join(STRANDEDNESS)}."
            )
        real = [real_path(path) for path in self.bams]
        if len(set(real)) < len(real):
            raise InputError(
                "--bam names one file twice, whose reads would count twice. Give each file once."
            )
        for name in ("min_reads", "min_overhang"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)}, expected a whole number "
                    "of at least 1."
                )
        for name in ("strandedness", "min_reads", "min_overhang"):
            if not self.bams and getattr(self, name) != getattr(LabelFreeRequest, name):
                raise InputError(
                    f"--{name.replace('_', '-')} says how reads are counted, but none are given. "
                    "Add --bam, or leave it out."
                )
