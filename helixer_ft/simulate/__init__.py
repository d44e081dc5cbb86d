"""Small simulated species with known genes: sequences and gene models, prepared for training.

Everything follows from one seed. Two species share the logic of a gene but differ in codon
usage, splice context, introns, UTRs and composition, so that a model trained on `SOURCE` has
something to learn from `TARGET`. ``python -m helixer_ft.simulate --help`` writes one to disk.
"""

from helixer_ft.simulate.files import write_species
from helixer_ft.simulate.genome import SimulatedGene, SimulatedGenome, simulate
from helixer_ft.simulate.species import SOURCE, TARGET, Species

__all__ = [
    "SOURCE",
    "TARGET",
    "SimulatedGene",
    "SimulatedGenome",
    "Species",
    "simulate",
    "write_species",
]
