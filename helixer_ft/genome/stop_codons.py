"""Stop codons outside the CDS, as GTF and some writers of GFF3 have them, taken in.

By the lines that name them; or, where CDS end right before a stop codon, by the bases.
"""

from dataclasses import replace

import numpy as np

from helixer_ft.genome.annotation import Interval, Transcript
from helixer_ft.genome.codons import CODON, STOP_CODONS, spliced
from helixer_ft.genome.intervals import span


def with_stop_codon(transcript: Transcript, strand: str, stops: list[Interval]) -> Transcript:
    """Return a coding transcript with a stop codon in CDS and exons; itself if that has it.

    Parameters
    ----------
    transcript
        With CDS.
    strand
        "+" or "-".
    stops
        (start, end) of the codon, or of its two or three parts around introns, sorted. What does
        not follow the CDS, across introns at most, is not taken in.
    """
    first, last = transcript.cds[0][0], max(end for _, end, _ in transcript.cds)
    forward = strand == "+"
    gap = (last, stops[0][0]) if forward else (stops[-1][1], first)
    if gap[1] < gap[0] or span(stops) > CODON:
        return transcript
    if gap[0] < gap[1] and any(s < gap[1] and e > gap[0] for s, e in transcript.exons):
        return transcript
    cds = list(transcript.cds if forward else transcript.cds[::-1])
    exons = list(transcript.exons)
    left = span(stops)
    for start, end in stops if forward else stops[::-1]:
        before, after, phase = cds[-1]
        if start == after or end == before:
            cds[-1] = min(start, before), max(end, after), phase
        else:
            cds.append((start, end, left % CODON))
        left -= end - start
        _cover(exons, (start, end))
    return replace(
        transcript,
        start=min(transcript.start, stops[0][0]),
        end=max(transcript.end, stops[-1][1]),
        exons=tuple(sorted(exons)),
        cds=tuple(sorted(cds)),
    )


def _cover(exons: list[Interval], part: Interval) -> None:
    """Widen the exon that a part touches, or add an exon, unless one holds it."""
    start, end = part
    if any(first <= start and end <= last for first, last in exons):
        return
    for i, (first, last) in enumerate(exons):
        if first <= end and start <= last:
            exons[i] = min(first, start), max(last, end)
            return
    exons.append(part)


def stop_codon_behind(bases: np.ndarray, transcript: Transcript, strand: str) -> list[Interval]:
    """Where a stop codon follows a CDS, along the exons or else along the genome; empty if none.

    Parameters
    ----------
    bases
        (n,) uint8, ASCII, upper case: the plus strand.
    transcript
        With CDS.
    strand
        "+" or "-".
    """
    forward = strand == "+"
    position = transcript.cds[-1][1] if forward else transcript.cds[0][0]
    straight = (position, position + CODON) if forward else (position - CODON, position)
    for places in (_along_exons(transcript, position, forward), [straight]):
        if (
            span(places) == CODON
            and places[0][0] >= 0
            and places[-1][1] <= len(bases)
            and spliced(bases, strand, places).tobytes() in STOP_CODONS
        ):
            return places
    return []


def _along_exons(transcript: Transcript, position: int, forward: bool) -> list[Interval]:
    """The next three bases of a transcript, as far as its exons have them."""
    found: list[Interval] = []
    left = CODON
    for start, end in transcript.exons if forward else transcript.exons[::-1]:
        start, end = (max(start, position), end) if forward else (start, min(end, position))
        taken = min(left, end - start)
        if taken > 0:
            found.append((start, start + taken) if forward else (end - taken, end))
            left -= taken
    return sorted(found)
