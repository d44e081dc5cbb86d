"""Predicted gene models scored against a reference: exons, introns, transcripts, genes.

Gene models are read by `helixer_ft.preparation`; definitions are in docs/gene_scores.md.
"""
