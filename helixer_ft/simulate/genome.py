"""Sequences and gene models of a simulated species."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helixer_ft.errors import InputError
from helixer_ft.genome.annotation import Interval
from helixer_ft.genome.complement import COMPLEMENT
from helixer_ft.genome.intervals import gaps
from helixer_ft.simulate.sizes import MINIMUM_SEQUENCE_LENGTH
from helixer_ft.simulate.species import Species
from helixer_ft.simulate.transcript import FLANK, draw_length, draw_transcript, random_bases

LENGTH_VARIATION = 0.1


@dataclass(frozen=True)
class SimulatedGene:
    """A protein-coding gene with one transcript.

    Attributes
    ----------
    gene_id, seqid : str
    strand : str
        ``"+"`` or ``"-"``.
    start, end : int
        The transcript's span (and the gene's), 0-based, half-open, in bp on the plus strand.
    exons, cds : tuple of (int, int)
        Exons, and their coding parts (start and stop codon included), in the same coordinates
        and ascending on either strand.
    """

    gene_id: str
    seqid: str
    strand: str
    start: int
    end: int
    exons: tuple[Interval, ...]
    cds: tuple[Interval, ...]

    @property
    def introns(self) -> tuple[Interval, ...]:
        """The stretches between its exons, ascending."""
        return tuple(gaps(self.exons))


@dataclass(frozen=True)
class SimulatedGenome:
    """The sequences of one species and the genes on them.

    Attributes
    ----------
    species : str
        The species' name.
    sequences : dict of str to str
        Sequence name -> plus strand, of A, C, G, T and N.
    genes : tuple of SimulatedGene
        In the order of `sequences`, then by `start`.
    """

    species: str
    sequences: dict[str, str]
    genes: tuple[SimulatedGene, ...]


def reverse_complement(sequence: str) -> str:
    """Return the other strand, 5' to 3', of a sequence of A, C, G, T and N."""
    return sequence.encode("ascii").translate(COMPLEMENT)[::-1].decode("ascii")


def simulate(
    species: Species, n_sequences: int, sequence_length: int, seed: int
) -> SimulatedGenome:
    """Make a genome with known genes.

    Every sequence has a random stream of its own, from the seed, the species' name and the
    sequence's number: sequence 3 is the same however many sequences follow.

    Parameters
    ----------
    species : Species
        What the genome looks like.
    n_sequences : int
        Number of sequences, at least 1.
    sequence_length : int
        Mean length of the sequences in bp, at least 10,000; they vary by up to 10 % either way.
    seed : int
        At least 0. The same arguments give the same genome.

    Returns
    -------
    SimulatedGenome
        Genes on random strands, which neither overlap nor touch a sequence's end.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    if n_sequences < 1:
        raise InputError(f"a genome needs at least 1 sequence, not {n_sequences}")
    if sequence_length < MINIMUM_SEQUENCE_LENGTH:
        raise InputError(
            f"sequences of {sequence_length} bp are too short to hold genes: "
            f"ask for at least {MINIMUM_SEQUENCE_LENGTH} bp"
        )
    if seed < 0:
        raise InputError(f"the seed must be 0 or more, not {seed}")
    # Without the name, two species with the same seed would have genes at related places.
    root = np.random.SeedSequence([seed, zlib.crc32(species.name.encode())])
    sequences: dict[str, str] = {}
    genes: list[SimulatedGene] = []
    for number, stream in enumerate(root.spawn(n_sequences), start=1):
        rng = np.random.default_rng(stream)
        seqid = f"chr{number:02d}"
        variation = rng.uniform(-LENGTH_VARIATION, LENGTH_VARIATION)
        length = round(sequence_length * (1 + variation))
        sequences[seqid], on_sequence = _simulate_sequence(species, seqid, length, rng)
        genes += on_sequence
    return SimulatedGenome(species.name, sequences, tuple(genes))


def _simulate_sequence(
    species: Species, seqid: str, length: int, rng: np.random.Generator
) -> tuple[str, list[SimulatedGene]]:
    """Return the plus strand of one sequence of `length` bp, and its genes."""
    bases = random_bases(rng, species.intergenic, length)
    genes: list[SimulatedGene] = []
    previous_end = 0
    while True:
        transcript = draw_transcript(species, rng)
        start = previous_end + draw_length(species.gap_length, rng)
        end = start + transcript.length
        if end + species.gap_length.minimum > length:
            _mask_some(species, bases[previous_end:], rng)
            return bases.tobytes().decode("ascii"), genes
        _mask_some(species, bases[previous_end:start], rng)
        strand = "+" if rng.random() < 0.5 else "-"
        stretch, exons, cds = transcript.bases, transcript.exons, transcript.cds
        if strand == "-":
            stretch = stretch.translate(COMPLEMENT)[::-1]
            exons, cds = _mirror(exons, transcript.length), _mirror(cds, transcript.length)
        bases[start - FLANK : end + FLANK] = np.frombuffer(stretch, dtype=np.uint8)
        genes.append(
            SimulatedGene(
                gene_id=f"{seqid}_g{len(genes) + 1:04d}",
                seqid=seqid,
                strand=strand,
                start=start,
                end=end,
                exons=tuple((start + a, start + b) for a, b in exons),
                cds=tuple((start + a, start + b) for a, b in cds),
            )
        )
        previous_end = end


def _mirror(intervals: tuple[Interval, ...], length: int) -> tuple[Interval, ...]:
    """Return ascending `intervals` of a stretch of `length` bp, seen from its other strand."""
    return tuple((length - end, length - start) for start, end in reversed(intervals))


def _mask_some(species: Species, gap: npt.NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Now and then write a run of N into `gap`, in place, clear of the genes' flanks."""
    run = draw_length(species.n_run_length, rng)
    room = len(gap) - 2 * FLANK - run
    wanted = rng.random() < species.n_run_probability
    if wanted and room >= 0:
        first = FLANK + int(rng.integers(room + 1))
        gap[first : first + run] = ord("N")
