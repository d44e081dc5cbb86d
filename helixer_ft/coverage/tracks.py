"""The tracks asked for: their names, and whether their files fit the data."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from helixer_ft.coverage.alignments import sequence_lengths
from helixer_ft.coverage.request import BigWigs, CoverageRequest
from helixer_ft.coverage.signal import SignalHeader, SignalSource
from helixer_ft.errors import InputError
from helixer_ft.formats.coverage_h5 import read_name
from helixer_ft.progress import Progress

_LOWEST = -1.1
"""ln(x + 1.1), the usual normalisation, has no value from here down."""

MISSING_SHARE = 0.01
"""Of the bases of the data, on sequences that a file of reads may lack: organelles and small
unplaced scaffolds, which many leave out of what they align to."""
_IN_COMMAND = 50
"""Names that a command in a message has at most."""
_SAME_GENOME = (
    "reads or signals on the very genome that the data were made of, under the same names."
)


def track_names(request: CoverageRequest) -> tuple[str, ...]:
    """The names given, or the base names of the files; BAM and CRAM first.

    Raises
    ------
    InputError
        Not one for each track, a duplicate, or one that is not printable text.
    """
    defaults = [read_name(path.name) for path in request.bams]
    defaults += [pair[0].stem for pair in request.bigwigs]
    names = request.track_names or tuple(defaults)
    if len(names) != len(defaults):
        raise InputError(
            f"--track-names gives {len(names)} name(s), expected {len(defaults)}: one for each "
            "track, those of --bam first, in the order given."
        )
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"two tracks are named '{name}', but a model finds its tracks by name. "
                "Give --track-names, one for each track."
            )
        if not name.strip() or not name.isprintable():
            raise InputError(f"the track name {name!r} is empty or not printable text.")
    return names


def check_bam(path: Path, ends: Mapping[str, int], progress: Progress) -> tuple[str, ...]:
    """Check that a BAM or CRAM file is of the genome of the data.

    Parameters
    ----------
    path
        The file.
    ends
        Sequence -> where its data end, in bp.
    progress
        Reports sequences that extend beyond the data, or have no reads.

    Returns
    -------
    tuple of str
        Sequences of the data that the file does not know; together at most `MISSING_SHARE`.

    Raises
    ------
    InputError
        Sorted by read name, not readable, another genome, or a larger part of it missing.
    """
    found = sequence_lengths(path)
    missing = _check_sequences(path, found, ends, progress)
    if not missing:
        return ()
    share = sum(ends[name] for name in missing) / sum(ends.values())
    if share > MISSING_SHARE:
        command = f"helixer-ft prepare --exclude {shlex.quote(','.join(missing[:_IN_COMMAND]))}"
        if len(missing) > _IN_COMMAND:
            command += f" and {len(missing) - _IN_COMMAND} more"
        raise InputError(
            f"{path}: lacks {len(missing)} of the {len(ends)} sequences of the data, {share:.1%} "
            f"of their bases, expected at most {MISSING_SHARE:.0%}; missing: {_some(missing)}. "
            f"It has: {_some(sorted(found))}. If the reads were aligned to a part of the genome, "
            f"make the data without the rest ({command}). Otherwise use {_SAME_GENOME}"
        )
    progress.notice(
        f"{path.name}: lacks {len(missing)} of the {len(ends)} sequences of the data "
        f"({_some(missing)}), {share:.2%} of their bases; coverage is 0 there"
    )
    return tuple(missing)


def signal_source(
    pair: BigWigs,
    headers: Sequence[SignalHeader],
    ends: Mapping[str, int],
    progress: Progress,
    warn: Callable[[str], None],
) -> SignalSource:
    """Check that bigWig files are of the genome of the data, and how their signs are meant.

    Raises
    ------
    InputError
        More than two files, another genome.
    """
    for path, header in zip(pair, headers, strict=True):
        missing = _check_sequences(path, header.lengths, ends, progress)
        if missing:  # programs leave out the sequences without values
            progress.notice(
                f"{path.name}: has no values on {len(missing)} of the {len(ends)} sequences of the "
                f"data ({_some(missing)}), taken as 0 there"
            )
    last = headers[-1]
    negate = len(pair) == 2 and last.minimum < 0 and last.maximum <= 0
    if negate:
        progress.notice(
            f"{pair[1].name}: has no positive value, as some programs write the minus strand; "
            "absolute values are used"
        )
    for path, header in zip(pair, headers, strict=True):
        if header.minimum <= _LOWEST and not (negate and path == pair[1]):
            warn(
                f"{path.name}: has values down to {header.minimum:g}: train with "
                "--coverage-norm none or linear, because ln(x + 1.1) has no value there"
            )
    return SignalSource(pair, negate)


def _check_sequences(
    path: Path, found: Mapping[str, int], ends: Mapping[str, int], progress: Progress
) -> list[str]:
    """Refuse tracks of another genome than the data's; returns the sequences that are missing."""
    missing = sorted(ends.keys() - found.keys())
    there = sorted(ends.keys() & found.keys())
    if not there:
        raise InputError(
            f"{path}: has none of the {len(ends)} sequences of the data; missing: "
            f"{_some(missing)}. It has: {_some(sorted(found))}. Use {_SAME_GENOME}"
        )
    short = [name for name in there if found[name] < ends[name]]
    if short:
        raise InputError(
            f"{path}: {len(short)} of the {len(ends)} sequences are shorter there than in the "
            f"data: {short[0]} has {found[short[0]]:,} bp, the data reach to {ends[short[0]]:,}. "
            "This is another assembly: use the genome that the data were made of."
        )
    longer = [name for name in there if found[name] > ends[name]]
    if longer:
        progress.notice(
            f"{path.name}: {len(longer)} of the {len(ends)} sequences extend beyond their data "
            f"({_some(longer)}): fine where the data are parts of sequences, wrong where they "
            "are of another assembly"
        )
    return missing


def _some(names: Sequence[str], at_most: int = 5) -> str:
    return ", ".join(names[:at_most]) + (", ..." if len(names) > at_most else "")
