"""Gene models -> labels, in Helixer's conventions, for genes without errors.

Labels are made per strand and in its reading direction, then cut into windows. Every gene here
is complete (both UTRs, start and stop codon), so nothing is masked; the genes of one strand must
neither overlap nor touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from helixer_ft.errors import InputError
from helixer_ft.simulate.genome import Gene, Genome, Interval

Array = npt.NDArray[np.generic]

POOL_SIZE = 9
"""Bases that a Helixer network pools into one step."""

INTERGENIC, UTR, CDS, INTRON = range(4)

NO_PHASE = 0  # column of `phases`; phase p stands in column p + 1

# Columns of `transitions`: where something begins at its lower coordinate, or ends at its higher.
_BEGIN = {"transcript": 0, "cds": 1, "intron": 2}
_END = {"transcript": 3, "cds": 4, "intron": 5}

_SEQID_BYTES, _SPECIES_BYTES = 50, 25


@dataclass(frozen=True)
class StrandLabels:
    """Labels of one strand, first base 5'.

    Attributes
    ----------
    y : (n, 4) int8
        One-hot intergenic, UTR, CDS, intron.
    phases : (n, 4) int8
        One-hot none, 0, 1, 2: bases to the start of the next codon. The bases of a codon have
        the phases 0, 2, 1.
    transitions : (n, 6) int8
        Transcript, CDS, intron begin at the lower genomic coordinate; the same end at the
        higher. Both bases at a boundary are marked. On the minus strand the first three are
        therefore biological ends.
    gene_lengths : (n,) uint32
        Span in bp, introns included, of the gene over the base; 0 outside genes.
    """

    y: npt.NDArray[np.int8]
    phases: npt.NDArray[np.int8]
    transitions: npt.NDArray[np.int8]
    gene_lengths: npt.NDArray[np.uint32]

    def reversed(self) -> StrandLabels:
        """Return the same labels with the positions, not the columns, in reverse order."""
        return StrandLabels(
            y=self.y[::-1],
            phases=self.phases[::-1],
            transitions=self.transitions[::-1],
            gene_lengths=self.gene_lengths[::-1],
        )


def label_strand(genes: Sequence[Gene], length: int, strand: str) -> StrandLabels:
    """Label one strand of one sequence.

    Parameters
    ----------
    genes : sequence of Gene
        The genes of the sequence; those of the other strand are passed over.
    length : int
        Length of the sequence in bp.
    strand : str
        ``"+"`` or ``"-"``.

    Returns
    -------
    StrandLabels
        In the strand's reading direction: for ``"-"`` the first row is the sequence's last base.

    Raises
    ------
    InputError
        If genes of the strand overlap or touch, or leave the sequence.
    """
    chosen = sorted((gene for gene in genes if gene.strand == strand), key=lambda g: g.start)
    _check_apart(chosen, length)
    classes = np.full(length, INTERGENIC)
    phase_columns = np.full(length, NO_PHASE)
    transitions = np.zeros((length, 6), dtype=np.int8)
    gene_lengths = np.zeros(length, dtype=np.uint32)
    for gene in chosen:
        gene_lengths[gene.start : gene.end] = gene.end - gene.start
        classes[gene.start : gene.end] = UTR
        for start, end in gene.cds:
            classes[start:end] = CDS
        for start, end in gene.introns:
            classes[start:end] = INTRON
            _mark(transitions, "intron", start, end)
        _mark(transitions, "transcript", gene.start, gene.end)
        _mark(transitions, "cds", gene.cds[0][0], gene.cds[-1][1])
        coding = np.concatenate([np.arange(start, end) for start, end in gene.cds])
        if strand == "-":
            coding = coding[::-1]
        phase_columns[coding] = 1 + -np.arange(len(coding)) % 3
    labels = StrandLabels(
        y=np.eye(4, dtype=np.int8)[classes],
        phases=np.eye(4, dtype=np.int8)[phase_columns],
        transitions=transitions,
        gene_lengths=gene_lengths,
    )
    return labels if strand == "+" else labels.reversed()


def cds_phases(gene: Gene) -> tuple[int, ...]:
    """Return the phase of the 5'-most base of each CDS piece, in the order of ``gene.cds``."""
    pieces = gene.cds if gene.strand == "+" else gene.cds[::-1]
    phases = []
    before = 0
    for start, end in pieces:
        phases.append(-before % 3)
        before += end - start
    return tuple(phases if gene.strand == "+" else reversed(phases))


def encode_bases(sequence: str) -> npt.NDArray[np.float16]:
    """Return the network input of a sequence: (n, 4) float16, columns C A T G, N all 0.25."""
    table = np.zeros((256, 4), dtype=np.float16)
    for column, base in enumerate(b"CATG"):
        table[base, column] = 1
    table[ord("N")] = 0.25
    return table[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]


def window_bounds(length: int, subsequence_length: int) -> list[Interval]:
    """Return the windows of a sequence of `length` bp; the last one may be shorter."""
    starts = range(0, length, subsequence_length)
    return [(start, min(start + subsequence_length, length)) for start in starts]


def label_genome(genome: Genome, subsequence_length: int) -> dict[str, Array]:
    """Label a genome and cut it into rows, as Helixer's training data has them.

    Parameters
    ----------
    genome : Genome
        Sequences of A, C, G, T and N, with complete genes; at least one sequence.
    subsequence_length : int
        Length L of a row in bp: a positive multiple of 9, the bases that the network pools into
        one step.

    Returns
    -------
    dict of str to array
        Name of the dataset in group ``data`` -> array. N rows: sequences by descending length
        (of equal length those with genes first), in each the plus strand's windows 5' to 3',
        then the minus strand's 5' to 3'. A short window is padded at the end of its row, with
        zeros, on both strands.

        ``X`` (N, L, 4) float16; ``y``, ``phases`` (N, L, 4) int8; ``transitions`` (N, L, 6)
        int8; ``sample_weights`` (N, L) int8; ``gene_lengths`` (N, L) uint32; ``err_samples``
        (any valid base), ``fully_intergenic_samples``, ``is_annotated`` (N,) bool; ``seqids``
        (N,) S50; ``species`` (N,) S25; ``start_ends`` (N, 2) int64, start > end on the minus
        strand.

    Raises
    ------
    InputError
        For an unusable `subsequence_length`, a name too long for its dataset, no sequence, or
        genes of one strand that overlap or touch.
    """
    check_subsequence_length(subsequence_length)
    if not genome.sequences:
        raise InputError("a genome without sequences has nothing to label")
    _check_width("species", genome.species, _SPECIES_BYTES)
    genes: dict[str, list[Gene]] = {seqid: [] for seqid in genome.sequences}
    for gene in genome.genes:
        genes[gene.seqid].append(gene)
    order = sorted(genome.sequences, key=lambda s: (-len(genome.sequences[s]), not genes[s]))
    parts = [
        _label_sequence(seqid, genome.sequences[seqid], genes[seqid], subsequence_length)
        for seqid in order
    ]
    rows: dict[str, Array] = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0]
    }
    rows["species"] = np.full(len(rows["seqids"]), genome.species.encode(), f"S{_SPECIES_BYTES}")
    return rows


def check_subsequence_length(subsequence_length: int) -> None:
    """Raise InputError unless the length is a positive multiple of the pool size."""
    if subsequence_length <= 0 or subsequence_length % POOL_SIZE:
        raise InputError(
            f"the subsequence length must be a positive multiple of {POOL_SIZE}, because Helixer "
            f"pools {POOL_SIZE} bases per step; {subsequence_length} is not"
        )


def _label_sequence(
    seqid: str, sequence: str, genes: Sequence[Gene], subsequence_length: int
) -> dict[str, Array]:
    """Return the rows of one sequence, as `label_genome` but for ``species``."""
    _check_width("seqids", seqid, _SEQID_BYTES)
    bounds = window_bounds(len(sequence), subsequence_length)
    x = encode_bases(sequence)
    strands = []
    for strand in "+-":
        labels = label_strand(genes, len(sequence), strand)
        per_base: dict[str, Array] = {
            # C A T G backwards is its own complement.
            "X": x if strand == "+" else x[::-1, ::-1],
            "y": labels.y,
            "phases": labels.phases,
            "transitions": labels.transitions,
            "sample_weights": np.ones(len(sequence), dtype=np.int8),
            "gene_lengths": labels.gene_lengths,
        }
        # In reading direction; the short window at the higher coordinates comes first on minus.
        lengths = [end - start for start, end in bounds][:: 1 if strand == "+" else -1]
        strands.append(
            {name: _cut(array, lengths, subsequence_length) for name, array in per_base.items()}
        )
    rows = {name: np.concatenate([strand[name] for strand in strands]) for name in strands[0]}
    n_rows = 2 * len(bounds)
    start_ends = np.array(bounds, dtype=np.int64)
    rows["err_samples"] = np.not_equal(rows["sample_weights"], 0).any(axis=1)
    rows["fully_intergenic_samples"] = np.equal(rows["y"][:, :, INTERGENIC], 1).all(axis=1)
    rows["is_annotated"] = np.full(n_rows, bool(genes))
    rows["seqids"] = np.full(n_rows, seqid.encode(), dtype=f"S{_SEQID_BYTES}")
    rows["start_ends"] = np.concatenate([start_ends, start_ends[::-1, ::-1]])
    return rows


def _cut(array: Array, lengths: Sequence[int], subsequence_length: int) -> Array:
    """Cut (n, ...) into (len(lengths), subsequence_length, ...), zeros after a short piece."""
    rows = np.zeros((len(lengths), subsequence_length, *array.shape[1:]), dtype=array.dtype)
    start = 0
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = array[start : start + length]
        start += length
    return rows


def _mark(transitions: npt.NDArray[np.int8], what: str, start: int, end: int) -> None:
    """Mark both bases at either boundary of ``[start, end)``; a sequence's end is no boundary."""
    for column, boundary in ((_BEGIN[what], start), (_END[what], end)):
        if 0 < boundary < len(transitions):
            transitions[boundary - 1 : boundary + 1, column] = 1


def _check_apart(genes: Sequence[Gene], length: int) -> None:
    """Raise InputError unless the genes, sorted by start, lie apart within the sequence."""
    end = -1
    for gene in genes:
        if gene.start <= end or not 0 <= gene.start < gene.end <= length:
            raise InputError(
                f"gene {gene.gene_id} ({gene.seqid}:{gene.start}-{gene.end}) overlaps or touches "
                f"its neighbour on the {gene.strand} strand, or leaves the sequence of {length} bp"
            )
        end = gene.end


def _check_width(what: str, name: str, width: int) -> None:
    """Raise InputError if a name does not fit its fixed-width dataset."""
    if len(name.encode()) > width:
        raise InputError(f"{name!r} is longer than the {width} bytes of the {what} dataset")
