"""What an addition of coverage is asked to do; its words and defaults live here alone."""

from dataclasses import dataclass
from pathlib import Path

from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_names import DEFAULT_PREFIX

AUTO = "auto"
REVERSE, FORWARD, UNSTRANDED = "reverse", "forward", "unstranded"
STRANDEDNESS = (REVERSE, FORWARD, UNSTRANDED)
"""reverse: read 2 is sense (dUTP); forward: read 1 is sense; unstranded: as each read aligns."""

BigWigs = tuple[Path, ...]
"""One file for both strands, or one for plus and one for minus."""


@dataclass(frozen=True)
class CoverageRequest:
    """One run of `add-coverage`.

    Attributes
    ----------
    data_dir, data
        A folder whose data files all get the tracks, or the files themselves; one of the two.
    bams
        BAM or CRAM files, each a track.
    bigwigs
        One or two bigWig files each, each a track; their tracks come after those of `bams`.
    strandedness
        Of all `bams`: "auto", "reverse", "forward" or "unstranded".
    prefix
        Of the datasets.
    track_names
        One per track; empty: the base names of the files.
    out_dir
        Where the new files go; None: they replace the old ones.
    threads
        Processes reading at a time; None: one per processor.
    force
        Replace coverage of this prefix, and files in `out_dir`.
    command_line
        As it was typed, for the record.
    """

    data_dir: Path | None = None
    data: tuple[Path, ...] = ()
    bams: tuple[Path, ...] = ()
    bigwigs: tuple[BigWigs, ...] = ()
    strandedness: str = AUTO
    prefix: str = DEFAULT_PREFIX
    track_names: tuple[str, ...] = ()
    out_dir: Path | None = None
    threads: int | None = None
    force: bool = False
    command_line: str = ""

    def __post_init__(self) -> None:
        if (self.data_dir is None) == (not self.data):
            raise InputError(
                "expected either --data-dir (all data files of a folder) or --data (single "
                "files): give one of the two."
            )
        if not self.bams and not self.bigwigs:
            raise InputError("no track is given, expected --bam or --bigwig at least once.")
        if self.strandedness not in (AUTO, *STRANDEDNESS):
            raise InputError(
                f"--strandedness is '{self.strandedness}', expected {AUTO}, "
                f"{', '.join(STRANDEDNESS)}."
            )
        if self.strandedness != AUTO and not self.bams:
            raise InputError(
                "--strandedness is about reads (--bam), and there are none. Leave it out; a bigWig "
                "file per strand is given as --bigwig PLUS,MINUS."
            )
        if self.threads is not None and self.threads < 1:
            raise InputError(f"--threads is {self.threads}, expected a whole number of at least 1.")
