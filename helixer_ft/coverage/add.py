"""Coverage tracks into data files: each region is read once and goes to all rows over it."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from helixer_ft import __version__
from helixer_ft.coverage.alignments import (
    AlignmentSource,
    RegionCounts,
    usable_index,
)
from helixer_ft.coverage.data_files import (
    copy_junctions,
    find_data_files,
    output_paths,
    staged,
)
from helixer_ft.coverage.outcome import CoverageOutcome, TrackReport
from helixer_ft.coverage.protocol import Tell, decide, gather_evidence
from helixer_ft.coverage.regions import Region, RowTable, batches_of, sequence_ends
from helixer_ft.coverage.request import UNSTRANDED, CoverageRequest
from helixer_ft.coverage.signal import RegionSignal, SignalSource
from helixer_ft.coverage.tracks import check_bam, signal_source, track_names
from helixer_ft.coverage.workers import TrackTask, Workers
from helixer_ft.errors import HelixerFtError
from helixer_ft.formats.coverage_h5 import (
    READS,
    SIGNAL,
    CoverageWriter,
    Track,
    check_prefix,
    copy_data_file,
)
from helixer_ft.formats.hdf5 import GuardedFile
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import default_threads

STRANDED = "stranded"
"""A pair of bigWigs: one file per strand."""

TrackSource = AlignmentSource | SignalSource


def add_coverage(request: CoverageRequest, progress: Progress) -> CoverageOutcome:
    """Add coverage tracks to data files.

    Raises
    ------
    InputError
        Data, tracks or names that cannot be used, or do not fit each other.
    HelixerFtError
        Writing failed. All files are then as they were.
    """
    started = time.monotonic()
    check_prefix(request.prefix)
    tables = find_data_files(request, progress)
    targets = output_paths(tables, request)
    threads = request.threads or default_threads()
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        progress.warning(text)

    with (
        tempfile.TemporaryDirectory(prefix="helixer-ft-") as scratch,
        Workers(threads, isolate=bool(request.bigwigs)) as workers,
    ):
        tracks = _open_tracks(request, tables, workers, Path(scratch), progress, warn)
        with staged(targets) as partial:
            tasks = [
                TrackTask(i, source, batch)
                for i, (source, _) in enumerate(tracks)
                for batch in batches_of(tables, threads)
            ]
            reports = [report for _, report in tracks]
            _write(request, tables, partial, tasks, reports, workers, progress)
    for report in reports:
        if report.track.kind == READS and not report.reads:
            warn(f"{report.files}: no reads overlap the data; its track is 0 throughout")
        if report.not_finite:
            progress.notice(
                f"{report.files}: {report.not_finite:,} values are NaN or infinite, taken as 0"
            )
    seconds = time.monotonic() - started
    return CoverageOutcome(request.prefix, tuple(targets), tuple(reports), warnings, seconds)


def _open_tracks(
    request: CoverageRequest,
    tables: Sequence[RowTable],
    workers: Workers,
    scratch: Path,
    progress: Progress,
    warn: Tell,
) -> list[tuple[TrackSource, TrackReport]]:
    """The tracks, checked: all files first for their genome, then reads for their strands."""
    names = track_names(request)
    ends = sequence_ends(tables)
    missing = [check_bam(path, ends, progress) for path in request.bams]
    signals = [
        signal_source(pair, workers.headers(pair), ends, progress, warn) for pair in request.bigwigs
    ]
    tracks: list[tuple[TrackSource, TrackReport]] = []
    for path, lacking in zip(request.bams, missing, strict=True):
        index = usable_index(path, scratch)
        evidence = gather_evidence(tables, path, index, progress)
        protocol = decide(path, request.strandedness, evidence, progress.notice, warn)
        track = Track(names[len(tracks)], READS)
        report = TrackReport(track, path.name, protocol, evidence, missing=lacking)
        tracks.append((AlignmentSource(path, index, protocol), report))
    for source in signals:
        files = ",".join(path.name for path in source.paths)
        strands = STRANDED if len(source.paths) > 1 else UNSTRANDED
        report = TrackReport(Track(names[len(tracks)], SIGNAL), files, strands)
        tracks.append((source, report))
    return tracks


def _write(
    request: CoverageRequest,
    tables: Sequence[RowTable],
    paths: Sequence[Path],
    tasks: Sequence[TrackTask],
    reports: Sequence[TrackReport],
    workers: Workers,
    progress: Progress,
) -> None:
    """Copy the data files to `paths`, and write the tracks into the copies."""
    attributes = {
        "helixer_ft_version": __version__,
        "helixer_ft_command_line": request.command_line,
    }
    try:
        with ExitStack() as disks:
            files = []
            for table, path in zip(tables, paths, strict=True):
                copy_data_file(table.path, path, request.prefix)
                files.append(disks.enter_context(GuardedFile(path, "r+")))
            with ExitStack() as stack:
                writers = [
                    CoverageWriter(
                        stack.enter_context(h5py.File(file, "r+")),
                        request.prefix,
                        [report.track for report in reports],
                        [report.files for report in reports],
                        [report.strandedness for report in reports],
                        attributes,
                    )
                    for file in files
                ]
                total = sum(map(_bases, tasks))
                read = workers.read(tasks)
                done = progress.track(
                    "coverage", total, read, "bases", lambda item: _bases(item[0])
                )
                for task, values in done:
                    for region, own in zip(task.batch, values, strict=True):
                        _write_region(writers, task.track, region, own, reports[task.track])
                    for file in files:
                        file.check()
            if request.out_dir is not None:
                copy_junctions(tables, paths)
            for file, table, path in zip(files, tables, paths, strict=True):
                file.check()
                shutil.copymode(table.path, path)
    except (OSError, RuntimeError) as error:
        folder = request.out_dir or tables[0].path.parent
        raise HelixerFtError(
            f"{folder}: could not be written ({getattr(error, 'strerror', None) or error}). "
            "Nothing was changed there; free disk space, or give another --out-dir."
        ) from error


def _bases(task: TrackTask) -> int:
    return sum(region.end - region.start for region in task.batch)


def _write_region(
    writers: Sequence[CoverageWriter],
    track: int,
    region: Region,
    values: RegionCounts | RegionSignal,
    report: TrackReport,
) -> None:
    """Cut a region into rows, minus strand in reading direction."""
    spliced: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    if isinstance(values, RegionCounts):
        report.reads += values.reads
        coverage = tuple(steps.values() for steps in values.coverage)
        spliced = (values.spliced[0].values(), values.spliced[1].values())
    else:
        report.not_finite += values.not_finite
        coverage = values.coverage
    for file, row, start, end, strand in region.rows.tolist():
        part = slice(start - region.start, end - region.start)
        direction = slice(None, None, -1 if strand else 1)
        own = coverage[strand][part][direction]
        skipped = spliced[strand]
        if skipped is not None:
            skipped = skipped[part][direction]
        writers[file].write(row, track, own, skipped)
        report.count(own, skipped)
