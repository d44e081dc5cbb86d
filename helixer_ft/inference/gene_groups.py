"""Gene models of several groups of sequences at once: HelixerPost itself uses one core.

It treats each sequence by itself, so that the genes are those of one call.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from helixer_ft.errors import Interrupted
from helixer_ft.formats import atomic
from helixer_ft.formats.data_h5 import DataFile
from helixer_ft.formats.predictions_h5 import DATASETS
from helixer_ft.formats.row_views import write_row_view
from helixer_ft.inference.gff3 import (
    REGION,
    GeneModels,
    HelixerPost,
    make_gene_models,
    write_gene_models,
)
from helixer_ft.inference.request import HelixerPostSettings
from helixer_ft.inference.shares import Span
from helixer_ft.progress import Progress
from helixer_ft.runtime.parallel import default_threads

LEAST_BASES = 1_000_000
"""Bases of a group, both strands: less does not pay for the start of a process."""
_GROUPS_PER_CORE = 4
_ROWS = ("data/X", "data/seqids", "data/species", "data/start_ends")


def write_genes_in_groups(
    helixerpost: HelixerPost,
    data: Path,
    predictions: Path,
    gff3_out: Path,
    settings: HelixerPostSettings,
    scratch: Path,
    progress: Progress,
    *,
    force: bool = False,
) -> GeneModels:
    """Run HelixerPost on as many groups at once as there are cores; see `write_gene_models`.

    Parameters
    ----------
    helixerpost, data, predictions, gff3_out, settings, force
        See there.
    scratch
        Folder for files of the groups.
    progress
        Reports the rows whose genes are there; asked whether to stop.
    """
    threads = default_threads()
    file = DataFile(data, labels=False)
    groups = sequence_groups(
        np.array(file.seqids),
        max(1, LEAST_BASES // file.length, file.n_rows // (_GROUPS_PER_CORE * threads)),
    )
    if len(groups) == 1 or threads == 1:
        files = helixerpost, data, predictions, gff3_out, settings
        return write_gene_models(*files, force=force, stop=progress.interrupted)
    started = time.perf_counter()
    failed = threading.Event()

    def make(number: int) -> tuple[int, int, int]:
        """Rows of a group, and its genes on either strand."""
        first, end = groups[number]
        own_data, own_predictions = (scratch / f"{number}.{kind}.h5" for kind in ("data", "rows"))
        write_row_view(own_data, data, _ROWS, first, end)
        write_row_view(own_predictions, predictions, DATASETS, first, end)
        plus, minus = make_gene_models(
            helixerpost,
            own_data,
            own_predictions,
            _part(scratch, number),
            gff3_out,
            settings,
            lambda: failed.is_set() or progress.interrupted(),
        )
        return end - first, plus, minus

    with atomic.staged_file(gff3_out, force=force) as partial:
        counts = _at_once(make, len(groups), threads, file.n_rows, failed, progress)
        _join([_part(scratch, number) for number in range(len(groups))], partial)
    plus, minus = np.array(counts)[:, 1:].sum(axis=0).tolist()
    return GeneModels(gff3_out, plus, minus, time.perf_counter() - started)


def sequence_groups(seqids: np.ndarray, least: int) -> list[Span]:
    """Rows of whole sequences that follow one another, at least so many; the last may be fewer."""
    groups, first = [], 0
    for end in [*(np.flatnonzero(seqids[1:] != seqids[:-1]) + 1).tolist(), len(seqids)]:
        if end - first >= least or end == len(seqids):
            groups.append((first, end))
            first = end
    return groups


def _at_once(
    make: Callable[[int], tuple[int, int, int]],
    count: int,
    threads: int,
    rows: int,
    failed: threading.Event,
    progress: Progress,
) -> list[tuple[int, int, int]]:
    """What `make` returns for each group; where one fails, the others are stopped."""
    progress.start("making gene models", rows)
    errors: list[BaseException] = []
    counts = []
    try:
        with ThreadPoolExecutor(threads, "genes") as pool:
            futures = [pool.submit(make, number) for number in range(count)]
            try:
                for future in as_completed(futures):
                    if error := future.exception():
                        errors.append(error)
                        failed.set()
                    else:
                        counts.append(future.result())
                        progress.advance(counts[-1][0])
            finally:
                failed.set()
    finally:
        progress.finish()
    if errors:
        raise next((e for e in errors if not isinstance(e, Interrupted)), errors[0])
    return counts


def _part(scratch: Path, number: int) -> Path:
    return scratch / f"{number}.gff3"


def _join(parts: list[Path], path: Path) -> None:
    """Write the files of the groups one after the other, the first one's header before them."""
    with open(path, "wb") as out:
        for number, part in enumerate(parts):
            out.writelines(_lines(part, with_header=number == 0))
            part.unlink()


def _lines(path: Path, *, with_header: bool) -> Iterator[bytes]:
    """The lines of a GFF3 file, with or without those before the first sequence."""
    with open(path, "rb") as file:
        for line in file:
            with_header = with_header or line.startswith(REGION) or not line.startswith(b"#")
            if with_header:
                yield line
