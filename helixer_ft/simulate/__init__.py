"""Small simulated species with known genes: sequences and gene models, prepared for training.

Everything follows from one seed. Genes of both species are built alike, but differ in codon
usage, splice context, introns, UTRs and composition, so that a model trained on `SOURCE` has
something to learn from `TARGET`. `helixer-ft simulate` writes one to disk.
"""
