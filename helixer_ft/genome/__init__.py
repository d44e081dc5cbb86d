"""Sequences and gene models, read from FASTA and GFF3."""
