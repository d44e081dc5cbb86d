"""A species as data: what its genes and the sequence between them look like.

Weights over bases are always in the order A, C, G, T. They need not sum to one: they are
normalised when bases are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from helixer_ft.errors import InputError

BASES = "ACGT"

Weights = tuple[float, float, float, float]
"""Relative weights of A, C, G and T."""

Motif = tuple[Weights, ...]
"""A position weight matrix: one row of base weights per position, 5' to 3'."""

_IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "M": "AC", "K": "GT",
    "S": "CG", "W": "AT", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip

_AMINO_ACIDS = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF"
GENETIC_CODE = {
    "".join(codon): amino_acid
    for codon, amino_acid in zip(product(BASES, repeat=3), _AMINO_ACIDS, strict=True)
}
"""The standard genetic code: codon -> amino acid, ``*`` for a stop."""

STOP_CODONS = ("TAA", "TAG", "TGA")

# Rounded frequencies of an average eukaryotic proteome, in per cent.
AMINO_ACID_WEIGHTS = {
    "A": 7.5, "C": 1.8, "D": 5.4, "E": 6.3, "F": 3.9, "G": 6.6, "H": 2.4, "I": 5.4, "K": 6.0,
    "L": 9.3, "M": 2.2, "N": 4.3, "P": 5.2, "Q": 4.0, "R": 5.4, "S": 7.9, "T": 5.6, "V": 6.5,
    "W": 1.2, "Y": 3.0,
}  # fmt: skip


def composition(gc: float) -> Weights:
    """Return strand-symmetric base weights with the GC fraction `gc` (0 to 1)."""
    return ((1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2)


def consensus(pattern: str, fidelity: float = 1.0) -> Motif:
    """Return the weight matrix of an IUPAC consensus.

    Parameters
    ----------
    pattern : str
        IUPAC codes, 5' to 3', for example ``"CTRAY"``.
    fidelity : float
        Probability (0 to 1) that a position agrees with its code; the bases that agree share it
        equally, the others share the rest. A position ``N`` is uniform whatever the fidelity.

    Returns
    -------
    tuple of tuple of float
        One row of weights (A, C, G, T) per position.
    """
    rows = []
    for code in pattern:
        allowed = _IUPAC[code]
        others = (1 - fidelity) / (4 - len(allowed)) if len(allowed) < 4 else 0.0
        share = (fidelity if len(allowed) < 4 else 1.0) / len(allowed)
        a, c, g, t = (share if base in allowed else others for base in BASES)
        rows.append((a, c, g, t))
    return tuple(rows)


@dataclass(frozen=True)
class LengthRange:
    """A log-normal length in bp, cut off at both ends.

    Attributes
    ----------
    minimum, maximum : int
        Inclusive bounds, in bp; draws outside are drawn again.
    median : int
        Median of the uncut distribution, in bp.
    spread : float
        Standard deviation of the natural logarithm of the length.
    """

    minimum: int
    median: int
    maximum: int
    spread: float


@dataclass(frozen=True)
class Species:
    """Parameters of a simulated species.

    Attributes
    ----------
    name : str
        At most 25 ASCII characters (the width of the ``species`` dataset).
    intergenic : Weights
        Composition between genes.
    gap_length : LengthRange
        Distance between the transcripts of neighbouring genes, whatever their strands; at least
        100 bp, to hold the promoter of one gene and the downstream element of the other.
    n_run_probability : float
        Probability that a gap holds a run of ``N``.
    n_run_length : LengthRange
        Length of such a run.
    promoter : Motif
        Motif 25 to 35 bp upstream of the transcription start.
    utr5_length, utr3_length : LengthRange
        Lengths of the untranslated regions, introns excluded.
    utr5, utr3 : Weights
        Their compositions.
    utr5_intron_probability : float
        Probability that the 5' UTR holds an intron.
    start_upstream : Motif
        The bases just before the start codon (the Kozak context).
    start_downstream : Weights
        The base just after the start codon (position +4).
    exon_counts : tuple of float
        Weights of 1, 2, 3 ... coding exons.
    exon_length : LengthRange
        Length of the coding part of one exon, before its splice sites are moved, by up to 12 bp,
        to where the context fits; at least 30 bp.
    gc3 : float
        Weight of codons that end in C or G, against ``1 - gc3`` for the others.
    preferred_codons : str
        Codons, separated by blanks, that are favoured over their synonyms.
    codon_preference : float
        Factor by which they are favoured.
    stop_codons : tuple of float
        Weights of TAA, TAG and TGA.
    intron_length : LengthRange
        At least 60 bp.
    intron : Weights
        Composition between the splice signals.
    donor_exon, donor_intron : Motif
        Last bases of the exon, first bases of the intron (``GT...``).
    branch_point : Motif
        Branch point, upstream of the polypyrimidine tract.
    pyrimidine_tract_length : LengthRange
        Length of that tract; at most 25 bp.
    pyrimidine_tract : Weights
        Composition of that tract.
    acceptor_intron, acceptor_exon : Motif
        Last bases of the intron (``...AG``), first bases of the next exon.
    polya_signal : Motif
        Signal 15 to 25 bp before the transcript's end.
    downstream_element : Motif
        Motif 2 to 8 bp after the transcript's end.

    Raises
    ------
    InputError
        If a part is too short for the signals it must hold, or the name too long.
    """

    name: str
    intergenic: Weights
    gap_length: LengthRange
    n_run_probability: float
    n_run_length: LengthRange
    promoter: Motif
    utr5_length: LengthRange
    utr5: Weights
    utr5_intron_probability: float
    start_upstream: Motif
    start_downstream: Weights
    exon_counts: tuple[float, ...]
    exon_length: LengthRange
    gc3: float
    preferred_codons: str
    codon_preference: float
    stop_codons: tuple[float, float, float]
    intron_length: LengthRange
    intron: Weights
    donor_exon: Motif
    donor_intron: Motif
    branch_point: Motif
    pyrimidine_tract_length: LengthRange
    pyrimidine_tract: Weights
    acceptor_intron: Motif
    acceptor_exon: Motif
    utr3_length: LengthRange
    utr3: Weights
    polya_signal: Motif
    downstream_element: Motif

    def __post_init__(self) -> None:
        utr3_minimum = 25 + len(self.polya_signal)
        rules = {
            "name: at most 25 bytes": len(self.name.encode()) <= 25,
            "gap_length: at least 100 bp": self.gap_length.minimum >= 100,
            "exon_length: at least 30 bp": self.exon_length.minimum >= 30,
            "intron_length: at least 60 bp": self.intron_length.minimum >= 60,
            "pyrimidine_tract_length: at most 25 bp": self.pyrimidine_tract_length.maximum <= 25,
            "utr5_length: room for the start": self.utr5_length.minimum >= len(self.start_upstream),
            "utr3_length: room for the poly-A signal": self.utr3_length.minimum >= utr3_minimum,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InputError(f"simulated species {self.name!r} needs {rule}")

    def codon_usage(self) -> dict[str, float]:
        """Return the probability of each of the 61 sense codons, summing to 1.

        The frequencies of amino acids are fixed: `gc3`, `preferred_codons` and `codon_preference`
        only divide each among its synonymous codons.
        """
        preferred = set(self.preferred_codons.split())
        weights = {}
        for codon, amino_acid in GENETIC_CODE.items():
            if amino_acid != "*":
                weight = self.gc3 if codon[2] in "CG" else 1 - self.gc3
                weights[codon] = weight * (self.codon_preference if codon in preferred else 1.0)
        family = dict.fromkeys(AMINO_ACID_WEIGHTS, 0.0)
        for codon, weight in weights.items():
            family[GENETIC_CODE[codon]] += weight
        total = sum(AMINO_ACID_WEIGHTS.values())
        return {
            codon: weight / family[aa] * AMINO_ACID_WEIGHTS[aa] / total
            for codon, weight in weights.items()
            for aa in [GENETIC_CODE[codon]]
        }


SOURCE = Species(
    name="simulated_source",
    intergenic=composition(0.36),
    gap_length=LengthRange(120, 430, 2000, 0.6),
    n_run_probability=0.03,
    n_run_length=LengthRange(10, 40, 200, 0.6),
    promoter=consensus("TATAWAW", 0.9),
    utr5_length=LengthRange(30, 70, 300, 0.4),
    utr5=(0.34, 0.21, 0.14, 0.31),
    utr5_intron_probability=0.1,
    start_upstream=consensus("AAAMA", 0.7) + consensus("A", 0.6),
    start_downstream=(0.3, 0.15, 0.4, 0.15),
    exon_counts=(0.12, 0.22, 0.26, 0.2, 0.13, 0.07),
    exon_length=LengthRange(48, 210, 900, 0.5),
    gc3=0.36,
    preferred_codons="GCT TGT GAT GAA TTC GGA CAT ATT AAG CTT AAT CCA CAA AGA TCT ACT GTT TAC",
    codon_preference=2.5,
    stop_codons=(0.6, 0.18, 0.22),
    intron_length=LengthRange(60, 85, 400, 0.35),
    intron=(0.3, 0.13, 0.14, 0.43),
    donor_exon=consensus("MAG", 0.75),
    donor_intron=consensus("GT") + consensus("AAGT", 0.7),
    branch_point=consensus("NTNAN", 0.75),
    pyrimidine_tract_length=LengthRange(6, 9, 14, 0.3),
    pyrimidine_tract=(0.1, 0.12, 0.05, 0.73),
    acceptor_intron=consensus("TTNC", 0.8) + consensus("AG"),
    acceptor_exon=consensus("RT", 0.6),
    utr3_length=LengthRange(60, 150, 500, 0.4),
    utr3=(0.31, 0.15, 0.15, 0.39),
    polya_signal=consensus("AATAAA", 0.9),
    downstream_element=consensus("TTNTTGTT", 0.75),
)
"""An AT-rich species with short introns and weak polypyrimidine tracts."""

TARGET = replace(
    SOURCE,
    name="simulated_target",
    intergenic=composition(0.4),
    gap_length=LengthRange(120, 420, 2400, 0.6),
    promoter=consensus("TATAWAW", 0.8),
    utr5_length=LengthRange(50, 130, 500, 0.4),
    utr5=(0.29, 0.24, 0.18, 0.29),
    utr5_intron_probability=0.15,
    start_upstream=consensus("GCCRCC", 0.6),
    start_downstream=(0.18, 0.12, 0.58, 0.12),
    exon_counts=(0.15, 0.25, 0.27, 0.18, 0.1, 0.05),
    exon_length=LengthRange(48, 190, 900, 0.5),
    gc3=0.5,
    preferred_codons="GCC TGC GAC GAG TTC GGC CAC ATC AAG CTG AAC CCC CAG CGC AGC ACC GTG TAC",
    codon_preference=2.0,
    stop_codons=(0.27, 0.25, 0.48),
    intron_length=LengthRange(60, 140, 400, 0.45),
    intron=(0.29, 0.15, 0.16, 0.4),
    donor_exon=consensus("CAG", 0.55),
    donor_intron=consensus("GT") + consensus("GAGT", 0.65),
    branch_point=consensus("YTRAY", 0.9),
    pyrimidine_tract_length=LengthRange(12, 17, 25, 0.3),
    pyrimidine_tract=(0.08, 0.3, 0.06, 0.56),
    acceptor_intron=consensus("YNC", 0.75) + consensus("AG"),
    acceptor_exon=consensus("GN", 0.6),
    utr3_length=LengthRange(80, 210, 700, 0.4),
    utr3=(0.29, 0.16, 0.17, 0.38),
    polya_signal=consensus("AATAAA", 0.8),
    downstream_element=consensus("TGTGTTGG", 0.7),
)
"""GC-richer, with longer introns and UTRs; close enough for a model of `SOURCE` to be useful."""
