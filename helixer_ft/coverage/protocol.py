"""How a library keeps strands: what its reads show over the labelled genes."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from helixer_ft.coverage.alignments import open_alignments, read_blocks
from helixer_ft.coverage.regions import RowTable
from helixer_ft.coverage.request import AUTO, UNSTRANDED
from helixer_ft.coverage.strandedness import ENOUGH_READS, STRANDED_SHARE, Evidence
from helixer_ft.errors import InputError
from helixer_ft.progress import Progress

_READS_WANTED = 20_000
"""Within genes; windows are looked at, in random order, until they are found."""
_READS_PER_WINDOW = 20_000
_SEED = 0
_MIXED = 0.65
"""An unstranded library has a forward share near a half, not beyond this."""

Tell = Callable[[str], None]


def gather_evidence(
    tables: Sequence[RowTable], path: Path, index: Path, progress: Progress
) -> Evidence | None:
    """Compare reads with the labelled genes.

    Returns
    -------
    Evidence or None
        None: no file has labels.
    """
    windows = _windows(tables)
    if windows is None:
        return None
    evidence = Evidence()
    order = np.random.default_rng(_SEED).permutation(len(windows))
    with open_alignments(path, index) as file:
        for i in progress.track(f"strands of {path.name}", len(order), order.tolist(), "windows"):
            table, plus, minus = windows[i]
            start, end = table.start_ends[plus].tolist()
            reads = read_blocks(file, table.seqids[plus], start, end)
            genic = table.genic(plus), table.genic(minus)[::-1]
            evidence.add(islice(reads, _READS_PER_WINDOW), start, genic)
            if evidence.reads >= _READS_WANTED:
                break
    return evidence


def decide(path: Path, asked: str, evidence: Evidence | None, notice: Tell, warn: Tell) -> str:
    """The protocol to count by; `notice` and `warn` are told what it is based on.

    Raises
    ------
    InputError
        "auto", and no labels or too few reads within genes to tell.
    """
    if evidence is None:
        if asked == AUTO:
            raise InputError(
                f"{path}: its strandedness cannot be determined, because the data have no labels. "
                "Give --strandedness reverse (dUTP), forward or unstranded, as for the data that "
                "the model was trained on."
            )
        notice(f"{path.name}: counted as {asked}; without labels that cannot be checked")
        return asked
    few = evidence.reads < ENOUGH_READS
    if asked == AUTO:
        if few:
            raise InputError(
                f"{path}: its strandedness cannot be determined, because only "
                f"{evidence.reads} reads lie within the annotated genes, expected at least "
                f"{ENOUGH_READS}. Is this the genome that the reads were aligned to? If so, give "
                "--strandedness reverse (dUTP), forward or unstranded."
            )
        notice(f"{path.name}: {evidence.protocol} ({evidence.text()})")
        if evidence.protocol == UNSTRANDED and not 1 - _MIXED < evidence.forward_share < _MIXED:
            warn(
                f"{path.name}: taken as unstranded, but strands are uneven "
                f"({evidence.text()}): a mixture of libraries? --strandedness overrides this"
            )
        return evidence.protocol
    if few:
        warn(
            f"{path.name}: only {evidence.reads} reads lie within the annotated genes, so "
            f"'{asked}' could not be checked. Is this the genome that the reads were aligned to?"
        )
    else:
        compare(path, asked, evidence, notice, warn)
    return asked


def compare(path: Path, asked: str, evidence: Evidence, notice: Tell, warn: Tell) -> None:
    """Tell whether the reads show the protocol that was asked for."""
    if asked != UNSTRANDED and evidence.agreement(asked) < STRANDED_SHARE:
        warn(
            f"{path.name}: --strandedness {asked} contradicts the reads: "
            f"{evidence.agreement(asked):.1%} of them agree with it; they look "
            f"{evidence.protocol} ({evidence.text()})"
        )
    elif asked == UNSTRANDED and evidence.protocol != UNSTRANDED:
        warn(
            f"{path.name}: --strandedness unstranded discards the strand information of the reads, "
            f"which look {evidence.protocol} ({evidence.text()})"
        )
    else:
        notice(f"{path.name}: {asked}, as the reads show ({evidence.text()})")


def _windows(tables: Sequence[RowTable]) -> list[tuple[RowTable, int, int]] | None:
    """(file, plus row, minus row) of all windows that may have genes; None without labels."""
    if all(table.with_genes is None for table in tables):
        return None
    windows = []
    for table in tables:
        if table.with_genes is None:
            continue
        places = list(zip(table.seqids, *table.start_ends.T.tolist(), strict=True))
        rows = {place: row for row, place in enumerate(places)}
        for row, (seqid, start, end) in enumerate(places):
            other = rows.get((seqid, end, start))
            if start < end and other is not None and table.with_genes[[row, other]].any():
                windows.append((table, row, other))
    return windows
