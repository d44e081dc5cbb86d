"""One gene on its own strand: lengths, mRNA, splice sites, and the signals around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from helixer_ft.simulate.species import BASES, STOP_CODONS, LengthRange, Motif, Species, Weights

Bases = npt.NDArray[np.uint8]
"""ASCII codes of A, C, G and T."""

FLANK = 50
"""Bases drawn on either side of a transcript, for the signals outside it."""

GENE_LENGTHS = (800, 4000)
"""Shortest and longest transcript span, introns included, in bp."""

_LETTERS = np.frombuffer(BASES.encode(), dtype=np.uint8)
_JUNCTION_REACH = 12  # bp by which a junction may move to where its context fits
_UTR_MARGIN = 12  # bp of 5' UTR that an intron leaves on either side


@dataclass(frozen=True)
class Transcript:
    """A transcript and its flanks, 5' to 3'.

    Attributes
    ----------
    bases : bytes
        Flank, transcript (introns included), flank; ASCII.
    length : int
        Span of the transcript in bp, without the flanks.
    exons, cds : tuple of (int, int)
        0-based, half-open, counted from the transcript's start.
    """

    bases: bytes
    length: int
    exons: tuple[tuple[int, int], ...]
    cds: tuple[tuple[int, int], ...]


def random_bases(rng: np.random.Generator, weights: Weights, n: int) -> Bases:
    """Draw `n` independent bases; returns ASCII codes, (n,) uint8."""
    thresholds = np.cumsum(weights)[:3] / sum(weights)
    return _LETTERS[np.searchsorted(thresholds, rng.random(n), side="right")]


def random_motif(rng: np.random.Generator, motif: Motif) -> Bases:
    """Draw one occurrence of `motif`; returns ASCII codes, (len(motif),) uint8."""
    rows = [random_bases(rng, weights, 1) for weights in motif]
    return np.concatenate(rows) if rows else np.empty(0, dtype=np.uint8)


def draw_length(lengths: LengthRange, rng: np.random.Generator) -> int:
    """Draw one length in bp."""
    while True:
        length = round(lengths.median * float(np.exp(lengths.spread * rng.standard_normal())))
        if lengths.minimum <= length <= lengths.maximum:
            return length


def draw_transcript(species: Species, rng: np.random.Generator) -> Transcript:
    """Draw one gene whose span lies within `GENE_LENGTHS`.

    The coding sequence starts with ATG, ends with its only in-frame stop, and no intron splits
    either of these two codons.
    """
    plan = _draw_plan(species, rng)
    n_codons = sum(plan.exon_lengths) // 3
    utr5 = random_bases(rng, species.utr5, plan.utr5_length)
    context = random_motif(rng, species.start_upstream)
    utr5[len(utr5) - len(context) :] = context
    cds = _draw_cds(species, n_codons, rng)
    mrna = np.concatenate([utr5, cds, _draw_utr3(species, plan.utr3_length, rng)])
    cds_start, cds_end = len(utr5), len(utr5) + len(cds)

    junctions = []
    if plan.utr5_intron:
        high = plan.utr5_length - _UTR_MARGIN
        junctions.append(_choose_junction(species, mrna, _UTR_MARGIN, high, rng))
    for offset in np.cumsum(plan.exon_lengths[:-1]):
        # Exons are long enough for junctions to keep their order and to split no start or stop.
        at = cds_start + int(offset)
        low, high = at - _JUNCTION_REACH, at + _JUNCTION_REACH
        junctions.append(_choose_junction(species, mrna, low, high, rng))

    edges = [0, *junctions, len(mrna)]
    pieces: list[Bases] = [_flank(species, rng, upstream=True)]
    exons: list[tuple[int, int]] = []
    coding: list[tuple[int, int]] = []
    shift = 0
    for number, (left, right) in enumerate(pairwise(edges)):
        if number:
            intron = _draw_intron(species, plan.intron_lengths[number - 1], rng)
            pieces.append(intron)
            shift += len(intron)
        pieces.append(mrna[left:right])
        exons.append((left + shift, right + shift))
        first, last = max(left, cds_start), min(right, cds_end)
        if first < last:
            coding.append((first + shift, last + shift))
    pieces.append(_flank(species, rng, upstream=False))
    return Transcript(
        np.concatenate(pieces).tobytes(), len(mrna) + shift, tuple(exons), tuple(coding)
    )


@dataclass(frozen=True)
class _Plan:
    """Lengths of a gene's parts, in bp; one intron per junction, the UTR's first."""

    utr5_length: int
    utr3_length: int
    utr5_intron: bool
    exon_lengths: tuple[int, ...]
    intron_lengths: tuple[int, ...]


def _draw_plan(species: Species, rng: np.random.Generator) -> _Plan:
    """Draw lengths until the gene's span lies within `GENE_LENGTHS`."""
    counts = np.asarray(species.exon_counts) / sum(species.exon_counts)
    while True:
        n_exons = 1 + int(rng.choice(len(counts), p=counts))
        utr5_length = draw_length(species.utr5_length, rng)
        utr3_length = draw_length(species.utr3_length, rng)
        wanted = rng.random() < species.utr5_intron_probability
        utr5_intron = wanted and utr5_length >= 2 * _UTR_MARGIN + len(species.start_upstream)
        exon_lengths = [draw_length(species.exon_length, rng) for _ in range(n_exons)]
        exon_lengths[-1] -= sum(exon_lengths) % 3
        n_introns = n_exons - 1 + utr5_intron
        introns = [draw_length(species.intron_length, rng) for _ in range(n_introns)]
        span = utr5_length + utr3_length + sum(exon_lengths) + sum(introns)
        if GENE_LENGTHS[0] <= span <= GENE_LENGTHS[1]:
            return _Plan(utr5_length, utr3_length, utr5_intron, tuple(exon_lengths), tuple(introns))


@lru_cache(maxsize=8)
def _codon_table(species: Species) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return the sense codons, (61, 3) ASCII, and their probabilities, (61,)."""
    usage = species.codon_usage()
    codons = np.frombuffer("".join(usage).encode(), dtype=np.uint8).reshape(-1, 3)
    return codons, np.array(list(usage.values()))


def _draw_cds(species: Species, n_codons: int, rng: np.random.Generator) -> Bases:
    """Draw a coding sequence of `n_codons` codons, start and stop included."""
    codons, usage = _codon_table(species)
    inner = rng.choice(len(codons), size=n_codons - 2, p=usage)
    # The second codon is drawn again, to agree with the start context.
    after_start = usage * np.asarray(species.start_downstream)[_base_index(codons[:, 0])]
    inner[0] = rng.choice(len(codons), p=after_start / after_start.sum())
    stops = np.asarray(species.stop_codons) / sum(species.stop_codons)
    stop = STOP_CODONS[int(rng.choice(len(STOP_CODONS), p=stops))]
    start, end = (np.frombuffer(codon.encode(), dtype=np.uint8) for codon in ("ATG", stop))
    return np.concatenate([start, codons[inner].ravel(), end])


def _draw_utr3(species: Species, length: int, rng: np.random.Generator) -> Bases:
    """Draw a 3' UTR with its poly-A signal 15 to 25 bp before the end."""
    utr3 = random_bases(rng, species.utr3, length)
    signal = random_motif(rng, species.polya_signal)
    end = length - int(rng.integers(15, 26))
    utr3[end - len(signal) : end] = signal
    return utr3


def _draw_intron(species: Species, length: int, rng: np.random.Generator) -> Bases:
    """Draw an intron: donor, body, branch point, a short spacer, pyrimidine tract, acceptor."""
    intron = random_bases(rng, species.intron, length)
    donor = random_motif(rng, species.donor_intron)
    intron[: len(donor)] = donor
    tract_length = draw_length(species.pyrimidine_tract_length, rng)
    tail = (
        random_motif(rng, species.branch_point),
        random_bases(rng, species.intron, int(rng.integers(2, 8))),
        random_bases(rng, species.pyrimidine_tract, tract_length),
        random_motif(rng, species.acceptor_intron),
    )
    intron[length - sum(map(len, tail)) :] = np.concatenate(tail)
    return intron


def _choose_junction(
    species: Species, mrna: Bases, low: int, high: int, rng: np.random.Generator
) -> int:
    """Choose where in ``low..high`` to put an intron, by how well the exon sides fit.

    The sequence is not changed to suit the junction. The probability of a place is proportional
    to that of the bases around it under the exonic parts of both splice site matrices.
    """
    places = np.arange(low, high + 1)
    index = _base_index(mrna)
    fit = np.ones(len(places))
    for offset, weights in enumerate(species.donor_exon, start=-len(species.donor_exon)):
        fit *= np.asarray(weights)[index[places + offset]]
    for offset, weights in enumerate(species.acceptor_exon):
        fit *= np.asarray(weights)[index[places + offset]]
    total = fit.sum()
    return int(rng.choice(places, p=fit / total if total else None))


def _flank(species: Species, rng: np.random.Generator, *, upstream: bool) -> Bases:
    """Draw `FLANK` bases: upstream, with the promoter, or downstream, with its element."""
    flank = random_bases(rng, species.intergenic, FLANK)
    motif = random_motif(rng, species.promoter if upstream else species.downstream_element)
    first = FLANK - int(rng.integers(25, 36)) if upstream else int(rng.integers(2, 9))
    flank[first : first + len(motif)] = motif
    return flank


def _base_index(bases: Bases) -> npt.NDArray[np.intp]:
    """Return the index into A, C, G, T of each ASCII base."""
    return np.searchsorted(_LETTERS, bases)
